//! Processes: several worker processes on one queue, beside one.

use super::{
    Bench, crew,
    drain::{by_bare_loop, compared},
    fill,
    place::Database,
    report::Line,
    scaled,
};

/// How much to drain, and by how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Jobs in all.
    pub jobs: u64,
    /// Worker processes.
    pub processes: usize,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self { jobs: scaled(200_000, scale, 400), processes: 4 }
    }
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    let mut db = filled(bench, sizes).await?;
    let bare = by_bare_loop(&mut db, sizes.jobs).await?;
    bench.report(&Line::baseline("processes", "bare loop").pace(&bare))?;

    let mut db = filled(bench, sizes).await?;
    let one = crew::drain(bench, &mut db, 1, sizes.jobs).await?;
    db.nothing_lost(one.n).await?;
    bench.report(&compared(Line::baseline("processes", "one worker process"), &one, &bare).with("processes", 1))?;

    let mut db = filled(bench, sizes).await?;
    let all = crew::drain(bench, &mut db, sizes.processes, sizes.jobs).await?;
    db.nothing_lost(all.n).await?;
    let line = Line::ours("processes", format!("{} worker processes", sizes.processes));
    let line = compared(line, &all, &bare).with("processes", sizes.processes);
    bench.report(&line.with("percent_of_one", all.percent_of(&one)))
}

async fn filled(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<Database> {
    bench.say(&format!("processes: enqueueing {} jobs, and draining them", sizes.jobs));
    let mut db = bench.database(1).await?;
    db.settle().await?;
    let team = db.team();
    fill::backlog(&mut db, team, sizes.jobs, bench.payload).await?;
    Ok(db)
}
