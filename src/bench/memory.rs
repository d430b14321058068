//! Memory: what a worker process holds while all its slots are taken by jobs that sleep, over time.

use std::time::{Duration, Instant};

use super::{Bench, crew::Crew, fill, report::Line, scaled, worker::Manner};

/// How many, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Jobs in flight.
    pub jobs: u32,
    /// How long each sleeps; the next takes its place.
    pub sleep: Duration,
    /// How long to go on.
    pub seconds: u64,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self { jobs: 1000, sleep: Duration::from_millis(500), seconds: scaled(60, scale, 2) }
    }
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    bench.say(&format!("memory: {} jobs in flight for {} s", sizes.jobs, sizes.seconds));
    let payload = bench.payload;
    let mut db = bench.database(1).await?;
    let team = db.team();
    let in_flight = u64::from(sizes.jobs);
    let mut crew = Crew::start(bench, &db, 1, Manner { slots: sizes.jobs, sleep: sizes.sleep }).await?;
    let connected = crew.resident_kib();
    let mut enqueued = 5 * in_flight;
    fill::backlog(&mut db, team, enqueued, payload).await?;
    crew.go().await?;
    let (began, mut full, mut most) = (Instant::now(), 0, 0);
    while began.elapsed() < Duration::from_secs(sizes.seconds) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let handled = crew.handled_so_far();
        if enqueued - handled.min(enqueued) < 3 * in_flight {
            fill::backlog(&mut db, team, 5 * in_flight, payload).await?;
            enqueued += 5 * in_flight;
        }
        let now = crew.resident_kib();
        most = most.max(now);
        // All slots were taken once, and given back, and taken again.
        if full == 0 && handled >= in_flight {
            full = now;
        }
    }
    let (last, seconds) = (crew.resident_kib(), began.elapsed().as_secs_f64());
    crew.stop().await?;
    let handled = crew.handled_so_far();
    crew.dismiss().await?;
    db.nothing_lost(handled).await?;
    let mut line = Line::ours("memory", format!("one worker process, {} jobs in flight", sizes.jobs));
    line.n = handled;
    line.seconds = super::report::rounded(seconds, 3);
    let line = line.with("resident_kib_connected", connected).with("resident_kib_full", full);
    bench.report(&line.with("resident_kib_end", last).with("resident_kib_most", most))
}
