//! Batches as somebody asks for them: how many jobs, and what became of them.

use chrono::{DateTime, Utc};
use longshore_workers::ids::{BatchId, JobId, TeamId};
use serde::Serialize;
use sqlx::PgConnection;

use super::watch::Mark;

/// A batch. Its counts are added up by the workers, about once a second.
#[derive(Debug, Clone, Serialize)]
pub struct BatchView {
    /// Its id.
    pub id: BatchId,
    /// Jobs that have joined it.
    pub jobs: i64,
    /// Of which so many are done.
    pub done: i64,
    /// So many ended dead.
    pub dead: i64,
    /// So many were cancelled.
    pub cancelled: i64,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// From then on nothing is added.
    pub sealed_at: Option<DateTime<Utc>>,
    /// When the last of its jobs had ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// What is enqueued then.
    pub then_kind: Option<String>,
    /// The job that was.
    pub then_job: Option<JobId>,
}

impl BatchView {
    /// How it looks, for those who wait for a change.
    pub fn mark(&self) -> Mark {
        let counts = [self.jobs, self.done, self.dead, self.cancelled];
        Mark { place: Self::place(counts, self.sealed_at.is_some(), self.ended_at.is_some()), done: 0 }
    }

    pub(super) fn place([jobs, done, dead, cancelled]: [i64; 4], sealed: bool, ended: bool) -> String {
        let state = if ended {
            "ended"
        } else if sealed {
            "sealed"
        } else {
            "open"
        };
        format!("{state}-{jobs}-{done}-{dead}-{cancelled}")
    }
}

/// The batch of that id, if this role may see it.
pub async fn find(conn: &mut PgConnection, team: TeamId, batch: BatchId) -> Result<Option<BatchView>, sqlx::Error> {
    sqlx::query_file_as!(BatchView, "src/store/batches/find.sql", team.0, batch.0).fetch_optional(conn).await
}
