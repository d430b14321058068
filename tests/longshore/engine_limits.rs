//! Limits, pauses and turns: what may run is bounded, what is held back is out of the way, and no place is lost.

use longshore::{
    queue::settle::Verdict,
    store::jobs::Hop,
    workers::{enqueue::Options, ids::TeamId},
};
use std::time::Duration;

use crate::support::{
    Fleet, Stepper,
    kinds::{self, Limited, Scripted},
    services,
};

async fn stepper(fleet: &Fleet) -> Stepper {
    Stepper::new(&fleet.db, kinds::registry().add::<Limited>(), services(&fleet.db)).await
}

async fn set_lane(fleet: &Fleet, team: Option<TeamId>, settings: &str) {
    let team = team.map_or("null".to_owned(), |team| format!("'{team}'"));
    let found: bool = fleet.ask(format!("select queue.set_lane('scripts', {team}, {settings})")).await;
    assert!(found);
}

/// Weight, limit, rate, burst, cap.
const TWO_AT_ONCE: &str = "null, 2, null, null, null";

/// Four claimers work through the queue at once; the most jobs that any of them saw running.
async fn most_at_once(fleet: &Fleet) -> i64 {
    let claimer = async || {
        let steps = stepper(fleet).await;
        let (mut most, mut idle) = (0, 0);
        while idle < 20 {
            let claimed = steps.claim("scripts", 3).await;
            idle = if claimed.is_empty() { idle + 1 } else { 0 };
            most = most.max(fleet.running().await);
            for job in claimed {
                assert!(steps.settle(&job, Verdict::Done { output: None }).await);
            }
        }
        most
    };
    let claimers = (0..4).map(|_| Box::pin(claimer()));
    futures_util::future::join_all(claimers).await.into_iter().max().unwrap()
}

#[tokio::test]
async fn a_lanes_limit_is_never_exceeded_by_claimers_at_once() {
    let fleet = Fleet::new().await;
    set_lane(&fleet, Some(fleet.team), "null, 5, null, null, null").await;
    fleet.enqueue_many(&Scripted::new("nothing"), 120).await;
    assert_eq!(most_at_once(&fleet).await, 5, "the limit is used, and not exceeded");
    assert_eq!((fleet.census().await.done, fleet.running().await), (120, 0));
}

#[tokio::test]
async fn a_keys_limit_is_never_exceeded_by_claimers_at_once() {
    let fleet = Fleet::new().await;
    for _ in 0..60 {
        fleet.enqueue_with(fleet.team, &Scripted::new("nothing"), Options::default().limit("k", 5)).await;
    }
    assert_eq!(most_at_once(&fleet).await, 5, "the limit is used, and not exceeded");
    assert_eq!((fleet.census().await.done, fleet.running().await), (60, 0));
    fleet.nothing_lost().await;
}

