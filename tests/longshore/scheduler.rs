//! Schedules fire each tick once, whatever runs.

use std::sync::Arc;

use longshore::{
    config::Config,
    scheduler::{declared::Putting, due},
    store::schedules,
    workers::{clock::SystemClock, db, ids::TeamId},
};

use crate::support::{Fleet, kinds};

async fn put(fleet: &Fleet, team: TeamId, name: &str, missed: &str, overdue: &str) {
    sqlx::query(
        "select queue.put_schedule($1, $2, 'scripted', '{\"does\": \"nothing\"}', '*/5 * * * *', 'UTC', $3,
           date_bin('5 minutes', now() - $4::interval, 'epoch'))",
    )
    .bind(team.0)
    .bind(name)
    .bind(missed)
    .bind(overdue)
    .execute(&fleet.db.admin)
    .await
    .expect("a schedule");
}

async fn ticks(fleet: &Fleet, name: &str) -> (i64, i64) {
    sqlx::query_as("select count(*), count(job_id) from queue.ticks where schedule = $1")
        .bind(name)
        .fetch_one(&fleet.db.admin)
        .await
        .expect("the ticks")
}

#[tokio::test]
async fn a_tick_fires_once_however_many_schedulers_run() {
    let fleet = Fleet::new().await;
    let second = fleet.db.team("second").await;
    for team in [fleet.team, second] {
        for n in 0..20 {
            put(&fleet, team, &format!("each.{n}"), "run_once", "0 seconds").await;
        }
    }
    let pool = fleet.db.pool("scheduler");
    let schedulers = (0..8).map(|_| due::fire_due(&pool));
    for fired in futures_util::future::join_all(schedulers).await {
        fired.expect("a look at what is due");
    }
    assert_eq!(fleet.census().await.accepted, 40, "one job for each of the forty schedules");
    due::fire_due(&pool).await.expect("another look");
    assert_eq!(fleet.census().await.accepted, 40, "nothing is due again");
}

#[tokio::test]
async fn missed_ticks_follow_the_policy_of_their_schedule() {
    let fleet = Fleet::new().await;
    for policy in ["skip", "run_once", "catch_up"] {
        put(&fleet, fleet.team, policy, policy, "31 minutes").await;
    }
    let pool = fleet.db.pool("scheduler");
    for _ in 0..20 {
        due::fire_due(&pool).await.expect("a look at what is due");
    }
    assert_eq!(ticks(&fleet, "skip").await, (1, 0), "the missed one is on record, without a job");
    assert_eq!(ticks(&fleet, "run_once").await, (1, 1), "one job for all that were missed");
    let (ticks, jobs) = ticks(&fleet, "catch_up").await;
    assert!(ticks == jobs && (7..=8).contains(&ticks), "every missed tick fired: {ticks} ticks, {jobs} jobs");
}

#[tokio::test]
async fn a_schedule_that_cannot_fire_is_paused_and_holds_up_no_other() {
    let fleet = Fleet::new().await;
    put(&fleet, fleet.team, "bad", "run_once", "0 seconds").await;
    put(&fleet, fleet.team, "good", "run_once", "0 seconds").await;
    sqlx::query("update queue.schedules set payload = '{}' where name = 'bad'")
        .execute(&fleet.db.admin)
        .await
        .expect("an update");
    due::fire_due(&fleet.db.pool("scheduler")).await.expect("a look at what is due");
    assert_eq!((ticks(&fleet, "bad").await, ticks(&fleet, "good").await), ((0, 0), (1, 1)));
    let paused: bool = sqlx::query_scalar("select paused_at is not null from queue.schedules where name = 'bad'")
        .fetch_one(&fleet.db.admin)
        .await
        .expect("the schedule");
    assert!(paused);
}

#[tokio::test]
async fn a_database_in_trouble_pauses_no_schedule() {
    let fleet = Fleet::new().await;
    put(&fleet, fleet.team, "sound", "run_once", "0 seconds").await;
    sqlx::raw_sql(
        "create function public.no_room() returns trigger language plpgsql as
           $$ begin raise 'no space left on device' using errcode = '53100'; end $$;
         create trigger no_room before insert on queue.ticks for each row execute function public.no_room()",
    )
    .execute(&fleet.db.admin)
    .await
    .expect("a full disk");
    let pool = fleet.db.pool("scheduler");
    due::fire_due(&pool).await.expect_err("what the database said");
    sqlx::raw_sql("drop trigger no_room on queue.ticks").execute(&fleet.db.admin).await.expect("room again");
    due::fire_due(&pool).await.expect("a look at what is due");
    assert_eq!(ticks(&fleet, "sound").await, (1, 1));
}

