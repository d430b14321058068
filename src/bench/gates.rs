//! Gates: what it takes to decide about one message, beside many opt-outs and many consents; and what it takes to decide, mark it
//! and write the evidence down.

use std::{collections::HashMap, sync::Arc, time::Instant};

use longshore_workers::{
    clock::{Clock as _, SystemClock},
    ctx::Ctx,
    ids::TeamId,
    job::Job as _,
    messages::{gates::Verdict, send_sms::SendSms},
};
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Bench,
    place::Database,
    report::{Line, rounded},
    scaled, texts, worker,
};
use crate::{
    config::Config,
    queue::execute::Claimed,
    store::{
        jobs::{self, Hop},
        processes::{self, Process},
    },
};

/// The queue of sends, and their kind.
const QUEUE: &str = "messages";
const KIND: &str = SendSms::KIND;
/// The first ones find plans and pages cold.
const WARM: usize = 50;

/// What to decide beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Numbers on the suppression list.
    pub suppressions: u64,
    /// Consents on record.
    pub consents: u64,
    /// Messages to decide about.
    pub samples: u64,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self {
            suppressions: scaled(1_000_000, scale, 1000),
            consents: scaled(1_000_000, scale, 1000),
            samples: scaled(2000, scale, 50),
        }
    }
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    bench.say(&format!("gates: {} opt-outs, {} consents", sizes.suppressions, sizes.consents));
    let mut db = bench.database(1).await?;
    let team = db.team();
    texts::prepare(&mut db, sizes.samples + 1000).await?;
    texts::plan(&mut db, team, 0, sizes.samples + WARM as u64).await?;
    crowd(&mut db, team, sizes).await?;
    texts::enqueue(&mut db, team).await?;
    db.tidy().await?;

    let (bare, seconds) = look_up(&mut db, team, sizes).await?;
    let line = Line::baseline("gates", "one message read by its key, in a transaction").waits(bare, seconds);
    let p95 = line.p95_ms;
    bench.report(&line)?;

    bench.say(&format!("gates: {} decisions, then as many marks", sizes.samples));
    let jobs = claim(&mut db, sizes).await?;
    let variables = [
        ("DATABASE_URL".to_owned(), db.url("worker")),
        ("LONGSHORE_CLOCK__OFFSET_SECONDS".to_owned(), texts::seconds_to_noon(SystemClock.now()).to_string()),
        ("LONGSHORE_OBJECTS__URL".to_owned(), format!("file://{}", std::env::temp_dir().display())),
    ];
    let config = Config::load_from(None, variables.into_iter())?;
    let pool = worker::pool(&config, 2, config.database.handler_statement_timeout)?;
    let services = Arc::new(worker::services(&config, pool.clone())?);
    let ctx = |job: &Claimed| Ctx::new(job.claim.clone(), services.clone(), CancellationToken::new());

    let (mut waits, mut seconds) = (Vec::new(), 0.0);
    for (nth, (job, message)) in jobs.iter().enumerate() {
        let (ctx, started) = (ctx(job), Instant::now());
        let verdict = message.judge(&ctx).await.map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
        let took = started.elapsed().as_secs_f64();
        anyhow::ensure!(matches!(verdict, Some(Verdict::Send { .. })), "a gate was closed: {verdict:?}");
        if nth >= WARM {
            waits.push(took * 1000.0);
            seconds += took;
        }
    }
    let compared = |line: Line| match (line.p95_ms, p95) {
        (Some(ours), Some(bare)) if bare > 0.0 => line.with("p95_times_baseline", rounded(ours / bare, 2)),
        _ => line,
    };
    let crowded = |line: Line| line.with("suppressions", sizes.suppressions).with("consents", sizes.consents);
    bench.report(&crowded(compared(Line::ours("gates", "decision: locks, facts, verdict").waits(waits, seconds))))?;

    let (mut waits, mut seconds) = (Vec::new(), 0.0);
    for (nth, (job, message)) in jobs.iter().enumerate() {
        let (ctx, started) = (ctx(job), Instant::now());
        let marked = message.mark(&ctx).await.map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
        let took = started.elapsed().as_secs_f64();
        anyhow::ensure!(marked, "a gate was closed");
        if nth >= WARM {
            waits.push(took * 1000.0);
            seconds += took;
        }
    }
    pool.close().await;
    let line = Line::ours("gates", "decision, line, caps, credit, mark and evidence, committed");
    bench.report(&crowded(compared(line.waits(waits, seconds))))
}

