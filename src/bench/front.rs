//! The front door: how long a caller waits at a rate it chose, how much goes through, and what the process holds meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    Bench,
    api::Door,
    drain::compared,
    enqueue::{self, Way},
    fill,
    http::Caller,
    place::Database,
    report::{Line, rounded},
    scaled,
};

/// How much, how fast, how wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Requests a second, whatever becomes of those before.
    pub rate: u64,
    /// For so long.
    pub seconds: u64,
    /// Connections, for the rate and for what goes through.
    pub connections: usize,
    /// Jobs one by one, as fast as they go.
    pub singles: u64,
    /// Batches of a thousand, one after the other.
    pub batches: u64,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self {
            rate: 200,
            seconds: scaled(30, scale, 2),
            connections: 64,
            singles: scaled(50_000, scale, 200),
            batches: scaled(50, scale, 3),
        }
    }
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    let who = format!("{} connections", sizes.connections);
    let plain = enqueue::singles(bench, sizes.singles, sizes.connections.min(64), Way::Plain, false).await?;
    bench
        .report(&Line::baseline("api", format!("plain single inserts, {} producers", sizes.connections.min(64))).pace(&plain))?;
    let (ours, resident) = enqueue::through_the_api(bench, sizes.singles, sizes.connections).await?;
    let line = compared(Line::ours("api", format!("singles, {who}")), &ours, &plain);
    bench.report(&line.with("resident_kib", resident))?;
    at_a_rate(bench, sizes).await?;
    batches(bench, sizes.batches).await
}

/// Each request has its moment, and its wait counts from there: a door that stands still does not slow its callers down.
async fn at_a_rate(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    let Sizes { rate, seconds, connections, .. } = *sizes;
    bench.say(&format!("api: {rate} requests a second for {seconds} s"));
    let mut db = bench.database(1).await?;
    db.settle().await?;
    let door = Door::open(bench, &mut db).await?;
    let body = job(bench.payload)?.to_string();
    let mut callers = Vec::new();
    for _ in 0..connections {
        let mut caller = Caller::connect(&door.address, &door.key, "/v1/jobs", &body).await?;
        // The first request asks the database for the key, and opens a connection to it.
        caller.post().await?;
        callers.push(caller);
    }
    let (next, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut tasks = JoinSet::new();
    for mut caller in callers {
        let next = next.clone();
        tasks.spawn(async move {
            let mut waits = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= rate * seconds {
                    return anyhow::Ok(waits);
                }
                let moment = began + Duration::from_secs_f64(n as f64 / rate as f64);
                tokio::time::sleep_until(moment.into()).await;
                caller.post().await?;
                waits.push(moment.elapsed().as_secs_f64() * 1000.0);
            }
        });
    }
    let mut waits = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        waits.extend(ended??);
    }
    let (took, resident) = (began.elapsed().as_secs_f64(), door.resident_kib());
    door.close().await?;
    db.nothing_lost(0).await?;
    let line = Line::ours("api", format!("{rate} requests a second, open loop, {connections} connections")).waits(waits, took);
    bench.report(&line.with("resident_kib", resident))
}

async fn batches(bench: &mut Bench<'_>, n: u64) -> anyhow::Result<()> {
    bench.say(&format!("api: {n} batches of 1,000"));
    let mut db = bench.database(1).await?;
    db.settle().await?;
    let plain = plain_batches(&mut db, n, bench.payload).await?;
    bench.report(&Line::baseline("api", "plain bulk inserts of 1,000, one producer").waits(plain.clone(), total(&plain)))?;
    let mut db = bench.database(1).await?;
    db.settle().await?;
    let door = Door::open(bench, &mut db).await?;
    let body = json!({ "jobs": vec![job(bench.payload)?; 1000] }).to_string();
    let mut caller = Caller::connect(&door.address, &door.key, "/v1/jobs/batch", &body).await?;
    caller.post().await?;
    let mut waits = Vec::new();
    for _ in 0..n {
        let began = Instant::now();
        caller.post().await?;
        waits.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    let resident = door.resident_kib();
    door.close().await?;
    db.nothing_lost(0).await?;
    let seconds = total(&waits);
    let percent = rounded(100.0 * total(&plain) / seconds.max(f64::EPSILON), 0);
    let line = Line::ours("api", "batches of 1,000, one connection").waits(waits, seconds);
    bench.report(&line.with("percent_of_baseline", percent).with("resident_kib", resident))
}

async fn plain_batches(db: &mut Database, n: u64, payload: usize) -> anyhow::Result<Vec<f64>> {
    let names = fill::plain::Names::find(&mut db.admin).await?;
    let (mut conn, team) = (db.connect_as_owner().await?, db.team());
    let payloads = vec![fill::payload(payload)?; 1000];
    let mut waits = Vec::new();
    for _ in 0..n {
        let began = Instant::now();
        fill::plain::bulk(&mut conn, names, team, &payloads).await?;
        waits.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(waits)
}

fn job(payload: usize) -> anyhow::Result<Value> {
    Ok(json!({ "kind": "bench_noop", "payload": fill::payload(payload)? }))
}

fn total(waits: &[f64]) -> f64 {
    waits.iter().sum::<f64>() / 1000.0
}