/// What a scheduler does at its start with this file.
fn putting(fleet: &Fleet, file: &str) -> Putting {
    let mut text = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut text, file.as_bytes()).expect("a configuration");
    let config = Config::load_from(Some(text.path()), std::iter::empty()).expect("a configuration");
    Putting {
        pool: fleet.db.pool("scheduler"),
        registry: Arc::new(kinds::registry()),
        clock: Arc::new(SystemClock),
        schedules: config.schedules,
    }
}

const DECLARED: &str = "
    [[schedules]]
    name = 'each.hour'
    team = 'first'
    kind = 'scripted'
    payload = { does = 'nothing' }
    cron = '0 * * * *'
";

async fn schedule(fleet: &Fleet, name: &str) -> schedules::Schedule {
    let mut tx = db::begin_as(&fleet.db.pool("api"), fleet.team).await.expect("a transaction");
    schedules::find(&mut tx, fleet.team, name).await.expect("an answer").expect("a schedule")
}

#[tokio::test]
async fn a_declared_schedule_is_put_in_place_and_a_pause_by_somebody_stays() {
    let fleet = Fleet::new().await;
    let two = futures_util::future::join_all([putting(&fleet, DECLARED).put(), putting(&fleet, DECLARED).put()]).await;
    assert!(two.into_iter().all(|missing| missing.is_ok_and(|missing| missing == 0)), "two schedulers at once");
    let first = schedule(&fleet, "each.hour").await;
    assert!(first.declared && first.paused_at.is_none());

    let mut tx = db::begin_as(&fleet.db.pool("operator"), fleet.team).await.expect("a transaction");
    assert!(schedules::hold(&mut tx, fleet.team, "each.hour", Some("not now")).await.expect("a pause"));
    tx.commit().await.expect("a commit");
    let changed = DECLARED.replace("0 * * * *", "0 4 * * *");
    assert_eq!(putting(&fleet, &changed).put().await.expect("a put"), 0);
    let second = schedule(&fleet, "each.hour").await;
    assert_eq!((second.cron.as_str(), second.paused_reason.as_deref()), ("0 4 * * *", Some("not now")));
    assert_eq!(second.paused_at.is_some(), first.paused_at.is_none());
}

#[tokio::test]
async fn the_same_declaration_again_keeps_the_next_tick() {
    let fleet = Fleet::new().await;
    putting(&fleet, DECLARED).put().await.expect("a put");
    fleet.tell("update queue.schedules set next_due_at = date_trunc('hour', now())").await;
    putting(&fleet, DECLARED).put().await.expect("a put");
    due::fire_due(&fleet.db.pool("scheduler")).await.expect("a look at what is due");
    assert_eq!(ticks(&fleet, "each.hour").await, (1, 1), "a restart of the scheduler passed over a due tick");
}

#[tokio::test]
async fn one_that_cannot_be_put_in_place_keeps_no_other_from_it() {
    let fleet = Fleet::new().await;
    let file = format!(
        "{}{}{DECLARED}",
        DECLARED.replace("'first'", "'not yet there'"),
        DECLARED.replace("does = ", "dose = ").replace("each.hour", "wrong")
    );
    assert_eq!(putting(&fleet, &file).put().await.expect("a put"), 2);
    assert!(schedule(&fleet, "each.hour").await.declared);
    fleet.db.team("not yet there").await;
    assert_eq!(putting(&fleet, &file).put().await.expect("a put"), 1, "its team is there by now");
}

#[tokio::test]
async fn what_is_declared_no_more_is_reported_and_stays() {
    let fleet = Fleet::new().await;
    put(&fleet, fleet.team, "by.hand", "skip", "0 seconds").await;
    let by_id = DECLARED.replace("'first'", &format!("'{}'", fleet.team)).replace("each.hour", "by.id");
    let file = format!("{DECLARED}{by_id}");
    assert_eq!(putting(&fleet, &file).put().await.expect("a put"), 0);
    assert_eq!(putting(&fleet, &file).forgotten().await.expect("a look"), []);
    let left = putting(&fleet, "").forgotten().await.expect("a look");
    assert_eq!(left, ["by.id", "each.hour"].map(|name| ("first".to_owned(), name.to_owned())));
    assert!(schedule(&fleet, "each.hour").await.paused_at.is_none());
}
