//! Records what became of jobs, many with one statement: a flush begins as soon as the one before is back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use longshore_workers::{db, ids::JobId};
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use super::{running::Running, settle::Verdict};
use crate::{
    store::jobs::{self, Settled},
    telemetry,
};

/// Records for one incarnation.
pub struct Finisher {
    /// Connections of the engine.
    pub pool: PgPool,
    /// The incarnation.
    pub boot: Uuid,
    /// Jobs in our hands: they leave when their end is recorded.
    pub running: Arc<Running>,
    /// Cancelled when the leases are gone: then there is nothing left to record.
    pub lost: CancellationToken,
}

/// Jobs recorded by one statement at most.
const MOST: usize = 1000;
/// How long a statement waits for company, where other jobs still run.
const GATHER: Duration = Duration::from_millis(1);

impl Finisher {
    /// Records what comes in, until every sender is gone and all is recorded, or the leases are lost.
    pub async fn run(self, mut settled: mpsc::Receiver<Settled>) {
        let mut batch = Vec::new();
        while settled.recv_many(&mut batch, MOST).await > 0 {
            // Where more is about to end, a moment saves a statement.
            if batch.len() < MOST / 4 && self.running.count() > batch.len() {
                tokio::time::sleep(GATHER).await;
                while batch.len() < MOST
                    && let Ok(one) = settled.try_recv()
                {
                    batch.push(one);
                }
            }
            let (done, other): (Vec<_>, Vec<_>) =
                batch.drain(..).partition(|one: &Settled| !one.special && matches!(one.verdict, Verdict::Done { output: None }));
            self.flush(done, true).await;
            self.flush(other, false).await;
        }
    }

    async fn flush(&self, batch: Vec<Settled>, plain: bool) {
        if batch.is_empty() {
            return;
        }
        let mut pause = Duration::from_millis(50);
        loop {
            match self.record(&batch, plain).await {
                Ok(accepted) => {
                    // Another incarnation has the rest, or an answer of ours was lost and they are recorded already.
                    for one in batch.iter().filter(|one| !accepted.contains(&one.job)) {
                        warn!(job.id = %one.job, "the job ended under a lease that is no longer ours; dropped");
                        telemetry::fenced(one.queue, 1);
                    }
                    break;
                }
                Err(refusal) if refusal.as_database_error().is_some_and(is_about_the_data) => {
                    self.one_by_one(batch).await;
                    return;
                }
                Err(error) => {
                    warn!(jobs = batch.len(), "could not record how jobs ended, trying again: {error}");
                    tokio::select! {
                        () = self.lost.cancelled() => break,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        }
        for one in batch {
            self.running.leave(one.fence, one.job);
        }
    }

    async fn record(&self, batch: &[Settled], plain: bool) -> Result<Vec<JobId>, sqlx::Error> {
        let mut work = db::work(&self.pool).await?;
        let asked = Instant::now();
        let accepted = if plain {
            jobs::finish(&mut work, self.boot, batch).await?
        } else {
            jobs::settle(&mut work, self.boot, batch).await?
        };
        work.done().await?;
        telemetry::settled(asked.elapsed());
        Ok(accepted)
    }

    /// The database refused something in the batch (an output it can't store): its neighbours must not suffer, and the
    /// job must not end silently.
    async fn one_by_one(&self, batch: Vec<Settled>) {
        for mut one in batch {
            let mut failures = 0;
            while let Err(error) = self.record(std::slice::from_ref(&one), false).await {
                failures += 1;
                if self.lost.is_cancelled() || failures > 20 {
                    error!(job.id = %one.job, "how the job ended was not recorded; its lease will run out: {error}");
                    break;
                }
                if error.as_database_error().is_some_and(is_about_the_data) {
                    one.verdict = Verdict::Dead { error: format!("how it ended could not be recorded: {error}") };
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            self.running.leave(one.fence, one.job);
        }
    }
}

/// Data that Postgres can't store (class 22), or that breaks a constraint (class 23): trying again is no help.
fn is_about_the_data(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}
