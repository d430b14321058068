//! A worker whose clock is wrong: what is decided is decided by the database's.

use chrono::{DateTime, TimeDelta, Utc};
use longshore::workers::enqueue::Options;

use crate::support::{Fleet, kinds::Scripted, programs};

/// Runs a worker process whose clock is off by `off` (`+5m`), and returns by how much it thinks so itself.
async fn off_by(off: &str) -> Option<TimeDelta> {
    let library = programs::find_faketime()?;
    let fleet = Fleet::new().await;
    let asked = fleet.enqueue(&Scripted::new("what_time")).await;
    let mut jobs = Vec::new();
    for n in 0..40 {
        let script = if n % 4 == 0 { "nap" } else { "effect" };
        jobs.push((script, fleet.enqueue(&Scripted::new(script)).await));
    }
    let now: DateTime<Utc> = fleet.ask("select now()").await;
    let later =
        fleet.enqueue_with(fleet.team, &Scripted::new("effect"), Options::default().at(now + TimeDelta::seconds(1))).await;
    let retried = fleet.enqueue(&Scripted::new("fail_once")).await;
    let library = library.to_str().expect("a path");
    let _worker = fleet.worker_process_with(&[("LD_PRELOAD", library), ("FAKETIME", off), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]);
    fleet.promises_hold().await;
    for (script, job) in jobs {
        assert!(fleet.attempts(job).await.is_empty(), "no lease was lost to the clock");
        assert_eq!(fleet.effects(job).await, i64::from(script == "effect"));
    }
    assert_eq!(fleet.attempts(retried).await, ["1 retry"]);
    let early: bool = fleet
        .ask(format!("select finished_at < '{}' from queue.outcomes where job_id = {}", now + TimeDelta::seconds(1), later.0))
        .await;
    assert!(!early, "a job for later ran before its time");
    let (said, finished): (serde_json::Value, DateTime<Utc>) =
        sqlx::query_as("select output, finished_at from queue.outputs join queue.outcomes using (job_id) where job_id = $1")
            .bind(asked.0)
            .fetch_one(&fleet.db.admin)
            .await
            .unwrap();
    let said: DateTime<Utc> = serde_json::from_value(said).unwrap();
    Some(said - finished)
}

#[tokio::test]
async fn a_worker_five_minutes_ahead_runs_nothing_early_and_loses_no_lease() {
    let Some(off) = off_by("+5m").await else { return };
    assert!(off > TimeDelta::minutes(4), "its clock was {off} off");
}

#[tokio::test]
async fn a_worker_five_minutes_behind_runs_nothing_late_and_keeps_no_lease_too_long() {
    let Some(off) = off_by("-5m").await else { return };
    assert!(off < TimeDelta::minutes(-4), "its clock was {off} off");
}
