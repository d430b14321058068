//! Claims jobs whenever slots are free, and hands them on with the slot they will occupy.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use longshore_workers::{clock::Random, db::Dedicated, failpoint};
use tokio::sync::{Notify, OwnedSemaphorePermit, RwLock, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::{
    bell::Bell,
    execute::Claimed,
    marks::Marks,
    running::{Running, Switch},
};
use crate::{
    store::{
        jobs::{self, Claims, Hop, Mark},
        processes,
    },
    telemetry::ClaimMeters,
};

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

/// Where a claimer takes its jobs from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The ready jobs of a queue, team by team.
    Queue(String),
    /// Jobs of these queues that are suspected of killing processes.
    Suspects(Vec<String>),
}

impl Source {
    /// Its name in logs and metrics.
    pub fn name(&self) -> &str {
        match self {
            Self::Queue(queue) => queue,
            Self::Suspects(_) => "suspects",
        }
    }
}

/// Claims from one source for one incarnation.
pub struct Claimer {
    /// Its connection.
    pub conn: Dedicated,
    /// The incarnation.
    pub boot: Uuid,
    /// Where it claims.
    pub source: Source,
    /// Stored names of the kinds this build knows there; others are left alone.
    pub kinds: Vec<String>,
    /// The source's slots in this process.
    pub slots: Arc<Semaphore>,
    /// How long an idle source is left alone, before jitter.
    pub poll: Duration,
    /// Claiming ends when nothing was there for so long.
    pub linger: Option<Duration>,
    /// Rings when an idle queue gets work.
    pub bell: Option<Bell>,
    /// Jitter.
    pub random: Arc<dyn Random>,
    /// Jobs in our hands.
    pub running: Arc<Running>,
    /// Told when the end of a job from here is recorded.
    pub ended: Arc<Notify>,
    /// Held for reading by every claim under way, and for writing while claims without an answer are handed back.
    pub claiming: Arc<RwLock<()>>,
}

/// Only a queue that was calm for so long has a sleeper, and none from its first work on: a notice holds a lock of the whole
/// cluster while it commits, so a busy trickle of jobs with one each falls to one commit a sync of the disk (measured: 0.8 k
/// jobs/s where 6 k came). Where jobs are further apart than this, a notice for each costs nobody anything.
const CALM: Duration = Duration::from_millis(25);
/// How often a queue is looked at until it is calm.
const GLANCE: Duration = Duration::from_millis(3);
/// How long a busy claimer waits for half of its slots to be free.
const GATHER: Duration = Duration::from_millis(2);

impl Claimer {
    /// Claims until `stop`; then the receiver of `out` sees the end. Returns early when the incarnation is dead to the
    /// fleet; the heartbeat says so too.
    pub async fn run(mut self, out: mpsc::Sender<Vec<Ticket>>, stop: CancellationToken) {
        let name = self.source.name().to_owned();
        let meters = ClaimMeters::of(&name);
        let mut hop = Hop::default();
        let mut failures = 0;
        let slots = self.slots.available_permits();
        let mut sleeper = Sleeper::default();
        let mut marks = Marks::default();
        let mut last_work = Instant::now();
        let mut working = false;
        while !stop.is_cancelled() {
            let Some(mut free) = self.free_slots(slots, working, &mut sleeper, &stop).await else { return };
            // Not inside a select: a claim that is dropped may have happened.
            let asked = Instant::now();
            let claimed = {
                let claiming = self.claiming.clone();
                let _claiming = claiming.read().await;
                let from = marks.at(asked);
                let claimed = self.claim(free.num_permits(), hop, &from).await;
                // Entered before the lock is let go: whoever looks for answers that were lost finds these.
                claimed.map(|Claims { jobs, marks: taken }| {
                    hop = hop.past(&jobs);
                    marks.learn(&taken, !from.is_empty(), asked.elapsed(), Instant::now());
                    let switches = self.running.enter(jobs.iter().map(|job| (job.claim.lease.fence, job.claim.job)), &self.ended);
                    std::iter::zip(switches, jobs).collect::<Vec<_>>()
                })
            };
            match claimed {
                Ok(jobs) if jobs.is_empty() => {
                    failures = 0;
                    working = false;
                    meters.claim(asked.elapsed(), 0);
                    meters.slots(slots.saturating_sub(free.num_permits()), slots);
                    drop(free);
                    // Anywhere: a claim looks past a thousand lanes that are paused, and there may be more before the next.
                    hop = Hop { after: Uuid::from_u128((self.random.unit() * u128::MAX as f64) as u128), streak: 0 };
                    if self.linger.is_some_and(|linger| last_work.elapsed() >= linger) {
                        return;
                    }
                    if last_work.elapsed() < CALM {
                        self.wait(GLANCE.min(self.poll), &stop).await;
                    } else {
                        self.rest(&mut sleeper, &stop).await;
                    }
                }
                Ok(jobs) => {
                    failures = 0;
                    last_work = Instant::now();
                    working = true;
                    meters.claim(asked.elapsed(), jobs.len());
                    meters.slots((slots + jobs.len()).saturating_sub(free.num_permits()), slots);
                    let mut tickets = Vec::with_capacity(jobs.len());
                    for (switch, job) in jobs {
                        if job.claim.attempt == 1 {
                            let waited = job.claimed_at - job.claim.created_at;
                            meters.waited(waited.to_std().unwrap_or_default());
                        }
                        let Some(slot) = free.split(1) else { break };
                        tickets.push(Ticket { job, switch, slot });
                    }
                    if out.send(tickets).await.is_err() {
                        return;
                    }
                    self.say(&mut sleeper, false).await;
                }
                Err(error) if is_dead_to_the_fleet(&error) => return,
                Err(error) => {
                    drop(free);
                    failures += 1;
                    if failures == 1 {
                        warn!(queue = name, "could not claim, trying again: {error}");
                    }
                    self.wait(Duration::from_millis(100 * (1 << failures.min(5))).mul_f64(0.5 + self.random.unit()), &stop).await;
                    self.hand_back_unanswered().await;
                }
            }
        }
    }

