//! Limits: lanes that run as many jobs at once as they may, with a mass of jobs behind them; how long a claim takes, beside
//! the same claims where nothing is limited.

use std::{collections::VecDeque, time::Instant};

use longshore_workers::clock::{Random as _, SystemRandom};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Bench,
    bare::{self, Hand},
    fill,
    kind::{self, QUEUE},
    place::Database,
    report::{Line, rounded},
    scaled,
};
use crate::store::jobs::{self, Holding, Hop};

/// Which lanes, and how full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Lanes: teams with ready jobs.
    pub lanes: usize,
    /// Jobs that each may run at once.
    pub at_once: u32,
    /// Ready jobs of all lanes together; nearly all are held back.
    pub blocked: u64,
    /// Claims.
    pub samples: u64,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self { lanes: 64, at_once: 4, blocked: scaled(1_000_000, scale, 5000), samples: scaled(5000, scale, 50) }
    }

    /// Jobs that run when every lane is at its limit.
    fn slots(&self) -> usize {
        self.lanes * self.at_once as usize
    }
}

/// What the claims came to.
struct Claims {
    waits: Vec<f64>,
    seconds: f64,
    jobs: u64,
    empty: u64,
    most_of_a_lane: i64,
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    let Sizes { lanes, at_once, blocked, samples } = *sizes;
    let mut p95s = Vec::new();
    for limited in [false, true] {
        let case = if limited { format!("{lanes} lanes, {at_once} at once each") } else { format!("{lanes} lanes, no limits") };
        bench.say(&format!("limits: {blocked} ready jobs in {case}, {samples} claims"));
        let mut db = bench.database(lanes).await?;
        let each = (blocked / lanes.max(1) as u64).max(u64::from(at_once)) + samples;
        for team in db.teams.clone() {
            fill::backlog(&mut db, team, each, bench.payload).await?;
        }
        if limited {
            let limit = "select queue.set_lane($1, null, null, $2, null, null, null)";
            sqlx::query(limit).bind(QUEUE).bind(at_once.cast_signed()).fetch_one(&mut db.admin).await?;
        }
        db.tidy().await?;
        let claims = claims(&mut db, sizes).await?;
        let most = claims.most_of_a_lane;
        anyhow::ensure!(!limited || most <= i64::from(at_once), "{most} jobs of a lane ran at once, and {at_once} may");
        let line = if limited { Line::ours("limits", case) } else { Line::baseline("limits", case) };
        let line = line.waits(claims.waits, claims.seconds).with("jobs", claims.jobs).with("found_nothing", claims.empty);
        let line = line.with("most_of_a_lane", most);
        p95s.push(line.p95_ms);
        let line = match p95s.as_slice() {
            [Some(free), Some(limited)] if *free > 0.0 => line.with("p95_times_unlimited", rounded(limited / free, 2)),
            _ => line,
        };
        bench.report(&line)?;
        db.nothing_lost(claims.jobs).await?;
        drop(db);
        bench.sweep().await?;
    }
    Ok(())
}

/// One process that holds as many jobs as all lanes together may run: it ends the oldest sixteenth, and claims again.
async fn claims(db: &mut Database, sizes: &Sizes) -> anyhow::Result<Claims> {
    let Hand { mut conn, boot, mut hop } = Hand::enter(db).await?;
    let (slots, kinds, share) = (sizes.slots(), kind::names(), (sizes.slots() / 16).max(1));
    let mut claims = Claims { waits: Vec::new(), seconds: 0.0, jobs: 0, empty: 0, most_of_a_lane: 0 };
    let mut held: VecDeque<(i64, Holding)> = VecDeque::new();
    // The first ones fill the slots, and find plans cold.
    let warm = 50;
    for turn in 0..warm + sizes.samples {
        let mut freed = 0;
        let mut over = Vec::new();
        while freed < share
            && let Some(lease) = held.pop_front()
        {
            freed += lease.1.jobs;
            over.push(lease);
        }
        finish(&mut conn, boot, &over).await?;
        let running: usize = held.iter().map(|(_, lease)| lease.jobs).sum();
        let free = i32::try_from(slots.saturating_sub(running))?;
        let asked = Instant::now();
        let claimed = jobs::claim(&mut conn, boot, QUEUE, free, hop, &kinds, &[]).await?.jobs;
        let took = asked.elapsed();
        claims.jobs += claimed.len() as u64;
        // As a worker does: past what it got, and anywhere when it got nothing.
        hop = match claimed.is_empty() {
            true => Hop { after: Uuid::from_u128((SystemRandom.unit() * u128::MAX as f64) as u128), streak: 0 },
            false => hop.past(&claimed),
        };
        held.extend(bare::leases(&claimed));
        if turn >= warm {
            claims.waits.push(took.as_secs_f64() * 1000.0);
            claims.seconds += took.as_secs_f64();
            claims.empty += u64::from(claimed.is_empty());
        }
        let most =
            "select coalesce(max(n), 0)::bigint from (select sum(cardinality(open)) as n from queue.leases group by team_id) x";
        let most: i64 = sqlx::query_scalar(most).fetch_one(&mut db.admin).await?;
        claims.most_of_a_lane = claims.most_of_a_lane.max(most);
    }
    finish(&mut conn, boot, held.make_contiguous()).await?;
    Ok(claims)
}

async fn finish(conn: &mut PgConnection, boot: Uuid, leases: &[(i64, Holding)]) -> anyhow::Result<()> {
    let ended = jobs::finish_leases(conn, boot, leases).await?;
    anyhow::ensure!(ended.len() == leases.len(), "{} of {} leases could be finished", ended.len(), leases.len());
    Ok(())
}
