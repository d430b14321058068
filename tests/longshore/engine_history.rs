//! History: old partitions go whole, what still lives is carried forward, and what went leaves a line.

use longshore::{
    queue::settle::Verdict,
    store::job_view::{self, JobState},
    workers::{
        db,
        ids::{JobId, TeamId},
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

async fn state(fleet: &Fleet, team: TeamId, job: JobId) -> Option<JobState> {
    let mut tx = db::begin_as(&fleet.db.pool("api"), team).await.unwrap();
    job_view::find(&mut tx, job).await.unwrap().map(|view| view.state)
}

/// Tables of the queue with a team in them whose rows are not guarded, partitions included.
async fn unguarded(fleet: &Fleet) -> Vec<String> {
    sqlx::query_scalar(
        "select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'team_id'
         where c.relnamespace = 'queue'::regnamespace and c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)",
    )
    .fetch_all(&fleet.db.admin)
    .await
    .unwrap()
}

struct Old {
    fleet: Fleet,
    done: JobId,
    dead: JobId,
    parked: JobId,
    lately: JobId,
}

/// Ten jobs of forty days ago in a partition that is full: six done, one dead, one cancelled, one parked, one done lately.
async fn old_partition() -> Old {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    let mut done = Vec::new();
    for _ in 0..6 {
        done.push(fleet.enqueue(&Scripted::new("output")).await);
    }
    let dead = fleet.enqueue(&Scripted::new("die")).await;
    let parked = fleet.enqueue(&Scripted::new("park")).await;
    let cancelled = fleet.enqueue(&Scripted::new("nothing")).await;
    fleet.tell(format!("select queue.cancel('{}', {}, 'a test')", fleet.team, cancelled.0)).await;
    steps.drain("scripts").await;
    fleet
        .tell(
            "update queue.jobs set created_at = now() - interval '40 days';
             update queue.outcomes set finished_at = now() - interval '40 days'",
        )
        .await;
    let lately = fleet.enqueue(&Scripted::new("output")).await;
    steps.drain("scripts").await;
    fleet.tell("update queue.jobs set created_at = now() - interval '40 days'").await;
    Old { done: done[0], dead, parked, lately, fleet }
}

async fn drop_history(fleet: &Fleet) -> (Option<String>, Option<i64>) {
    sqlx::query_as("select dropped, carried from queue.drop_history()").fetch_one(&fleet.db.pool("scheduler")).await.unwrap()
}

#[tokio::test]
async fn a_page_is_turned_when_the_newest_partition_is_old_enough_and_not_before() {
    let fleet = Fleet::new().await;
    let before = fleet.enqueue(&Scripted::new("nothing")).await;
    assert!(!fleet.ask::<bool>("select queue.turn_page()").await);
    fleet.tell("update queue.jobs set created_at = now() - interval '7 days'").await;
    assert!(fleet.ask::<bool>("select queue.turn_page()").await);
    assert!(!fleet.ask::<bool>("select queue.turn_page()").await, "a page without a job is not turned");
    let after = fleet.enqueue(&Scripted::new("nothing")).await;
    assert_ne!(before.0 / 10_000_000, after.0 / 10_000_000, "{before} and {after} share a partition");
    let steps = stepper(&fleet).await;
    assert_eq!(steps.drain("scripts").await.len(), 2);
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn the_partition_that_takes_jobs_is_never_dropped() {
    let Old { fleet, .. } = old_partition().await;
    assert_eq!(drop_history(&fleet).await, (None, None));
    assert_eq!(fleet.census().await.accepted, 10);
}

#[tokio::test]
async fn old_history_goes_whole_what_lives_is_carried_and_the_rest_leaves_a_line() {
    let Old { fleet, done, dead, parked, lately } = old_partition().await;
    let second = fleet.db.team("second").await;
    fleet.tell("select queue.turn_page()").await;
    assert_eq!(drop_history(&fleet).await, (Some("jobs_30d_0".to_owned()), Some(2)));
    assert_eq!(drop_history(&fleet).await, (None, None), "what is left of it is all alive");

    let census = fleet.census().await;
    assert_eq!((census.accepted, census.parked, census.done), (2, 1, 1));
    fleet.nothing_lost().await;
    let lines: Vec<(String, i16, i64)> = sqlx::query_as(
        "select kind, outcome, jobs from queue.tombstones where day = (now() at time zone 'UTC')::date - 40 order by outcome",
    )
    .fetch_all(&fleet.db.admin)
    .await
    .unwrap();
    assert_eq!(lines, [("scripted".to_owned(), 1, 6), ("scripted".to_owned(), 2, 1), ("scripted".to_owned(), 3, 1)]);

    assert_eq!(state(&fleet, fleet.team, parked).await, Some(JobState::Waiting));
    assert_eq!(state(&fleet, fleet.team, lately).await, Some(JobState::Done));
    assert_eq!(state(&fleet, fleet.team, done).await, None);
    assert_eq!(fleet.ask::<i64>("select count(*) from queue.outputs").await, 1, "an output goes and stays with its job");
    assert_eq!(state(&fleet, second, parked).await, None, "another team still sees nothing");
    assert!(unguarded(&fleet).await.is_empty(), "{:?}", unguarded(&fleet).await);
    let mut tx = db::begin_as(&fleet.db.pool("worker"), second).await.unwrap();
    let direct = sqlx::query("select from queue.jobs_30d_0").execute(&mut *tx).await.unwrap_err();
    assert_eq!(direct.as_database_error().unwrap().code().as_deref(), Some("42501"));

    // What lives goes on: it is woken, runs, and is on record.
    fleet.tell(format!("select queue.unpark('{}', 'waiting_for_test')", fleet.team)).await;
    let steps = stepper(&fleet).await;
    steps.promote().await;
    let job = steps.claim("scripts", 1).await.pop().unwrap();
    assert_eq!(job.claim.job, parked);
    assert!(steps.settle(&job, Verdict::Done { output: None }).await);
    // And a dead letter is whole without its history.
    fleet.tell(format!("select queue.replay('{}', {}, 'a test', '{{\"does\": \"nothing\"}}')", fleet.team, dead.0)).await;
    assert_eq!(steps.drain("scripts").await.len(), 1);
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn a_partition_that_was_carried_goes_when_the_last_of_it_is_old() {
    let Old { fleet, .. } = old_partition().await;
    fleet.tell("select queue.turn_page()").await;
    assert_eq!(drop_history(&fleet).await.1, Some(2));
    fleet.tell(format!("select queue.unpark('{}', 'waiting_for_test')", fleet.team)).await;
    let steps = stepper(&fleet).await;
    steps.promote().await;
    let job = steps.claim("scripts", 1).await.pop().unwrap();
    steps.settle(&job, Verdict::Done { output: None }).await;
    fleet.tell("update queue.outcomes set finished_at = now() - interval '31 days'").await;
    assert_eq!(drop_history(&fleet).await, (Some("jobs_30d_0".to_owned()), Some(0)));
    assert_eq!(fleet.ask::<i64>("select coalesce(sum(jobs), 0)::bigint from queue.tombstones").await, 10, "each counted once");
    assert_eq!(fleet.census().await.accepted, 0);
    let left: i64 = fleet
        .ask("select count(*) from pg_class where relnamespace = 'queue'::regnamespace and relkind = 'r' and relname ~ '_0$' and relname !~ '_7d_'")
        .await;
    assert_eq!(left, 0, "steps and progress went with it");
}

#[tokio::test]
async fn history_goes_while_the_fleet_works() {
    let Old { fleet, .. } = old_partition().await;
    fleet.tell("select queue.turn_page()").await;
    fleet.enqueue_many(&Scripted::new("effect"), 400).await;
    let worker = fleet.worker();
    fleet.until("some work to be done", || async { fleet.census().await.done > 20 }).await;
    fleet
        .until("the old partition to go", || async {
            let dropped: Result<Option<String>, _> =
                sqlx::query_scalar("select dropped from queue.drop_history()").fetch_one(&fleet.db.admin).await;
            dropped.is_ok_and(|dropped| dropped.is_some())
        })
        .await;
    fleet.until("all to be done", || async { fleet.census().await.done == 401 }).await;
    worker.stop().await;
    assert_eq!(fleet.ask::<i64>("select count(*) from public.effects").await, 400);
    assert_eq!(
        fleet.ask::<i64>("select count(*) from queue.attempts where result <> 'cancelled'").await,
        0,
        "no attempt was spent on it"
    );
    fleet.nothing_lost().await;
}

#[tokio::test]
async fn each_queue_keeps_its_history_for_as_long_as_it_is_told() {
    let fleet = Fleet::new().await;
    let long = fleet.enqueue(&Scripted::new("nothing")).await;
    assert!(fleet.ask::<bool>("select queue.keep_history('scripts', 7::smallint)").await);
    assert!(!fleet.ask::<bool>("select queue.keep_history('nonsense', 7::smallint)").await);
    let short = fleet.enqueue(&Scripted::new("nothing")).await;
    let steps = stepper(&fleet).await;
    assert_eq!(steps.drain("scripts").await.len(), 2);
    fleet
        .tell(
            "update queue.jobs set created_at = now() - interval '10 days';
             update queue.outcomes set finished_at = now() - interval '10 days';
             select queue.turn_page()",
        )
        .await;
    assert_eq!(drop_history(&fleet).await, (Some("jobs_7d_0".to_owned()), Some(0)));
    assert_eq!(state(&fleet, fleet.team, short).await, None);
    assert_eq!(state(&fleet, fleet.team, long).await, Some(JobState::Done));
    assert!(unguarded(&fleet).await.is_empty());
}

#[tokio::test]
async fn a_dropped_job_is_answered_for_by_what_its_history_left_and_to_its_team_alone() {
    let Old { fleet, done, dead, .. } = old_partition().await;
    let second = fleet.db.team("second").await;
    fleet.tell("select queue.turn_page()").await;
    drop_history(&fleet).await;
    let asked = async |team: TeamId, job: JobId| {
        let mut tx = db::begin_as(&fleet.db.pool("api"), team).await.unwrap();
        assert!(job_view::find(&mut tx, job).await.unwrap().is_none());
        job_view::gone(&mut tx, job).await.unwrap()
    };
    let left = asked(fleet.team, done).await.unwrap();
    assert!(!left.dead_letter);
    let lines: Vec<_> = left.among.iter().map(|line| (line.outcome.as_str(), line.jobs, line.kind.as_str())).collect();
    assert_eq!(lines, [("done", 6, "scripted")]);
    assert!(asked(fleet.team, dead).await.unwrap().dead_letter, "a dead letter outlives its job's history");
    assert_eq!(asked(fleet.team, JobId(9_000_000)).await, None, "what never was is not gone");
    assert_eq!(asked(second, done).await, None, "another team learns nothing");
    assert_eq!(asked(second, dead).await, None);

    // The second team's own history around the same ids: it hears of that, and the same for every id in it.
    fleet
        .tell(format!(
            "insert into queue.tombstones (team_id, day, kind, outcome, first_job, last_job, jobs) values ('{second}', '2026-01-01', 'noted', 1, 1, 1000, 2)"
        ))
        .await;
    let (of_another, of_nobody) = (asked(second, done).await.unwrap(), asked(second, JobId(999)).await.unwrap());
    assert_eq!(of_another, of_nobody, "whether another team had the id can't be told");
    assert_eq!(of_another, asked(second, dead).await.unwrap());
}

#[tokio::test]
async fn what_was_settled_long_ago_is_forgotten_in_bites_and_what_is_open_stays() {
    let fleet = Fleet::new().await;
    let steps = stepper(&fleet).await;
    let mut dead = Vec::new();
    for _ in 0..6 {
        dead.push(fleet.enqueue(&Scripted::new("die")).await);
    }
    steps.drain("scripts").await;
    let team = fleet.team;
    // Replayed, discarded, and planned; the last one is nobody's business yet.
    fleet.tell(format!("select queue.replay('{team}', {}, 'a test', '{{\"does\": \"nothing\"}}')", dead[0].0)).await;
    for letter in &dead[1..5] {
        fleet.tell(format!("select queue.discard('{team}', {}, 'a test')", letter.0)).await;
    }
    steps.drain("scripts").await;
    let plan = |n: i64, ended: &str, letter: JobId| {
        format!(
            "insert into queue.plans (team_id, plan_id, made_by, filter, ended_at) values ('{team}', {n}, 'ann', '{{}}', {ended});
             insert into queue.plan_items (team_id, plan_id, job_id, position, price) values ('{team}', {n}, {}, 1, 0);",
            letter.0
        )
    };
    fleet.tell(plan(1, "now() - interval '91 days'", dead[1])).await;
    fleet.tell(plan(2, "null", dead[2])).await;
    fleet.tell(plan(3, "now() - interval '1 day'", dead[3])).await;
    let waiting = fleet.enqueue(&Scripted::new("nothing")).await;
    fleet
        .tell(format!(
            "update queue.dead set replayed_at = replayed_at - interval '91 days', discarded_at = discarded_at - interval '91 days';
             insert into queue.batches (team_id, batch_id, sealed_at, ended_at, then_job) values
               ('{team}', 901, now(), now() - interval '91 days', null), ('{team}', 902, now(), now() - interval '91 days', {}),
               ('{team}', 903, now(), now() - interval '1 day', null), ('{team}', 904, null, null, null);
             insert into queue.ticks (team_id, schedule, due_at, fired_at)
               select '{team}', name, at, at from (values ('old'), ('new')) s(name), generate_series(now() - interval '200 days', now() - interval '100 days', '10 days') at;
             insert into queue.ticks (team_id, schedule, due_at) values ('{team}', 'new', now())",
            waiting.0
        ))
        .await;
    let pool = fleet.db.pool("scheduler");
    let mut turns = 0;
    while longshore::store::upkeep::forget_settled(&mut pool.acquire().await.unwrap(), 90, 2).await.unwrap() > 0 {
        turns += 1;
    }
    assert!(turns > 5, "bites of two");
    let left =
        |of: &str| fleet.ask::<String>(format!("select coalesce(string_agg(x::text, ' ' order by x), '') from ({of}) t(x)"));
    let ids = |some: &[JobId]| some.iter().map(|job| job.0.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(
        left("select job_id from queue.dead").await,
        ids(&[dead[2], dead[3], dead[5]]),
        "an open one, and those of plans that stand"
    );
    assert_eq!(left("select plan_id from queue.plans").await, "2 3");
    assert_eq!(left("select plan_id from queue.plan_items").await, "2 3");
    assert_eq!(left("select batch_id from queue.batches").await, "902 903 904", "one whose job behind it still waits");
    assert_eq!(left("select schedule from queue.ticks").await, "new old", "the last tick of each");
    let found = state(&fleet, team, dead[4]).await;
    assert_eq!(found, Some(JobState::Dead), "its job is still on record");
    fleet.nothing_lost().await;
}
