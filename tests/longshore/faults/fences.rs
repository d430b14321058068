//! Who lost a lease completes nothing, however late it wakes.

use longshore::{
    queue::settle::Verdict,
    workers::{
        enqueue::Options,
        failpoints,
        ids::JobId,
        job::{Limit, Stop},
    },
};

use crate::support::{
    Fleet, Stepper,
    kinds::{self, Scripted},
    process::WorkerProcess,
    services,
};

/// Stops a worker process while a job of it stands at `step`, until others have finished that; then lets it go on.
async fn stopped_at(fleet: &Fleet, script: &str, step: &str) -> (JobId, WorkerProcess) {
    let limit = Some(Limit::new("alone", 1));
    let job = fleet.enqueue_with(fleet.team, &Scripted::new(script), Options { limit, ..Options::default() }).await;
    let zombie = fleet.worker_process();
    fleet.reached(job, step).await;
    zombie.signal("-STOP");
    let worker = fleet.worker();
    fleet.all_ended().await;
    zombie.signal("-CONT");
    worker.stop().await;
    (job, zombie)
}

#[tokio::test]
async fn a_worker_stopped_past_its_lease_can_neither_complete_nor_write() {
    let fleet = Fleet::new().await;
    let (job, _zombie) = stopped_at(&fleet, "stall_in_transaction", "in_transaction").await;
    // It notices that it is dead to the fleet, drops what it had, and works on under a new boot id.
    let next = fleet.enqueue(&Scripted::new("effect")).await;
    fleet.promises_hold().await;
    assert_eq!((fleet.effects(job).await, fleet.effects(next).await), (1, 1));
    assert_eq!(fleet.attempts(job).await, ["1 lost"]);
}

/// Stops a worker process while a job of it stands at `step`, until another process runs that; then lets it go on. Both have
/// it in their hands now, until the test says `go` to the second.
async fn taken_over(fleet: &Fleet, script: &str, step: &str, failpoints: &str) -> (JobId, [WorkerProcess; 2]) {
    let job = fleet.enqueue(&Scripted::new(script)).await;
    let zombie = fleet.worker_process_with(&[(failpoints::VARIABLE, failpoints)]);
    fleet.reached(job, step).await;
    zombie.signal("-STOP");
    let heir = fleet.worker_process();
    fleet.reached(job, "taken_over").await;
    zombie.signal("-CONT");
    (job, [zombie, heir])
}

async fn go(fleet: &Fleet, job: JobId) {
    fleet.tell(format!("insert into public.steps (job_id, step) values ({}, 'go')", job.0)).await;
    fleet.promises_hold().await;
    assert_eq!(fleet.attempts(job).await, ["1 lost"]);
}

#[tokio::test]
async fn a_completion_that_a_stopped_worker_sends_when_it_wakes_is_refused_while_another_runs_the_job() {
    let fleet = Fleet::new().await;
    let (job, _workers) = taken_over(&fleet, "stubborn", "in_transaction", "").await;
    let answered = format!("select count(*) from public.steps where job_id = {} and step in ('refused', 'taken')", job.0);
    fleet.until("an answer to the one that woke", || async { fleet.ask::<i64>(answered.as_str()).await == 1 }).await;
    fleet.reached(job, "refused").await;
    assert_eq!((fleet.census().await.done, fleet.effects(job).await), (0, 0));
    go(&fleet, job).await;
    assert_eq!(fleet.effects(job).await, 1);
}

#[tokio::test]
async fn a_result_that_a_stopped_worker_records_when_it_wakes_is_refused_while_another_runs_the_job() {
    let fleet = Fleet::new().await;
    let count = "execute format('alter database %I set track_functions = %L', current_database(), 'all')";
    fleet.tell(format!("do $$ begin {count}; end $$")).await;
    // Its job is through, and what became of it is about to be recorded when it is stopped.
    let (job, _workers) = taken_over(&fleet, "hand_in", "through", "before_commit=sleep(8000)@1").await;
    let calls = "select coalesce(sum(calls), 0)::bigint from pg_stat_user_functions where funcname in ('finish', 'settle')";
    fleet.until("the late record", || async { fleet.ask::<i64>(calls).await > 0 }).await;
    assert_eq!((fleet.census().await.done, fleet.running().await), (0, 1));
    go(&fleet, job).await;
}

#[tokio::test]
async fn a_worker_stopped_with_its_lease_in_an_open_transaction_holds_its_job_no_longer_than_the_server_lets_it() {
    let fleet = Fleet::new().await;
    let idle = "execute format('alter database %I set idle_in_transaction_session_timeout = 4000', current_database())";
    fleet.tell(format!("do $$ begin {idle}; end $$")).await;
    let (job, _zombie) = stopped_at(&fleet, "stall_fenced", "fenced").await;
    fleet.promises_hold().await;
    assert_eq!(fleet.effects(job).await, 1);
    assert_eq!(fleet.attempts(job).await, ["1 lost"]);
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
    assert_eq!(stale.run(old.clone()).await, Verdict::Nothing, "the handler's own completion is refused");
    assert_eq!(fleet.effects(job).await, 0, "and its effect rolled back");

    for (boot, fence) in
        [(stale.boot, old.claim.lease.fence), (stale.boot, new.claim.lease.fence), (fresh.boot, old.claim.lease.fence)]
    {
        let finished = format!("select count(*) from queue.finish_leases('{boot}', array[{fence}], array[1], array[{}])", job.0);
        assert_eq!(fleet.ask::<i64>(finished).await, 0, "finished a lease that is another's, or gone");
    }

    assert!(fresh.settle(&new, Verdict::Done { output: None }).await);
    assert!(!fresh.settle(&new, Verdict::Done { output: None }).await, "a second completion is refused");
    fleet.nothing_lost().await;
}

/// A worker that was not told that its record stands tells of it again. By then as many others of the lease may be open as it
/// tells of.
#[tokio::test]
async fn a_record_that_is_repeated_ends_no_other_job() {
    let fleet = Fleet::new().await;
    for _ in 0..2 {
        fleet.enqueue(&Scripted::new("nothing")).await;
    }
    let worker = Stepper::new(&fleet.db, kinds::registry(), services(&fleet.db)).await;
    let claimed = worker.claim("scripts", 2).await;
    let [first, second] = &claimed[..] else { panic!("two jobs") };
    assert_eq!(first.claim.lease.fence, second.claim.lease.fence, "one lease");
    assert!(worker.finish(first).await);

    let (boot, fence) = (worker.boot, first.claim.lease.fence);
    let finish = |job: i64| format!("select count(*) from queue.finish_leases('{boot}', array[{fence}], array[1], array[{job}])");
    assert_eq!(fleet.ask::<i64>(finish(first.claim.job.0)).await, 0, "the other job ended unrun");
    assert_eq!(fleet.census().await.running, 1);
    assert_eq!(fleet.ask::<i64>(finish(second.claim.job.0)).await, 1);
    fleet.nothing_lost().await;
}