/// Ends a job in every way there is, each time under a limit of one: the next job must find the place free.
async fn no_way_to_end_leaks_a_place(fleet: &Fleet, options: Options) {
    let delay = Duration::from_secs(3600);
    let ways = [
        Verdict::Done { output: None },
        Verdict::Done { output: Some(1.into()) },
        Verdict::Retry { delay, error: "e".into() },
        Verdict::Snooze { delay, reason: "s".into() },
        Verdict::Unknown { delay, intent: "i".into() },
        Verdict::Park { reason: "p".into() },
        Verdict::Dead { error: "d".into() },
        Verdict::Cancelled,
    ];
    for _ in 0..ways.len() + 4 {
        fleet.enqueue_with(fleet.team, &Scripted::new("effect"), options.clone()).await;
    }
    let steps = stepper(fleet).await;
    for way in ways {
        let claimed = steps.claim("scripts", 5).await;
        assert_eq!(claimed.len(), 1, "before {way:?}");
        assert!(steps.claim("scripts", 5).await.is_empty(), "a second beside the one");
        assert!(steps.settle(&claimed[0], way).await);
    }
    // Handed back unrun, completed by its handler, its claim never answered, its process gone.
    let handed_back = steps.claim("scripts", 5).await.pop().unwrap();
    assert!(steps.settle(&handed_back, Verdict::Released).await);
    let again = steps.claim("scripts", 5).await.pop().unwrap();
    assert_eq!(again.claim.job, handed_back.claim.job);
    assert_eq!(steps.run(again).await, Verdict::Nothing, "completed inside its own transaction");
    assert_eq!(steps.claim("scripts", 5).await.len(), 1);
    assert_eq!(steps.disown(&[]).await, 1);
    assert_eq!(steps.claim("scripts", 5).await.len(), 1);
    steps.die(&fleet.db).await;
    let heir = stepper(fleet).await;
    assert!(heir.claim("scripts", 5).await.is_empty(), "its lease is not reaped yet");
    heir.reap().await;
    let first = heir.claim("scripts", 5).await;
    assert_eq!(first.len(), 1, "the place of the lost one");
    heir.settle(&first[0], Verdict::Done { output: None }).await;
    while let Some(job) = heir.claim("scripts", 5).await.pop() {
        heir.settle(&job, Verdict::Done { output: None }).await;
    }
    assert_eq!(fleet.running().await, 0);
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn no_way_to_end_leaks_a_place_in_a_lane() {
    let fleet = Fleet::new().await;
    set_lane(&fleet, None, "null, 1, null, null, null").await;
    no_way_to_end_leaks_a_place(&fleet, Options::default()).await;
}

#[tokio::test]
async fn no_way_to_end_leaks_a_place_of_a_key() {
    let fleet = Fleet::new().await;
    no_way_to_end_leaks_a_place(&fleet, Options::default().limit("k", 1)).await;
}

#[tokio::test]
async fn blocked_jobs_are_out_of_the_way_and_wake_one_by_one() {
    let fleet = Fleet::new().await;
    for _ in 0..6 {
        fleet.enqueue_with(fleet.team, &Scripted::new("nothing"), Options::default().limit("k", 2)).await;
    }
    let free = fleet.enqueue(&Scripted::new("nothing")).await;
    let steps = stepper(&fleet).await;
    let claimed = steps.claim("scripts", 5).await;
    assert_eq!(claimed.len(), 3);
    assert_eq!(claimed[2].claim.job, free, "a job behind the blocked ones");
    let census = fleet.census().await;
    assert_eq!((census.blocked, census.ready), (4, 0));
    steps.settle(&claimed[0], Verdict::Done { output: None }).await;
    let census = fleet.census().await;
    assert_eq!((census.blocked, census.ready), (3, 1), "one place, one job");
    assert_eq!(steps.claim("scripts", 5).await.len(), 1);
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn a_raised_limit_wakes_blocked_jobs_and_a_lowered_one_holds() {
    let fleet = Fleet::new().await;
    for _ in 0..6 {
        fleet.enqueue_with(fleet.team, &Scripted::new("nothing"), Options::default().limit("k", 1)).await;
    }
    let steps = stepper(&fleet).await;
    let claimed = steps.claim("scripts", 9).await;
    assert_eq!((claimed.len(), fleet.census().await.blocked), (1, 5));
    fleet.tell(format!("select queue.set_key_limit('{}', 'k', 3)", fleet.team)).await;
    let more = steps.claim("scripts", 9).await;
    assert_eq!((more.len(), fleet.census().await.blocked), (2, 3));
    fleet.tell(format!("select queue.set_key_limit('{}', 'k', 1)", fleet.team)).await;
    for job in claimed.iter().chain(&more[..1]) {
        steps.settle(job, Verdict::Done { output: None }).await;
        assert!(steps.claim("scripts", 9).await.is_empty(), "more run than the lowered limit");
    }
    steps.settle(&more[1], Verdict::Done { output: None }).await;
    assert_eq!(steps.claim("scripts", 9).await.len(), 1);
}

#[tokio::test]
async fn a_blocked_job_can_be_cancelled_and_the_next_still_wakes() {
    let fleet = Fleet::new().await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(fleet.enqueue_with(fleet.team, &Scripted::new("nothing"), Options::default().limit("k", 1)).await);
    }
    let steps = stepper(&fleet).await;
    let first = steps.claim("scripts", 9).await.pop().unwrap();
    let answer: String = fleet.ask(format!("select queue.cancel('{}', {}, 'a test')", fleet.team, jobs[1].0)).await;
    assert_eq!(answer, "cancelled");
    steps.settle(&first, Verdict::Done { output: None }).await;
    assert_eq!(steps.claim("scripts", 9).await[0].claim.job, jobs[2]);
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn a_kind_declares_its_limit_and_every_way_in_keeps_it() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    fleet.enqueue_many(&Limited { to: "line".into() }, 5).await;
    fleet.enqueue(&Limited { to: "line".into() }).await;
    fleet.enqueue(&Limited { to: String::new() }).await;
    let claimed = steps.claim("scripts", 20).await;
    assert_eq!((claimed.len(), fleet.census().await.blocked), (3, 4));
    let first = fleet
        .enqueue_with(fleet.team, &Scripted::new("nothing"), Options::default().then(&Limited { to: "line".into() }).unwrap())
        .await;
    let opener = steps.claim("scripts", 20).await.pop().unwrap();
    assert_eq!(opener.claim.job, first);
    steps.settle(&opener, Verdict::Done { output: None }).await;
    assert!(steps.claim("scripts", 20).await.is_empty(), "the link of a chain has its kind's limit too");
    assert_eq!(fleet.census().await.blocked, 5);
}

#[tokio::test]
async fn a_key_too_long_for_an_index_is_refused_and_not_left_to_fail_the_claim() {
    let fleet = Fleet::new().await;
    let enqueue =
        |options: &str| format!("select queue.enqueue('{}', 'scripted', '{{\"does\": \"nothing\"}}', {options})", fleet.team);
    let long = fleet.refused(enqueue("limit_key => repeat('k', 201)")).await;
    assert_eq!(long, ("LS017".to_owned(), "limit_key".to_owned()));
    let none = fleet.refused(enqueue("limit_key => 'k', limit_to => 0")).await;
    assert_eq!(none, ("LS017".to_owned(), "limit_to".to_owned()));
    let row: String = fleet
        .ask(format!(
            "select problem from queue.enqueue_many('{}', 'scripted', array['{{\"does\": \"nothing\"}}']::jsonb[], limit_keys => array[repeat('k', 9000)])",
            fleet.team
        ))
        .await;
    assert!(row.starts_with("LS017|limit_key|"), "{row}");
}

#[tokio::test]
async fn weights_give_shares_however_few_slots_are_free() {
    for slots in [1, 7, 20, 100] {
        let fleet = Fleet::new().await;
        let second = fleet.db.team("second").await;
        set_lane(&fleet, Some(fleet.team), "3::smallint, null, null, null, null").await;
        for team in [fleet.team, second] {
            fleet
                .tell(format!(
                    "select count(*) from queue.enqueue_many('{team}', 'scripted', array_fill('{{\"does\": \"nothing\"}}'::jsonb, array[900]))"
                ))
                .await;
        }
        let steps = stepper(&fleet).await;
        let (mut hop, mut heavy, mut all) = (Hop::default(), 0, 0);
        while all < 400 {
            let claimed = steps.claim_on("scripts", slots, hop).await;
            hop = hop.past(&claimed);
            heavy += claimed.iter().filter(|job| job.claim.team == fleet.team).count();
            all += claimed.len();
        }
        let share = heavy as f64 / all as f64;
        assert!((0.65..0.85).contains(&share), "with {slots} slots the team of weight 3 has {share} of {all} jobs");
    }
}

#[tokio::test]
async fn priority_decides_across_the_kinds_of_a_team() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    let with = |priority| Options { priority: Some(priority), ..Options::default() };
    let other = Limited { to: String::new() };
    let mut expected = Vec::new();
    for priority in [5, 0, 7, 3] {
        expected.push((priority, fleet.enqueue_with(fleet.team, &Scripted::new("nothing"), with(priority)).await));
        expected.push((priority + 1, fleet.enqueue_with(fleet.team, &other, with(priority + 1)).await));
    }
    expected.sort_unstable();
    let mut order = Vec::new();
    while let Some((job, _)) = steps.next("scripts").await {
        order.push(job);
    }
    assert_eq!(order, expected.into_iter().map(|(_, job)| job).collect::<Vec<_>>());
}

