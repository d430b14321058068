//! Records what became of jobs, many with one statement: a flush begins as soon as the one before is back.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use longshore_workers::{db::Dedicated, failpoint, ids::JobId};
use sqlx::PgConnection;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use super::{running::Running, settle::Verdict};
use crate::{
    store::jobs::{self, Holding, Settled},
    telemetry,
};

/// Records for one incarnation.
pub struct Finisher {
    /// Its connection.
    pub conn: Dedicated,
    /// The incarnation.
    pub boot: Uuid,
    /// Jobs in our hands: they leave when their end is recorded.
    pub running: Arc<Running>,
    /// Cancelled when the leases are gone: then there is nothing left to record.
    pub lost: CancellationToken,
}

/// Jobs recorded by one statement at most.
const MOST: usize = 1000;
/// How many milliseconds the end of a job waits for the others of its lease: a lease that ends whole costs the database half
/// of one that ends in parts.
const GATHER: u32 = 3;

impl Finisher {
    /// Records what comes in, until every sender is gone and all is recorded, or the leases are lost.
    pub async fn run(mut self, mut settled: mpsc::Receiver<Settled>) {
        let mut batch: Vec<Settled> = Vec::new();
        while settled.recv_many(&mut batch, MOST).await > 0 {
            for _ in 0..GATHER {
                if batch.len() >= MOST || self.is_whole(&batch) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
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

    /// Nothing else is under way in the leases of these jobs.
    fn is_whole(&self, batch: &[Settled]) -> bool {
        held(batch).into_iter().all(|(fence, ended)| self.running.count_under(fence) <= ended.jobs)
    }

    async fn flush(&mut self, batch: Vec<Settled>, plain: bool) {
        if batch.is_empty() {
            return;
        }
        let mut pause = Duration::from_millis(50);
        loop {
            match self.record(&batch, plain).await {
                Ok(accepted) => {
                    if accepted.len() < batch.len() {
                        // Another incarnation has the rest, or an answer of ours was lost and they are recorded already.
                        let accepted: HashSet<_> = accepted.into_iter().collect();
                        for one in batch.iter().filter(|one| !accepted.contains(&one.job)) {
                            warn!(job.id = %one.job, "the job ended under a lease that is no longer ours; dropped");
                            telemetry::fenced(one.queue, 1);
                        }
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
        self.running.leave(batch.iter().map(|one| (one.fence, one.job)));
    }

    async fn record(&mut self, batch: &[Settled], plain: bool) -> Result<Vec<JobId>, sqlx::Error> {
        let whole = if plain { self.whole(batch) } else { Vec::new() };
        let mut work = self.conn.work().await?;
        let asked = Instant::now();
        failpoint!(BeforeCommit);
        let accepted = match plain {
            true => record_done(&mut work, self.boot, batch, &whole).await?,
            false => jobs::settle(&mut work, self.boot, batch).await?,
        };
        work.done().await?;
        failpoint!(AfterCommit);
        telemetry::settled(asked.elapsed());
        Ok(accepted)
    }

    /// The leases that end with this batch.
    fn whole(&self, batch: &[Settled]) -> Vec<(i64, Holding)> {
        held(batch).into_iter().filter(|(fence, ended)| self.running.count_under(*fence) == ended.jobs).collect()
    }

    /// The database refused something in the batch (an output it can't store): its neighbours must not suffer, and the
    /// job must not end silently.
    async fn one_by_one(&mut self, batch: Vec<Settled>) {
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
            self.running.leave(std::iter::once((one.fence, one.job)));
        }
    }
}

/// Leases that end whole by their fence alone, which costs half; the rest job by job.
async fn record_done(
    conn: &mut PgConnection,
    boot: Uuid,
    batch: &[Settled],
    whole: &[(i64, Holding)],
) -> Result<Vec<JobId>, sqlx::Error> {
    let ended: HashSet<_> = match whole.is_empty() {
        true => HashSet::new(),
        false => jobs::finish_leases(conn, boot, whole).await?.into_iter().collect(),
    };
    let (mut accepted, mut rest) = (Vec::with_capacity(batch.len()), Vec::new());
    for one in batch {
        if ended.contains(&one.fence) { accepted.push(one.job) } else { rest.push((one.fence, one.job.0)) }
    }
    if !rest.is_empty() {
        rest.sort_unstable();
        accepted.extend(jobs::finish(conn, boot, rest).await?);
    }
    Ok(accepted)
}

/// What the batch has of each lease.
fn held(batch: &[Settled]) -> HashMap<i64, Holding> {
    let mut leases = HashMap::new();
    for one in batch {
        leases.entry(one.fence).or_insert(Holding { jobs: 0, one: one.job }).jobs += 1;
    }
    leases
}

/// Data that Postgres can't store (class 22), or that breaks a constraint (class 23): trying again is no help.
fn is_about_the_data(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}
