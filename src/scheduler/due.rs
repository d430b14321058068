//! Fires the ticks of schedules. The tick's row and its job commit together, so that it fires once, whoever is first; no
//! leader is needed.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use longshore_workers::{clock::Random, db};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::cron::{CronError, next_tick};
use crate::{
    admin::Pulse,
    store::{
        schedules,
        ticks::{self, Due},
    },
    telemetry,
};

/// A tick later than this was missed: then the schedule's policy decides.
const LATE: TimeDelta = TimeDelta::seconds(60);

/// What to do about a due tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Enqueue its job, or only record that it was skipped.
    pub fire: bool,
    /// The tick after it.
    pub next: DateTime<Utc>,
}

/// Decides about the tick that was due at `due`, at the moment `now` of the database. Pure.
pub fn decide(schedule: &Due, now: DateTime<Utc>) -> Result<Decision, CronError> {
    let next = |after| next_tick(&schedule.cron, &schedule.time_zone, after);
    let missed = now - schedule.due_at > LATE;
    Ok(match schedule.missed.as_str() {
        "skip" if missed => Decision { fire: false, next: next(now)? },
        // Every tick that was missed fires, one at a time, but for those too far back to be made up for.
        "catch_up" => {
            let most = usize::try_from(schedule.catch_up_most).unwrap_or(1).max(1);
            let (mut tick, mut newest) = (schedule.due_at, VecDeque::new());
            while tick <= now {
                newest.push_back(tick);
                if newest.len() > most {
                    newest.pop_front();
                }
                tick = next(tick)?;
            }
            match newest.front() {
                Some(&first) if first > schedule.due_at => Decision { fire: false, next: first },
                _ => Decision { fire: true, next: next(schedule.due_at)? },
            }
        }
        // One fires for all that were missed.
        _ if missed => Decision { fire: true, next: next(now)? },
        _ => Decision { fire: true, next: next(schedule.due_at)? },
    })
}

/// Fires due ticks about once every `every`.
pub async fn run(pool: PgPool, every: Duration, random: Arc<dyn Random>, pulse: Pulse, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match fire_due(&pool).await {
            // A full hand: there may be more.
            Ok(fired) if fired >= ticks::HAND => continue,
            Ok(_) => {}
            Err(error) => warn!("could not fire due schedules, trying again: {error}"),
        }
        pulse.beat();
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(every.mul_f64(0.75 + 0.5 * random.unit())) => {}
        }
    }
}

/// Fires what is due now; returns how many ticks there were.
pub async fn fire_due(pool: &PgPool) -> Result<usize, sqlx::Error> {
    let due = ticks::due(&mut *db::work(pool).await?).await?;
    for schedule in &due {
        let name = &schedule.name;
        match decide(schedule, schedule.now) {
            Ok(decision) => match fire(pool, schedule, &decision).await {
                Ok(Some(0)) => {
                    telemetry::tick(false);
                    info!(team.id = %schedule.team, schedule = name, due_at = %schedule.due_at, "tick missed and skipped");
                }
                Ok(Some(_)) => telemetry::tick(true),
                Ok(None) => {}
                // Its kind or payload is refused by now: it must not hold up the others, nor come back every second.
                Err(error) if is_refused(&error) => {
                    error!(team.id = %schedule.team, schedule = name, "the schedule can't be fired and is paused: {error}");
                    hold(pool, schedule, &error.to_string()).await?;
                }
                Err(error) => return Err(error),
            },
            Err(fault) => {
                error!(team.id = %schedule.team, schedule = name, "the schedule can't be read and is paused: {fault}");
                hold(pool, schedule, &fault.to_string()).await?;
            }
        }
    }
    Ok(due.len())
}

async fn fire(pool: &PgPool, schedule: &Due, decision: &Decision) -> Result<Option<i64>, sqlx::Error> {
    let mut work = db::work(pool).await?;
    let fired = ticks::tick(&mut work, schedule, decision).await?;
    work.done().await?;
    Ok(fired)
}

async fn hold(pool: &PgPool, schedule: &Due, reason: &str) -> Result<(), sqlx::Error> {
    let mut work = db::work(pool).await?;
    schedules::hold(&mut work, schedule.team, &schedule.name, Some(reason)).await?;
    work.done().await
}

/// The queue itself says no (docs/SQL.md). Whatever else a database answers, a restart above all, may be over in a second.
pub(super) fn is_refused(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code.starts_with("LS"))
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use longshore_workers::ids::TeamId;

    use super::*;

    fn at(hour: u32, minute: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 17, hour, minute, 0).unwrap()
    }

    fn hourly(missed: &str) -> Due {
        Due {
            team: TeamId::HOUSE,
            name: "hourly".into(),
            cron: "0 * * * *".into(),
            time_zone: "UTC".into(),
            missed: missed.into(),
            catch_up_most: 100,
            due_at: at(8, 0),
            now: at(8, 0),
        }
    }

    #[test]
    fn a_tick_in_time_fires_whatever_the_policy() {
        for policy in ["skip", "run_once", "catch_up"] {
            let decision = decide(&hourly(policy), at(8, 0)).unwrap();
            assert_eq!(decision, Decision { fire: true, next: at(9, 0) }, "{policy}");
        }
    }

    #[test]
    fn missed_ticks_are_skipped_run_once_or_caught_up_with() {
        let now = at(11, 30);
        assert_eq!(decide(&hourly("skip"), now).unwrap(), Decision { fire: false, next: at(12, 0) });
        assert_eq!(decide(&hourly("run_once"), now).unwrap(), Decision { fire: true, next: at(12, 0) });
        assert_eq!(decide(&hourly("catch_up"), now).unwrap(), Decision { fire: true, next: at(9, 0) });
    }

    #[test]
    fn no_more_is_caught_up_with_than_the_schedule_says() {
        let mut schedule = Due { catch_up_most: 2, ..hourly("catch_up") };
        let now = at(11, 30);
        // 8, 9, 10 and 11 were missed: 10 and 11 are made up for.
        assert_eq!(decide(&schedule, now).unwrap(), Decision { fire: false, next: at(10, 0) });
        schedule.due_at = at(10, 0);
        assert_eq!(decide(&schedule, now).unwrap(), Decision { fire: true, next: at(11, 0) });
        schedule.due_at = at(11, 0);
        assert_eq!(decide(&schedule, now).unwrap(), Decision { fire: true, next: at(12, 0) });
    }
}