/// Pauses by `words`; only jobs of the first team and of the kind `scripted` may be held back by it.
async fn only_what_is_paused_is_skipped(words: &str, held: [bool; 4]) {
    let fleet = Fleet::new().await;
    let second = fleet.db.team("second").await;
    let steps = stepper(&fleet).await;
    let other = Limited { to: String::new() };
    let jobs = [
        fleet.enqueue(&Scripted::new("nothing")).await,
        fleet.enqueue(&other).await,
        fleet.enqueue_with(second, &Scripted::new("nothing"), Options::default()).await,
        fleet.enqueue_with(second, &other, Options::default()).await,
    ];
    let words = words.replace("TEAM", &format!("'{}'", fleet.team));
    let (queue, rest) = words.split_once(", ").unwrap();
    let paused: bool = fleet.ask(format!("select queue.pause({queue}, 'a test', 'why', {rest})")).await;
    assert!(paused);
    let claim = async || -> Vec<_> {
        let mut claimed = Vec::new();
        loop {
            let more = steps.claim("scripts", 10).await;
            if more.is_empty() {
                return claimed;
            }
            claimed.extend(more.into_iter().map(|job| job.claim.job));
        }
    };
    let claimed = claim().await;
    for (job, held) in std::iter::zip(jobs, held) {
        assert_eq!(claimed.contains(&job), !held, "{job} under pause({words})");
    }
    let resumed: bool = fleet.ask(format!("select queue.resume({words})")).await;
    assert!(resumed);
    assert_eq!(claim().await.len(), held.iter().filter(|held| **held).count());
}

