//! Puts single enqueues of one team that arrive together into one statement ([`longshore_workers::coalesce`]).

use std::sync::Arc;

use longshore_workers::{coalesce, db, ids::TeamId};
use sqlx::PgPool;

use super::error::{ApiError, Code};
use crate::store::doors::{self, NewJob, Taken};

/// Jobs waiting in all; one more is told to come back.
const ROOM: usize = 4096;

/// Gathers the enqueues of a process.
pub struct Coalescer(Arc<coalesce::Coalescer<Door>>);

struct Door {
    pool: PgPool,
}

impl Coalescer {
    pub(super) fn new(pool: PgPool) -> Arc<Self> {
        Arc::new(Self(coalesce::Coalescer::new(Door { pool })))
    }

    pub(super) fn waiting(&self) -> usize {
        self.0.waiting()
    }

    /// Enqueues one job; answers when it is committed or refused.
    pub async fn enqueue(&self, team: TeamId, job: NewJob) -> Result<Taken, ApiError> {
        if self.waiting() >= ROOM {
            return Err(ApiError::new(Code::Busy, "Too many jobs are waiting to be written down. Try again in a moment."));
        }
        if job.goes_alone() {
            let coalescer = self.0.clone();
            let alone = tokio::spawn(async move { coalesce::Write::write(coalescer.writer(), team, &[&job]).await });
            let taken = alone.await.map_err(ApiError::internal)?.map_err(Refusal::told)?;
            return taken.into_iter().next().ok_or_else(|| ApiError::internal("the statement answered for no row"));
        }
        self.0.submit(team, job).await.map_err(Refusal::told)
    }
}

/// Why a statement wrote nothing.
struct Refusal {
    told: ApiError,
    is_about_rows: bool,
}

impl Refusal {
    fn told(self) -> ApiError {
        self.told
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        let is_about_rows = db::is_about_rows(&error);
        Self { told: error.into(), is_about_rows }
    }
}

impl coalesce::Write for Door {
    type Item = NewJob;
    type Answer = Taken;
    type Error = Refusal;
    const MOST: usize = 200;
    /// The second gathers its jobs while the first commits.
    const FLIGHTS: usize = 2;

    async fn write(&self, team: TeamId, jobs: &[&NewJob]) -> Result<Vec<Taken>, Refusal> {
        let mut work = db::work(&self.pool).await?;
        let taken = match jobs {
            [job] => vec![doors::enqueue(&mut work, team, job).await?],
            jobs => doors::enqueue_each(&mut work, team, jobs).await?,
        };
        work.done().await?;
        Ok(taken)
    }

    /// One of them broke the statement (a key that somebody's open transaction holds).
    fn is_of_one(&self, error: &Refusal) -> bool {
        error.is_about_rows
    }

    fn again(&self, error: &Refusal) -> Refusal {
        Refusal { told: error.told.clone(), is_about_rows: error.is_about_rows }
    }

    fn broke_off(&self) -> Refusal {
        Refusal { told: ApiError::internal("the statement that held this job broke off"), is_about_rows: false }
    }
}
