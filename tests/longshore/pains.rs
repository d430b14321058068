//! Where other queues hurt, and that this one does not. Each test names the reports it comes from, as read in November 2026;
//! `docs/COMPARISON.md` lists these and the tests elsewhere that show the rest.
//!
//! Costs are counted in buffers and rows that a statement touches, never in time.

use longshore::{
    queue::settle::Verdict,
    store::{
        dead, depths, job_list,
        job_view::{self, JobState},
        jobs, lanes, plans, queues, schedules,
    },
    workers::{
        db,
        enqueue::Options,
        ids::{JobId, TeamId},
    },
};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use crate::support::{
    Fleet, Stepper,
    kinds::{self, Limited, Scripted},
    services,
};

async fn stepper(fleet: &Fleet) -> Stepper {
    Stepper::new(&fleet.db, kinds::registry().add::<Limited>(), services(&fleet.db)).await
}

/// Work that nobody may claim, of one kind or team, a row each. No job stands behind these: whoever takes one fails.
const MANY: i64 = 100_000;

async fn lay_about(fleet: &Fleet, team: TeamId, kind: &str) {
    fleet
        .tell(format!(
            "insert into queue.ready (queue_id, team_id, kind, priority, first_job, jobs, keep)
             select q.id, '{team}', '{kind}', 5, -n, array[-n], 30
             from queue.queues q, generate_series(1, {MANY}) n where q.name = 'scripts';
             analyze queue.ready"
        ))
        .await;
}

