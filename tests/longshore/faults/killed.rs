//! A process is killed while a job of it stands at a step.

use longshore::workers::ids::JobId;

use crate::support::{
    Fleet, Stepper,
    kinds::{self, Scripted},
    services,
};

/// Kills a worker process with SIGKILL while a job stands at `step`, then lets another finish the work.
async fn killed_at(script: &str, step: &str) -> (Fleet, JobId) {
    let fleet = Fleet::new().await;
    let job = fleet.enqueue(&Scripted::new(script)).await;
    let doomed = fleet.worker_process();
    fleet.reached(job, step).await;
    doomed.kill();
    let worker = fleet.worker();
    fleet.promises_hold().await;
    worker.stop().await;
    (fleet, job)
}

#[tokio::test]
async fn killed_before_the_effect_the_job_runs_again_and_takes_effect_once() {
    let (fleet, job) = killed_at("stall_before_effect", "before_effect").await;
    assert_eq!(fleet.effects(job).await, 1);
    assert_eq!(fleet.attempts(job).await, ["1 lost"], "the attempt that crashed counts");
}

#[tokio::test]
async fn killed_in_its_transaction_the_effect_rolls_back_with_the_completion() {
    let (fleet, job) = killed_at("stall_in_transaction", "in_transaction").await;
    assert_eq!(fleet.effects(job).await, 1);
    assert_eq!(fleet.attempts(job).await, ["1 lost"]);
}

#[tokio::test]
async fn killed_after_the_commit_nothing_is_repeated() {
    let (fleet, job) = killed_at("stall_after_commit", "after_commit").await;
    assert_eq!(fleet.effects(job).await, 1);
    assert!(fleet.attempts(job).await.is_empty(), "the commit was the end");
}

#[tokio::test]
async fn killed_between_steps_the_recorded_step_is_not_repeated() {
    let (fleet, job) = killed_at("stall_between_steps", "between_steps").await;
    assert_eq!(fleet.effects(job).await, 1);
    assert_eq!(fleet.attempts(job).await, ["1 lost"]);
}

#[tokio::test]
async fn a_job_that_always_kills_its_process_ends_dead_after_its_attempts() {
    let fleet = Fleet::new().await;
    let job = fleet.enqueue(&Scripted::new("nothing")).await;
    for attempt in 1..=3 {
        // Claimed by a process that is gone without a word.
        let steps = Stepper::new(&fleet.db, kinds::registry(), services(&fleet.db)).await;
        assert_eq!(steps.claim("scripts", 1).await[0].claim.attempt, attempt);
        steps.die(&fleet.db).await;
        steps.reap().await;
    }
    assert_eq!(fleet.attempts(job).await, ["1 lost", "2 lost", "3 lost"]);
    let error: String = sqlx::query_scalar("select error from queue.dead where job_id = $1")
        .bind(job.0)
        .fetch_one(&fleet.db.admin)
        .await
        .unwrap();
    assert!(error.starts_with("worker lost"), "{error}");
    fleet.nothing_lost().await;
}
