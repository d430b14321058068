//! Rates, caps, the bell, and jobs that kill their process.

use chrono::{DateTime, Utc};
use longshore::{
    queue::settle::Verdict,
    workers::{db, enqueue::Options},
};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crate::support::{
    Fleet, Stepper,
    kinds::{self, Scripted},
    services,
};

async fn stepper(fleet: &Fleet) -> Stepper {
    Stepper::new(&fleet.db, kinds::registry(), services(&fleet.db)).await
}

#[tokio::test]
async fn a_lanes_rate_holds_whoever_claims() {
    let fleet = Fleet::new().await;
    fleet.tell(format!("select queue.set_lane('scripts', '{}', null, null, 20, 5, null)", fleet.team)).await;
    fleet.enqueue_many(&Scripted::new("nothing"), 200).await;
    let (one, two) = (stepper(&fleet).await, stepper(&fleet).await);
    let began = Instant::now();
    let claimed = AtomicUsize::new(0);
    fleet
        .until("twenty claims", || async {
            let (a, b) = tokio::join!(one.claim("scripts", 50), two.claim("scripts", 50));
            claimed.fetch_add(a.len() + b.len(), Ordering::Relaxed) + a.len() + b.len() >= 20
        })
        .await;
    let (claimed, most) = (claimed.into_inner(), 5.0 + 20.0 * began.elapsed().as_secs_f64());
    assert!((claimed as f64) <= most + 1.0, "{claimed} claims where {most} were allowed");
}

#[tokio::test]
async fn a_named_rate_holds_across_processes() {
    let fleet = Fleet::new().await;
    fleet.tell(format!("select queue.set_bucket('{}', 'vendor', 20, 2)", fleet.team)).await;
    let _processes = (fleet.worker_process(), fleet.worker_process());
    let two = "select count(distinct boot_id) = 2 from queue.processes";
    fleet.until("both processes", || async { fleet.ask::<bool>(two).await }).await;
    let began: DateTime<Utc> = fleet.ask("select clock_timestamp()").await;
    fleet.enqueue_many(&Scripted::new("permit"), 40).await;
    fleet.all_ended().await;
    assert_eq!(fleet.census().await.done, 40);
    let last: DateTime<Utc> = fleet.ask("select max(at) from public.effects").await;
    // Two at once, then twenty a second: however late any of them was, the last can't have been earlier.
    let took = (last - began).as_seconds_f64();
    assert!(took >= 38.0 / 20.0, "forty calls in {took} s");
    let failed: i64 = fleet.ask("select count(*) from queue.attempts").await;
    assert_eq!(failed, 0, "waiting for a rate burns no attempt");
}

