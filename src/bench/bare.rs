//! The bare loop: claims and finishes through the statements that the workers use, and does nothing else. No runtime, no
//! handlers, no pool. What it reaches is what the SQL allows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::PgConnection;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    SLOTS,
    kind::{self, QUEUE},
    meter::Meter,
    place::Database,
    report::Pace,
};
use crate::{
    queue::execute::Claimed,
    store::{
        jobs::{self, Holding, Hop},
        processes::{self, Process},
    },
};

/// Connections of the loop.
const CONNECTIONS: usize = 2;
/// The longest measurement is over by then.
const TTL: Duration = Duration::from_secs(86_400);

/// Some connections, each in the fleet as a process of its own.
pub struct Loop {
    hands: Vec<Hand>,
}

/// A connection of the fleet, as a process of its own.
pub(super) struct Hand {
    pub conn: PgConnection,
    pub boot: Uuid,
    pub hop: Hop,
}

impl Loop {
    /// Enters the fleet.
    pub async fn start(db: &Database) -> anyhow::Result<Self> {
        let mut hands = Vec::new();
        for _ in 0..CONNECTIONS {
            hands.push(Hand::enter(db).await?);
        }
        Ok(Self { hands })
    }

    /// Takes `n` jobs through, or as many as there are.
    pub async fn drain(&mut self, db: &Database, n: u64) -> anyhow::Result<Pace> {
        self.work(db, n, 4).await
    }

    /// Takes `n` jobs through, and waits for those that are not there yet.
    pub async fn follow(&mut self, db: &Database, n: u64) -> anyhow::Result<Pace> {
        self.work(db, n, u32::MAX).await
    }

    async fn work(&mut self, db: &Database, n: u64, most_empty: u32) -> anyhow::Result<Pace> {
        let meter = Meter::start(db);
        let done = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for mut hand in self.hands.drain(..) {
            let done = done.clone();
            tasks.spawn(async move {
                hand.work(&done, n, most_empty).await?;
                anyhow::Ok(hand)
            });
        }
        while let Some(ended) = tasks.join_next().await {
            self.hands.push(ended??);
        }
        Ok(meter.read(db, done.load(Ordering::Relaxed)))
    }
}

impl Hand {
    pub async fn enter(db: &Database) -> anyhow::Result<Self> {
        let mut conn = db.connect("worker").await?;
        let boot = Uuid::new_v4();
        let (queues, pid) = ([QUEUE.to_owned()], std::process::id().cast_signed());
        let process = Process { boot, role: "worker", host: "bench", pid, build: "bare", queues: &queues, slots: 0 };
        processes::enter(&mut conn, &process, TTL).await?;
        Ok(Self { conn, boot, hop: Hop::default() })
    }

    async fn work(&mut self, done: &AtomicU64, n: u64, most_empty: u32) -> Result<(), sqlx::Error> {
        let mut empty = 0;
        // Several empty claims in a row: what is left is in the other's hands. One may only have met its locks.
        while done.load(Ordering::Relaxed) < n && empty < most_empty {
            if self.turn(done).await? > 0 {
                empty = 0;
                continue;
            }
            empty += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// One claim and its finish. Answers how many jobs it was.
    async fn turn(&mut self, done: &AtomicU64) -> Result<usize, sqlx::Error> {
        let leases = self.claim().await?;
        let claimed = leases.iter().map(|(_, lease)| lease.jobs).sum();
        if !leases.is_empty() {
            let ended = jobs::finish_leases(&mut self.conn, self.boot, &leases).await?;
            if ended.len() == leases.len() {
                done.fetch_add(claimed as u64, Ordering::Relaxed);
            }
        }
        Ok(claimed)
    }

    /// The leases it got, each with what it has.
    async fn claim(&mut self) -> Result<Vec<(i64, Holding)>, sqlx::Error> {
        let slots = SLOTS.cast_signed();
        let claimed = jobs::claim(&mut self.conn, self.boot, QUEUE, slots, self.hop, &kind::names(), &[]).await?.jobs;
        self.hop = if claimed.is_empty() { Hop::default() } else { self.hop.past(&claimed) };
        Ok(leases(&claimed).collect())
    }
}

/// The leases of a claim, each with what it has.
pub fn leases(claimed: &[Claimed]) -> impl Iterator<Item = (i64, Holding)> {
    let same = |a: &Claimed, b: &Claimed| a.claim.lease.fence == b.claim.lease.fence;
    claimed.chunk_by(same).map(|lease| (lease[0].claim.lease.fence, Holding { jobs: lease.len(), one: lease[0].claim.job }))
}

/// A single connection that claims when it is told to.
pub struct Claimer(Hand);

impl Claimer {
    /// Enters the fleet.
    pub async fn start(db: &Database) -> anyhow::Result<Self> {
        Ok(Self(Hand::enter(db).await?))
    }

    /// Claims what is there and finishes it. Answers how many jobs it was, and what `clock` said when they were claimed.
    pub async fn claim_and_finish(&mut self, clock: fn() -> i64) -> Result<(usize, i64), sqlx::Error> {
        let leases = self.0.claim().await?;
        let at = clock();
        jobs::finish_leases(&mut self.0.conn, self.0.boot, &leases).await?;
        Ok((leases.iter().map(|(_, lease)| lease.jobs).sum(), at))
    }
}
