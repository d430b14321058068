//! Fair: one team has a mass of ready jobs; how long until another team's single job starts, beside the same when nobody has
//! any.

use std::time::{Duration, Instant};

use longshore_workers::clock::{Random as _, SystemRandom};

use super::{Bench, crew::Crew, fill, pickup::Probe, report::Line, scaled, worker::Manner};

/// Who has how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Teams.
    pub teams: usize,
    /// Ready jobs of the first one.
    pub backlog: u64,
    /// Single jobs of the others.
    pub samples: u64,
    /// Jobs the worker may run at once.
    pub slots: u32,
    /// How long each handler sleeps.
    pub sleep: Duration,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self {
            teams: usize::try_from(scaled(1000, scale, 10)).unwrap_or(1000),
            backlog: scaled(1_000_000, scale, 500),
            samples: scaled(200, scale, 10),
            slots: 16,
            sleep: Duration::ZERO,
        }
    }
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    anyhow::ensure!(sizes.teams > 1, "fairness is between teams: name two at least");
    bench.say(&format!("fair: {} teams, {} samples while all are idle", sizes.teams, sizes.samples));
    let payload = bench.payload;
    let mut db = bench.database(sizes.teams).await?;
    let mut crew = Crew::start(bench, &db, 1, Manner { slots: sizes.slots, sleep: sizes.sleep }).await?;
    crew.go().await?;
    let mut producer = db.connect("scheduler").await?;
    let mut probe = Probe::new(bench, db.team())?;
    probe.sample(&mut producer, &mut crew).await?;
    let mut handled = 1;

    let mut p95s = Vec::new();
    for busy in [false, true] {
        if busy {
            bench.say(&format!("fair: {} ready jobs of one team, {} samples of the others", sizes.backlog, sizes.samples));
            let team = db.team();
            fill::pause(&mut db).await?;
            fill::backlog(&mut db, team, sizes.backlog, payload).await?;
            fill::resume(&mut db).await?;
            crew.handled(handled + 1).await?;
        }
        let gap = Duration::from_millis(if busy { 20 } else { 150 });
        let (mut waits, started) = (Vec::new(), Instant::now());
        for _ in 0..sizes.samples {
            tokio::time::sleep(gap.mul_f64(0.5 + SystemRandom.unit())).await;
            let other = 1 + (SystemRandom.unit() * (sizes.teams - 1) as f64) as usize;
            probe.team = db.teams.get(other).copied().unwrap_or_else(|| db.team());
            waits.push(probe.sample(&mut producer, &mut crew).await?);
        }
        let seconds = started.elapsed().as_secs_f64();
        handled += sizes.samples;
        let line = if busy {
            let done = crew.handled_so_far().saturating_sub(handled);
            // None left: the samples' end saw an idle fleet, and more jobs or fewer samples are called for.
            let left = sizes.backlog.saturating_sub(done);
            let line = Line::ours("fair", format!("one of {} teams has {} jobs", sizes.teams, sizes.backlog));
            line.waits(waits, seconds).with("backlog_left", left)
        } else {
            Line::baseline("fair", format!("{} teams, all idle", sizes.teams)).waits(waits, seconds)
        };
        p95s.push(line.p95_ms);
        let line = match p95s.as_slice() {
            [Some(idle), Some(busy)] if *idle > 0.0 => line.with("p95_times_idle", super::report::rounded(busy / idle, 2)),
            _ => line,
        };
        bench.report(&line)?;
    }
    crew.stop().await?;
    let handled = crew.handled_so_far();
    crew.dismiss().await?;
    db.nothing_lost(handled).await
}
