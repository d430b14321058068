//! Idempotency keys: how long each scope stands, what each policy does, and that races give one job.

use std::time::Duration;

use longshore::{
    queue::settle::Verdict,
    workers::{
        clock::{Clock as _, SystemClock},
        db,
        enqueue::{self, Enqueued, KeyScope, OnConflict, Options},
        ids::JobId,
    },
};

use crate::support::{
    Fleet, Stepper,
    kinds::{self, Scripted},
    services,
};

async fn stepper(fleet: &Fleet) -> Stepper {
    Stepper::new(&fleet.db, kinds::registry(), services(&fleet.db)).await
}

async fn offer(fleet: &Fleet, note: &str, options: Options) -> Enqueued {
    let mut tx = db::begin_as(&fleet.db.admin, fleet.team).await.unwrap();
    let enqueued = enqueue::one(&mut tx, fleet.team, &Scripted::noted("nothing", note), options).await.unwrap();
    tx.commit().await.unwrap();
    enqueued
}

fn keyed(scope: KeyScope, policy: OnConflict) -> Options {
    Options::key("k").scope(scope).on_conflict(policy)
}

async fn end(fleet: &Fleet, way: Verdict) -> JobId {
    let steps = stepper(fleet).await;
    let job = steps.claim("scripts", 1).await.pop().expect("a job");
    assert!(steps.settle(&job, way).await);
    job.claim.job
}

