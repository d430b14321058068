//! The contract of the queue when processes are killed or stopped and Postgres goes away under them.

use longshore::{
    dev::postgres::{Cluster, Options},
    queue::settle::Verdict,
    workers::{ids::JobId, job::Stop},
};

use crate::support::{
    Fleet, Stepper, TestDb,
    fleet::Census,
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
    fleet.all_ended().await;
    worker.stop().await;
    fleet.nothing_lost().await;
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

#[tokio::test]
async fn a_worker_stopped_past_its_lease_can_neither_complete_nor_write() {
    let fleet = Fleet::new().await;
    let job = fleet.enqueue(&Scripted::new("stall_in_transaction")).await;
    let zombie = fleet.worker_process();
    fleet.reached(job, "in_transaction").await;
    zombie.signal("-STOP");
    let worker = fleet.worker();
    fleet.all_ended().await;
    zombie.signal("-CONT");
    // It notices that it is dead to the fleet, drops what it had, and works on under a new boot id.
    let next = fleet.enqueue(&Scripted::new("effect")).await;
    worker.stop().await;
    fleet.all_ended().await;
    assert_eq!((fleet.effects(job).await, fleet.effects(next).await), (1, 1));
    assert_eq!(fleet.attempts(job).await, ["1 lost"]);
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn a_stale_fence_is_refused_by_every_door() {
    let fleet = Fleet::new().await;
    let job = fleet.enqueue(&Scripted::new("effect")).await;
    let stale = Stepper::new(&fleet.db, kinds::registry(), services(&fleet.db)).await;
    let old = stale.claim("scripts", 1).await.pop().unwrap();
    stale.die(&fleet.db).await;
    stale.reap().await;
    let fresh = Stepper::new(&fleet.db, kinds::registry(), services(&fleet.db)).await;
    let new = fresh.claim("scripts", 1).await.pop().unwrap();
    assert!(new.claim.lease.fence > old.claim.lease.fence);

    assert!(!stale.settle(&old, Verdict::Done { output: None }).await, "settled under a stale fence");
    assert!(!stale.finish(&old).await, "finished under a stale fence");
    assert!(matches!(stale.ctx(&old).progress(1, None).await, Err(Stop::Fenced)), "reported progress under a stale fence");
    assert_eq!(stale.run(old).await, Verdict::Nothing, "the handler's own completion is refused");
    assert_eq!(fleet.effects(job).await, 0, "and its effect rolled back");

    assert!(fresh.settle(&new, Verdict::Done { output: None }).await);
    assert!(!fresh.settle(&new, Verdict::Done { output: None }).await, "a second completion is refused");
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn a_restart_of_postgres_under_load_loses_nothing_and_repeats_no_effect() {
    let folder = std::env::temp_dir().join(format!("longshore-test-{}-restart", std::process::id()));
    let settings = vec!["max_connections=100".to_owned()];
    let mut cluster = Cluster::start(Options { folder, temporary: true, settings }).expect("a cluster");
    let fleet = Fleet::over(TestDb::in_cluster(&cluster, "restart").await).await;
    let mut jobs = Vec::new();
    for _ in 0..200 {
        jobs.push(fleet.enqueue(&Scripted::new("effect")).await);
    }
    let worker = fleet.worker_with(kinds::registry(), 4);
    fleet.until("some work to be done", || async { fleet.census().await.done > 20 }).await;
    cluster = tokio::task::spawn_blocking(move || {
        cluster.crash_and_restart().expect("a restart");
        cluster
    })
    .await
    .unwrap();
    // Accepted after the crash, by the same pools.
    jobs.push(fleet.enqueue_retrying(&Scripted::new("effect")).await);
    fleet.all_ended().await;
    worker.stop().await;
    for job in jobs {
        assert_eq!(fleet.effects(job).await, 1, "{job}");
    }
    fleet.nothing_lost().await;
    drop(cluster);
}

#[tokio::test]
async fn killed_backends_lose_nothing_and_repeat_no_effect() {
    let fleet = Fleet::new().await;
    let mut jobs = Vec::new();
    for _ in 0..200 {
        jobs.push(fleet.enqueue(&Scripted::new("effect")).await);
    }
    let worker = fleet.worker_with(kinds::registry(), 8);
    let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                where datname = current_database() and usename = 'longshore_worker' and pid <> pg_backend_pid()";
    let mut rounds = 0;
    loop {
        sqlx::query(kill).execute(&fleet.db.admin).await.unwrap();
        rounds += 1;
        let ended = |census: Census| census.done + census.dead;
        let before = ended(fleet.census().await);
        if before == 200 {
            break;
        }
        fleet.until("progress between two kills", || async { ended(fleet.census().await) > before }).await;
    }
    worker.stop().await;
    // A job whose every attempt lost its connection is dead; then it had no effect at all.
    let dead: Vec<i64> = sqlx::query_scalar("select job_id from queue.dead").fetch_all(&fleet.db.admin).await.unwrap();
    for job in jobs {
        let expected = i64::from(!dead.contains(&job.0));
        assert_eq!(fleet.effects(job).await, expected, "{job} after {rounds} rounds");
    }
    fleet.nothing_lost().await;
}
