//! Drain: so many ready jobs that do nothing, one worker process, history kept; beside a bare loop over the same claim and
//! finish.

use super::{
    Bench,
    bare::Loop,
    crew, fill,
    place::Database,
    report::{Line, Pace},
    scaled,
};

/// How much to drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Ready jobs.
    pub jobs: u64,
    /// As a bulk producer leaves them, 200 to a row, or each in a row of its own.
    pub in_chunks: bool,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self { jobs: scaled(100_000, scale, 200), in_chunks: true }
    }
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    let case = if sizes.in_chunks { "chunks of 200" } else { "chunks of 1" };
    let mut db = filled(bench, sizes).await?;
    bench.say("drain: the bare loop");
    let bare = by_bare_loop(&mut db, sizes.jobs).await?;
    bench.report(&Line::baseline("drain", format!("bare loop, {case}")).pace(&bare))?;

    let mut db = filled(bench, sizes).await?;
    bench.say("drain: one worker process");
    let ours = crew::drain(bench, &mut db, 1, sizes.jobs).await?;
    db.nothing_lost(ours.n).await?;
    bench.report(&compared(Line::ours("drain", format!("one worker process, {case}")), &ours, &bare))
}

async fn filled(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<Database> {
    bench.say(&format!("drain: enqueueing {} jobs", sizes.jobs));
    let mut db = bench.database(1).await?;
    db.settle().await?;
    let team = db.team();
    if sizes.in_chunks {
        fill::backlog(&mut db, team, sizes.jobs, bench.payload).await?;
    } else {
        fill::backlog_of_singles(&mut db, team, sizes.jobs, bench.payload).await?;
    }
    Ok(db)
}

/// Has a bare loop drain `n` ready jobs.
pub(super) async fn by_bare_loop(db: &mut Database, n: u64) -> anyhow::Result<Pace> {
    let bare = Loop::start(db).await?.drain(db, n).await?;
    db.nothing_lost(bare.n).await?;
    anyhow::ensure!(bare.n >= n, "the bare loop found only {} of {n} jobs", bare.n);
    Ok(bare)
}

/// A line of ours with what it came to beside the baseline.
pub(super) fn compared(line: Line, ours: &Pace, baseline: &Pace) -> Line {
    line.pace(ours).with("percent_of_baseline", ours.percent_of(baseline))
}
