//! Batches and chains: what comes behind other jobs comes once, at the right moment, and is never lost.

use longshore::{
    queue::settle::Verdict,
    workers::{
        clock::{Clock as _, SystemClock},
        db,
        enqueue::{self, EnqueueError, Options},
        ids::{BatchId, JobId},
        job::Invalid,
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

/// A batch behind which the script `count` runs, with a job for each of `scripts`.
async fn batch(fleet: &Fleet, scripts: &[&str]) -> BatchId {
    let mut tx = db::begin_as(&fleet.db.pool("worker"), fleet.team).await.unwrap();
    let batch = enqueue::open_batch(&mut tx, fleet.team, Some(&Scripted::new("count")), Some("why")).await.unwrap();
    let (bulk, single) = scripts.split_at(scripts.len() / 2);
    let bulk: Vec<_> = bulk.iter().map(|script| Scripted::new(script)).collect();
    enqueue::many(&mut tx, fleet.team, &bulk, None, Options::default().batch(batch)).await.unwrap();
    for script in single {
        enqueue::one(&mut tx, fleet.team, &Scripted::new(script), Options::default().batch(batch)).await.unwrap();
    }
    tx.commit().await.unwrap();
    batch
}

async fn seal(fleet: &Fleet, batch: BatchId) -> bool {
    let mut tx = db::begin_as(&fleet.db.pool("worker"), fleet.team).await.unwrap();
    let sealed = enqueue::seal_batch(&mut tx, fleet.team, batch).await.unwrap();
    tx.commit().await.unwrap();
    sealed
}

/// The counts that the job behind each batch was told: jobs, done, dead, cancelled.
async fn told(fleet: &Fleet) -> Vec<[i64; 4]> {
    let outputs: Vec<serde_json::Value> =
        sqlx::query_scalar("select output from queue.outputs order by job_id").fetch_all(&fleet.db.admin).await.unwrap();
    outputs.into_iter().map(|output| serde_json::from_value(output).unwrap()).collect()
}

#[tokio::test]
async fn the_job_behind_a_batch_runs_once_when_all_are_done_and_is_told_the_counts() {
    let fleet = Fleet::new().await;
    let batch = batch(&fleet, &["nothing", "nothing", "effect", "effect", "fail_once", "snooze"]).await;
    let worker = fleet.worker();
    fleet.all_ended().await;
    assert!(told(&fleet).await.is_empty(), "not before it is sealed");
    assert!(seal(&fleet, batch).await);
    assert!(!seal(&fleet, batch).await, "sealed once");
    fleet.until("the job behind it", || async { told(&fleet).await == [[6, 6, 0, 0]] }).await;
    fleet.all_ended().await;
    worker.stop().await;
    assert_eq!(told(&fleet).await.len(), 1);
    let why: String = fleet.ask("select correlation_id from queue.jobs where payload ->> 'does' = 'count'").await;
    assert_eq!(why, "why");
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn a_batch_ends_too_where_jobs_die_are_cancelled_or_lose_their_process() {
    let fleet = Fleet::new().await;
    let batch = batch(&fleet, &["nothing", "die", "fail", "nothing"]).await;
    let mut tx = db::begin_as(&fleet.db.pool("worker"), fleet.team).await.unwrap();
    let options = Options::default().batch(batch).at(SystemClock.now() + chrono::Duration::days(1));
    let later = enqueue::one(&mut tx, fleet.team, &Scripted::new("nothing"), options).await.unwrap().job;
    tx.commit().await.unwrap();
    assert!(seal(&fleet, batch).await);
    // One is lost with its process, and runs again.
    let doomed = stepper(&fleet).await;
    assert_eq!(doomed.claim("scripts", 1).await.len(), 1);
    doomed.die(&fleet.db).await;
    let _worker = fleet.worker();
    fleet.until("all but one to end", || async { fleet.census().await.scheduled == 1 && fleet.running().await == 0 }).await;
    assert!(told(&fleet).await.is_empty(), "one still waits");
    fleet.tell(format!("select queue.cancel('{}', {}, 'a test')", fleet.team, later.0)).await;
    fleet.until("the job behind it", || async { told(&fleet).await == [[5, 2, 2, 1]] }).await;
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn a_batch_of_nothing_ends_when_it_is_sealed() {
    let fleet = Fleet::new().await;
    let empty = batch(&fleet, &[]).await;
    let steps = stepper(&fleet).await;
    assert_eq!(steps.fold_batches().await, 0);
    seal(&fleet, empty).await;
    assert_eq!(steps.fold_batches().await, 1);
    steps.drain("scripts").await;
    assert_eq!(told(&fleet).await, [[0, 0, 0, 0]]);
}

#[tokio::test]
async fn a_sealed_or_unknown_batch_takes_no_job_and_says_so() {
    let fleet = Fleet::new().await;
    let sealed = batch(&fleet, &["nothing"]).await;
    seal(&fleet, sealed).await;
    for batch in [sealed.0, 999] {
        for call in [
            format!("queue.enqueue('{}', 'scripted', '{{\"does\": \"nothing\"}}', batch_id => {batch})", fleet.team),
            format!(
                "queue.enqueue_many('{}', 'scripted', array['{{\"does\": \"nothing\"}}']::jsonb[], batch_id => {batch})",
                fleet.team
            ),
        ] {
            assert_eq!(fleet.refused(format!("select {call}")).await, ("LS014".to_owned(), "batch_id".to_owned()), "{call}");
        }
    }
    assert_eq!(fleet.census().await.accepted, 1);
}

#[tokio::test]
async fn a_batch_counts_neither_what_rolled_back_nor_another_teams_jobs() {
    let fleet = Fleet::new().await;
    let second = fleet.db.team("second").await;
    let batch = batch(&fleet, &["nothing"]).await;
    let mut tx = db::begin_as(&fleet.db.pool("worker"), fleet.team).await.unwrap();
    enqueue::one(&mut tx, fleet.team, &Scripted::new("nothing"), Options::default().batch(batch)).await.unwrap();
    tx.rollback().await.unwrap();
    let foreign = format!("select queue.enqueue('{second}', 'scripted', '{{\"does\": \"nothing\"}}', batch_id => {})", batch.0);
    assert_eq!(fleet.refused(foreign).await.0, "LS014");
    seal(&fleet, batch).await;
    let _worker = fleet.worker();
    fleet.until("the job behind it", || async { told(&fleet).await == [[1, 1, 0, 0]] }).await;
}

#[tokio::test]
async fn folders_at_once_enqueue_the_job_behind_a_batch_once() {
    let fleet = Fleet::new().await;
    for _ in 0..10 {
        let batch = batch(&fleet, &["nothing"; 4]).await;
        seal(&fleet, batch).await;
    }
    let steps = stepper(&fleet).await;
    // Sealed when all is over and added up: then nothing but the batches themselves keeps the folders apart.
    let mut late = Vec::new();
    for _ in 0..10 {
        late.push(batch(&fleet, &["nothing"]).await);
    }
    let folding = async {
        let mut ended = 0;
        for _ in 0..40 {
            let (a, b, c) = tokio::join!(steps.fold_batches(), steps.fold_batches(), steps.fold_batches());
            ended += a + b + c;
        }
        ended
    };
    let (ended, _) = tokio::join!(folding, steps.drain("scripts"));
    let ended = ended + steps.fold_batches().await;
    steps.drain("scripts").await;
    assert_eq!((ended, told(&fleet).await.len()), (10, 10));
    assert!(told(&fleet).await.iter().all(|counts| *counts == [4, 4, 0, 0]));
    for batch in late {
        seal(&fleet, batch).await;
        tokio::join!(steps.fold_batches(), steps.fold_batches(), steps.fold_batches(), steps.fold_batches());
    }
    steps.drain("scripts").await;
    assert_eq!(told(&fleet).await.len(), 20);
}

#[tokio::test]
async fn one_batch_whose_team_is_at_its_cap_holds_nobody_up() {
    let fleet = Fleet::new().await;
    let capped = batch(&fleet, &["nothing"]).await;
    seal(&fleet, capped).await;
    let chained = Options::default().then(&Scripted::new("output")).unwrap();
    fleet.enqueue_with(fleet.team, &Scripted::new("nothing"), chained).await;
    fleet.tell(format!("select queue.set_lane('scripts', '{}', null, null, null, null, 1), queue.measure()", fleet.team)).await;
    let _worker = fleet.worker();
    fleet.until("what was promised to run", || async { fleet.census().await.done == 4 }).await;
    fleet.nothing_lost().await;
}

/// A chain of `scripts`; the id of its first job.
async fn chain(fleet: &Fleet, scripts: &[&str]) -> JobId {
    let options = scripts[1..].iter().try_fold(Options::default(), |options, script| options.then(&Scripted::new(script)));
    fleet.enqueue_with(fleet.team, &Scripted::new(scripts[0]), options.unwrap()).await
}

/// The scripts that were ever enqueued, with the job that each came behind.
async fn enqueued(fleet: &Fleet) -> Vec<(String, Option<i64>)> {
    sqlx::query_as("select payload ->> 'does', parent_id from queue.jobs order by id").fetch_all(&fleet.db.admin).await.unwrap()
}

#[tokio::test]
async fn each_link_of_a_chain_is_enqueued_when_the_one_before_is_done_and_names_it() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    let first = chain(&fleet, &["effect", "fail_once", "output"]).await;
    assert_eq!(fleet.census().await.accepted, 1);
    steps.next("scripts").await;
    assert_eq!(enqueued(&fleet).await.len(), 2);
    let (second, verdict) = steps.next("scripts").await.unwrap();
    assert!(matches!(verdict, Verdict::Retry { .. }));
    assert_eq!(enqueued(&fleet).await.len(), 2, "not behind an attempt that failed");
    steps.let_time_pass(&fleet.db).await;
    steps.drain("scripts").await;
    let expected = [("effect", None), ("fail_once", Some(first.0)), ("output", Some(second.0))];
    let enqueued = enqueued(&fleet).await;
    assert_eq!(enqueued.iter().map(|(script, parent)| (script.as_str(), *parent)).collect::<Vec<_>>(), expected);
    assert_eq!(fleet.census().await.done, 3);
}

#[tokio::test]
async fn a_chain_stops_behind_a_job_that_is_dead_or_cancelled_and_goes_on_with_its_replay() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    let dead = chain(&fleet, &["die", "output"]).await;
    let cancelled = chain(&fleet, &["nothing", "output"]).await;
    fleet.tell(format!("select queue.cancel('{}', {}, 'a test')", fleet.team, cancelled.0)).await;
    steps.drain("scripts").await;
    assert_eq!(fleet.census().await.accepted, 2, "nothing came behind them");
    fleet.tell(format!("select queue.replay('{}', {}, 'a test', '{{\"does\": \"nothing\"}}')", fleet.team, dead.0)).await;
    steps.drain("scripts").await;
    assert_eq!(fleet.census().await.done, 2, "the replay and what was to follow");
}

#[tokio::test]
async fn a_completion_that_is_refused_or_rolls_back_enqueues_no_link() {
    let fleet = Fleet::new().await;
    chain(&fleet, &["effect", "output"]).await;
    let stale = stepper(&fleet).await;
    let job = stale.claim("scripts", 1).await.pop().unwrap();
    stale.die(&fleet.db).await;
    stale.reap().await;
    assert_eq!(stale.run(job).await, Verdict::Nothing);
    assert_eq!(fleet.census().await.accepted, 1);
    let fresh = stepper(&fleet).await;
    fresh.drain("scripts").await;
    assert_eq!((fleet.census().await.accepted, fleet.census().await.done), (2, 2));
}

#[tokio::test]
async fn a_bad_link_is_refused_with_its_place_when_the_first_job_is_enqueued() {
    let fleet = Fleet::new().await;
    for (chain, code, field) in [
        (
            "[{\"kind\": \"scripted\", \"payload\": {\"does\": \"nothing\"}}, {\"kind\": \"scripted\", \"payload\": {}}]",
            "LS002",
            "chain.1.payload.does",
        ),
        ("[{\"kind\": \"nonsense\", \"payload\": {}}]", "LS001", "chain.0.kind"),
        ("[]", "LS015", "chain"),
        ("{}", "LS015", "chain"),
    ] {
        let call = format!("select queue.enqueue('{}', 'scripted', '{{\"does\": \"nothing\"}}', chain => '{chain}')", fleet.team);
        assert_eq!(fleet.refused(call).await, (code.to_owned(), field.to_owned()), "{chain}");
    }
    let mut tx = db::begin_as(&fleet.db.pool("worker"), fleet.team).await.unwrap();
    let options = Options::default().then(&Scripted::new("nothing")).unwrap();
    let refused = enqueue::many(&mut tx, fleet.team, &[Scripted::new("nothing")], None, options).await.unwrap_err();
    assert!(matches!(refused, EnqueueError::Invalid(Invalid { field, .. }) if field == "chain"));
    assert_eq!(fleet.census().await.accepted, 0);
}

#[tokio::test]
async fn a_link_that_a_newer_build_no_longer_takes_ends_dead_and_wedges_nobody() {
    let fleet = Fleet::new().await;
    chain(&fleet, &["nothing", "output"]).await;
    fleet.enqueue(&Scripted::new("nothing")).await;
    fleet.tell("update queue.jobs set chain = '[{\"kind\": \"scripted\", \"payload\": {\"did\": \"change\"}}]' where chain is not null").await;
    let _worker = fleet.worker();
    fleet
        .until("both to be done and the link dead", || async {
            let census = fleet.census().await;
            (census.done, census.dead) == (2, 1)
        })
        .await;
    let error: String = fleet.ask("select error from queue.dead").await;
    assert!(error.contains("did"), "{error}");
}
