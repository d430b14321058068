//! Schedules fire each tick once, whatever runs.

use longshore::{scheduler::due, workers::ids::TeamId};

use crate::support::Fleet;

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
