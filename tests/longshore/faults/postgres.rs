//! Postgres goes away under the fleet: all of it at once, or a connection at a time.

use std::time::{Duration, Instant};

use longshore::{
    dev::postgres::Options,
    workers::{enqueue, ids::JobId, job::Limit},
};

use crate::support::{Fleet, TestDb, database, kinds::Scripted};

/// So many jobs with an effect each, every fourth of them under a limit.
async fn effects(fleet: &Fleet, jobs: usize) -> Vec<JobId> {
    let mut all = Vec::new();
    for n in 0..jobs {
        let limit = (n % 4 == 0).then(|| Limit::new("five", 5));
        let options = enqueue::Options { limit, ..enqueue::Options::default() };
        all.push(fleet.enqueue_with(fleet.team, &Scripted::new("effect"), options).await);
    }
    all
}

#[tokio::test]
async fn a_restart_of_postgres_under_load_loses_nothing_and_repeats_no_effect() {
    let folder = std::env::temp_dir().join(format!("longshore-test-{}-restart", std::process::id()));
    let settings = vec!["max_connections=100".to_owned()];
    let mut cluster = database::start(Options { folder, temporary: true, settings });
    let fleet = Fleet::over(TestDb::in_cluster(&cluster, "restart").await).await;
    let mut jobs = effects(&fleet, 400).await;
    let _workers = [fleet.worker_process(), fleet.worker_process()];
    for round in 1..=2 {
        fleet.until("some work to be done", || async { fleet.census().await.done > round * 40 }).await;
        cluster = tokio::task::spawn_blocking(move || {
            cluster.crash_and_restart().expect("a restart");
            cluster
        })
        .await
        .unwrap();
    }
    // Accepted after the crash, by the same pools.
    jobs.push(fleet.enqueue_retrying(&Scripted::new("effect")).await);
    fleet.promises_hold().await;
    for job in jobs {
        assert_eq!(fleet.effects(job).await, 1, "{job}");
    }
    drop(cluster);
}

#[tokio::test]
async fn backends_killed_ten_times_a_second_lose_nothing_and_repeat_no_effect() {
    let fleet = Fleet::new().await;
    let mut jobs = effects(&fleet, 300).await;
    let _workers = [fleet.worker_process(), fleet.worker_process()];
    let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                where datname = current_database() and usename = 'longshore_worker'";
    let mut killed = 0;
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while began.elapsed() < Duration::from_secs(5) {
        tick.tick().await;
        killed += fleet.ask::<i64>(kill).await;
        // There is always something to do; and a producer is hit like everybody else.
        jobs.push(fleet.enqueue_retrying_as(&Scripted::new("effect"), &format!("{killed} {}", jobs.len())).await);
    }
    assert!(killed > 50, "only {killed} connections were there to be killed");
    fleet.promises_hold().await;
    // A job whose every attempt lost its connection is dead; then it had no effect at all.
    let dead: Vec<i64> = sqlx::query_scalar("select job_id from queue.dead").fetch_all(&fleet.db.admin).await.unwrap();
    for job in jobs {
        let expected = i64::from(!dead.contains(&job.0));
        assert_eq!(fleet.effects(job).await, expected, "{job} behind {killed} kills");
    }
}