/// Buffers that a statement touches, with all that its functions do. Taken back again.
async fn buffers(fleet: &Fleet, statement: &str) -> i64 {
    let mut tx = db::begin(&fleet.db.admin).await.unwrap();
    let explain = format!("explain (analyze, buffers, timing off, format json) {statement}");
    let plan: Value = sqlx::query_scalar(sqlx::AssertSqlSafe(explain)).fetch_one(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
    let touched = |what: &str| plan[0]["Plan"][what].as_i64().expect("a count");
    touched("Shared Hit Blocks") + touched("Shared Read Blocks")
}

/// What a claim of ten jobs touches; the second time, when the catalogue is known.
async fn claim_touches(fleet: &Fleet, steps: &Stepper) -> i64 {
    let nil = "00000000-0000-0000-0000-000000000000";
    let claim = format!("select count(*) from queue.claim_leases('{}', 'scripts', 10, '{nil}', '{{scripted}}')", steps.boot);
    buffers(fleet, &claim).await;
    buffers(fleet, &claim).await
}

/// graphile/worker#169, #222; riverqueue/river#682, #773, #995, #1258; oban-bg/oban's Lifeline; procrastinate#1518.
#[tokio::test]
async fn a_job_that_runs_for_hours_is_neither_run_twice_nor_stuck_when_its_worker_dies() {
    let fleet = Fleet::new().await;
    let (worker, other) = (stepper(&fleet).await, stepper(&fleet).await);
    fleet.enqueue(&Scripted::new("nothing")).await;
    let long = worker.claim("scripts", 1).await.pop().unwrap();
    fleet.tell("update queue.leases set claimed_at = now() - interval '30 days'").await;
    other.reap().await;
    assert!(other.claim("scripts", 1).await.is_empty(), "its worker lives: nobody else may have it, however long it takes");
    worker.die(&fleet.db).await;
    other.reap().await;
    let again = other.claim("scripts", 1).await.pop().expect("the job, as soon as its worker is gone");
    assert_eq!((again.claim.job, again.claim.attempt), (long.claim.job, 2));
    assert!(!worker.finish(&long).await, "the end of the first run no longer counts");
    assert!(other.finish(&again).await);
    fleet.nothing_lost().await;
}

/// timgit/pg-boss#842, #845, #418; riverqueue/river#785, #1059; hatchet-dev/hatchet#2866; tuist/tuist#11336;
/// apalis-postgres 1.0 (a scheduled job before the one that is due).
#[tokio::test]
async fn a_claim_costs_no_more_beside_a_hundred_thousand_jobs_that_it_may_not_take() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    for _ in 0..20 {
        fleet.enqueue(&Scripted::new("nothing")).await;
    }
    let alone = claim_touches(&fleet, &steps).await;
    let bound = alone + alone / 4 + 50;
    // Teams of lower ids come first in the index, so that their jobs lie on the way.
    let (paused, blocked) = (TeamId(uuid::Uuid::from_u128(2)), TeamId(uuid::Uuid::from_u128(3)));
    for team in [paused, blocked] {
        fleet.tell(format!("insert into longshore.teams (team_id, name) values ('{team}', 'team {team}')")).await;
    }
    let mut seen = Vec::new();

    lay_about(&fleet, fleet.team, "another_build_s").await;
    seen.push(("ready, of a kind this build does not know", claim_touches(&fleet, &steps).await));
    lay_about(&fleet, paused, "scripted").await;
    fleet.tell(format!("select queue.pause(null, 'a test', null, '{paused}')")).await;
    seen.push(("ready, of a paused team", claim_touches(&fleet, &steps).await));
    lay_about(&fleet, fleet.team, "limited").await;
    fleet.tell("select queue.pause('scripts', 'a test', null, null, 'limited')").await;
    seen.push(("ready, of a paused kind", claim_touches(&fleet, &steps).await));
    fleet
        .tell(format!(
            "insert into queue.blocked (team_id, limit_key, priority, first_job, jobs, queue_id, kind, keep, attempt, ready_at)
             select '{blocked}', 'a key', 5, -n, array[-n], q.id, 'scripted', 30, 0, now()
             from queue.queues q, generate_series(1, {MANY}) n where q.name = 'scripts';
             analyze queue.blocked"
        ))
        .await;
    seen.push(("blocked by their limit", claim_touches(&fleet, &steps).await));
    fleet
        .tell(format!(
            "insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, keep, attempt, reason)
             select -n, '{}', now() + interval '1 day', q.id, 'scripted', 0, 30, 0, 'delayed'
             from queue.queues q, generate_series(1, {MANY}) n where q.name = 'scripts';
             analyze queue.scheduled",
            fleet.team
        ))
        .await;
    seen.push(("due tomorrow, and more urgent", claim_touches(&fleet, &steps).await));

    assert!(seen.iter().all(|(_, touched)| *touched <= bound), "{alone} buffers alone, beside a hundred thousand more: {seen:?}");
    let due = buffers(&fleet, "select queue.promote(1000)").await;
    assert!(due <= bound, "a look for due jobs touched {due} buffers");
    let lent = buffers(&fleet, "select queue.reap(200)").await;
    assert!(lent <= bound, "a look for lost jobs touched {lent} buffers");
}

/// timgit/pg-boss#842; hatchet-dev/hatchet#4494, #2866; bull's group limits (taskforcesh/bullmq#3325).
#[tokio::test]
async fn the_end_of_a_job_wakes_the_next_of_its_limit_at_the_same_cost_however_many_wait() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    for _ in 0..3 {
        fleet.enqueue_with(fleet.team, &Scripted::new("nothing"), Options::default().limit("k", 1)).await;
    }
    let held = steps.claim("scripts", 5).await;
    assert_eq!((held.len(), fleet.census().await.blocked), (1, 2));
    let finish = format!(
        "select * from queue.settle('{}', array[{}]::bigint[], array[{}]::bigint[], array['done'], array[null]::interval[], \
         array[null]::text[], array[null]::jsonb[])",
        steps.boot, held[0].claim.lease.fence, held[0].claim.job.0
    );
    buffers(&fleet, &finish).await;
    let few = buffers(&fleet, &finish).await;
    fleet
        .tell(format!(
            "insert into queue.blocked (team_id, limit_key, priority, first_job, jobs, queue_id, kind, keep, attempt, limit_to, ready_at)
             select '{}', 'k', 9, 1000000 + n, array[1000000 + n], q.id, 'scripted', 30, 0, 1, now()
             from queue.queues q, generate_series(1, {MANY}) n where q.name = 'scripts';
             analyze queue.blocked",
            fleet.team
        ))
        .await;
    let many = buffers(&fleet, &finish).await;
    assert!(many <= few + few / 4 + 50, "{few} buffers beside two that wait, {many} beside a hundred thousand");
}

