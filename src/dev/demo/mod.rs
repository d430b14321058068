//! The main job on real input, with everything going wrong that may, and the promises checked at the end.
//!
//! Two teams upload leads, enroll and text them, and look some up, while the sandbox misbehaves, a worker is killed and
//! some files are missing for a while. What must come of it is known before: the generator of the files says so.

mod doors;
pub mod show;
mod story;
mod team;
pub mod verdict;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use longshore_workers::clock::{Clock as _, SystemClock};

use self::{
    doors::Doors,
    show::Show,
    team::Team,
    verdict::{House, Seen, Verdict, judge},
};
use super::{
    leads_csv::Recipe,
    sandbox::{Sandbox, apollo, twilio},
    stack::Stack,
    up,
};
use crate::store::demo::Figures;

/// How large a demo is.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Rows in the first team's file.
    pub rows: u32,
    /// Another seed, other files.
    pub seed: u64,
}

/// Jobs a worker runs at once, in each queue.
const SLOTS: i64 = 24;
/// Leads that are looked up, and credits for about half of them.
const SAMPLE: i64 = 300;
const CREDITS: i64 = 330;
/// Files that are missing for a while.
const LETTERS: i64 = 3;
/// When nothing has moved for so long, nothing will: the verdict then says what is missing.
const PATIENCE: Duration = Duration::from_secs(45);
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// The settings of a stack in which the demo is to run, from the present moment on.
pub fn settings(now: DateTime<Utc>) -> Vec<(&'static str, String)> {
    vec![
        ("clock.offset_seconds", seconds_to_noon(now).to_string()),
        ("worker.slots", SLOTS.to_string()),
        // A killed worker's jobs come back within the demo.
        ("worker.lease_seconds", "9".into()),
        ("worker.beat_seconds", "3".into()),
        ("database.pools.handlers", "20".into()),
        // One in fifty sends hangs: none for long.
        ("vendors.twilio.timeout_milliseconds", "2000".into()),
        ("rules.messages.dispatch_milliseconds", "2000".into()),
        ("rules.messages.look_seconds", "3,6,12".into()),
        // The demo's credits are for people that are looked up.
        ("rules.messages.segment_credits", "0".into()),
    ]
}

/// How far the processes' clocks are set forward, so that it is day on the continent and still night in Hawaii: between
/// 17:05 and 17:45 UTC it is 9 o'clock or later in California and not yet 8 in Honolulu, in summer and in winter.
fn seconds_to_noon(now: DateTime<Utc>) -> i64 {
    let wanted = NaiveTime::from_hms_opt(17, 5, 0).unwrap_or_default();
    let today = now.date_naive().and_time(wanted).and_utc();
    if today <= now && now < today + TimeDelta::minutes(40) {
        return 0;
    }
    let next = if now < today { today } else { today + TimeDelta::days(1) };
    (next - now).num_seconds()
}

