//! Due schedules and their ticks, as the scheduler sees them: across teams.

use chrono::{DateTime, Utc};
use longshore_workers::ids::TeamId;
use sqlx::PgConnection;

use crate::scheduler::due::Decision;

/// Ticks handled at one go.
pub const HAND: usize = 500;

/// A schedule whose tick is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// Whose.
    pub team: TeamId,
    /// Its name, unique in the team.
    pub name: String,
    /// Five fields.
    pub cron: String,
    /// IANA name.
    pub time_zone: String,
    /// `skip`, `run_once` or `catch_up`.
    pub missed: String,
    /// Ticks that `catch_up` makes up for at most.
    pub catch_up_most: i32,
    /// The tick.
    pub due_at: DateTime<Utc>,
    /// The database's time.
    pub now: DateTime<Utc>,
}

/// Schedules whose tick is due, longest overdue first; at most [`HAND`].
pub async fn due(conn: &mut PgConnection) -> Result<Vec<Due>, sqlx::Error> {
    let rows = sqlx::query_file!("src/store/ticks/due.sql", HAND as i64).fetch_all(conn).await?;
    let due = rows.into_iter().map(|row| Due {
        team: TeamId(row.team_id),
        name: row.name,
        cron: row.cron,
        time_zone: row.time_zone,
        missed: row.missed,
        catch_up_most: row.catch_up_most,
        due_at: row.next_due_at,
        now: row.now,
    });
    Ok(due.collect())
}

/// Fires or skips a tick: `Some(job)`, `Some(0)` when skipped, `None` when another scheduler was first.
pub async fn tick(conn: &mut PgConnection, due: &Due, decision: &Decision) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/ticks/tick.sql", due.team.0, due.name, due.due_at, decision.next, decision.fire)
        .fetch_one(conn)
        .await
}
