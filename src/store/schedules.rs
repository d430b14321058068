//! Schedules as an operator sees and sets them.

use chrono::{DateTime, Utc};
use longshore_workers::{
    enqueue::Enqueued,
    ids::{JobId, TeamId},
};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

/// A schedule.
#[derive(Debug, Clone, Serialize)]
pub struct Schedule {
    /// Its name, unique in its team.
    pub name: String,
    /// Its team.
    pub team_id: TeamId,
    /// Its team's name.
    pub team: String,
    /// The kind of job it enqueues.
    pub kind: String,
    /// With this payload.
    pub payload: Value,
    /// When.
    pub cron: String,
    /// By which clocks.
    pub time_zone: String,
    /// What happens to ticks that nobody was there to fire: `skip`, `run_once` or `catch_up`.
    pub missed: String,
    /// Ticks that `catch_up` makes up for at most.
    pub catch_up_most: i32,
    /// Since when it does not fire.
    pub paused_at: Option<DateTime<Utc>>,
    /// Why: as somebody said, or as the scheduler that had to stop it found.
    pub paused_reason: Option<String>,
    /// A configuration says so, not a person.
    pub declared: bool,
    /// Its next tick.
    pub next_due_at: DateTime<Utc>,
    /// Its last tick.
    pub last_due_at: Option<DateTime<Utc>>,
    /// The job of that tick; none when it was skipped.
    pub last_job: Option<JobId>,
}

/// Schedules of one team, or of all.
pub async fn list(conn: &mut PgConnection, team: Option<TeamId>) -> Result<Vec<Schedule>, sqlx::Error> {
    some(conn, team, None, None, None).await
}

/// A page of a team's schedules by name, behind `after`.
pub async fn page(conn: &mut PgConnection, team: TeamId, after: Option<&str>, limit: i64) -> Result<Vec<Schedule>, sqlx::Error> {
    some(conn, Some(team), None, after, Some(limit)).await
}

/// One schedule.
pub async fn find(conn: &mut PgConnection, team: TeamId, name: &str) -> Result<Option<Schedule>, sqlx::Error> {
    Ok(some(conn, Some(team), Some(name), None, None).await?.pop())
}

async fn some(
    conn: &mut PgConnection,
    team: Option<TeamId>,
    name: Option<&str>,
    after: Option<&str>,
    limit: Option<i64>,
) -> Result<Vec<Schedule>, sqlx::Error> {
    sqlx::query_file_as!(Schedule, "src/store/schedules/list.sql", team.map(|team| team.0), name, after, limit)
        .fetch_all(conn)
        .await
}

/// How many schedules a team has.
pub async fn count(conn: &mut PgConnection, team: TeamId) -> Result<i64, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/schedules/count.sql", team.0).fetch_one(conn).await
}

/// Starts with a small letter, goes on with small letters, digits and `_ . -`; at most 100.
pub fn is_name(name: &str) -> bool {
    let mut letters = name.bytes();
    letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && name.len() <= 100
        && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b))
}

/// A schedule as somebody wants it.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// The kind of job.
    pub kind: &'a str,
    /// Its payload.
    pub payload: &'a Value,
    /// When.
    pub cron: &'a str,
    /// By which clocks.
    pub time_zone: &'a str,
    /// `skip`, `run_once` or `catch_up`.
    pub missed: &'a str,
    /// Ticks that `catch_up` makes up for at most.
    pub catch_up_most: i32,
    /// The first tick.
    pub next_due_at: DateTime<Utc>,
    /// A configuration says so.
    pub declared: bool,
}

/// Creates or changes a schedule; one that is the same keeps its next tick, and one that is paused stays so. True: it is
/// new.
pub async fn put(conn: &mut PgConnection, team: TeamId, wanted: &Wanted<'_>) -> Result<bool, sqlx::Error> {
    let Wanted { name, kind, payload, cron, time_zone, missed, catch_up_most, next_due_at, declared } = wanted;
    sqlx::query_file_scalar!(
        "src/store/schedules/put.sql",
        team.0,
        name,
        kind,
        payload,
        cron,
        time_zone,
        missed,
        next_due_at,
        catch_up_most,
        declared,
    )
    .fetch_one(conn)
    .await
}

/// Takes a schedule away; false when the team has none of that name.
pub async fn delete(conn: &mut PgConnection, team: TeamId, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/schedules/delete.sql", team.0, name).fetch_one(conn).await
}

/// Enqueues a schedule's job now, once for the same `request`; `None` when the team has no such schedule.
pub async fn run(
    conn: &mut PgConnection,
    team: TeamId,
    name: &str,
    request: Option<&str>,
) -> Result<Option<Enqueued>, sqlx::Error> {
    let ran = sqlx::query_file!("src/store/schedules/run.sql", team.0, name, request).fetch_optional(conn).await?;
    Ok(ran.map(|ran| Enqueued { job: JobId(ran.job_id), deduplicated: ran.deduplicated }))
}

/// The cron pattern and time zone of a schedule.
pub async fn pattern(conn: &mut PgConnection, team: TeamId, name: &str) -> Result<Option<(String, String)>, sqlx::Error> {
    let found = sqlx::query_file!("src/store/schedules/find.sql", team.0, name).fetch_optional(conn).await?;
    Ok(found.map(|schedule| (schedule.cron, schedule.time_zone)))
}

/// Stops a schedule; false when the team has none of that name.
pub async fn hold(conn: &mut PgConnection, team: TeamId, name: &str, reason: Option<&str>) -> Result<bool, sqlx::Error> {
    set_held(conn, team, name, true, None, reason).await
}

/// Lets a schedule go on with that tick; false when the team has none of that name.
pub async fn go_on(conn: &mut PgConnection, team: TeamId, name: &str, next_due_at: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    set_held(conn, team, name, false, Some(next_due_at), None).await
}

async fn set_held(
    conn: &mut PgConnection,
    team: TeamId,
    name: &str,
    held: bool,
    next_due_at: Option<DateTime<Utc>>,
    reason: Option<&str>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/schedules/hold.sql", team.0, name, held, next_due_at, reason).fetch_one(conn).await
}