/// What waits: each job's note and whether its time is still to come.
async fn waiting(fleet: &Fleet) -> Vec<(String, bool)> {
    sqlx::query_as(
        "select j.payload ->> 'note', s.job_id is not null from queue.jobs j left join queue.scheduled s on s.job_id = j.id
         where not queue.has_ended(j.id, j.team_id) and not exists (select from queue.leases l where j.id = any (l.open)) order by j.id",
    )
    .fetch_all(&fleet.db.admin)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_key_for_a_period_outlives_its_job_and_then_is_free() {
    let fleet = Fleet::new().await;
    let first = offer(&fleet, "a", keyed(KeyScope::For(Duration::from_secs(3600)), OnConflict::First)).await;
    end(&fleet, Verdict::Done { output: None }).await;
    let again = offer(&fleet, "a", keyed(KeyScope::default(), OnConflict::First)).await;
    assert_eq!(again, Enqueued { job: first.job, deduplicated: true });
    fleet.tell("update queue.keys set expires_at = now()").await;
    assert!(!offer(&fleet, "a", keyed(KeyScope::default(), OnConflict::First)).await.deduplicated);
}

#[tokio::test]
async fn a_key_for_ever_stays() {
    let fleet = Fleet::new().await;
    let first = offer(&fleet, "a", keyed(KeyScope::Forever, OnConflict::First)).await;
    end(&fleet, Verdict::Dead { error: "d".into() }).await;
    fleet.tell("select queue.tidy()").await;
    let again = offer(&fleet, "a", keyed(KeyScope::Forever, OnConflict::First)).await;
    assert_eq!(again, Enqueued { job: first.job, deduplicated: true });
}

#[tokio::test]
async fn a_key_while_unfinished_ends_with_its_job_however_that_ends() {
    let fleet = Fleet::new().await;
    let options = keyed(KeyScope::WhileUnfinished, OnConflict::First);
    let ends = [Verdict::Done { output: None }, Verdict::Dead { error: "d".into() }, Verdict::Cancelled];
    for way in ends {
        let first = offer(&fleet, "a", options.clone()).await;
        assert!(!first.deduplicated, "before {way:?}");
        assert!(offer(&fleet, "a", options.clone()).await.deduplicated, "while it waits");
        let steps = stepper(&fleet).await;
        let job = steps.claim("scripts", 1).await.pop().unwrap();
        assert!(offer(&fleet, "a", options.clone()).await.deduplicated, "while it runs");
        steps.settle(&job, Verdict::Retry { delay: Duration::ZERO, error: "e".into() }).await;
        assert!(offer(&fleet, "a", options.clone()).await.deduplicated, "while it waits for its next attempt");
        steps.promote().await;
        end(&fleet, way).await;
    }
    let waits = offer(&fleet, "a", options.clone()).await;
    fleet.tell(format!("select queue.cancel('{}', {}, 'a test')", fleet.team, waits.job.0)).await;
    assert!(!offer(&fleet, "a", options.clone()).await.deduplicated, "cancelled before it ran");
}

#[tokio::test]
async fn a_key_while_unfinished_does_not_outlive_its_jobs_history() {
    let fleet = Fleet::new().await;
    let options = keyed(KeyScope::WhileUnfinished, OnConflict::First);
    offer(&fleet, "a", options.clone()).await;
    end(&fleet, Verdict::Done { output: None }).await;
    // As when its partition was dropped before anybody forgot the key.
    fleet.tell("delete from queue.outcomes; delete from queue.jobs").await;
    assert!(!offer(&fleet, "b", options).await.deduplicated);
}

#[tokio::test]
async fn replacing_changes_the_payload_of_a_waiting_job_and_keeps_its_time() {
    let fleet = Fleet::new().await;
    let options = keyed(KeyScope::default(), OnConflict::Replace);
    let later = SystemClock.now() + chrono::Duration::hours(1);
    let first = offer(&fleet, "a", options.clone().at(later)).await;
    let second = offer(&fleet, "b", options.clone()).await;
    assert!(!second.deduplicated && second.job != first.job);
    assert_eq!(waiting(&fleet).await, [("b".to_owned(), true)]);
    let run_at: chrono::DateTime<chrono::Utc> = fleet.ask("select run_at from queue.scheduled").await;
    assert!((run_at - later).num_seconds().abs() < 1);
    assert_eq!(fleet.attempts(first.job).await, ["0 cancelled"], "what was replaced is on record");
    assert!(offer(&fleet, "b", options).await.deduplicated, "the same payload changes nothing");
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn debouncing_moves_the_time_with_each_call() {
    let fleet = Fleet::new().await;
    let now = SystemClock.now();
    for minutes in [1, 5, 3] {
        let options = keyed(KeyScope::WhileUnfinished, OnConflict::Debounce).at(now + chrono::Duration::minutes(minutes));
        offer(&fleet, "same", options).await;
    }
    assert_eq!(waiting(&fleet).await, [("same".to_owned(), true)]);
    let run_at: chrono::DateTime<chrono::Utc> = fleet.ask("select run_at from queue.scheduled").await;
    assert!((run_at - now - chrono::Duration::minutes(3)).num_seconds().abs() < 1, "the last call counts");
}

#[tokio::test]
async fn a_parked_job_that_is_replaced_runs_and_is_not_parked_for_ever() {
    let fleet = Fleet::new().await;
    let options = keyed(KeyScope::default(), OnConflict::Replace);
    offer(&fleet, "a", options.clone()).await;
    end(&fleet, Verdict::Park { reason: "waiting_for_test".into() }).await;
    offer(&fleet, "b", options).await;
    assert_eq!(waiting(&fleet).await, [("b".to_owned(), false)]);
}

#[tokio::test]
async fn a_blocked_job_is_replaced_where_it_waits() {
    let fleet = Fleet::new().await;
    let options = keyed(KeyScope::default(), OnConflict::Replace).limit("line", 1);
    fleet.enqueue_with(fleet.team, &Scripted::new("nothing"), Options::default().limit("line", 1)).await;
    offer(&fleet, "a", options.clone()).await;
    let steps = stepper(&fleet).await;
    assert_eq!(steps.claim("scripts", 5).await.len(), 1);
    assert_eq!(fleet.census().await.blocked, 1);
    offer(&fleet, "b", options).await;
    assert_eq!(waiting(&fleet).await, [("b".to_owned(), false)]);
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn a_suspect_is_replaced_where_it_waits() {
    let fleet = Fleet::new().await;
    let options = keyed(KeyScope::default(), OnConflict::Replace);
    offer(&fleet, "a", options.clone()).await;
    let steps = stepper(&fleet).await;
    assert_eq!(steps.claim("scripts", 5).await.len(), 1);
    steps.die(&fleet.db).await;
    steps.reap().await;
    offer(&fleet, "b", options).await;
    assert_eq!(waiting(&fleet).await, [("b".to_owned(), false)]);
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn a_running_job_is_not_replaced_and_the_new_one_comes_behind_it() {
    for policy in [OnConflict::Replace, OnConflict::Debounce] {
        let fleet = Fleet::new().await;
        let options = keyed(KeyScope::default(), policy);
        let first = offer(&fleet, "a", options.clone()).await;
        let steps = stepper(&fleet).await;
        let running = steps.claim("scripts", 1).await.pop().unwrap();
        let second = offer(&fleet, "b", options.clone()).await;
        assert!(!second.deduplicated && second.job != first.job);
        assert_eq!(serde_json::from_str::<serde_json::Value>(running.payload.get()).unwrap()["note"], "a");
        assert!(steps.settle(&running, Verdict::Done { output: None }).await);
        let third = offer(&fleet, "c", options).await;
        assert!(!third.deduplicated);
        assert_eq!(waiting(&fleet).await, [("c".to_owned(), false)], "the key is the newer job's");
    }
}

#[tokio::test]
async fn a_job_that_ended_is_the_answer_as_long_as_its_key_stands() {
    for policy in [OnConflict::Replace, OnConflict::Debounce] {
        let fleet = Fleet::new().await;
        let first = offer(&fleet, "a", keyed(KeyScope::default(), policy)).await;
        end(&fleet, Verdict::Done { output: None }).await;
        let again = offer(&fleet, "b", keyed(KeyScope::default(), policy)).await;
        assert_eq!(again, Enqueued { job: first.job, deduplicated: true });
    }
}

#[tokio::test]
async fn many_at_once_leave_one_job_under_every_policy() {
    for policy in [OnConflict::First, OnConflict::Replace, OnConflict::Debounce] {
        for scope in [KeyScope::default(), KeyScope::WhileUnfinished, KeyScope::Forever] {
            let fleet = Fleet::new().await;
            let note = |n: i32| if policy == OnConflict::First { "same".to_owned() } else { n.to_string() };
            let calls = (0..20).map(|n| {
                let (fleet, note) = (&fleet, note(n));
                async move { offer(fleet, &note, keyed(scope, policy)).await }
            });
            let answers = futures_util::future::join_all(calls).await;
            let census = fleet.census().await;
            assert_eq!(census.ready, 1, "{policy:?} {scope:?} {census:?}");
            let fresh = answers.iter().filter(|answer| !answer.deduplicated).count() as i64;
            assert_eq!((census.accepted, census.cancelled), (fresh, fresh - 1), "{policy:?} {scope:?}");
            fleet.nothing_lost().await;
        }
    }
}

#[tokio::test]
async fn replacing_against_claimers_neither_loses_nor_doubles_a_job() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    let replacing = async {
        for n in 0..60 {
            offer(&fleet, &n.to_string(), keyed(KeyScope::WhileUnfinished, OnConflict::Replace)).await;
            assert!(waiting(&fleet).await.len() <= 1, "two wait under one key");
        }
    };
    let claiming = async {
        for _ in 0..60 {
            for job in steps.claim("scripts", 3).await {
                steps.settle(&job, Verdict::Done { output: None }).await;
            }
        }
    };
    tokio::join!(replacing, claiming);
    fleet.nothing_lost().await;
    // The last word is never lost: it ran, or it waits.
    let last: i64 = fleet
        .ask(
            "select count(*) from queue.jobs j left join queue.outcomes o on o.job_id = j.id
             where j.payload ->> 'note' = '59' and o.outcome is distinct from 3",
        )
        .await;
    assert_eq!(last, 1);
}

#[tokio::test]
async fn a_bulk_enqueue_answers_each_row_under_every_policy() {
    let fleet = Fleet::new().await;
    let bulk = async |policy: &'static str, notes: [&str; 4]| -> Vec<(Option<i64>, bool, Option<String>)> {
        let payloads: Vec<_> = notes.iter().map(|note| serde_json::json!({ "does": "nothing", "note": note })).collect();
        sqlx::query_as(
            "select job_id, deduplicated, problem from queue.enqueue_many($1, 'scripted', $2 || '{}'::jsonb,
               array['a', 'b', 'a', 'b', 'c'], on_conflict => $3, key_scope => 'unfinished') order by ordinal",
        )
        .bind(fleet.team.0)
        .bind(payloads)
        .bind(policy)
        .fetch_all(&fleet.db.admin)
        .await
        .unwrap()
    };
    let rows = bulk("first", ["1", "2", "1", "3"]).await;
    assert_eq!((rows[2].0, rows[2].1), (rows[0].0, true), "the same work twice in one call");
    assert!(rows[3].2.as_deref().unwrap().starts_with("LS006|"), "{rows:?}");
    assert!(rows[4].2.as_deref().unwrap().starts_with("LS002|payload.does|"), "{rows:?}");
    assert_eq!(fleet.census().await.ready, 2);
    let rows = bulk("replace", ["5", "6", "7", "6"]).await;
    assert!(rows[..4].iter().all(|row| row.2.is_none()) && rows[4].2.is_some(), "{rows:?}");
    let mut left: Vec<_> = waiting(&fleet).await.into_iter().map(|(note, _)| note).collect();
    left.sort();
    assert_eq!(left, ["6", "7"]);
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn words_that_are_no_scope_and_no_policy_are_refused() {
    let fleet = Fleet::new().await;
    for function in ["queue.enqueue", "queue.enqueue_many"] {
        let payload =
            if function == "queue.enqueue" { "'{\"does\": \"nothing\"}'" } else { "array['{\"does\": \"nothing\"}']::jsonb[]" };
        for (word, field) in [("key_scope => 'always'", "key_scope"), ("on_conflict => 'newest'", "on_conflict")] {
            let refused = fleet.refused(format!("select {function}('{}', 'scripted', {payload}, {word})", fleet.team)).await;
            assert_eq!(refused, ("LS017".to_owned(), field.to_owned()), "{function}");
        }
    }
}

#[tokio::test]
async fn a_bulk_enqueue_gets_a_new_job_where_the_key_stood_for_one_that_is_over() {
    let fleet = Fleet::new().await;
    let first = offer(&fleet, "a", keyed(KeyScope::WhileUnfinished, OnConflict::First)).await;
    let bulk = "select job_id, deduplicated from queue.enqueue_many($1, 'scripted', array['{\"does\": \"nothing\", \"note\": \"a\"}']::jsonb[], array['k'])";
    let offer_bulk = async || {
        let row: (i64, bool) = sqlx::query_as(bulk).bind(fleet.team.0).fetch_one(&fleet.db.admin).await.unwrap();
        row
    };
    assert_eq!(offer_bulk().await, (first.job.0, true), "while it stands");
    end(&fleet, Verdict::Done { output: None }).await;
    let (second, deduplicated) = offer_bulk().await;
    assert!(!deduplicated && second != first.job.0, "the first is over, and its key with it");
    end(&fleet, Verdict::Done { output: None }).await;
    assert_eq!(offer_bulk().await, (second, true), "the second has it for a period");
}

#[tokio::test]
async fn each_of_many_jobs_some_with_a_key_is_found_again_while_it_waits() {
    let fleet = Fleet::new().await;
    let bulk = "select job_id from queue.enqueue_many($1, 'scripted', array_fill('{\"does\": \"nothing\"}'::jsonb, array[4]),
        array[null, null, 'k', null])";
    let mut jobs: Vec<i64> = sqlx::query_scalar(bulk).bind(fleet.team.0).fetch_all(&fleet.db.admin).await.unwrap();
    let taken = end(&fleet, Verdict::Done { output: None }).await;
    jobs.retain(|job| *job != taken.0);
    for job in jobs {
        let said: String = fleet.ask(format!("select queue.cancel('{}', {job}, 'a test')", fleet.team)).await;
        assert_eq!(said, "cancelled", "job {job} waits");
    }
    fleet.nothing_lost().await;
}
