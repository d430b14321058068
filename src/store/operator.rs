//! The operator's place in a transaction.

use sqlx::PgConnection;

/// Makes the rest of the open transaction the operator's, whoever connected, and lets no statement run for long.
pub async fn act(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/operator/act.sql").fetch_one(conn).await?;
    Ok(())
}

/// Lets the statements of the open transaction run for an hour: for proofs that read everything.
pub async fn be_patient(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/operator/be_patient.sql").fetch_one(conn).await?;
    Ok(())
}