/// hexpm/hexpm#1773 (counts used five and a half hours of the database's time); riverqueue/river#746; apalis-board's overview
/// and list of queues (8 to 15 s at a million rows).
#[tokio::test]
async fn nothing_that_somebody_looks_at_reads_all_jobs() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    // Done, ready and due later, ten thousand each.
    for state in ["done", "ready", "later"] {
        for _ in 0..10 {
            fleet.enqueue_many(&Scripted::new("nothing"), 1000).await;
        }
        match state {
            "done" => while finish_some(&steps).await > 0 {},
            "later" => {
                fleet
                    .tell(
                        "with gone as (delete from queue.ready where first_job > 20000 returning *)
                         insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, keep, attempt, reason)
                         select id, team_id, now() + interval '1 day', queue_id, kind, priority, keep, attempt, 'delayed'
                         from gone, unnest(jobs) as id",
                    )
                    .await;
            }
            _ => {}
        }
    }
    let census = fleet.census().await;
    assert_eq!((census.done, census.ready, census.scheduled), (10_000, 10_000, 10_000), "{census:?}");
    fleet.tell("vacuum (analyze)").await;
    // Vacuum leaves out the pages at the end, sixteen at most: a constant that says nothing here.
    let summaries = "select brin_summarize_new_values(c.oid) from pg_class c join pg_am a on a.oid = c.relam
        where a.amname = 'brin' and c.relkind = 'i'";
    fleet.tell(summaries).await;

    let team = Some(fleet.team);
    let mut conn = fleet.db.admin.acquire().await.unwrap();
    depths::publish(&mut conn).await.unwrap();
    drop(conn);
    let mut seen = Vec::new();
    // Not the operators' `jobs list --state done` and `--state cancelled`, which walk back through the history for them.
    let states = [JobState::Waiting, JobState::Running, JobState::Dead];
    for state in std::iter::once(None).chain(states.map(Some)) {
        for (team, kind) in [(None, None), (team, None), (team, Some("scripted"))] {
            let filter = job_list::Filter { state, team, kind, queue: None, after: None };
            let what = format!("jobs list {:?}, {}", filter.state, if team.is_some() { "a team's" } else { "everybody's" });
            seen.push((what, rows_read(&fleet, async |conn| drop(job_list::list(conn, &filter, 20).await.unwrap())).await));
        }
    }
    for job in [JobId(5_000), JobId(15_000), JobId(25_000)] {
        let look = rows_read(&fleet, async |conn| assert!(job_view::find(conn, job).await.unwrap().is_some())).await;
        seen.push((format!("jobs show {job}"), look));
    }
    let rest = [
        ("queues list", rows_read(&fleet, async |conn| drop(queues::list(conn).await.unwrap())).await),
        ("pauses", rows_read(&fleet, async |conn| drop(queues::pauses(conn).await.unwrap())).await),
        ("lanes list", rows_read(&fleet, async |conn| drop(lanes::list(conn).await.unwrap())).await),
        ("schedules list", rows_read(&fleet, async |conn| drop(schedules::list(conn, team).await.unwrap())).await),
        ("dead plans", rows_read(&fleet, async |conn| drop(plans::list(conn, None, 20).await.unwrap())).await),
        (
            "dead list",
            rows_read(&fleet, async |conn| drop(dead::list(conn, &dead::Filter::default(), true, None, 20).await)).await,
        ),
    ];
    seen.extend(rest.map(|(what, rows)| (what.to_owned(), rows)));
    assert!(seen.iter().all(|(_, rows)| *rows <= 3000), "of thirty thousand jobs, rows read by {seen:?}");

    // The one statement that measures, for all who look: it reads what moves, a chunk a row, and never what is kept.
    let mut measurer = PgConnection::connect(&fleet.db.admin_url()).await.unwrap();
    sqlx::query("select queue.measure()").execute(&mut measurer).await.unwrap();
    assert_eq!(read_of(&mut measurer, "^(jobs|outcomes|outputs|attempts)").await, 0, "the measure looks into the history");
    let chunks: i64 = fleet.ask("select count(*) from queue.ready").await;
    assert_eq!(read_of(&mut measurer, "^ready$").await, chunks, "the measure counts ready jobs one by one");
}