/// The crowd: opt-outs and consents of people whom nobody asks about.
async fn crowd(db: &mut Database, team: TeamId, sizes: &Sizes) -> anyhow::Result<()> {
    let suppressions = "insert into longshore.suppressions (team_id, phone, reason, source)
        select $1, '+1646' || lpad(n::text, 7, '0'), 'OPT_OUT', 'bench' from generate_series(1, $2) n";
    sqlx::query(suppressions).bind(team.0).bind(i64::try_from(sizes.suppressions)?).execute(&mut db.admin).await?;
    let consents = "insert into longshore.consents (team_id, phone, level, method, evidence, captured_at)
        select $1, '+1718' || lpad(n::text, 7, '0'), 'express_written', 'bench', 'bench', now() from generate_series(1, $2) n";
    sqlx::query(consents).bind(team.0).bind(i64::try_from(sizes.consents)?).execute(&mut db.admin).await?;
    Ok(())
}

/// What one look by key takes in a transaction as the gates have one.
async fn look_up(db: &mut Database, team: TeamId, sizes: &Sizes) -> anyhow::Result<(Vec<f64>, f64)> {
    let ids: Vec<i64> =
        sqlx::query_scalar("select message_id from longshore.messages order by message_id").fetch_all(&mut db.admin).await?;
    let mut conn = db.connect("worker").await?;
    let (mut waits, mut seconds) = (Vec::new(), 0.0);
    for (nth, id) in ids.into_iter().take(usize::try_from(sizes.samples)? + WARM).enumerate() {
        let started = Instant::now();
        let mut tx = conn.begin().await?;
        longshore_workers::db::act_as(&mut tx, team).await?;
        let select = "select state from longshore.messages where team_id = $1 and message_id = $2";
        sqlx::query_scalar::<_, String>(select).bind(team.0).bind(id).fetch_one(&mut *tx).await?;
        tx.rollback().await?;
        let took = started.elapsed().as_secs_f64();
        if nth >= WARM {
            waits.push(took * 1000.0);
            seconds += took;
        }
    }
    Ok((waits, seconds))
}

/// Claims every job, each with its message, as one process of the fleet would.
async fn claim(db: &mut Database, sizes: &Sizes) -> anyhow::Result<Vec<(Claimed, SendSms)>> {
    let mut conn = db.connect("worker").await?;
    let (boot, queues) = (Uuid::new_v4(), [QUEUE.to_owned()]);
    let process = Process {
        boot,
        role: "worker",
        host: "bench",
        pid: std::process::id().cast_signed(),
        build: "bench",
        queues: &queues,
        slots: 0,
    };
    processes::enter(&mut conn, &process, std::time::Duration::from_secs(3600)).await?;
    let payloads: Vec<(i64, i64)> =
        sqlx::query_as("select id, (payload ->> 'message_id')::bigint from queue.jobs where kind = $1")
            .bind(KIND)
            .fetch_all(&mut db.admin)
            .await?;
    let messages: HashMap<i64, i64> = payloads.into_iter().collect();
    let wanted = usize::try_from(sizes.samples)? + WARM;
    let mut all = Vec::with_capacity(wanted);
    while all.len() < wanted {
        let free = i32::try_from(wanted - all.len())?.min(1000);
        let claimed = jobs::claim(&mut conn, boot, QUEUE, free, Hop::default(), &[KIND.to_owned()], &[]).await?.jobs;
        anyhow::ensure!(!claimed.is_empty(), "only {} of {wanted} jobs could be claimed", all.len());
        for job in claimed {
            let message_id = messages.get(&job.claim.job.0).copied().unwrap_or_default();
            all.push((job, SendSms { message_id }));
        }
    }
    Ok(all)
}