    /// All free slots, at least one.
    async fn free_slots(
        &mut self,
        slots: usize,
        working: bool,
        sleeper: &mut Sleeper,
        stop: &CancellationToken,
    ) -> Option<OwnedSemaphorePermit> {
        let mut free = match self.slots.clone().try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => {
                // Every slot is busy: a notice would wake nobody who could work.
                self.say(sleeper, false).await;
                tokio::select! {
                    () = stop.cancelled() => return None,
                    slot = self.slots.clone().acquire_owned() => slot.ok()?,
                }
            }
        };
        if let Source::Suspects(_) = self.source {
            // A slot is free when its job is through, and a killer must not take a job along whose end is not on record yet.
            tokio::select! {
                () = stop.cancelled() => return None,
                () = self.running.wait_until_empty() => {}
            }
        }
        // Under load a claim for every slot that comes free would cost more than the jobs: a moment brings more of them.
        let half = u32::try_from(slots / 2).unwrap_or(u32::MAX);
        if working
            && self.slots.available_permits() < slots / 2
            && let Ok(Ok(others)) = tokio::time::timeout(GATHER, self.slots.clone().acquire_many_owned(half)).await
        {
            free.merge(others);
        }
        let more = u32::try_from(self.slots.available_permits()).unwrap_or(0);
        if more > 0
            && let Ok(others) = self.slots.clone().try_acquire_many_owned(more)
        {
            free.merge(others);
        }
        Some(free)
    }

    /// Nothing is there: sleeps until the bell rings, the poll is due, or a job of ours ended, which may have made room in its
    /// lane. Before its first sleep it says so and looks once more: what was enqueued before anybody knew of the sleeper
    /// notified nobody.
    async fn rest(&mut self, sleeper: &mut Sleeper, stop: &CancellationToken) {
        let poll = self.poll.mul_f64(0.75 + 0.5 * self.random.unit());
        let Some(bell) = self.bell.clone() else {
            tokio::select! {
                () = self.ended.notified() => {}
                () = self.wait(poll, stop) => {}
            }
            return;
        };
        if bell.is_heard() && !sleeper.known {
            self.say(sleeper, true).await;
            if sleeper.known {
                return;
            }
        }
        // A bell that nobody hears yet rings when somebody does.
        tokio::select! {
            () = bell.rings() => {}
            () = self.ended.notified() => {}
            () = self.wait(poll, stop) => {}
        }
    }

    /// Tells the fleet whether this queue has a sleeper here. Where that fails, the poll finds the work.
    async fn say(&mut self, sleeper: &mut Sleeper, asleep: bool) {
        let Source::Queue(queue) = &self.source else { return };
        if sleeper.known == asleep {
            return;
        }
        let said = async {
            let mut work = self.conn.work().await?;
            processes::sleep(&mut work, self.boot, queue, asleep).await?;
            work.done().await
        };
        if said.await.is_ok() {
            sleeper.known = asleep;
        }
    }

    async fn claim(&mut self, slots: usize, from: Hop, marks: &[Mark]) -> Result<Claims, sqlx::Error> {
        let mut work = self.conn.work().await?;
        let claims = match &self.source {
            Source::Queue(queue) => {
                let slots = i32::try_from(slots).unwrap_or(i32::MAX);
                jobs::claim(&mut work, self.boot, queue, slots, from, &self.kinds, marks).await?
            }
            Source::Suspects(queues) => {
                let suspect = jobs::claim_suspect(&mut work, self.boot, queues, &self.kinds).await?;
                Claims { jobs: suspect.into_iter().collect(), marks: Vec::new() }
            }
        };
        work.done().await?;
        if !claims.jobs.is_empty() {
            failpoint!(AfterClaim);
        }
        Ok(claims)
    }

    /// A claim may have happened although its answer never came: then its jobs have a lease and no runner, and since the
    /// process lives, nobody would reap them. Whatever we hold without knowing of it is handed back unrun.
    async fn hand_back_unanswered(&mut self) {
        let claiming = self.claiming.clone();
        let _alone = claiming.write().await;
        let known = self.running.fences();
        let handed_back = async {
            let mut work = self.conn.work().await?;
            let handed_back = jobs::disown(&mut work, self.boot, &known).await?;
            work.done().await?;
            Ok::<_, sqlx::Error>(handed_back)
        };
        match handed_back.await {
            Ok(0) => {}
            Ok(jobs) => warn!(queue = self.source.name(), jobs, "handed back jobs whose claim was never answered"),
            Err(error) => warn!(queue = self.source.name(), "could not look for claims that were never answered: {error}"),
        }
    }

    async fn wait(&self, how_long: Duration, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(how_long) => {}
        }
    }
}

/// What the fleet knows of a claimer's sleep.
#[derive(Default)]
struct Sleeper {
    known: bool,
}

fn is_dead_to_the_fleet(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "LS011")
}
