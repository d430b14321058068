//! Runs jobs that are suspected of killing processes, each alone in a process of its own: when one does kill its process,
//! it kills nobody else, and its attempts are counted like any other's.
//!
//! Whatever was in the hands of a process that died is suspect. The first attempt behind the death is alone; a job that
//! survives it is suspect no more.

use std::{io, process::Stdio, sync::Arc, time::Duration};

use longshore_workers::{clock::Random, db};
use sqlx::PgPool;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::store::{jobs, processes};

/// How to start a process that runs suspects under the boot id it is given, and ends when none is left or its standard
/// input ends.
pub type Cell = Arc<dyn Fn(Uuid) -> Command + Send + Sync>;

/// Looks after the suspects of a worker's queues.
pub struct Quarantine {
    /// Connections of the engine.
    pub pool: PgPool,
    /// The worker's queues.
    pub queues: Vec<String>,
    /// The stored names of the kinds it knows in them.
    pub kinds: Vec<String>,
    /// How often it looks.
    pub every: Duration,
    /// Jitter.
    pub random: Arc<dyn Random>,
    /// The process for one.
    pub cell: Cell,
    /// How long a process that is asked to stop may take.
    pub grace: Duration,
}

impl Quarantine {
    /// Looks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.has_suspects().await {
                Ok(true) => match self.run_cell(&stop).await {
                    // There may be more; a cell that can't live is not started over and over.
                    Ok(()) => {}
                    Err(error) => warn!("suspects can't be run, trying again: {error}"),
                },
                Ok(false) => {}
                Err(error) => warn!("could not look for suspects, trying again: {error}"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.every.mul_f64(0.5 + self.random.unit())) => {}
            }
        }
    }

    async fn has_suspects(&self) -> Result<bool, sqlx::Error> {
        jobs::has_suspects(&mut *db::work(&self.pool).await?, &self.queues, &self.kinds).await
    }

    /// One process, from its start to its end.
    async fn run_cell(&self, stop: &CancellationToken) -> anyhow::Result<()> {
        let boot = Uuid::new_v4();
        let mut command = (self.cell)(boot);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        // Held until the cell shall end: waiting for a child closes what it reads.
        let leash = child.stdin.take();
        info!(%boot, pid = child.id(), "suspects run in a process of their own");
        let ended = tokio::select! {
            ended = child.wait() => ended?,
            () = stop.cancelled() => {
                drop(leash);
                self.end(&mut child).await?
            }
        };
        if !ended.success() {
            warn!(%boot, "a process that ran a suspect died ({ended}): its job is counted an attempt");
            let mut work = db::work(&self.pool).await?;
            // Nobody needs to wait for its lease to run out.
            processes::leave(&mut work, boot).await?;
            jobs::reap(&mut work, 200).await?;
            work.done().await?;
        }
        Ok(())
    }

    async fn end(&self, child: &mut Child) -> io::Result<std::process::ExitStatus> {
        match tokio::time::timeout(self.grace, child.wait()).await {
            Ok(ended) => ended,
            Err(_) => {
                child.start_kill()?;
                child.wait().await
            }
        }
    }
}
