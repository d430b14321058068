//! Schedules as an operator sees and sets them.

use chrono::{DateTime, Utc};
use longshore_workers::ids::{JobId, TeamId};
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
    /// Why, where the scheduler itself had to stop it.
    pub paused_reason: Option<String>,
    /// Its next tick.
    pub next_due_at: DateTime<Utc>,
    /// Its last tick.
    pub last_due_at: Option<DateTime<Utc>>,
    /// The job of that tick; none when it was skipped.
    pub last_job: Option<JobId>,
}

/// Schedules of one team, or of all.
pub async fn list(conn: &mut PgConnection, team: Option<TeamId>) -> Result<Vec<Schedule>, sqlx::Error> {
    sqlx::query_file_as!(Schedule, "src/store/schedules/list.sql", team.map(|team| team.0)).fetch_all(conn).await
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
}

/// Creates or changes a schedule; one that is the same keeps its next tick.
pub async fn put(conn: &mut PgConnection, team: TeamId, wanted: &Wanted<'_>) -> Result<(), sqlx::Error> {
    let Wanted { name, kind, payload, cron, time_zone, missed, catch_up_most, next_due_at } = wanted;
    sqlx::query_file!(
        "src/store/schedules/put.sql",
        team.0,
        name,
        kind,
        payload,
        cron,
        time_zone,
        missed,
        next_due_at,
        catch_up_most
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// The cron pattern and time zone of a schedule.
pub async fn pattern(conn: &mut PgConnection, team: TeamId, name: &str) -> Result<Option<(String, String)>, sqlx::Error> {
    let found = sqlx::query_file!("src/store/schedules/find.sql", team.0, name).fetch_optional(conn).await?;
    Ok(found.map(|schedule| (schedule.cron, schedule.time_zone)))
}

/// Stops a schedule; false when the team has none of that name. `reason` where nobody asked for it.
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
