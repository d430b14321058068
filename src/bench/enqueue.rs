//! Enqueue: by one producer in bulk, by many one by one, and through the HTTP API's coalescer; beside plain inserts into the
//! same tables.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use super::{
    Bench, SLOTS,
    api::Door,
    crew::Crew,
    drain::compared,
    fill::{self, plain},
    http::Caller,
    kind::{Noop, QUEUE},
    meter::Meter,
    place::Database,
    report::{Line, Pace},
    scaled,
    worker::Manner,
};

/// How much to enqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// By one producer, in statements of 1000.
    pub bulk: u64,
    /// One by one, each in a transaction of its own.
    pub singles: u64,
    /// Producers that enqueue one by one at once.
    pub producers: usize,
    /// Connections to the API, each case of its own.
    pub connections: Vec<usize>,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self {
            bulk: scaled(500_000, scale, 2_000),
            singles: scaled(50_000, scale, 200),
            producers: 16,
            connections: if scale < 1.0 { vec![16] } else { vec![16, 256] },
        }
    }
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    bulk(bench, sizes.bulk).await?;
    let mut plain_idle = Pace::default();
    for busy in [false, true] {
        let worker = if busy { "a busy worker" } else { "no worker" };
        let who = format!("{} producers, {worker}", sizes.producers);
        let plain = singles(bench, sizes.singles, sizes.producers, Way::Plain, busy).await?;
        bench.report(&Line::baseline("enqueue", format!("plain single inserts, {who}")).pace(&plain))?;
        let ours = singles(bench, sizes.singles, sizes.producers, Way::Function, busy).await?;
        bench.report(&compared(Line::ours("enqueue", format!("singles, {who}")), &ours, &plain))?;
        if !busy {
            plain_idle = plain;
        }
    }
    for connections in &sizes.connections {
        let (ours, _) = through_the_api(bench, sizes.singles, *connections).await?;
        let line = Line::ours("enqueue", format!("singles over HTTP, {connections} connections, no worker"));
        bench.report(&compared(line, &ours, &plain_idle))?;
    }
    Ok(())
}

async fn bulk(bench: &mut Bench<'_>, n: u64) -> anyhow::Result<()> {
    bench.say(&format!("enqueue: {n} jobs in bulk"));
    let payload = bench.payload;
    let mut db = bench.database(1).await?;
    db.settle().await?;
    let names = plain::Names::find(&mut db.admin).await?;
    let (mut conn, team) = (db.connect_as_owner().await?, db.team());
    let meter = Meter::start(&db);
    let mut left = n;
    while left > 0 {
        let now = left.min(1000);
        let payloads = (0..now).map(|_| serde_json::to_value(Noop::of(payload))).collect::<Result<Vec<_>, _>>()?;
        plain::bulk(&mut conn, names, team, &payloads).await?;
        left -= now;
    }
    let plain = meter.read(&db, n);
    bench.report(&Line::baseline("enqueue", "plain bulk inserts, statements of 1000, one producer").pace(&plain))?;

    let mut db = bench.database(1).await?;
    db.settle().await?;
    let (mut conn, team) = (db.connect("worker").await?, db.team());
    let meter = Meter::start(&db);
    fill::bulk(&mut conn, team, n, payload).await?;
    let ours = meter.read(&db, n);
    db.nothing_lost(0).await?;
    bench.report(&compared(Line::ours("enqueue", "bulk, statements of 1000, one producer"), &ours, &plain))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Function,
    Plain,
}

/// `n` jobs by many producers, each job a statement and a transaction. The server's time holds a busy worker's share too.
pub(super) async fn singles(bench: &mut Bench<'_>, n: u64, producers: usize, way: Way, busy: bool) -> anyhow::Result<Pace> {
    bench.say(&format!("enqueue: {n} jobs one by one"));
    let mut db = bench.database(1).await?;
    db.settle().await?;
    let mut crew = None;
    if busy {
        let manner = Manner { slots: SLOTS, sleep: Duration::ZERO };
        let working = crew.insert(Crew::start(bench, &db, 1, manner).await?);
        working.go().await?;
    }
    let pace = one_by_one(&mut db, n, producers, bench.payload, way).await?;
    if let Some(mut crew) = crew {
        crew.handled(n).await?;
        crew.stop().await?;
        crew.dismiss().await?;
        db.nothing_lost(n).await?;
    }
    Ok(pace)
}

/// Enqueues as `producers` do that have one job each time.
pub(super) async fn by_producers(bench: &Bench<'_>, db: &mut Database, n: u64, producers: usize) -> anyhow::Result<Pace> {
    one_by_one(db, n, producers, bench.payload, Way::Function).await
}

async fn one_by_one(db: &mut Database, n: u64, producers: usize, payload: usize, way: Way) -> anyhow::Result<Pace> {
    let payload = Arc::new(fill::payload(payload)?);
    let names = plain::Names::find(&mut db.admin).await?;
    let mut conns = Vec::new();
    for _ in 0..producers {
        conns.push(match way {
            Way::Plain => db.connect_as_owner().await?,
            // A role that may enqueue for any team, as a platform's own may.
            Way::Function => db.connect("scheduler").await?,
        });
    }
    let (left, team) = (Arc::new(AtomicU64::new(n)), db.team());
    let meter = Meter::start(db);
    let mut tasks = JoinSet::new();
    for mut conn in conns {
        let (left, payload) = (left.clone(), payload.clone());
        tasks.spawn(async move {
            let conn: &mut PgConnection = &mut conn;
            while take(&left) {
                match way {
                    Way::Function => fill::single(conn, team, &payload).await.map(drop)?,
                    Way::Plain => plain::single(conn, names, team, &payload).await?,
                }
            }
            Ok::<_, sqlx::Error>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(meter.read(db, n))
}

fn take(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// The client's time is the API process's; beside the pace, the KiB it held at the end.
pub(super) async fn through_the_api(bench: &mut Bench<'_>, n: u64, connections: usize) -> anyhow::Result<(Pace, u64)> {
    bench.say(&format!("enqueue: {n} jobs over HTTP, {connections} connections"));
    let mut db = bench.database(1).await?;
    db.settle().await?;
    let door = Door::open(bench, &mut db).await?;
    let body = json!({ "kind": "bench_noop", "payload": fill::payload(bench.payload)? }).to_string();
    let mut callers = Vec::new();
    for _ in 0..connections {
        let mut caller = Caller::connect(&door.address, &door.key, "/v1/jobs", &body).await?;
        // The first request asks the database for the key, and opens a connection to it.
        caller.post().await?;
        callers.push(caller);
    }
    let left = Arc::new(AtomicU64::new(n));
    let meter = Meter::with_client(&db, door.cpu());
    let mut tasks = JoinSet::new();
    for mut caller in callers {
        let left = left.clone();
        tasks.spawn(async move {
            while take(&left) {
                caller.post().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let pace = meter.read_with_client(&db, n, door.cpu());
    let resident = door.resident_kib();
    door.close().await?;
    let accepted: i64 = sqlx::query_scalar("select accepted from queue.census()").fetch_one(&mut db.admin).await?;
    let expected = i64::try_from(n)? + i64::try_from(connections)?;
    anyhow::ensure!(accepted == expected, "the API accepted {expected} jobs, and {accepted} are in {QUEUE}");
    db.nothing_lost(0).await?;
    Ok((pace, resident))
}
