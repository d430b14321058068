//! Singles: a drain of jobs that many producers enqueued one by one, so that each is a row of its own.

use super::{
    Bench, crew,
    drain::{by_bare_loop, compared},
    enqueue::by_producers,
    place::Database,
    report::Line,
    scaled,
};

/// How much to drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Jobs.
    pub jobs: u64,
    /// Who enqueued them.
    pub producers: usize,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self { jobs: scaled(50_000, scale, 200), producers: 16 }
    }
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    let mut db = filled(bench, sizes).await?;
    let bare = by_bare_loop(&mut db, sizes.jobs).await?;
    bench.report(&Line::baseline("singles", "bare loop").pace(&bare))?;

    let mut db = filled(bench, sizes).await?;
    let ours = crew::drain(bench, &mut db, 1, sizes.jobs).await?;
    db.nothing_lost(ours.n).await?;
    bench.report(&compared(Line::ours("singles", "one worker process"), &ours, &bare))
}

async fn filled(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<Database> {
    bench.say(&format!("singles: enqueueing {} jobs one by one, and draining them", sizes.jobs));
    let mut db = bench.database(1).await?;
    db.settle().await?;
    by_producers(bench, &mut db, sizes.jobs, sizes.producers).await?;
    Ok(db)
}
