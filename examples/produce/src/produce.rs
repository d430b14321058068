//! What a producer does: its own rows and the jobs for them, in one transaction.

use longshore::{
    EnqueueError, Enqueued, Options, TeamId,
    jobs::{EnrichPerson, IngestFile},
    sqlx::{self, PgPool},
};

/// Notes an upload in the platform's own table, and has it loaded: both, or neither.
pub async fn upload(pool: &PgPool, team: TeamId, file_id: i64) -> Result<Enqueued, EnqueueError> {
    let mut tx = longshore::begin_as(pool, team).await?;
    sqlx::query("insert into platform_uploads (file_id) values ($1) on conflict do nothing")
        .bind(file_id)
        .execute(&mut *tx)
        .await?;
    // Whoever comes with the same upload again gets the same job.
    let accepted = longshore::enqueue_with(&mut tx, IngestFile { file_id }, Options::key(format!("upload-{file_id}"))).await?;
    tx.commit().await?;
    Ok(accepted)
}

/// Changes its mind: what was enqueued in a transaction that is rolled back was never there.
pub async fn think_twice(pool: &PgPool, team: TeamId, file_id: i64) -> Result<Enqueued, EnqueueError> {
    let mut tx = longshore::begin_as(pool, team).await?;
    sqlx::query("insert into platform_uploads (file_id) values ($1)").bind(file_id).execute(&mut *tx).await?;
    let accepted = longshore::enqueue(&mut tx, IngestFile { file_id }).await?;
    tx.rollback().await?;
    Ok(accepted)
}

/// Enqueues many jobs of one kind with one statement. Returns how many.
pub async fn look_up(pool: &PgPool, team: TeamId, leads: &[i64]) -> Result<usize, EnqueueError> {
    let jobs: Vec<_> = leads.iter().map(|&lead_id| EnrichPerson { lead_id }).collect();
    let mut tx = longshore::begin_as(pool, team).await?;
    let accepted = longshore::enqueue_many(&mut tx, &jobs).await?;
    tx.commit().await?;
    Ok(accepted.len())
}
