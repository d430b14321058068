//! The statements that keep the queue's tables in order.

use sqlx::PgConnection;

/// Makes partitions ahead of the newest job id; returns how many were missing.
pub async fn ensure_partitions(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/upkeep/ensure_partitions.sql").fetch_one(conn).await
}

/// Begins a new partition once the newest has taken jobs for long enough; returns whether it did.
pub async fn turn_page(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/upkeep/turn_page.sql").fetch_one(conn).await
}

/// A partition that was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Its name.
    pub name: String,
    /// Jobs that still live, or ended lately: they are in the partition that took its place.
    pub carried: i64,
}

/// Drops the oldest partition whose jobs are over for longer than they are kept; `None` when there is none.
pub async fn drop_history(conn: &mut PgConnection) -> Result<Option<Dropped>, sqlx::Error> {
    sqlx::query_file_as!(Dropped, "src/store/upkeep/drop_history.sql").fetch_optional(conn).await
}

/// Forgets idempotency keys past their time, and cancellations of jobs that ended; returns how many.
pub async fn tidy(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/upkeep/tidy.sql").fetch_one(conn).await
}

/// Forgets plans, batches, dead letters and ticks that were settled more than `days` ago, at most `most` of each; returns how
/// many rows went.
pub async fn forget_settled(conn: &mut PgConnection, days: i32, most: i32) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/upkeep/forget_settled.sql", days, most).fetch_one(conn).await
}

/// How many connections the server allows.
pub async fn max_connections(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/upkeep/max_connections.sql").fetch_one(conn).await
}
