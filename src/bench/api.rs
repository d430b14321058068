//! The HTTP door as the bench measures it: the real one, in a process of its own, with the bench's one kind.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use longshore_workers::clock::{SystemClock, SystemRandom};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, ChildStdin},
};

use super::{Bench, cpu, crew, kind, place::Database, worker};
use crate::{
    api::{self, ApiState, Tuning, rate::Quota},
    config::Config,
    shutdown::Shutdown,
    telemetry,
    tenancy::keys::{self, Scope},
};

/// Is the bench's API process until standard input ends.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::init_logs(config.log.format, &config.log.level)?;
    telemetry::init_metrics()?;
    let registry = Arc::new(kind::registry());
    let pool = worker::pool(&config, config.database.pools.api, config.database.statement_timeout)?;
    let shutdown = Shutdown::on_signals()?;
    let stop = shutdown.stop().clone();
    // Every request takes from its key's bucket, and none is held up by it: the bench is one key.
    let quota = Quota { per_second: 1_000_000, burst: 1_000_000 };
    let tuning = Tuning { quota, keyring: config.keyring(), ..config.api.tuning(config.database.pools) };
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let state = ApiState::new(pool, registry, clock, random, stop.clone(), config.dead, tuning);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    worker::say(&json!({ "api": listener.local_addr()?.to_string() }))?;
    tokio::spawn(async move {
        let mut words = worker::hear();
        while words.recv().await.is_some() {}
        shutdown.request();
    });
    Ok(api::serve::serve(listener, api::router(state, None), stop).await?)
}

/// A running API process.
pub(super) struct Door {
    child: Child,
    leash: Option<ChildStdin>,
    pid: u32,
    /// Where it listens.
    pub address: String,
    /// A key of the database's team.
    pub key: String,
}

impl Door {
    pub async fn open(bench: &Bench<'_>, db: &mut Database) -> anyhow::Result<Self> {
        let team = db.team();
        let key = keys::create(&mut db.admin, team, "bench", &[Scope::Enqueue], None, &SystemRandom).await?;
        let mut child = crew::process(bench, db, "api")?.arg("bench-api").spawn().context("starting the API process")?;
        let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
        let said = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.context("the API process")??;
        let said: Value = serde_json::from_str(&said.context("the API process ended before it was ready")?)?;
        Ok(Self {
            pid: child.id().context("its number")?,
            leash: child.stdin.take(),
            child,
            address: said["api"].as_str().context("its address")?.to_owned(),
            key: key.text.expose_secret().to_owned(),
        })
    }

    pub fn cpu(&self) -> Duration {
        cpu::of_process(self.pid)
    }

    /// What it holds in memory.
    pub fn resident_kib(&self) -> u64 {
        cpu::resident_kib(self.pid).unwrap_or_default()
    }

    pub async fn close(mut self) -> anyhow::Result<()> {
        drop(self.leash.take());
        self.child.wait().await?;
        Ok(())
    }
}
