//! Pickup: a job is enqueued while the fleet is idle; how long until its handler starts.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use longshore_workers::{
    clock::{Random as _, SystemRandom},
    ids::TeamId,
};
use sqlx::{PgConnection, postgres::PgListener};

use super::{
    Bench,
    bare::Claimer,
    crew::Crew,
    fill::{self, plain},
    kind::{Noop, now_us},
    place::Database,
    report::Line,
    scaled,
    worker::Manner,
};

/// How often, and how idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Jobs, one at a time.
    pub samples: u64,
    /// The pause between two, on average: at random, so that no poll is always met at the same moment.
    pub gap: Duration,
    /// Jobs the worker may run at once.
    pub slots: u32,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self { samples: scaled(300, scale, 10), gap: Duration::from_millis(150), slots: 16 }
    }
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    bench.say(&format!("pickup: {} jobs by a bare listener", sizes.samples));
    let mut db = bench.database(1).await?;
    let (waits, seconds) = by_listener(bench, &mut db, sizes).await?;
    bench.report(&Line::baseline("pickup", "insert and notify, a listener claims").waits(waits, seconds))?;

    bench.say(&format!("pickup: {} jobs on an idle worker process", sizes.samples));
    let mut db = bench.database(1).await?;
    let manner = Manner { slots: sizes.slots, sleep: Duration::ZERO };
    let mut crew = Crew::start(bench, &db, 1, manner).await?;
    crew.go().await?;
    let mut producer = db.connect("scheduler").await?;
    let mut probe = Probe::new(bench, db.team())?;
    // The first job finds connections and plans cold.
    probe.sample(&mut producer, &mut crew).await?;
    let (mut waits, started) = (Vec::new(), Instant::now());
    for _ in 0..sizes.samples {
        tokio::time::sleep(sizes.gap.mul_f64(0.5 + SystemRandom.unit())).await;
        waits.push(probe.sample(&mut producer, &mut crew).await?);
    }
    let seconds = started.elapsed().as_secs_f64();
    crew.stop().await?;
    crew.dismiss().await?;
    db.nothing_lost(sizes.samples + 1).await?;
    bench.report(&Line::ours("pickup", "one idle worker process").waits(waits, seconds))
}

/// Enqueues one job at a time and waits for its handler.
pub(super) struct Probe {
    pub team: TeamId,
    payload: serde_json::Value,
}

impl Probe {
    pub fn new(bench: &Bench<'_>, team: TeamId) -> anyhow::Result<Self> {
        Ok(Self { team, payload: serde_json::to_value(Noop::that_tells(bench.payload))? })
    }

    /// Milliseconds from the producer's call until the handler starts, the commit included.
    pub async fn sample(&mut self, producer: &mut PgConnection, crew: &mut Crew) -> anyhow::Result<f64> {
        let asked = now_us();
        let job = fill::single(producer, self.team, &self.payload).await?;
        let patience = Duration::from_secs(60);
        loop {
            let start = tokio::time::timeout(patience, crew.starts.recv()).await.context("no handler started in a minute")?;
            let (started, at) = start.context("the worker process ended")?;
            if started == job {
                return Ok((at - asked) as f64 / 1000.0);
            }
        }
    }
}

/// The floor: insert and notify in one statement, wait for the notice, claim.
async fn by_listener(bench: &Bench<'_>, db: &mut Database, sizes: &Sizes) -> anyhow::Result<(Vec<f64>, f64)> {
    let mut listener = PgListener::connect(&db.url("worker")).await?;
    listener.listen("bench").await?;
    let mut claimer = Claimer::start(db).await?;
    let names = plain::Names::find(&mut db.admin).await?;
    let (mut producer, payload, team) = (db.connect_as_owner().await?, fill::payload(bench.payload)?, db.team());
    let (mut waits, started) = (Vec::new(), Instant::now());
    for sample in 0..=sizes.samples {
        // As far apart as on our side: whoever wakes up finds the processors as cold.
        tokio::time::sleep(sizes.gap.mul_f64(0.5 + SystemRandom.unit())).await;
        let asked = now_us();
        plain::single_told(&mut producer, names, team, &payload).await?;
        listener.recv().await?;
        let (claimed, at) = claimer.claim_and_finish(now_us).await?;
        anyhow::ensure!(claimed == 1, "the listener claimed {claimed} jobs instead of one");
        // The first finds plans cold, as the worker's first does.
        if sample > 0 {
            waits.push((at - asked) as f64 / 1000.0);
        }
    }
    Ok((waits, started.elapsed().as_secs_f64()))
}
