//! A worker process: incarnation after incarnation of claimers, runners, a finisher and a heartbeat.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use longshore_workers::{
    ctx::Services,
    db::{self, Dedicated},
    registry::Registry,
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::{
    sync::{RwLock, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{Level, enabled, error, info, info_span, warn};
use uuid::Uuid;

use super::{
    backend,
    bell::Bells,
    claim::{Claimer, Source, Ticket},
    execute::execute,
    finish::Finisher,
    lease::{Heartbeat, Times, Watchdog},
    running::Running,
    settle::{StopCause, Verdict},
};
use crate::{
    store::{
        jobs::Settled,
        processes::{self, Process},
    },
    telemetry::RunMeters,
};

/// How a worker process takes part in the fleet.
#[derive(Debug, Clone)]
pub struct Options {
    /// The queues it claims from.
    pub queues: Vec<String>,
    /// Jobs at once, for each queue.
    pub slots: usize,
    /// It runs the suspects of its queues, one at a time, and nothing else; and ends when there were none for so long. The
    /// boot id is its first, so that whoever started it can tell the fleet of its death.
    pub suspects: Option<(Uuid, Duration)>,
    /// Whether it listens for work: not through PgBouncer.
    pub listen: bool,
    /// The lease's times.
    pub times: Times,
    /// How long an idle queue is left alone.
    pub poll: Duration,
    /// How long running jobs may go on once the process is asked to stop.
    pub grace: Duration,
    /// Version and commit.
    pub build: String,
    /// The machine's name.
    pub host: String,
}

/// What a worker process works with.
pub struct Worker {
    /// The kinds this build knows.
    pub registry: Arc<Registry>,
    /// What handlers reach.
    pub services: Arc<Services>,
    /// Connections of the engine; claims and records have their own, made alike.
    pub engine: PgPool,
    /// How the heartbeat connects, on its own.
    pub heartbeat: PgConnectOptions,
    /// How it takes part.
    pub options: Options,
}

enum End {
    Asked,
    LeaseLost,
}

impl Worker {
    /// Works until `stop`, then ends in good order: no new claims, running jobs get their grace, the rest is handed back.
    pub async fn run(self, stop: CancellationToken) {
        let mut boot = self.options.suspects.map_or_else(Uuid::new_v4, |(boot, _)| boot);
        while !stop.is_cancelled() {
            match self.incarnation(std::mem::replace(&mut boot, Uuid::new_v4()), &stop).await {
                Ok(End::Asked) => return,
                Ok(End::LeaseLost) => warn!("leases lost: starting over under a new boot id"),
                Err(error) => {
                    error!("could not enter the fleet, trying again: {error:#}");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    }
                }
            }
        }
    }

    async fn incarnation(&self, boot: Uuid, stop: &CancellationToken) -> anyhow::Result<End> {
        let entered = Instant::now();
        self.enter(boot).await?;
        let running = Arc::new(Running::default());
        let watchdog = Arc::new(Watchdog::default());
        let over = CancellationToken::new();
        let _over = over.clone().drop_guard();
        tokio::spawn(watchdog.clone().turn(self.options.times.beat / 4, over.clone()));
        let heartbeat = Heartbeat::start(self.heartbeat.clone(), boot, self.options.times, entered, running.clone(), watchdog)?;
        info!(%boot, queues = ?self.options.queues, slots = self.options.slots, "in the fleet");

        let (settled, finished) = mpsc::channel::<Settled>(4096);
        let finisher =
            Finisher { conn: Dedicated::like(&self.engine), boot, running: running.clone(), lost: heartbeat.lost().clone() };
        let finisher = tokio::spawn(finisher.run(finished));
        let runner = Arc::new(Runner {
            registry: self.registry.clone(),
            services: self.services.clone(),
            running: running.clone(),
            settled,
            meters: self.registry.iter().map(|kind| (kind.name, RunMeters::of(kind.queue, kind.name))).collect(),
            hands: tokio::runtime::Handle::current().metrics().num_workers(),
        });

        // Claiming ends when we are asked to stop, and when the leases are lost.
        let no_more = stop.child_token();
        let claiming = Arc::new(RwLock::new(()));
        let mut queues = JoinSet::new();
        let queue_ids = self.queue_ids(boot).await?;
        let bells = Bells::new(queue_ids.iter().copied().flatten());
        let sources: Vec<_> = match self.options.suspects {
            Some(_) => vec![(Source::Suspects(self.options.queues.clone()), None)],
            None => std::iter::zip(&self.options.queues, &queue_ids)
                .map(|(queue, id)| (Source::Queue(queue.clone()), id.and_then(|id| bells.of(id))))
                .collect(),
        };
        if self.options.listen && self.options.suspects.is_none() {
            tokio::spawn(bells.listen(self.heartbeat.clone(), over.clone()));
        }
        for (source, bell) in sources {
            let slots = if self.options.suspects.is_some() { 1 } else { self.options.slots };
            let name = source.name().to_owned();
            let (hand, claimed) = mpsc::channel(slots.max(1));
            let claimer = Claimer {
                conn: Dedicated::like(&self.engine),
                boot,
                kinds: self.kinds_of(&source),
                source,
                slots: Arc::new(Semaphore::new(slots)),
                poll: self.options.poll,
                linger: self.options.suspects.map(|(_, linger)| linger),
                bell,
                random: self.services.random.clone(),
                running: running.clone(),
                ended: Arc::default(),
                claiming: claiming.clone(),
            };
            tokio::spawn(claimer.run(hand, no_more.clone()));
            let runner = runner.clone();
            queues.spawn(async move {
                if let Err(error) = backend::run(&name, slots, claimed, runner).await {
                    error!(queue = name, "the runtime of a queue ended: {error}");
                }
            });
        }
        drop(runner);

        let end = tokio::select! {
            () = stop.cancelled() => End::Asked,
            () = heartbeat.lost().cancelled() => End::LeaseLost,
            () = async { while queues.join_next().await.is_some() {} } => match self.options.suspects {
                Some(_) => End::Asked,
                // Claiming ends with the leases; the heartbeat only has not said so yet.
                None => End::LeaseLost,
            },
        };
        no_more.cancel();
        if matches!(end, End::Asked) {
            self.drain(&running, heartbeat.lost()).await;
        }
        // Stopped handlers have a moment to end; whatever still runs after that is past our reach, and fenced.
        let quiet = async { while queues.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(5), quiet).await.is_err() {
            warn!(jobs = running.count(), "handlers did not stop when told to; their leases will run out");
            queues.abort_all();
        }
        if tokio::time::timeout(Duration::from_secs(5), finisher).await.is_err() {
            warn!("the last records could not be written; their leases will run out");
        }
        if matches!(end, End::Asked) {
            self.leave(boot).await;
        }
        Ok(end)
    }

    fn kinds_of(&self, source: &Source) -> Vec<String> {
        match source {
            Source::Queue(queue) => self.registry.names_in(queue),
            Source::Suspects(queues) => queues.iter().flat_map(|queue| self.registry.names_in(queue)).collect(),
        }
    }

    async fn queue_ids(&self, boot: Uuid) -> Result<Vec<Option<i16>>, sqlx::Error> {
        let mut work = db::work(&self.engine).await?;
        let mut ids = Vec::new();
        for queue in &self.options.queues {
            ids.push(processes::sleep(&mut work, boot, queue, false).await?);
        }
        work.done().await?;
        Ok(ids)
    }

    async fn enter(&self, boot: Uuid) -> Result<(), sqlx::Error> {
        let Options { queues, slots, times, build, host, .. } = &self.options;
        let (pid, slots) = (std::process::id().cast_signed(), i32::try_from(*slots).unwrap_or(i32::MAX));
        let process = Process { boot, role: "worker", host, pid, build, queues, slots };
        let mut work = db::work(&self.engine).await?;
        processes::enter(&mut work, &process, times.ttl).await?;
        work.done().await
    }

    /// Gives running jobs their grace, then tells them to stop.
    async fn drain(&self, running: &Running, lost: &CancellationToken) {
        info!(jobs = running.count(), grace = ?self.options.grace, "stopping: no new claims");
        tokio::select! {
            () = running.wait_until_empty() => return,
            () = lost.cancelled() => {}
            () = tokio::time::sleep(self.options.grace) => {}
        }
        warn!(jobs = running.count(), "the grace is over: handing back what still runs");
        running.stop_all(StopCause::Shutdown);
    }

    async fn leave(&self, boot: Uuid) {
        let left = async {
            let mut work = db::work(&self.engine).await?;
            processes::leave(&mut work, boot).await?;
            work.done().await
        };
        match tokio::time::timeout(Duration::from_secs(5), left).await {
            Ok(Ok(())) => info!(%boot, "left the fleet"),
            Ok(Err(error)) => warn!(%boot, "could not leave the fleet; it will notice: {error}"),
            Err(_) => warn!(%boot, "could not leave the fleet in time; it will notice"),
        }
    }
}

/// Runs tickets for one incarnation.
pub struct Runner {
    registry: Arc<Registry>,
    services: Arc<Services>,
    running: Arc<Running>,
    settled: mpsc::Sender<Settled>,
    meters: HashMap<&'static str, RunMeters>,
    /// As many as the runtime has threads.
    hands: usize,
}

impl Runner {
    /// Runs jobs side by side, each to its verdict, and passes that on to be recorded.
    ///
    /// Several hands take one job after the other from the same pile, so that a job which blocks its thread holds up nobody
    /// but the hand that has it. A job is begun by the hand; one that waits goes on in a task of its own. Most small jobs
    /// are through before that, and a task costs more than they do.
    pub async fn run(self: &Arc<Self>, tickets: Vec<Ticket>) {
        let hands = self.hands.min(tickets.len());
        let pile = Arc::new(Mutex::new(tickets.into_iter()));
        let hands: Vec<_> = (0..hands).map(|_| tokio::spawn(self.clone().work_off(pile.clone()))).collect();
        for hand in hands {
            if let Err(error) = hand.await {
                error!("a hand of the runtime ended: {error}");
            }
        }
    }

    async fn work_off(self: Arc<Self>, pile: Arc<Mutex<std::vec::IntoIter<Ticket>>>) {
        let next = || pile.lock().unwrap_or_else(PoisonError::into_inner).next();
        let mut waiting = Vec::new();
        while let Some(ticket) = next() {
            let mut job = Box::pin(self.clone().run_one(ticket));
            if futures_util::poll!(&mut job).is_pending() {
                waiting.push(tokio::spawn(job));
            }
        }
        for job in waiting {
            if let Err(error) = job.await {
                error!("the task of a job ended: {error}");
            }
        }
    }

    async fn run_one(self: Arc<Self>, ticket: Ticket) {
        let Ticket { job, switch, slot } = ticket;
        let (id, fence, special) = (job.claim.job, job.claim.lease.fence, job.special);
        let (queue, verdict) = match self.registry.get(&job.claim.kind) {
            // Claims name the kinds we know, so this is only ever a build that disagrees with itself.
            None => ("", Verdict::Released),
            Some(kind) => {
                let span = info_span!(
                    "job",
                    job.id = %id,
                    team.id = %job.claim.team,
                    kind = &*job.claim.kind,
                    attempt = job.claim.attempt,
                    correlation = job.claim.correlation.as_deref().unwrap_or_default(),
                );
                let started = Instant::now();
                let mut work = pin!(execute(kind, job, self.services.clone(), &switch));
                // Not `instrument`: that enters the span once more to drop the future.
                let verdict = poll_fn(|cx| span.in_scope(|| work.as_mut().poll(cx))).await;
                let took = started.elapsed();
                if !matches!(verdict, Verdict::Done { .. }) || enabled!(Level::DEBUG) {
                    span.in_scope(|| log(&verdict, took));
                }
                if let Some(meters) = self.meters.get(kind.name) {
                    meters.record(&verdict, took);
                }
                (kind.queue, verdict)
            }
        };
        drop(slot);
        if verdict == Verdict::Nothing || self.settled.send(Settled { job: id, queue, fence, special, verdict }).await.is_err() {
            self.running.leave(std::iter::once((fence, id)));
        }
    }
}

fn log(verdict: &Verdict, took: Duration) {
    let outcome = verdict.name();
    match verdict {
        Verdict::Retry { delay, error } => warn!(outcome, ?took, "job will retry in {delay:?}: {error}"),
        Verdict::Dead { error } => error!(outcome, ?took, "job is dead: {error}"),
        Verdict::Unknown { delay, intent } => warn!(outcome, ?took, "outcome unknown, looking again in {delay:?}: {intent}"),
        Verdict::Park { reason } => info!(outcome, ?took, "job parked: {reason}"),
        Verdict::Snooze { delay, reason } => info!(outcome, ?took, "job snoozed for {delay:?}: {reason}"),
        Verdict::Done { .. } | Verdict::Nothing | Verdict::Cancelled | Verdict::Released => {
            tracing::debug!(outcome, ?took, "job ended")
        }
    }
}