/// Claims a thousand jobs and finishes them; answers how many there were.
async fn finish_some(steps: &Stepper) -> usize {
    let claimed = steps.claim("scripts", 1000).await;
    steps.finish_all(&claimed).await;
    claimed.len()
}

async fn read_of(conn: &mut PgConnection, tables: &str) -> i64 {
    let read = "select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint from pg_stat_xact_user_tables
        where schemaname = 'queue' and relname ~ $1";
    sqlx::query_scalar(read).bind(tables).fetch_one(conn).await.unwrap()
}

/// Rows of the queue's tables that are read for what somebody looks at.
async fn rows_read(fleet: &Fleet, look: impl AsyncFn(&mut PgConnection)) -> i64 {
    let mut tx = db::begin(&fleet.db.admin).await.unwrap();
    let before = read_of(&mut tx, "").await;
    look(&mut tx).await;
    let read = read_of(&mut tx, "").await - before;
    tx.rollback().await.unwrap();
    read
}

/// timgit/pg-boss#874 (a redriven job lost its dead-letter queue, so its second failure was dropped); riverqueue/river#971.
#[tokio::test]
async fn a_replay_keeps_every_setting_of_its_job_and_dies_as_whole_as_it_did() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    let parent = fleet.enqueue(&Scripted::new("nothing")).await;
    let mut options = Options::default().limit("a key", 7).then(&Scripted::new("nothing")).unwrap();
    (options.priority, options.correlation, options.parent) = (Some(2), Some("a request".into()), Some(parent));
    let first = fleet.enqueue_with(fleet.team, &Scripted::noted("die", "as it was"), options).await;
    steps.drain("scripts").await;
    // What makes each its own: number, times, lineage.
    let envelope = "(to_jsonb(j) - '{id,created_at,replay_of,root_id}'::text[])";
    let letter =
        "(to_jsonb(d) - '{job_id,created_at,died_at,replay_of,root_id,errors,replayed_as,replayed_at,settled_by}'::text[])";
    let as_it_was: Value = fleet.ask(format!("select {envelope} from queue.jobs j where id = {first}", first = first.0)).await;
    for column in ["limit_key", "limit_to", "chain", "priority", "correlation_id", "parent_id", "payload"] {
        assert!(!as_it_was[column].is_null(), "{column} is not among what is compared");
    }
    let mut last = first;
    for _ in 0..2 {
        let replay = format!("select queue.replay('{}', {}, 'a test')", fleet.team, last.0);
        let next = JobId(fleet.ask(replay).await);
        let now: Value = fleet.ask(format!("select {envelope} from queue.jobs j where id = {}", next.0)).await;
        assert_eq!(now, as_it_was);
        steps.drain("scripts").await;
        let same = format!(
            "select (select {letter} from queue.dead d where job_id = {}) = (select {letter} from queue.dead d where job_id = {})",
            first.0, next.0
        );
        assert!(fleet.ask::<bool>(same).await, "the letter of the replay is not that of its job");
        let lineage: (i64, i64) = sqlx::query_as("select replay_of, root_id from queue.dead where job_id = $1")
            .bind(next.0)
            .fetch_one(&fleet.db.admin)
            .await
            .unwrap();
        assert_eq!(lineage, (last.0, first.0));
        last = next;
    }
    fleet.nothing_lost().await;
}

/// timgit/pg-boss#759 (jobs that were put back because of a limit lost their retries).
#[tokio::test]
async fn waiting_for_a_limit_uses_up_no_attempt() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    for _ in 0..5 {
        fleet.enqueue_with(fleet.team, &Scripted::new("nothing"), Options::default().limit("k", 1)).await;
    }
    for _ in 0..5 {
        let claimed = steps.claim("scripts", 5).await;
        assert_eq!(claimed.iter().map(|job| job.claim.attempt).collect::<Vec<_>>(), [1]);
        // Others ask meanwhile, and get none.
        assert!(steps.claim("scripts", 5).await.is_empty());
        assert!(steps.settle(&claimed[0], Verdict::Done { output: None }).await);
    }
    assert_eq!(fleet.census().await.done, 5);
}

