//! One cluster a test run, started by the first test that asks, gone with the process; one database a test.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use longshore::{
    dev::postgres::{Cluster, Options},
    store,
    workers::{
        db::{self, PoolSize},
        ids::TeamId,
    },
};
use sqlx::{Connection as _, PgConnection, PgPool, postgres::PgConnectOptions};

use super::Proxy;

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static TEMPLATE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(1);

/// The run's cluster. Its data is of no value, so it does not wait for the disk; fault tests that need a durable one
/// start their own.
pub fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("longshore-test-{}", std::process::id()));
        let settings =
            ["fsync=off", "full_page_writes=off", "max_connections=400", "shared_buffers=256MB", "log_min_messages=error"];
        start(Options { folder, temporary: true, settings: settings.map(str::to_owned).to_vec() })
    })
}

/// Starts a cluster of the programs that LONGSHORE_PG_BIN names, so that the suite runs on another version of Postgres too;
/// else of the newest installed ones.
pub fn start(options: Options) -> Cluster {
    let started = match super::programs::postgres() {
        Some(programs) => Cluster::start_with(programs, options),
        None => Cluster::start(options),
    };
    started.expect("a cluster for the tests")
}

/// A database of this test's own, migrated.
pub struct TestDb {
    name: String,
    port: u16,
    /// As the superuser, past every policy: for arranging and checking.
    pub admin: PgPool,
}

impl TestDb {
    /// Cloned from a template that is migrated once a run.
    pub async fn new() -> Self {
        let cluster = cluster();
        TEMPLATE
            .get_or_init(|| async {
                let mut conn = connect(&cluster.url("postgres", "postgres")).await;
                sqlx::raw_sql("create database longshore_template").execute(&mut conn).await.expect("the template");
                let mut conn = connect(&cluster.url("postgres", "longshore_template")).await;
                store::migrate::run(&mut conn).await.expect("the migrations");
            })
            .await;
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut conn = connect(&cluster.url("postgres", "postgres")).await;
        let create = format!("create database {name} template longshore_template");
        sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut conn).await.expect("a database");
        let admin = pool(&cluster.url("postgres", &name), 5);
        Self { name, port: cluster.port(), admin }
    }

    /// In a cluster of the test's own, which it may crash.
    pub async fn in_cluster(cluster: &Cluster, name: &str) -> Self {
        let mut conn = connect(&cluster.url("postgres", "postgres")).await;
        let create = format!("create database {name}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut conn).await.expect("a database");
        let url = cluster.url("postgres", name);
        store::migrate::run(&mut connect(&url).await).await.expect("the migrations");
        Self { name: name.into(), port: cluster.port(), admin: pool(&url, 5) }
    }

    fn url_as(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{}", self.port, self.name)
    }

    /// The address of this database as a role of the house (`worker` for `longshore_worker`).
    pub fn url(&self, role: &str) -> String {
        self.url_as(&format!("longshore_{role}"))
    }

    /// Where its cluster listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address as the superuser.
    pub fn admin_url(&self) -> String {
        self.url_as("postgres")
    }

    /// The address as the superuser, by way of `proxy`.
    pub fn admin_url_through(&self, proxy: &Proxy) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{}", proxy.port, self.name)
    }

    /// The address as a role of the house, by way of `proxy`.
    pub fn url_through(&self, proxy: &Proxy, role: &str) -> String {
        format!("postgres://longshore_{role}@127.0.0.1:{}/{}", proxy.port, self.name)
    }

    /// A way to this database on which answers can be held or lost.
    pub async fn proxy(&self) -> Proxy {
        Proxy::before(self.port).await
    }

    /// A guarded pool as a role of the house.
    pub fn pool(&self, role: &str) -> PgPool {
        pool(&self.url(role), 10)
    }

    /// Creates a team.
    pub async fn team(&self, name: &str) -> TeamId {
        let id = sqlx::query_scalar("insert into longshore.teams (name) values ($1) returning team_id");
        TeamId(id.bind(name).fetch_one(&self.admin).await.expect("a team"))
    }

    /// Registers a number for a team, in a pool where one is named, that carries whatever it is given.
    pub async fn sender(&self, team: TeamId, phone: &str, pool: &str) {
        let put = "select longshore.put_sender($1, $2, $3, 10000, 10000)";
        let done: String =
            sqlx::query_scalar(put).bind(team.0).bind(phone).bind(pool).fetch_one(&self.admin).await.expect("a sender");
        assert_ne!(done, "taken", "{phone}");
    }

    /// Gives a team credits.
    pub async fn grant(&self, team: TeamId, credits: i64) {
        let grant = "select longshore.credit_grant($1, $2, 'a test')::text";
        sqlx::query(grant).bind(team.0).bind(credits).execute(&self.admin).await.expect("credits");
    }
}

/// A guarded pool.
pub fn pool(url: &str, connections: u32) -> PgPool {
    let options: PgConnectOptions = url.parse().expect("an address");
    db::guarded_pool(options, PoolSize { connections, acquire_timeout: Duration::from_secs(20) })
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("a connection")
}
