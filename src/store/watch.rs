//! What the door asks for those who wait for a job or a batch: one question for all of them, whatever their teams.

use longshore_workers::ids::{BatchId, JobId, TeamId};
use sqlx::PgConnection;

use super::{
    batches::BatchView,
    job_view::{self, JobState},
};

/// How a job or a batch looks: two that look the same have the same mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Where it is: state, reason and attempt; of a batch, its counts.
    pub place: String,
    /// Units of work that a handler has reported.
    pub done: i64,
}

/// The marks of jobs, each named with its team. One that is not there has none.
pub async fn jobs(conn: &mut PgConnection, watched: &[(TeamId, JobId)]) -> Result<Vec<(TeamId, JobId, Mark)>, sqlx::Error> {
    let (teams, ids): (Vec<_>, Vec<_>) = watched.iter().map(|(team, job)| (team.0, job.0)).unzip();
    let rows = sqlx::query_file!("src/store/watch/jobs.sql", &teams, &ids).fetch_all(conn).await?;
    let marks = rows.into_iter().map(|row| {
        let cancelling = row.cancelling.then_some("cancelling");
        let (state, reason, attempt) = match (row.outcome, row.waits_for.as_deref(), row.running_attempt) {
            (Some(1), ..) => (JobState::Done, None, None),
            (Some(3), ..) => (JobState::Cancelled, None, None),
            (Some(_), ..) => (JobState::Dead, None, None),
            (None, Some(why), _) => (JobState::Waiting, Some(why), row.waiting_attempt),
            (None, None, Some(attempt)) => (JobState::Running, cancelling, Some(attempt)),
            (None, None, None) => (JobState::Waiting, Some("ready"), None),
        };
        let place = job_view::place(state, reason, attempt.unwrap_or(0));
        (row.team, row.job, Mark { place, done: row.done.unwrap_or(0) })
    });
    Ok(marks.collect())
}

/// The marks of batches, each named with its team.
pub async fn batches(
    conn: &mut PgConnection,
    watched: &[(TeamId, BatchId)],
) -> Result<Vec<(TeamId, BatchId, Mark)>, sqlx::Error> {
    let (teams, ids): (Vec<_>, Vec<_>) = watched.iter().map(|(team, batch)| (team.0, batch.0)).unzip();
    let rows = sqlx::query_file!("src/store/watch/batches.sql", &teams, &ids).fetch_all(conn).await?;
    let marks = rows.into_iter().map(|row| {
        let place = BatchView::place([row.jobs, row.done, row.dead, row.cancelled], row.sealed, row.ended);
        (row.team, row.batch, Mark { place, done: 0 })
    });
    Ok(marks.collect())
}