#[tokio::test]
async fn where_the_rate_is_used_up_for_long_the_job_comes_back_then() {
    let fleet = Fleet::new().await;
    fleet.tell("select queue.set_bucket(null, 'vendor', 0.01, 1)").await;
    let second = fleet.db.team("second").await;
    let steps = stepper(&fleet).await;
    fleet.enqueue(&Scripted::new("permit")).await;
    fleet.enqueue_with(second, &Scripted::new("permit"), Options::default()).await;
    assert_eq!(steps.next("scripts").await.unwrap().1, Verdict::Nothing, "done in its own transaction");
    // The rate of no team is every team's together.
    match steps.next("scripts").await.unwrap().1 {
        Verdict::Snooze { delay, .. } => assert!((90..=100).contains(&delay.as_secs()), "{delay:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(fleet.census().await.scheduled, 1);
}

#[tokio::test]
async fn a_cap_refuses_loudly_and_gives_way_when_the_backlog_does() {
    let fleet = Fleet::new().await;
    let second = fleet.db.team("second").await;
    fleet.tell(format!("select queue.set_lane('scripts', '{}', null, null, null, null, 3)", fleet.team)).await;
    let enqueue = |team| format!("select queue.enqueue('{team}', 'scripted', '{{\"does\": \"nothing\"}}')");
    for _ in 0..3 {
        fleet.tell(enqueue(fleet.team)).await;
    }
    fleet.tell("select queue.measure()").await;
    assert_eq!(fleet.refused(enqueue(fleet.team)).await.0, "LS008");
    let problem: String = fleet
        .ask(format!(
            "select problem from queue.enqueue_many('{}', 'scripted', array['{{\"does\": \"nothing\"}}']::jsonb[])",
            fleet.team
        ))
        .await;
    assert!(problem.starts_with("LS008|"), "{problem}");
    fleet.tell(enqueue(second)).await;
    let steps = stepper(&fleet).await;
    steps.drain("scripts").await;
    fleet.tell("select queue.measure()").await;
    let in_part: Vec<bool> = sqlx::query_scalar(
        "select problem like 'LS008|%' is true from queue.enqueue_many($1, 'scripted', array_fill('{\"does\": \"nothing\"}'::jsonb, array[5])) order by ordinal",
    )
    .bind(fleet.team.0)
    .fetch_all(&fleet.db.admin)
    .await
    .unwrap();
    assert_eq!(in_part, [false, false, false, true, true], "as many as there is room for");
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn an_idle_worker_hears_of_work_though_it_hardly_ever_looks() {
    let fleet = Fleet::new().await;
    let worker = fleet.worker_that_hardly_looks(5);
    for _ in 0..3 {
        fleet.until("the worker to sleep", || async { fleet.ask::<i64>("select count(*) from queue.sleepers").await == 1 }).await;
        fleet.enqueue(&Scripted::new("nothing")).await;
        fleet.all_ended().await;
    }
    fleet.enqueue_many(&Scripted::new("nothing"), 30).await;
    fleet.all_ended().await;
    worker.stop().await;
    assert_eq!(fleet.ask::<i64>("select count(*) from queue.sleepers").await, 0);
}

#[tokio::test]
async fn a_busy_fleet_is_not_notified() {
    let fleet = Fleet::new().await;
    let worker = fleet.worker_with(kinds::registry(), 2);
    let busy = [fleet.enqueue(&Scripted::new("wait")).await, fleet.enqueue(&Scripted::new("wait")).await];
    for job in busy {
        fleet.reached(job, "waiting").await;
    }
    fleet.until("nobody to sleep", || async { fleet.ask::<i64>("select count(*) from queue.sleepers").await == 0 }).await;
    let channel: String = fleet.ask("select 'longshore_' || id from queue.queues where name = 'scripts'").await;
    let mut listener = sqlx::postgres::PgListener::connect_with(&fleet.db.admin).await.unwrap();
    listener.listen(&channel).await.unwrap();
    for _ in 0..50 {
        fleet.enqueue(&Scripted::new("nothing")).await;
    }
    fleet.enqueue_many(&Scripted::new("nothing"), 50).await;
    fleet.tell(format!("select pg_notify('{channel}', 'the end')")).await;
    assert_eq!(listener.recv().await.unwrap().payload(), "the end", "somebody was notified before");
    worker.stop().await;
}

#[tokio::test]
async fn a_job_that_aborts_its_process_ends_dead_and_its_neighbours_finish() {
    let fleet = Fleet::new().await;
    let mut neighbours = Vec::new();
    let mut killer = None;
    for n in 0..50 {
        neighbours.push(fleet.enqueue(&Scripted::new("nap")).await);
        if n == 10 {
            killer = Some(fleet.enqueue(&Scripted::new("abort")).await);
        }
    }
    let killer = killer.unwrap();
    let mut deaths = 0;
    let mut process = fleet.worker_process();
    loop {
        let census = fleet.census().await;
        if census.accepted > 0 && census.accepted == census.done + census.dead {
            break;
        }
        // As a supervisor does.
        if !process.lives() {
            deaths += 1;
            process = fleet.worker_process();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(fleet.attempts(killer).await, ["1 lost", "2 lost", "3 lost"]);
    assert_eq!(deaths, 1, "only its first attempt had company");
    for job in neighbours {
        let lost = fleet.attempts(job).await;
        assert!(lost.len() <= 1, "{job}: {lost:?}");
    }
    let census = fleet.census().await;
    assert_eq!((census.done, census.dead), (50, 1));
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn progress_is_seen_and_leaves_the_checkpoint() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    fleet.enqueue(&Scripted::new("nothing")).await;
    let job = steps.claim("scripts", 1).await.pop().unwrap();
    let ctx = steps.ctx(&job);
    let mut tx = db::begin_as(&fleet.db.pool("worker"), fleet.team).await.unwrap();
    ctx.checkpoint(&mut tx, 1, Some(10), 7).await.unwrap();
    tx.commit().await.unwrap();
    ctx.progress(4, Some(10)).await.unwrap();
    assert_eq!(fleet.ask::<i64>("select done from queue.progress").await, 4);
    assert_eq!(ctx.last_checkpoint::<i64>().await.unwrap(), Some(7));
}
