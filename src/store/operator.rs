//! The operator's place in a transaction.

use sqlx::PgConnection;

/// Makes the rest of the open transaction the operator's, whoever connected, and lets no statement run for long. The audit log
/// will say who it was, and why unless the deed has a reason of its own.
pub async fn act(conn: &mut PgConnection, name: &str, reason: &str) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/operator/act.sql", name, reason).fetch_one(conn).await?;
    Ok(())
}

/// Lets every statement of a transaction see the same moment; its first statement.
pub async fn see_one_moment(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/operator/snapshot.sql").execute(conn).await?;
    Ok(())
}

/// Lets the statements of the open transaction run for an hour: for proofs that read everything.
pub async fn be_patient(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/operator/be_patient.sql").fetch_one(conn).await?;
    Ok(())
}
