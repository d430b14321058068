//! The contract of the queue, without faults.

use longshore::{
    queue::settle::Verdict,
    workers::{
        ctx::Ctx,
        db,
        enqueue::Options,
        job::{Done, Job, Outcome},
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::support::{
    Fleet, Stepper,
    kinds::{self, Scripted},
    services,
};

async fn stepper(fleet: &Fleet) -> Stepper {
    Stepper::new(&fleet.db, kinds::registry(), services(&fleet.db)).await
}

#[tokio::test]
async fn a_job_runs_once_and_is_done() {
    let fleet = Fleet::new().await;
    let job = fleet.enqueue(&Scripted::new("effect")).await;
    let worker = fleet.worker();
    fleet.all_ended().await;
    worker.stop().await;
    assert_eq!(fleet.effects(job).await, 1);
    assert_eq!(fleet.census().await.done, 1);
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn an_enqueue_lives_and_dies_with_its_transaction() {
    let fleet = Fleet::new().await;
    let enqueue = "select (queue.enqueue($1, 'scripted', '{\"does\": \"nothing\"}')).job_id";
    let mut tx = db::begin(&fleet.db.admin).await.unwrap();
    let _: i64 = sqlx::query_scalar(enqueue).bind(fleet.team.0).fetch_one(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(fleet.census().await.accepted, 0);
    let mut tx = db::begin(&fleet.db.admin).await.unwrap();
    let _: i64 = sqlx::query_scalar(enqueue).bind(fleet.team.0).fetch_one(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let _worker = fleet.worker();
    fleet.all_ended().await;
    assert_eq!(fleet.census().await.done, 1);
}

#[tokio::test]
async fn the_same_key_at_once_gives_one_job() {
    let fleet = Fleet::new().await;
    let script = Scripted::new("nothing");
    let calls = (0..50).map(|_| fleet.enqueue_with(fleet.team, &script, Options::key("k")));
    let mut jobs = futures_util::future::join_all(calls).await;
    jobs.dedup();
    assert_eq!(jobs.len(), 1);
    assert_eq!(fleet.census().await.accepted, 1);
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    text: String,
}

impl Job for Note {
    const KIND: &'static str = "scripted_note";
    const QUEUE: &'static str = "scripts";

    async fn run(&self, _: &Ctx) -> Outcome {
        Ok(Done::NOTHING)
    }
}

/// Panics when it is dropped unfinished, as a lock or a buffer may.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PanicsWhenDropped {}

impl Job for PanicsWhenDropped {
    const KIND: &'static str = "panics_when_dropped";
    const QUEUE: &'static str = "scripts";
    const TIMEOUT: std::time::Duration = std::time::Duration::from_millis(10);

    async fn run(&self, _: &Ctx) -> Outcome {
        struct Held;
        impl Drop for Held {
            fn drop(&mut self) {
                panic!("dropped with work to do");
            }
        }
        let _held = Held;
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_handler_that_panics_when_its_time_is_up_is_tried_again_as_any_that_panics() {
    let fleet = Fleet::new().await;
    let steps = Stepper::new(&fleet.db, kinds::registry().add::<PanicsWhenDropped>(), services(&fleet.db)).await;
    steps.enqueue(fleet.team, &PanicsWhenDropped {}).await;
    let job = steps.claim("scripts", 1).await.remove(0);
    let Verdict::Retry { error, .. } = steps.run(job).await else { panic!("another verdict") };
    assert!(error.contains("dropped with work to do"), "{error}");
}

#[tokio::test]
async fn the_same_key_for_other_work_is_refused_and_names_the_first() {
    let fleet = Fleet::new().await;
    fleet.enqueue_with(fleet.team, &Scripted::new("nothing"), Options::key("k")).await;
    let other = "select (queue.enqueue($1, 'scripted', '{\"does\": \"fail\"}', 'k')).job_id";
    let refused = sqlx::query_scalar::<_, i64>(other).bind(fleet.team.0).fetch_one(&fleet.db.admin).await.unwrap_err();
    let refused = refused.as_database_error().unwrap();
    assert_eq!(refused.code().as_deref(), Some("LS006"));
    assert!(refused.message().contains("'k'"), "{refused}");
}

#[tokio::test]
async fn a_bulk_enqueue_answers_each_row_for_itself() {
    let fleet = Fleet::new().await;
    let rows: Vec<(i32, Option<i64>, bool, Option<String>)> = sqlx::query_as(
        "select ordinal, job_id, deduplicated, problem from queue.enqueue_many($1, 'scripted',
           array['{\"does\": \"nothing\"}', '{}', '{\"does\": \"nothing\"}', '{\"does\": \"fail\"}', '{\"does\": \"nothing\"}']::jsonb[],
           array['a', 'b', 'a', 'a', null])",
    )
    .bind(fleet.team.0)
    .fetch_all(&fleet.db.admin)
    .await
    .unwrap();
    let first = rows[0].1;
    assert!(first.is_some() && !rows[0].2);
    assert!(rows[1].1.is_none() && rows[1].3.as_deref().unwrap().starts_with("LS002|payload.does|"), "{rows:?}");
    assert_eq!((rows[2].1, rows[2].2, rows[2].3.as_deref()), (first, true, None));
    assert!(rows[3].3.as_deref().unwrap().starts_with("LS006|"), "{rows:?}");
    assert!(rows[4].1.is_some() && rows[4].3.is_none());
    assert_eq!(fleet.census().await.accepted, 2);
}

#[tokio::test]
async fn failures_retry_with_growing_delays_and_end_dead_with_every_error() {
    let fleet = Fleet::new().await;
    let job = fleet.enqueue(&Scripted::new("fail")).await;
    let _worker = fleet.worker();
    fleet.all_ended().await;
    assert_eq!(fleet.attempts(job).await, ["1 retry", "2 retry", "3 dead"]);
    let (error, errors): (String, serde_json::Value) = sqlx::query_as("select error, errors from queue.dead where job_id = $1")
        .bind(job.0)
        .fetch_one(&fleet.db.admin)
        .await
        .unwrap();
    assert_eq!(error, "it failed in attempt 3");
    assert_eq!(errors.as_array().unwrap().len(), 3);
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn a_panic_is_an_attempt_and_harms_no_neighbour() {
    let fleet = Fleet::new().await;
    let bad = fleet.enqueue(&Scripted::new("panic")).await;
    let good = fleet.enqueue(&Scripted::new("effect")).await;
    let _worker = fleet.worker();
    fleet.all_ended().await;
    assert_eq!(fleet.attempts(bad).await, ["1 retry", "2 retry", "3 dead"]);
    assert_eq!(fleet.effects(good).await, 1);
}

#[tokio::test]
async fn a_snoozed_job_uses_up_no_attempt() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    fleet.enqueue(&Scripted::new("snooze")).await;
    assert!(matches!(steps.next("scripts").await.unwrap().1, Verdict::Snooze { .. }));
    steps.let_time_pass(&fleet.db).await;
    steps.promote().await;
    let again = steps.claim("scripts", 1).await.pop().unwrap();
    assert_eq!(again.claim.attempt, 1);
}

#[tokio::test]
async fn a_parked_job_waits_for_a_nod() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    fleet.enqueue(&Scripted::new("park")).await;
    assert!(matches!(steps.next("scripts").await.unwrap().1, Verdict::Park { .. }));
    steps.let_time_pass(&fleet.db).await;
    assert_eq!(steps.promote().await, 0);
    assert_eq!(fleet.census().await.parked, 1);
    let woken: i32 = sqlx::query_scalar("select queue.unpark($1, 'waiting_for_test')")
        .bind(fleet.team.0)
        .fetch_one(&fleet.db.admin)
        .await
        .unwrap();
    assert_eq!((woken, steps.promote().await), (1, 1));
}

#[tokio::test]
async fn an_output_that_cannot_be_stored_ends_dead_and_not_silently() {
    let fleet = Fleet::new().await;
    let bad = fleet.enqueue(&Scripted::new("output_nul")).await;
    let good = fleet.enqueue(&Scripted::new("output")).await;
    let _worker = fleet.worker();
    fleet.all_ended().await;
    let output: serde_json::Value = sqlx::query_scalar("select output from queue.outputs where job_id = $1")
        .bind(good.0)
        .fetch_one(&fleet.db.admin)
        .await
        .unwrap();
    assert_eq!(output["answer"], 42);
    assert_eq!(fleet.attempts(bad).await, ["1 dead"]);
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn cancelling_takes_hold_of_waiting_scheduled_and_running_jobs() {
    let fleet = Fleet::new().await;
    let waiting = fleet.enqueue(&Scripted::new("effect")).await;
    let later = Options { run_at: Some(services(&fleet.db).clock.now() + chrono::Duration::days(30)), ..Options::default() };
    let scheduled = fleet.enqueue_with(fleet.team, &Scripted::new("effect"), later).await;
    let cancel = async |job: longshore::workers::ids::JobId| {
        let cancel = sqlx::query_scalar::<_, Option<String>>("select queue.cancel($1, $2, 'a test')");
        cancel.bind(fleet.team.0).bind(job.0).fetch_one(&fleet.db.admin).await.unwrap()
    };
    assert_eq!(cancel(waiting).await.as_deref(), Some("cancelled"));
    assert_eq!(cancel(scheduled).await.as_deref(), Some("cancelled"));
    assert_eq!(cancel(waiting).await.as_deref(), Some("cancelled"), "a second call answers how it ended");
    let running = fleet.enqueue(&Scripted::new("wait")).await;
    let _worker = fleet.worker();
    fleet.reached(running, "waiting").await;
    assert_eq!(cancel(running).await.as_deref(), Some("cancelling"));
    fleet.all_ended().await;
    assert_eq!(fleet.census().await.cancelled, 3);
    assert_eq!((fleet.effects(waiting).await, fleet.effects(scheduled).await), (0, 0));
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn a_job_in_the_middle_of_a_chunk_can_be_cancelled() {
    let fleet = Fleet::new().await;
    let ids: Vec<i64> = sqlx::query_scalar(
        "select job_id from queue.enqueue_many($1, 'scripted', array_fill('{\"does\": \"nothing\"}'::jsonb, array[500]))",
    )
    .bind(fleet.team.0)
    .fetch_all(&fleet.db.admin)
    .await
    .unwrap();
    for id in [ids[0], ids[199], ids[200], ids[333], ids[499]] {
        let cancel = sqlx::query_scalar::<_, Option<String>>("select queue.cancel($1, $2, 'a test')");
        assert_eq!(cancel.bind(fleet.team.0).bind(id).fetch_one(&fleet.db.admin).await.unwrap().as_deref(), Some("cancelled"));
    }
    let _worker = fleet.worker_with(kinds::registry(), 100);
    fleet.all_ended().await;
    let census = fleet.census().await;
    assert_eq!((census.done, census.cancelled), (495, 5));
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn one_teams_thousand_do_not_delay_another_teams_one() {
    let fleet = Fleet::new().await;
    let second = fleet.db.team("second").await;
    sqlx::query(
        "select count(*) from queue.enqueue_many($1, 'scripted', array_fill('{\"does\": \"nothing\"}'::jsonb, array[1000]))",
    )
    .bind(fleet.team.0)
    .execute(&fleet.db.admin)
    .await
    .unwrap();
    fleet.enqueue_with(second, &Scripted::new("nothing"), Options::default()).await;
    let steps = stepper(&fleet).await;
    let mut first_of_second = None;
    let mut after = uuid::Uuid::nil();
    for turn in 0..3 {
        let claimed = steps.claim_after("scripts", 10, after).await;
        after = claimed.last().unwrap().claim.team.0;
        if claimed.iter().any(|job| job.claim.team == second) {
            first_of_second.get_or_insert(turn);
        }
    }
    assert!(first_of_second.is_some_and(|turn| turn <= 1), "the second team's job came in turn {first_of_second:?}");
}

#[tokio::test]
async fn a_claim_takes_no_more_than_its_slots_and_leaves_the_rest_ready() {
    let fleet = Fleet::new().await;
    sqlx::query(
        "select count(*) from queue.enqueue_many($1, 'scripted', array_fill('{\"does\": \"nothing\"}'::jsonb, array[450]))",
    )
    .bind(fleet.team.0)
    .execute(&fleet.db.admin)
    .await
    .unwrap();
    let steps = stepper(&fleet).await;
    assert_eq!(steps.claim("scripts", 7).await.len(), 7);
    // A chunk is not split for the smaller half of the slots; the next claim comes at once.
    assert_eq!(steps.claim("scripts", 300).await.len(), 193);
    assert_eq!(steps.claim("scripts", 107).await.len(), 107);
    let census = fleet.census().await;
    assert_eq!((census.running, census.ready), (307, 143));
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn kinds_unknown_to_a_build_are_left_for_one_that_knows_them() {
    let fleet = Fleet::new().await;
    let unknown = fleet.enqueue_other().await;
    fleet.enqueue(&Scripted::new("nothing")).await;
    let worker = fleet.worker();
    fleet.until("the known job to end", || async { fleet.census().await.done == 1 }).await;
    worker.stop().await;
    assert_eq!(fleet.census().await.ready, 1);
    let _newer = fleet.worker_with(kinds::registry().add::<Note>(), 20);
    fleet.all_ended().await;
    assert!(fleet.attempts(unknown).await.is_empty());
}

#[tokio::test]
async fn a_paused_queue_is_not_claimed_from_until_it_is_resumed() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    fleet.enqueue(&Scripted::new("nothing")).await;
    sqlx::query("select queue.pause('scripts', 'a test', null)").execute(&fleet.db.admin).await.unwrap();
    assert!(steps.claim("scripts", 1).await.is_empty());
    sqlx::query("select queue.resume('scripts')").execute(&fleet.db.admin).await.unwrap();
    assert_eq!(steps.claim("scripts", 1).await.len(), 1);
}

#[tokio::test]
async fn priority_then_age_decides_inside_a_team() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    let old = fleet.enqueue(&Scripted::new("nothing")).await;
    let young = fleet.enqueue(&Scripted::new("nothing")).await;
    let urgent =
        fleet.enqueue_with(fleet.team, &Scripted::new("nothing"), Options { priority: Some(0), ..Options::default() }).await;
    let mut order = Vec::new();
    while let Some((job, _)) = steps.next("scripts").await {
        order.push(job);
    }
    assert_eq!(order, [urgent, old, young]);
}

#[tokio::test]
async fn a_stopping_worker_hands_back_what_it_cannot_finish_without_burning_an_attempt() {
    let fleet = Fleet::new().await;
    let job = fleet.enqueue(&Scripted::new("wait")).await;
    let worker = fleet.worker();
    fleet.reached(job, "waiting").await;
    worker.stop().await;
    assert_eq!(fleet.census().await.ready, 1);
    let steps = stepper(&fleet).await;
    assert_eq!(steps.claim("scripts", 1).await[0].claim.attempt, 1);
    assert!(fleet.attempts(job).await.is_empty());
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_handed_back() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    for _ in 0..3 {
        fleet.enqueue(&Scripted::new("nothing")).await;
    }
    let known = steps.claim("scripts", 1).await;
    // Two more whose answer we pretend never came.
    steps.claim("scripts", 2).await;
    let handed_back = steps.disown(&[known[0].claim.lease.fence]).await;
    assert_eq!(handed_back, 2);
    let census = fleet.census().await;
    assert_eq!((census.running, census.ready), (1, 2));
    let again = steps.claim("scripts", 2).await;
    assert!(again.iter().all(|job| job.claim.attempt == 1), "they never ran");
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn the_claim_reads_by_index_however_much_is_ready() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    let mut touched = Vec::new();
    for jobs in [0_i32, 1_000, 200_000] {
        sqlx::query(
            "select count(*) from queue.enqueue_many($1, 'scripted', array_fill('{\"does\": \"nothing\"}'::jsonb, array[$2]))",
        )
        .bind(fleet.team.0)
        .bind(jobs)
        .execute(&fleet.db.admin)
        .await
        .unwrap();
        sqlx::raw_sql("analyze queue.ready; analyze queue.jobs").execute(&fleet.db.admin).await.unwrap();
        let scans = "select coalesce(sum(seq_scan), 0)::bigint from pg_stat_xact_user_tables where schemaname = 'queue' and (relname in ('ready', 'leases') or relname ~ '^jobs')";
        let mut tx = db::begin(&fleet.db.admin).await.unwrap();
        sqlx::query("select count(*) from queue.claim($1, 'scripts', 10, '00000000-0000-0000-0000-000000000000', '{scripted}')")
            .bind(steps.boot)
            .execute(&mut *tx)
            .await
            .unwrap();
        let seq_scans: i64 = sqlx::query_scalar(scans).fetch_one(&mut *tx).await.unwrap();
        tx.rollback().await.unwrap();
        touched.push((jobs, seq_scans));
    }
    // The process table has one row and no index worth using: it may be read whole; ready and jobs never.
    let whole = touched.iter().filter(|(_, scans)| *scans > 0).collect::<Vec<_>>();
    assert!(whole.is_empty(), "sequential scans by backlog: {whole:?}");
}

#[tokio::test]
async fn jobs_of_one_lease_that_complete_side_by_side_do_not_lock_each_other_out() {
    let fleet = Fleet::new().await;
    fleet.enqueue_many(&Scripted::new("nothing"), 2).await;
    let steps = stepper(&fleet).await;
    let claimed = steps.claim("scripts", 2).await;
    assert_eq!(claimed[0].claim.lease, claimed[1].claim.lease, "both in one lease");
    let (one, two) = (steps.ctx(&claimed[0]), steps.ctx(&claimed[1]));
    // Each holds the lease for its writes before either completes.
    let (first, second) = (one.fenced_tx().await.unwrap(), two.fenced_tx().await.unwrap());
    let (first, second) = tokio::join!(one.complete(first, ()), two.complete(second, ()));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(fleet.census().await.done, 2);
    fleet.nothing_lost().await;
}
