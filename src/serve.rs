//! The roles of the one binary: `api`, `worker`, `scheduler`. Each starts its logs, metrics, pools and admin server, says
//! on standard output where it can be reached, works until it is told to stop, and ends in good order.

use std::{io::Write as _, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use longshore_workers::{
    clock::{Clock, Random, ShiftedClock, SystemClock, SystemRandom},
    ctx::Services,
    datalake::object_store,
    db::{self, PoolSize},
    registry::Registry,
    vendors::{
        Vendors,
        receiver::{Receivers, SystemResolver},
    },
};
use secrecy::ExposeSecret as _;
use serde_json::json;
use sqlx::{
    Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{net::TcpListener, process::Command};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    admin::{self, Checks, Pulse},
    api::{self, ApiState, twilio::Hooks},
    config::Config,
    queue::{
        lease::Times,
        promoter,
        quarantine::Quarantine,
        reaper,
        worker::{Options, Worker},
    },
    scheduler,
    shutdown::Shutdown,
    store::{
        jobs,
        migrate::{self, Standing},
        processes::{self, Process},
        upkeep,
        wall::{self, Breached, Duty},
    },
    telemetry::{self, Metrics},
};

/// What every role has.
struct Role {
    name: &'static str,
    config: Config,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    metrics: Metrics,
    shutdown: Shutdown,
}

/// Runs the HTTP API until it is told to stop.
pub async fn api(config: Config) -> anyhow::Result<()> {
    let role = Role::start("api", config)?;
    let pool = role.pool(role.config.database.pools.api, role.config.database.statement_timeout)?;
    role.enter_house(&pool, 0).await?;
    let bind = role.config.api.bind;
    let listener = TcpListener::bind(bind).await.with_context(|| format!("can't listen on api.bind = {bind}"))?;
    let address = listener.local_addr()?;
    let stop = role.shutdown.stop().clone();
    let (clock, random, thresholds) = (role.clock.clone(), role.random.clone(), role.config.dead);
    let (keyring, webhooks) = (role.config.keyring(), role.config.webhooks);
    let content = role.config.rules.content.clone();
    let tuning = api::Tuning { keyring, webhooks, content, ..role.config.api.tuning(role.config.database.pools) };
    let state = ApiState::new(pool.clone(), role.registry.clone(), clock, random, stop.clone(), thresholds, tuning);
    let reserve = state.reserve.clone();
    let hooks = role.config.api.public_url.clone().map(|public_url| Hooks {
        pool: pool.clone(),
        reserve: reserve.clone(),
        auth_token: role.config.vendors.twilio.auth_token.clone(),
        public_url,
    });
    telemetry::door_at_zero();
    let pulse = role.turning();
    role.ready(
        pulse,
        pool.clone(),
        None,
        vec![("api", pool.clone()), ("reserve", reserve)],
        json!({ "api": address.to_string() }),
    )
    .await?;
    let beating = role.keep_alive(pool, &[], 0);
    let served = role.until_hurried(api::serve::serve(listener, api::router(state, hooks), stop)).await;
    beating.await?;
    served.unwrap_or(Ok(())).context("serving the API")
}

/// Runs a worker until it is told to stop. `queues` overrides the configured ones when any is named. `suspects`: it is a
/// cell of another worker's quarantine, under this boot id, and ends with it.
pub async fn worker(mut config: Config, queues: Vec<String>, suspects: Option<Uuid>) -> anyhow::Result<()> {
    if !queues.is_empty() {
        config.worker.queues = queues;
    }
    if suspects.is_some() {
        config.admin.bind = SocketAddr::from(([127, 0, 0, 1], 0));
    }
    let role = Role::start("worker", config)?;
    let known = role.registry.queues();
    let queues: Vec<String> = match role.config.worker.queues.as_slice() {
        [] => known.iter().map(|&queue| queue.to_owned()).collect(),
        named => named.to_vec(),
    };
    if let Some(unknown) = queues.iter().find(|queue| !known.contains(&queue.as_str())) {
        bail!("no kind of this build runs in queue {unknown:?}; known queues: {}", known.join(", "));
    }
    let database = &role.config.database;
    let engine = role.pool(database.pools.engine, database.statement_timeout)?;
    let handlers = role.pool(database.pools.handlers, database.handler_statement_timeout)?;
    // A claimer for each queue, records, the heartbeat, the bell.
    role.enter_house(&engine, u32::try_from(queues.len())? + 3).await?;
    let services = Arc::new(role.services(handlers.clone())?);
    telemetry::start_at_zero(&role.registry, queues.iter().map(String::as_str));

    let stop = role.shutdown.stop().clone();
    let pools = vec![("engine", engine.clone()), ("handlers", handlers)];
    let ways = json!({ "queues": queues });
    info!(waking = role.waking(), "this worker learns of work");
    role.ready(role.turning(), engine.clone(), Some(services.objects.clone()), pools, ways).await?;
    let settings = &role.config.worker;
    let quarantine = if suspects.is_some() {
        let shutdown = role.shutdown.clone();
        std::thread::spawn(move || {
            // It ends with whoever holds the other end.
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            shutdown.request();
        });
        None
    } else {
        tokio::spawn(promoter::run(engine.clone(), Duration::from_millis(500), role.random.clone(), stop.clone()));
        tokio::spawn(reaper::run(engine.clone(), settings.lease / 3, role.random.clone(), stop.clone()));
        // On Linux this stands for the build that runs, also when its file was replaced.
        let itself = Path::new("/proc/self/exe");
        let program = if itself.exists() { itself.to_owned() } else { std::env::current_exe()? };
        let quarantine = Quarantine {
            pool: engine.clone(),
            kinds: queues.iter().flat_map(|queue| role.registry.names_in(queue)).collect(),
            queues: queues.clone(),
            every: Duration::from_secs(1),
            random: role.random.clone(),
            cell: Arc::new(move |boot| {
                // The same command line: the same configuration.
                let mut cell = Command::new(&program);
                cell.args(std::env::args_os().skip(1)).arg("--suspects").arg(boot.to_string());
                cell
            }),
            grace: settings.grace + Duration::from_secs(15),
        };
        Some(tokio::spawn(quarantine.run(stop.clone())))
    };

    let worker = Worker {
        registry: role.registry.clone(),
        services,
        engine,
        heartbeat: role.direct_options()?,
        options: Options {
            queues,
            slots: settings.slots as usize,
            suspects: suspects.map(|boot| (boot, Duration::from_secs(3))),
            listen: role.listens(),
            times: Times { ttl: settings.lease, beat: settings.beat },
            poll: settings.poll,
            grace: settings.grace,
            build: build(),
            host: host(),
        },
    };
    let work = async {
        worker.run(stop).await;
        // What runs in a cell has its grace too.
        if let Some(quarantine) = quarantine {
            let _ = quarantine.await;
        }
    };
    if role.until_hurried(work).await.is_none() {
        warn!("stopped without waiting for running jobs; their leases will run out");
    }
    Ok(())
}

/// Runs a scheduler until it is told to stop. Any number may run.
pub async fn scheduler(config: Config) -> anyhow::Result<()> {
    let role = Role::start("scheduler", config)?;
    let pool = role.pool(role.config.database.pools.engine, role.config.database.statement_timeout)?;
    role.enter_house(&pool, 0).await?;
    let stop = role.shutdown.stop().clone();
    let tick = role.config.scheduler.tick;
    let pulse = Pulse::new(tick * 10 + Duration::from_secs(30));
    role.ready(pulse.clone(), pool.clone(), None, vec![("engine", pool.clone())], json!({})).await?;
    let beating = role.keep_alive(pool.clone(), &[], 0);
    tokio::spawn(promoter::run(pool.clone(), tick / 2, role.random.clone(), stop.clone()));
    tokio::spawn(reaper::run(pool.clone(), role.config.worker.lease / 3, role.random.clone(), stop.clone()));
    scheduler::upkeep::start(&pool, role.config.scheduler.settled_days, &role.random, &stop);
    let declared = scheduler::declared::Putting {
        pool: pool.clone(),
        registry: role.registry.clone(),
        clock: role.clock.clone(),
        schedules: role.config.schedules.clone(),
    };
    tokio::spawn(declared.run(stop.clone()));
    let quiet = match role.config.rules.enrollment.complete_quiet_hours {
        0 => None,
        hours => Some(Duration::from_secs(u64::from(hours) * 3600)),
    };
    let (clock, random) = (role.clock.clone(), role.random.clone());
    tokio::spawn(scheduler::campaigns::run(pool.clone(), quiet, clock, random, stop.clone()));
    scheduler::due::run(pool, tick, role.random.clone(), pulse, stop).await;
    beating.await?;
    Ok(())
}

impl Role {
    fn start(name: &'static str, config: Config) -> anyhow::Result<Self> {
        telemetry::init_logs(config.log.format, &config.log.level)?;
        telemetry::quiet_panics();
        let metrics = telemetry::init_metrics()?;
        // One TLS provider for the whole process; a second call only says that it is there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock: Arc<dyn Clock> = match config.clock.offset_seconds {
            0 => Arc::new(SystemClock),
            offset => {
                warn!(offset, "this process lives in another hour ([clock] offset_seconds)");
                Arc::new(ShiftedClock(chrono::TimeDelta::seconds(offset)))
            }
        };
        Ok(Self {
            name,
            config,
            registry: Arc::new(longshore_workers::registry()),
            clock,
            random: Arc::new(SystemRandom),
            metrics,
            shutdown: Shutdown::on_signals()?,
        })
    }

    /// Whether there is a session to listen in.
    fn listens(&self) -> bool {
        !self.config.database.pgbouncer || self.config.database.direct_url.is_some()
    }

    /// How a worker of this process learns that there is work.
    fn waking(&self) -> String {
        let poll = self.config.worker.poll;
        if self.listens() {
            return format!("by notice (LISTEN), and a look every {poll:?}");
        }
        format!("polling every {poll:?}: there is no LISTEN through a pooler, and no database.direct_url past it")
    }

    fn connect_options(&self, statement_timeout: Duration) -> anyhow::Result<PgConnectOptions> {
        let database = &self.config.database;
        let options = self.named(database.url()?.parse().context("DATABASE_URL is no Postgres address")?);
        // A pooler's connections are not ours alone: nothing can be set when they start.
        Ok(if database.pgbouncer { db::through_a_pooler(options) } else { settled(options, statement_timeout) })
    }

    /// The way past the pooler, where one is configured; otherwise the usual one.
    fn direct_options(&self) -> anyhow::Result<PgConnectOptions> {
        let database = &self.config.database;
        let Some(url) = &database.direct_url else { return self.connect_options(database.statement_timeout) };
        let options = url.expose_secret().parse().context("database.direct_url is no Postgres address")?;
        Ok(settled(self.named(options), database.statement_timeout))
    }

    fn named(&self, options: PgConnectOptions) -> PgConnectOptions {
        let options = options.application_name(&format!("longshore {}", self.name));
        // On loopback there is nothing to encrypt against, and a handshake costs.
        if options.get_host().starts_with("127.") || options.get_host() == "localhost" {
            return options.ssl_mode(PgSslMode::Prefer);
        }
        options
    }

    fn pool(&self, connections: u32, statement_timeout: Duration) -> anyhow::Result<PgPool> {
        let size = PoolSize { connections, acquire_timeout: self.config.database.acquire_timeout };
        Ok(db::guarded_pool(self.connect_options(statement_timeout)?, size))
    }

    /// Makes sure that the database is there, is as new as this build, keeps its teams apart, and has room for this process,
    /// with the `dedicated` connections of single tasks; announces the kinds.
    async fn enter_house(&self, pool: &PgPool, dedicated: u32) -> anyhow::Result<()> {
        let (mut conn, options) = self.reach().await?;
        let mut tx = db::begin_on(&mut conn, &options).await?;
        match migrate::standing(&mut tx).await? {
            Standing::Fits { .. } => {}
            Standing::Behind { missing } => bail!("{missing} migrations are missing: run longshore migrate first"),
            Standing::Differs { version } => bail!("migration {version} was changed after it had been applied"),
        }
        // Asked in a transaction as every statement of this process runs: of the role that it really has.
        let breaches = wall::at_start(&mut tx, Duty::of_process(self.name)).await?;
        if !breaches.is_empty() {
            return Err(Breached(breaches).into());
        }
        let wanted = self.config.database.pools;
        let (wanted, allowed) = (
            match self.name {
                "worker" => wanted.engine + wanted.handlers + dedicated,
                "api" => wanted.api + wanted.reserve,
                _ => wanted.engine,
            },
            upkeep::max_connections(&mut tx).await?,
        );
        // How many there may be behind a pooler is the pooler's own business.
        if !self.config.database.pgbouncer && i64::from(wanted) > i64::from(allowed) {
            bail!("[database.pools] asks for {wanted} connections in this process, and the server allows {allowed} in all");
        }
        tx.commit().await?;
        drop(conn);
        let announce = async {
            let mut work = db::work(pool).await?;
            jobs::register(&mut work, &self.registry).await?;
            work.done().await
        };
        announce.await.context("announcing the kinds")
    }

    async fn reach(&self) -> anyhow::Result<(PgConnection, PgConnectOptions)> {
        let options = self.connect_options(self.config.database.statement_timeout)?;
        let place = format!("{}:{}", options.get_host(), options.get_port());
        let mut patience = 60;
        loop {
            match PgConnection::connect_with(&options).await {
                Ok(conn) => return Ok((conn, options)),
                Err(error) if patience == 0 || self.shutdown.stop().is_cancelled() => {
                    return Err(error).with_context(|| format!("the database at {place} can't be reached"));
                }
                Err(error) => {
                    if patience == 60 {
                        warn!("the database at {place} can't be reached yet: {error}");
                    }
                    patience -= 1;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    fn services(&self, pool: PgPool) -> anyhow::Result<Services> {
        Ok(Services {
            pool,
            clock: self.clock.clone(),
            random: self.random.clone(),
            vendors: Vendors::open(&self.config.vendors)?,
            objects: object_store::open(&self.config.objects)?,
            rules: self.config.rules.clone(),
            keyring: self.config.keyring(),
            lately: longshore_workers::settings::Lately::default(),
            sends: longshore_workers::messages::send_sms::Sends::default(),
            receivers: Receivers::new(self.config.webhooks, Arc::new(SystemResolver)),
        })
    }

    /// A pulse that beats while this process's runtime turns.
    fn turning(&self) -> Pulse {
        let pulse = Pulse::new(Duration::from_secs(15));
        let beat = pulse.clone();
        tokio::spawn(async move {
            loop {
                beat.beat();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        pulse
    }

    /// Starts the admin server and says, as the first line on standard output, where this process can be reached.
    async fn ready(
        &self,
        pulse: Pulse,
        database: PgPool,
        objects: Option<Arc<dyn object_store::ObjectStore>>,
        pools: Vec<(&'static str, PgPool)>,
        more: serde_json::Value,
    ) -> anyhow::Result<()> {
        let checks = Checks {
            role: self.name,
            pulse,
            database,
            objects,
            draining: self.shutdown.stop().clone(),
            waking: (self.name == "worker").then(|| self.waking()),
            deadline: Duration::from_secs(2),
            pools,
            metrics: self.metrics.clone(),
            token: self.config.admin.token.clone(),
        };
        let (address, _server) = admin::serve(self.config.admin.bind, checks).await?;
        let mut line = json!({ "role": self.name, "pid": std::process::id(), "admin": address.to_string() });
        if let (Some(line), serde_json::Value::Object(more)) = (line.as_object_mut(), more) {
            line.extend(more);
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()?;
        info!(role = self.name, admin = %address, "ready");
        Ok(())
    }

    /// Shows a process without leases in the fleet while it lives.
    fn keep_alive(&self, pool: PgPool, queues: &[String], slots: i32) -> tokio::task::JoinHandle<()> {
        let (name, queues, stop): (_, Vec<String>, CancellationToken) =
            (self.name, queues.to_vec(), self.shutdown.stop().clone());
        let (ttl, beat) = (self.config.worker.lease, self.config.worker.beat);
        tokio::spawn(async move {
            let (build, host) = (build(), host());
            let mut boot = None;
            loop {
                let shown = async {
                    let mut work = db::work(&pool).await?;
                    let alive = match boot {
                        Some(boot) => processes::beat(&mut work, boot, ttl).await?.is_some(),
                        None => false,
                    };
                    if !alive {
                        let fresh = Uuid::new_v4();
                        let pid = std::process::id().cast_signed();
                        let (host, build, queues) = (host.as_str(), build.as_str(), queues.as_slice());
                        let process = Process { boot: fresh, role: name, host, pid, build, queues, slots };
                        processes::enter(&mut work, &process, ttl).await?;
                        boot = Some(fresh);
                    }
                    work.done().await
                };
                if let Err(error) = shown.await {
                    warn!("could not show this process in the fleet, trying again: {error}");
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(beat) => {}
                }
            }
            if let Some(boot) = boot {
                let left = async {
                    let mut work = db::work(&pool).await?;
                    processes::leave(&mut work, boot).await?;
                    work.done().await
                };
                let _ = tokio::time::timeout(Duration::from_secs(2), left).await;
            }
        })
    }

    /// Lets work end in good order, unless somebody asks a second time.
    async fn until_hurried<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.shutdown.now().cancelled() => None,
        }
    }
}

fn settled(options: PgConnectOptions, statement_timeout: Duration) -> PgConnectOptions {
    let statement_timeout = statement_timeout.as_millis().to_string();
    options.options([("statement_timeout", statement_timeout.as_str()), ("idle_in_transaction_session_timeout", "60000")])
}

fn build() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "unknown".into(), |name| name.trim().to_owned())
}
