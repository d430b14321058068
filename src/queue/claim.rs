//! Claims jobs of one queue whenever slots are free, and hands them on with the slot they will occupy.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use longshore_workers::clock::Random;
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, RwLock, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::{
    execute::Claimed,
    running::{Running, Switch},
};
use crate::{store::jobs, telemetry};

/// A claimed job with the slot it occupies and its off switch.
#[derive(Debug)]
pub struct Ticket {
    /// The job.
    pub job: Claimed,
    /// Stops it.
    pub switch: Switch,
    /// Free again when dropped.
    pub slot: OwnedSemaphorePermit,
}

/// Claims from one queue for one incarnation.
pub struct Claimer {
    /// Connections of the engine.
    pub pool: PgPool,
    /// The incarnation.
    pub boot: Uuid,
    /// The queue.
    pub queue: String,
    /// Stored names of the kinds this build knows there; others are left alone.
    pub kinds: Vec<String>,
    /// The queue's slots in this process.
    pub slots: Arc<Semaphore>,
    /// How long an idle queue is left alone, before jitter.
    pub poll: Duration,
    /// Jitter.
    pub random: Arc<dyn Random>,
    /// Jobs in our hands.
    pub running: Arc<Running>,
    /// Held for reading by every claim under way, and for writing while claims without an answer are handed back.
    pub claiming: Arc<RwLock<()>>,
}

impl Claimer {
    /// Claims until `stop`; then the receiver of `out` sees the end. Returns early when the incarnation is dead to the
    /// fleet; the heartbeat says so too.
    pub async fn run(self, out: mpsc::Sender<Ticket>, stop: CancellationToken) {
        let mut after = Uuid::nil();
        let mut failures = 0;
        let slots = self.slots.available_permits();
        while !stop.is_cancelled() {
            let Some(mut free) = self.free_slots(&stop).await else { return };
            // Not inside a select: a claim that is dropped may have happened.
            let asked = Instant::now();
            let claimed = {
                let _claiming = self.claiming.read().await;
                let claimed = self.claim(free.num_permits(), after).await;
                // Entered before the lock is let go: whoever looks for answers that were lost finds these.
                claimed.map(|jobs| {
                    let enter = |job: Claimed| (self.running.enter(job.claim.lease.fence, job.claim.job), job);
                    jobs.into_iter().map(enter).collect::<Vec<_>>()
                })
            };
            match claimed {
                Ok(jobs) => {
                    failures = 0;
                    telemetry::claim(&self.queue, asked.elapsed(), jobs.len());
                    telemetry::worker_slots(&self.queue, (slots + jobs.len()).saturating_sub(free.num_permits()), slots);
                    let idle = jobs.is_empty();
                    for (switch, job) in jobs {
                        after = job.claim.team.0;
                        if job.claim.attempt == 1 {
                            let waited = job.claimed_at - job.claim.created_at;
                            telemetry::job_waited(&self.queue, waited.to_std().unwrap_or_default());
                        }
                        let Some(slot) = free.split(1) else { break };
                        if out.send(Ticket { job, switch, slot }).await.is_err() {
                            return;
                        }
                    }
                    drop(free);
                    if idle {
                        after = Uuid::nil();
                        self.wait(self.poll.mul_f64(0.75 + 0.5 * self.random.unit()), &stop).await;
                    }
                }
                Err(error) if is_dead_to_the_fleet(&error) => return,
                Err(error) => {
                    drop(free);
                    failures += 1;
                    if failures == 1 {
                        warn!(queue = self.queue, "could not claim, trying again: {error}");
                    }
                    self.wait(Duration::from_millis(100 * (1 << failures.min(5))).mul_f64(0.5 + self.random.unit()), &stop).await;
                    self.hand_back_unanswered().await;
                }
            }
        }
    }

    /// All free slots of the queue, at least one.
    async fn free_slots(&self, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        let mut free = tokio::select! {
            () = stop.cancelled() => return None,
            slot = self.slots.clone().acquire_owned() => slot.ok()?,
        };
        let more = u32::try_from(self.slots.available_permits()).unwrap_or(0);
        if more > 0
            && let Ok(others) = self.slots.clone().try_acquire_many_owned(more)
        {
            free.merge(others);
        }
        Some(free)
    }

    async fn claim(&self, slots: usize, after: Uuid) -> Result<Vec<Claimed>, sqlx::Error> {
        let mut conn = self.pool.acquire().await?;
        let slots = i32::try_from(slots).unwrap_or(i32::MAX);
        jobs::claim(&mut conn, self.boot, &self.queue, slots, after, &self.kinds).await
    }

    /// A claim may have happened although its answer never came: then its jobs have a lease and no runner, and since the
    /// process lives, nobody would reap them. Whatever we hold without knowing of it is handed back unrun.
    async fn hand_back_unanswered(&self) {
        let _alone = self.claiming.write().await;
        let known = self.running.fences();
        let handed_back = async {
            let mut conn = self.pool.acquire().await?;
            jobs::disown(&mut conn, self.boot, &known).await
        };
        match handed_back.await {
            Ok(0) => {}
            Ok(jobs) => warn!(queue = self.queue, jobs, "handed back jobs whose claim was never answered"),
            Err(error) => warn!(queue = self.queue, "could not look for claims that were never answered: {error}"),
        }
    }

    async fn wait(&self, how_long: Duration, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(how_long) => {}
        }
    }
}

fn is_dead_to_the_fleet(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "LS011")
}