/// Runs the demo in a stack that was started with [`settings`].
pub async fn run(stack: &mut Stack, sandbox: &Sandbox, options: Options, show: Show) -> anyhow::Result<Verdict> {
    let started = Instant::now();
    let offset = TimeDelta::seconds(seconds_to_noon(SystemClock.now()));
    misbehave(sandbox, options.seed);
    let mut doors = Doors::open(stack, offset).await?;
    let small = Recipe { rows: options.rows / 10, seed: options.seed + 1, pilot: options.rows / 100, given_before: 0 };
    let large = Recipe { rows: options.rows, seed: options.seed, pilot: options.rows / 14, given_before: 0 };
    let mut teams =
        [Team::create(&mut doors, "Alpha", 13_475_550_100).await?, Team::create(&mut doors, "Beta", 13_475_550_101).await?];

    up::remember(stack, &teams[0].name, &teams[0].key)?;

    let step = show.step("upload and ingest", i64::from(large.rows + small.rows));
    for (team, recipe) in teams.iter_mut().zip([large, small]) {
        team.upload(&mut doors, recipe).await?;
    }
    teams[1].upload_missing(&mut doors, LETTERS, options.seed).await?;
    let wanted: i64 = teams.iter().map(|team| team.expected_rows() - team.hidden_rows()).sum();
    let seen = until(&mut doors, &teams, |all| {
        step.at(sum(all, |f| f.rows_in));
        sum(all, |f| f.rows_in) >= wanted && sum(all, |f| f.dead_open) == LETTERS && sum(all, |f| f.files_open) == LETTERS
    })
    .await?;
    step.done(&format!("{} rows, {} leads", sum(&seen, |f| f.rows_in), sum(&seen, |f| f.leads)));

    let step = show.step("dead letters, cause removed, replayed", LETTERS);
    teams[1].replay_missing(&mut doors).await?;
    let seen = until(&mut doors, &teams, |all| {
        step.at(LETTERS - sum(all, |f| f.files_open));
        sum(all, |f| f.files_open) == 0
    })
    .await?;
    step.done(&format!("{} replayed", sum(&seen, |f| f.replayed)));

    let step = show.step("opt-outs, campaigns, enrollment", teams.iter().map(Team::pilots).sum());
    for team in &mut teams {
        team.suppress(&mut doors).await?;
        team.enroll(&mut doors).await?;
    }
    let wanted: i64 = teams.iter().map(Team::pilots).sum();
    let seen = until(&mut doors, &teams, |all| {
        step.at(sum(all, |f| f.enrolled));
        sum(all, |f| f.enrolled) >= wanted && sum(all, |f| f.moving) == 0
    })
    .await?;
    step.done(&format!("{} enrolled", sum(&seen, |f| f.enrolled)));

    let step = show.step("look up people, on too few credits", SAMPLE);
    teams[0].look_up(&mut doors, &stack.api(), SAMPLE, CREDITS).await?;
    let seen = until(&mut doors, &teams, |all| {
        step.at(sum(all, |f| f.looked_up + f.out_of_credit));
        sum(all, |f| f.looked_up + f.out_of_credit) >= SAMPLE
    })
    .await?;
    step.done(&format!("{} found, {} out of credit", sum(&seen, |f| f.enriched), sum(&seen, |f| f.out_of_credit)));

    let step = show.step("send, with faults", teams.iter().map(Team::sendable).sum());
    for team in &mut teams {
        team.activate(&mut doors).await?;
    }
    let half: i64 = teams.iter().map(Team::sendable).sum::<i64>() / 2;
    until(&mut doors, &teams, |all| {
        step.at(sum(all, |f| f.accepted));
        sum(all, |f| f.accepted) >= half
    })
    .await?;
    stack.kill_worker(0).await.context("killing a worker")?;
    stack.start_worker(0).await.context("starting it again")?;
    let seen = until(&mut doors, &teams, |all| {
        step.at(sum(all, |f| f.accepted));
        sum(all, |f| f.moving) == 0
    })
    .await?;
    step.done(&format!("{} accepted; one worker killed with SIGKILL halfway", sum(&seen, |f| f.accepted)));

    if let Some(campaign) = teams[0].campaign() {
        story::tell(&mut doors, teams[0].id, campaign, show).await?;
    }

    let ids: Vec<_> = teams.iter().map(|team| team.id).collect();
    let house = House {
        charged: sandbox.apollo.total() - doors.captured_elsewhere(&ids).await?,
        discrepancies: doors.discrepancies().await?,
        in_hand: SLOTS,
    };
    let mut all: Vec<Seen> = Vec::new();
    for team in teams {
        all.push(team.seen(&mut doors, sandbox).await?);
    }
    Ok(judge(&all, &house, started.elapsed().as_secs_f64()))
}

/// Two in a hundred sends each: turned away, taken but answered with an error, taken but not answered.
fn misbehave(sandbox: &Sandbox, seed: u64) {
    let rates = [(twilio::Fault::RateLimited, 0.02), (twilio::Fault::ErrorAfter, 0.02), (twilio::Fault::HangAfter, 0.02)];
    sandbox.twilio.misbehave(twilio::Faults { seed, rates: rates.into(), ..Default::default() });
    let per_mille = [(apollo::Fault::RateLimit, 20)].into();
    sandbox.apollo.behave(apollo::Behaviour { seed, per_mille, ..Default::default() });
}

fn sum(all: &[Figures], count: fn(&Figures) -> i64) -> i64 {
    all.iter().map(count).sum()
}

/// Counts every team's work until `enough` says so, or until nothing moves any more.
async fn until(doors: &mut Doors, teams: &[Team], mut enough: impl FnMut(&[Figures]) -> bool) -> anyhow::Result<Vec<Figures>> {
    let (mut before, mut moved) = (Vec::new(), Instant::now());
    loop {
        let mut all = Vec::with_capacity(teams.len());
        for team in teams {
            all.push(doors.figures(team.id).await?);
        }
        if before != all {
            (before, moved) = (all.clone(), Instant::now());
        }
        if enough(&all) || moved.elapsed() > PATIENCE {
            return Ok(all);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use chrono::Timelike as _;
    use chrono_tz::{America::Los_Angeles, Pacific::Honolulu};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whenever_it_runs_it_is_day_in_california_and_night_in_honolulu(minutes in 0i64..4 * 366 * 24 * 60) {
            let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(56 * 365) + TimeDelta::minutes(minutes);
            let there = now + TimeDelta::seconds(seconds_to_noon(now));
            for moment in [there, there + TimeDelta::minutes(5)] {
                prop_assert!((9..12).contains(&moment.with_timezone(&Los_Angeles).hour()));
                prop_assert!(moment.with_timezone(&Honolulu).hour() < 8);
            }
        }
    }
}
