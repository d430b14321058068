//! Writes what has become of a message. Every statement says from which states it may go, so that a late writer changes
//! nothing.

use sqlx::PgConnection;

use super::gateway::Accepted;
use crate::ids::TeamId;

/// The vendor has it. A callback that came first keeps what it wrote.
pub async fn accepted(
    conn: &mut PgConnection,
    team: TeamId,
    message: i64,
    vendor: &str,
    accepted: &Accepted,
) -> Result<(), sqlx::Error> {
    sqlx::query_file!("messages/record/accepted.sql", team.0, message, vendor, accepted.vendor_id, accepted.segments)
        .execute(conn)
        .await?;
    Ok(())
}

/// The vendor refused it for good.
pub async fn failed(
    conn: &mut PgConnection,
    team: TeamId,
    message: i64,
    reason: &str,
    code: Option<i32>,
) -> Result<(), sqlx::Error> {
    sqlx::query_file!("messages/record/failed.sql", team.0, message, reason, code).execute(conn).await?;
    Ok(())
}

/// It is not to leave; `rule` says why.
pub async fn suppressed(conn: &mut PgConnection, team: TeamId, message: i64, rule: &str) -> Result<(), sqlx::Error> {
    sqlx::query_file!("messages/record/suppressed.sql", team.0, message, rule).execute(conn).await?;
    Ok(())
}

/// Known not to have been taken: it may be sent as if it had never been tried.
pub async fn not_sent(conn: &mut PgConnection, team: TeamId, message: i64, reason: &str) -> Result<(), sqlx::Error> {
    sqlx::query_file!("messages/record/not_sent.sql", team.0, message, reason).execute(conn).await?;
    Ok(())
}

/// May have been taken. `looked`: the vendor was asked, and did not have it (yet). False: it became known meanwhile.
pub async fn unknown(
    conn: &mut PgConnection,
    team: TeamId,
    message: i64,
    reason: &str,
    looked: bool,
) -> Result<bool, sqlx::Error> {
    let unknown = sqlx::query_file!("messages/record/unknown.sql", team.0, message, reason, i16::from(looked));
    Ok(unknown.execute(conn).await?.rows_affected() > 0)
}
