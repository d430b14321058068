//! Where it is measured: a durable server of our own that goes with the run, or one that you name; and a database a
//! measurement.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use longshore_workers::ids::TeamId;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use uuid::Uuid;

use super::{cpu, kind};
use crate::{
    dev::postgres::{self, Cluster, Options},
    store::{jobs, migrate},
};

/// Where to measure.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// A server of yours, as a superuser: the databases that the run makes there are dropped at its end.
    pub url: Option<String>,
    /// Postgres' programs, where they are not found by themselves.
    pub programs: Option<PathBuf>,
    /// The folder below which a server of our own lives.
    pub temporary: PathBuf,
}

// Durable, as in production; memory and log enough that no checkpoint falls into the middle of a short measurement.
const SETTINGS: [&str; 6] = [
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=1GB",
    "max_wal_size=4GB",
    "max_connections=200",
    "log_min_messages=warning",
];

/// A running server.
pub struct Server {
    cluster: Option<Cluster>,
    /// As the superuser, some database of it.
    owner: PgConnectOptions,
    postmaster: Option<u32>,
    made: Vec<String>,
}

impl Server {
    pub async fn open(place: Place) -> anyhow::Result<Self> {
        let (cluster, url) = match place.url {
            Some(url) => (None, url),
            None => {
                let programs = place.programs.or_else(postgres::find_binaries);
                let programs = programs.ok_or(postgres::PostgresError::NotInstalled)?;
                let folder = place.temporary.join(format!("longshore-bench-{}", std::process::id()));
                let settings = SETTINGS.map(str::to_owned).to_vec();
                let cluster = Cluster::start_with(programs, Options { folder, temporary: true, settings })?;
                let url = cluster.url("postgres", "postgres");
                (Some(cluster), url)
            }
        };
        let owner: PgConnectOptions = url.parse().context("--database-url is no Postgres address")?;
        let owner = owner.application_name("longshore bench");
        let mut conn = PgConnection::connect_with(&owner).await.context("reaching the server")?;
        let (superuser, backend): (bool, i32) =
            sqlx::query_as("select current_setting('is_superuser')::boolean, pg_backend_pid()").fetch_one(&mut conn).await?;
        let here = owner.get_host();
        let here = owner.get_socket().is_some() || here.starts_with('/') || here.starts_with("127.") || here == "localhost";
        let postmaster = if here { cpu::postmaster_of(backend.cast_unsigned()) } else { None };
        conn.close().await?;
        if !superuser {
            bail!("the bench arranges its data past every policy: name a superuser in --database-url");
        }
        Ok(Self { cluster, owner, postmaster, made: Vec::new() })
    }

    pub async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&self.owner).await
    }

    /// What the server has used of the processors so far; none when it runs elsewhere.
    pub fn cpu(&self) -> Option<Duration> {
        self.postmaster.and_then(cpu::of_server)
    }

    pub async fn database(&mut self, teams: usize) -> anyhow::Result<Database> {
        let name = format!("longshore_bench_{}", Uuid::new_v4().simple());
        let mut conn = self.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(format!("create database {name}"))).execute(&mut conn).await?;
        conn.close().await?;
        self.made.push(name.clone());
        let options = self.owner.clone().database(&name);
        let mut admin = PgConnection::connect_with(&options).await?;
        migrate::run(&mut admin).await.context("migrating a database of the bench")?;
        jobs::register(&mut admin, &kind::registry()).await?;
        let teams = sqlx::query_scalar(
            "insert into longshore.teams (name) select 'bench ' || n from generate_series(1, $1) n returning team_id",
        )
        .bind(i64::try_from(teams)?)
        .fetch_all(&mut admin)
        .await?;
        let teams = teams.into_iter().map(TeamId).collect();
        Ok(Database { admin, options, teams, roles: self.cluster.is_some(), postmaster: self.postmaster })
    }

    /// Drops what [`Server::database`] made.
    pub async fn sweep(&mut self) -> anyhow::Result<()> {
        if self.made.is_empty() {
            return Ok(());
        }
        let mut conn = self.connect().await?;
        while let Some(name) = self.made.last() {
            let drop = format!("drop database if exists {name} with (force)");
            sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut conn).await?;
            self.made.pop();
        }
        Ok(conn.close().await?)
    }
}

/// A database with the schema, the kind and some teams.
pub struct Database {
    /// As the superuser: for arranging and counting.
    pub admin: PgConnection,
    pub teams: Vec<TeamId>,
    options: PgConnectOptions,
    roles: bool,
    postmaster: Option<u32>,
}

impl Database {
    /// How to connect as a role of the house (`worker` for `longshore_worker`). On a server of yours, whose roles have no
    /// passwords we know, as you: the queue's functions run in their own role for everybody.
    pub fn options(&self, role: &str) -> PgConnectOptions {
        let options = self.options.clone().ssl_mode(PgSslMode::Prefer);
        if self.roles { options.username(&format!("longshore_{role}")) } else { options }
    }

    /// As the superuser, whom no policy stops.
    pub fn owner_options(&self) -> PgConnectOptions {
        self.options.clone().ssl_mode(PgSslMode::Prefer)
    }

    /// A connection of the superuser.
    pub async fn connect_as_owner(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&self.owner_options()).await
    }

    /// [`Database::options`] as an address.
    pub fn url(&self, role: &str) -> String {
        self.options(role).to_url_lossy().to_string()
    }

    /// A connection of such a role.
    pub async fn connect(&self, role: &str) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&self.options(role)).await
    }

    /// As [`Server::cpu`].
    pub fn cpu(&self) -> Option<Duration> {
        self.postmaster.and_then(cpu::of_server)
    }

    /// The first team.
    pub fn team(&self) -> TeamId {
        self.teams.first().copied().unwrap_or(TeamId(Uuid::nil()))
    }

    /// Waits until no process holds a job any more. Cheap enough to ask at the end of what is timed.
    pub async fn all_recorded(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while sqlx::query_scalar("select exists (select from queue.leases)").fetch_one(&mut self.admin).await? {
            anyhow::ensure!(Instant::now() < deadline, "jobs were handled, and their end was not recorded within a minute");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Has the disk hold all there is, so that no checkpoint falls due in what follows.
    pub async fn settle(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("checkpoint").execute(&mut self.admin).await.map(drop)
    }

    /// The same, and leaves the vacuum nothing to do.
    pub async fn tidy(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("vacuum (analyze)").execute(&mut self.admin).await?;
        self.settle().await
    }

    /// Fails unless every accepted job is found, and found once, and `done` of them are done.
    pub async fn nothing_lost(&mut self, done: u64) -> anyhow::Result<()> {
        sqlx::raw_sql("set work_mem = '256MB'").execute(&mut self.admin).await?;
        let census: Census = sqlx::query_as("select * from queue.census()").fetch_one(&mut self.admin).await?;
        let places =
            census.ready + census.scheduled + census.parked + census.running + census.done + census.dead + census.cancelled;
        if census.lost != 0 || census.doubled != 0 || census.accepted != places || census.done != i64::try_from(done)? {
            bail!("jobs were lost or done twice: {done} were handled, and the census says {census:?}");
        }
        Ok(())
    }
}

/// Where every accepted job is.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct Census {
    accepted: i64,
    ready: i64,
    scheduled: i64,
    parked: i64,
    running: i64,
    done: i64,
    dead: i64,
    cancelled: i64,
    lost: i64,
    doubled: i64,
}