/// hatchet-dev/hatchet#4804 (rate-limited tasks kept their slots until nothing moved); apalis' retry that holds its slot.
#[tokio::test]
async fn a_job_that_waits_for_a_rate_holds_no_place_that_others_could_use() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    fleet.tell("select queue.set_bucket(null, 'vendor', 0.001, 1)").await;
    let limited = || Options::default().limit("k", 1);
    fleet.enqueue_with(fleet.team, &Scripted::new("permit"), limited()).await;
    let waits = fleet.enqueue_with(fleet.team, &Scripted::new("permit"), limited()).await;
    let free = fleet.enqueue_with(fleet.team, &Scripted::new("nothing"), limited()).await;
    assert_eq!(steps.next("scripts").await.map(|(_, verdict)| verdict), Some(Verdict::Nothing), "the one permit there is");
    let (job, verdict) = steps.next("scripts").await.unwrap();
    assert!(job == waits && matches!(verdict, Verdict::Snooze { .. }), "{job}: {verdict:?}");
    assert_eq!(steps.next("scripts").await.map(|(job, _)| job), Some(free), "its place is free while it waits");
    assert_eq!(fleet.running().await, 0);
    assert!(fleet.attempts(waits).await.is_empty());
    fleet.nothing_lost().await;
}

/// riverqueue/river#1225 (clients stayed on the old primary, now read-only, and stopped working); taskforcesh/bullmq#4585,
/// #2466 (a worker that reconnects for ever, or takes no more, until somebody restarts it).
#[tokio::test]
async fn a_worker_whose_server_became_read_only_goes_on_with_one_that_is_not() {
    let fleet = Fleet::new().await;
    let mut admin = fleet.db.admin.acquire().await.unwrap();
    let _worker = fleet.worker();
    fleet.enqueue(&Scripted::new("nothing")).await;
    fleet.all_ended().await;
    let name: String = fleet.ask("select current_database()::text").await;
    // As after a failover: the connections break, and those that come instead only read.
    let demoted = format!(
        "alter database {name} set default_transaction_read_only = on;
         select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}' and usename = 'longshore_worker'"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(demoted)).execute(&mut *admin).await.unwrap();
    let refused = || async {
        let refused = "select xact_rollback from pg_stat_database where datname = current_database()";
        sqlx::query_scalar::<_, i64>(refused).fetch_one(&fleet.db.admin).await.unwrap_or(0)
    };
    let before = refused().await;
    fleet.until("claims to be refused by a server that only reads", || async { refused().await >= before + 3 }).await;
    // Connections that are open stay as they are.
    let promoted = format!("alter database {name} reset default_transaction_read_only");
    sqlx::raw_sql(sqlx::AssertSqlSafe(promoted)).execute(&mut *admin).await.unwrap();
    sqlx::query("select queue.enqueue($1, 'scripted', '{\"does\": \"nothing\"}')")
        .bind(fleet.team.0)
        .execute(&mut *admin)
        .await
        .unwrap();
    fleet.all_ended().await;
    assert_eq!(fleet.census().await.done, 2);
    fleet.nothing_lost().await;
}

/// The old server of a failover has nothing new, so that nothing that is written there tells a worker that it is the old one.
#[tokio::test]
async fn a_server_that_only_reads_refuses_a_claim_though_it_has_no_job() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    let mut tx = db::begin(&fleet.db.admin).await.unwrap();
    assert!(steps.claim_with(&mut tx, "scripts", 1, jobs::Hop::default(), &[]).await.jobs.is_empty());
    sqlx::query("set transaction read only").execute(&mut *tx).await.unwrap();
    let kinds = kinds::registry().names_in("scripts");
    let refused = jobs::claim(&mut tx, steps.boot, "scripts", 1, jobs::Hop::default(), &kinds, &[]).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("25006"), "{refused}");
}
