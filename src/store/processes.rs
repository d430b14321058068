//! The heartbeat of a process: one row a boot id, one update a beat, whatever it runs.

use std::time::Duration;

use longshore_workers::ids::JobId;
use sqlx::PgConnection;
use uuid::Uuid;

use super::jobs::interval;

/// What a process says of itself when it enters the fleet.
#[derive(Debug, Clone)]
pub struct Process<'a> {
    /// New with every start, and with every lost lease.
    pub boot: Uuid,
    /// `api`, `worker` or `scheduler`.
    pub role: &'a str,
    /// The machine.
    pub host: &'a str,
    /// Its process id there.
    pub pid: i32,
    /// Version and commit.
    pub build: &'a str,
    /// Queues it claims from.
    pub queues: &'a [String],
    /// Jobs it runs at once.
    pub slots: i32,
}

/// Enters the fleet, alive for `ttl`.
pub async fn enter(conn: &mut PgConnection, process: &Process<'_>, ttl: Duration) -> Result<(), sqlx::Error> {
    sqlx::query_file!(
        "src/store/processes/enter.sql",
        process.boot,
        process.role,
        process.host,
        process.pid,
        process.build,
        process.queues,
        process.slots,
        interval(ttl),
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// Renews every lease of a process at once. `None`: the process is dead to the fleet. Else the jobs it should stop.
pub async fn beat(conn: &mut PgConnection, boot: Uuid, ttl: Duration) -> Result<Option<Vec<JobId>>, sqlx::Error> {
    let row = sqlx::query_file!("src/store/processes/beat.sql", boot, interval(ttl)).fetch_one(conn).await?;
    Ok(row.expires_at.map(|_| row.cancelled.unwrap_or_default().into_iter().map(JobId).collect()))
}

/// Says that a process sleeps until a queue has work, or that it no longer does. Answers with the queue's id, by which it is
/// notified.
pub async fn sleep(conn: &mut PgConnection, boot: Uuid, queue: &str, asleep: bool) -> Result<Option<i16>, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/processes/sleep.sql", boot, queue, asleep).fetch_one(conn).await
}

/// Leaves the fleet in good order.
pub async fn leave(conn: &mut PgConnection, boot: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/processes/leave.sql", boot).fetch_one(conn).await?;
    Ok(())
}

/// How many API processes are alive.
pub async fn count_doors(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/processes/count_doors.sql").fetch_one(conn).await
}
