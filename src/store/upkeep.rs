//! The statements that keep the queue's tables in order.

use sqlx::PgConnection;

/// Makes partitions ahead of the newest job id; returns how many were missing.
pub async fn ensure_partitions(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/upkeep/ensure_partitions.sql").fetch_one(conn).await
}

/// Forgets idempotency keys past their time, and cancellations of jobs that ended; returns how many.
pub async fn tidy(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/upkeep/tidy.sql").fetch_one(conn).await
}

/// How many connections the server allows.
pub async fn max_connections(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/upkeep/max_connections.sql").fetch_one(conn).await
}
