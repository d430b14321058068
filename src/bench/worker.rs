//! The worker process that is measured: everything a worker role runs, with the bench's one kind, led by its standard
//! input and telling on standard output how far it is.
//!
//! ```text
//! <- {"ready":true}             connected; nothing claimed yet
//! -> go
//! <- {"handled":512}            so many handlers have run
//! <- {"started":[[7,123456]]}   job 7's handler started then (when its payload asks for it)
//! -> stop
//! <- {"ended":true}             all is recorded, and it has left the fleet
//! ```
//! It ends when its standard input does.

use std::{
    io::Write as _,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::Context as _;
use chrono::TimeDelta;
use longshore_workers::{
    clock::{ShiftedClock, SystemRandom},
    ctx::Services,
    datalake::object_store,
    db::{self, PoolSize},
    vendors::{
        Vendors,
        receiver::{Receivers, SystemResolver},
    },
};
use serde_json::{Value, json};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::kind::{self, QUEUE, TOLD};
use crate::{
    config::Config,
    queue::{
        lease::Times,
        promoter, reaper,
        worker::{Options, Worker},
    },
    shutdown::Shutdown,
    telemetry,
};

/// The queue of sends.
const SENDS: &str = "messages";
/// How often the process says how far it is: often enough to end a drain by, too seldom to cost.
const TELL_EVERY: Duration = Duration::from_millis(5);

/// How a worker process of the bench works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// Jobs at once.
    pub slots: u32,
    /// How long each handler sleeps.
    pub sleep: Duration,
}

/// Is a worker process of the bench until standard input ends: with the bench's one kind, or with the house's own where it
/// `sends`.
pub async fn work(config: Config, manner: Manner, sends: bool) -> anyhow::Result<()> {
    // Logs and metrics as a worker role has them: they are part of what a job costs.
    telemetry::init_logs(config.log.format, &config.log.level)?;
    let metrics = telemetry::init_metrics()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    if !manner.sleep.is_zero() {
        let _ = TOLD.sleep.set(manner.sleep);
    }
    let (tell_start, starts) = mpsc::unbounded_channel();
    let _ = TOLD.starts.set(tell_start);

    let (registry, queue) = if sends { (longshore_workers::registry(), SENDS) } else { (kind::registry(), QUEUE) };
    let registry = Arc::new(registry);
    let engine = pool(&config, config.database.pools.engine, config.database.statement_timeout)?;
    let handlers = pool(&config, config.database.pools.handlers, config.database.handler_statement_timeout)?;
    // Connected before the start, so that a drain is not charged for it.
    let mut open = Vec::new();
    for _ in 0..config.database.pools.engine {
        open.push(engine.acquire().await?);
    }
    drop(open);
    telemetry::start_at_zero(&registry, [queue]);
    let random = Arc::new(SystemRandom);
    let services = Arc::new(services(&config, handlers)?);
    let worker = Worker {
        registry,
        services,
        engine: engine.clone(),
        heartbeat: connect_options(&config, config.database.statement_timeout)?,
        options: Options {
            queues: vec![queue.to_owned()],
            slots: manner.slots as usize,
            suspects: None,
            listen: true,
            times: Times { ttl: config.worker.lease, beat: config.worker.beat },
            poll: config.worker.poll,
            grace: config.worker.grace,
            build: "bench".into(),
            host: "bench".into(),
        },
    };

    let shutdown = Shutdown::on_signals()?;
    let stop = shutdown.stop().clone();
    let mut words = hear();
    say(&json!({ "ready": true }))?;
    if words.recv().await.as_deref() != Some("go") {
        return Ok(());
    }
    // As a worker role does: nobody scrapes this process, and what is recorded would pile up.
    tokio::spawn(metrics.keep_up(stop.clone()));
    tokio::spawn(promoter::run(engine.clone(), Duration::from_millis(500), random.clone(), stop.clone()));
    tokio::spawn(reaper::run(engine, config.worker.lease / 3, random, stop.clone()));
    let over = CancellationToken::new();
    let telling = tokio::spawn(tell(starts, over.clone()));
    let working = tokio::spawn(worker.run(stop));
    // `stop`, or an end: either way the work ends in order.
    let heard = tokio::select! {
        heard = words.recv() => heard,
        () = shutdown.stop().cancelled() => None,
    };
    shutdown.request();
    working.await?;
    over.cancel();
    telling.await??;
    say(&json!({ "ended": true }))?;
    if heard.is_some() {
        // Whoever leads us reads our accounts first.
        while words.recv().await.is_some() {}
    }
    Ok(())
}

/// What a handler of the bench may reach.
pub(super) fn services(config: &Config, pool: PgPool) -> anyhow::Result<Services> {
    Ok(Services {
        pool,
        // Texts leave by day only; the bench measures at any hour.
        clock: Arc::new(ShiftedClock(TimeDelta::seconds(config.clock.offset_seconds))),
        random: Arc::new(SystemRandom),
        vendors: Vendors::open(&config.vendors)?,
        objects: object_store::open(&config.objects)?,
        rules: config.rules.clone(),
        keyring: config.keyring(),
        lately: longshore_workers::settings::Lately::default(),
        sends: longshore_workers::messages::send_sms::Sends::default(),
        receivers: Receivers::new(config.webhooks, Arc::new(SystemResolver)),
    })
}

fn connect_options(config: &Config, statement_timeout: Duration) -> anyhow::Result<PgConnectOptions> {
    let options: PgConnectOptions = config.database.url()?.parse().context("DATABASE_URL is no Postgres address")?;
    let statement_timeout = statement_timeout.as_millis().to_string();
    let settings = [("statement_timeout", statement_timeout.as_str()), ("idle_in_transaction_session_timeout", "60000")];
    Ok(options.application_name("longshore bench").options(settings))
}

pub(super) fn pool(config: &Config, connections: u32, statement_timeout: Duration) -> anyhow::Result<PgPool> {
    let size = PoolSize { connections, acquire_timeout: config.database.acquire_timeout };
    Ok(db::guarded_pool(connect_options(config, statement_timeout)?, size))
}

/// Tells how many handlers have run, and when those started that should tell, until `over`; then once more.
async fn tell(mut starts: mpsc::UnboundedReceiver<kind::Start>, over: CancellationToken) -> anyhow::Result<()> {
    let mut told = 0;
    loop {
        let last = over.is_cancelled();
        let mut started = Vec::new();
        while let Ok(start) = starts.try_recv() {
            started.push(start);
        }
        if !started.is_empty() {
            say(&json!({ "started": started }))?;
        }
        let handled = TOLD.handled.load(Ordering::Relaxed);
        if handled != told {
            told = handled;
            say(&json!({ "handled": handled }))?;
        }
        if last {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(TELL_EVERY) => {}
            () = over.cancelled() => {}
        }
    }
}

/// The lines of standard input; the end of the one is the end of the other.
pub(super) fn hear() -> mpsc::UnboundedReceiver<String> {
    let (hand, heard) = mpsc::unbounded_channel();
    // On a thread that nobody waits for: a read of standard input can't be given up.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if hand.send(line).is_err() {
                return;
            }
        }
    });
    heard
}

pub(super) fn say(what: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}")?;
    Ok(out.flush()?)
}
