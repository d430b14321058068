//! Cycle: enqueue and drain at once, one bulk producer and one worker process.

use std::time::Duration;

use super::{
    Bench, SLOTS, bare::Loop, cpu, crew::Crew, drain::compared, fill, meter::Meter, report::Line, scaled, worker::Manner,
};

/// How much to put through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Jobs.
    pub jobs: u64,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self { jobs: scaled(200_000, scale, 200) }
    }
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    bench.say(&format!("cycle: {} jobs in and out by the bare loop", sizes.jobs));
    let payload = bench.payload;
    let mut db = bench.database(1).await?;
    db.settle().await?;
    let (mut producer, team) = (db.connect("worker").await?, db.team());
    let mut bare_loop = Loop::start(&db).await?;
    let meter = Meter::start(&db);
    let producing = fill::bulk(&mut producer, team, sizes.jobs, payload);
    let (produced, drained) = tokio::join!(producing, bare_loop.follow(&db, sizes.jobs));
    produced?;
    let bare = meter.read(&db, drained?.n);
    db.nothing_lost(bare.n).await?;
    bench.report(&Line::baseline("cycle", "one bulk producer and the bare loop").pace(&bare))?;

    bench.say(&format!("cycle: {} jobs in and out by a worker process", sizes.jobs));
    let mut db = bench.database(1).await?;
    db.settle().await?;
    let (mut producer, team) = (db.connect("worker").await?, db.team());
    let manner = Manner { slots: SLOTS, sleep: Duration::ZERO };
    let mut crew = Crew::start(bench, &db, 1, manner).await?;
    let meter = Meter::with_client(&db, crew.cpu() + cpu::own());
    crew.go().await?;
    let producing = fill::bulk(&mut producer, team, sizes.jobs, payload);
    let (produced, handled) = tokio::join!(producing, crew.handled(sizes.jobs));
    produced?;
    handled?;
    db.all_recorded().await?;
    let ours = meter.read_with_client(&db, crew.handled_so_far(), crew.cpu() + cpu::own());
    crew.stop().await?;
    crew.dismiss().await?;
    db.nothing_lost(ours.n).await?;
    bench.report(&compared(Line::ours("cycle", "one bulk producer and one worker process"), &ours, &bare))
}