#[tokio::test]
async fn a_paused_team_is_skipped_and_its_neighbours_are_not() {
    only_what_is_paused_is_skipped("null, TEAM, null", [true, true, false, false]).await;
    only_what_is_paused_is_skipped("'scripts', TEAM, null", [true, true, false, false]).await;
}

#[tokio::test]
async fn a_paused_kind_is_skipped_and_its_neighbours_are_not() {
    only_what_is_paused_is_skipped("null, null, 'scripted'", [true, false, true, false]).await;
    only_what_is_paused_is_skipped("null, TEAM, 'scripted'", [true, false, false, false]).await;
}

#[tokio::test]
async fn a_thousand_paused_lanes_do_not_hide_the_work_behind_them() {
    let fleet = Fleet::new().await;
    stepper(&fleet).await;
    fleet
        .tell(
            "insert into longshore.teams (name) select 'paused ' || n from generate_series(1, 1500) n;
             select queue.enqueue(team_id, 'limited', '{\"to\": \"\"}') from longshore.teams where name like 'paused %';
             select queue.pause(null, 'a test', null, null, 'limited');
             select queue.enqueue(max(team_id::text)::uuid, 'scripted', '{\"does\": \"nothing\"}') from longshore.teams;",
        )
        .await;
    let _worker = fleet.worker_with(kinds::registry().add::<Limited>(), 20);
    fleet.until("the job behind them to end", || async { fleet.census().await.done == 1 }).await;
}

#[tokio::test]
async fn a_freed_place_in_a_lane_is_taken_at_once_though_nobody_rings() {
    let fleet = Fleet::new().await;
    set_lane(&fleet, None, TWO_AT_ONCE).await;
    fleet.enqueue_many(&Scripted::new("nothing"), 40).await;
    let _worker = fleet.worker_that_hardly_looks(20);
    fleet.all_ended().await;
    assert_eq!(fleet.census().await.done, 40);
}
