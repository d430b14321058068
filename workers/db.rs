//! Transactions: how one is begun, and how a connection that still has a stranger's open transaction is refused.
//!
//! sqlx 0.9.0 has a hole: when a `begin()` future is dropped while `BEGIN` is under way, the connection goes back to the
//! pool with a transaction open, and the next borrower's write, though answered with success, is never committed
//! (upstream #4393; 48 of 200 rounds here). So `begin` never runs inside a future that can be dropped, and a pool hands
//! out no connection without asking it. Look again at each sqlx release.
//!
//! A pooler in transaction mode (PgBouncer) gives a connection to somebody else after each transaction. sqlx names every
//! statement, prepares it in one transaction and runs it in the next. So behind a pooler everything happens in a transaction
//! that says so ([`begin`], [`work`]), which begins by forgetting the names that others left on that connection.

use std::{
    future::Future,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool, Postgres, Row as _, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::ids::TeamId;

/// A transaction that owns its connection.
pub type Tx = Transaction<'static, Postgres>;

/// How the name of a connection ends that leads through a pooler: for us, and for whoever reads pg_stat_activity.
const THROUGH_A_POOLER: &str = " (pooler)";
/// How long a connection is used: what a session remembers of its plans and tables only grows.
const LIFETIME: Duration = Duration::from_secs(1800);
/// One message, so that both happen on the same connection.
const BEGIN_BEHIND_A_POOLER: &str = "begin; deallocate all";

/// A connection that leads through a pooler in transaction mode. Name the application before.
pub fn through_a_pooler(options: PgConnectOptions) -> PgConnectOptions {
    let name = format!("{}{THROUGH_A_POOLER}", options.get_application_name().unwrap_or_default());
    // PgBouncer refuses to start with a setting that it can't keep for each client; Postgres' own is as exact.
    options.application_name(&name).statement_cache_capacity(0).extra_float_digits(None)
}

/// Whether [`through_a_pooler`] made these.
pub fn leads_through_a_pooler(options: &PgConnectOptions) -> bool {
    options.get_application_name().is_some_and(|name| name.ends_with(THROUGH_A_POOLER))
}

/// Begins a transaction. Safe to drop at any point.
#[expect(clippy::disallowed_methods, reason = "this is the door that the lint points to")]
pub async fn begin(pool: &PgPool) -> Result<Tx, sqlx::Error> {
    let pool = pool.clone();
    let pooled = leads_through_a_pooler(&pool.connect_options());
    let begin = async move { if pooled { pool.begin_with(BEGIN_BEHIND_A_POOLER).await } else { pool.begin().await } };
    safely(begin).await
}

async fn safely(begin: impl Future<Output = Result<Tx, sqlx::Error>> + Send + 'static) -> Result<Tx, sqlx::Error> {
    // In a task of its own: when our caller is dropped, the task still ends, and its transaction is rolled back.
    match tokio::spawn(begin).await {
        Ok(begun) => begun,
        Err(_) => Err(sqlx::Error::WorkerCrashed),
    }
}

/// Begins a transaction on a connection that is the caller's alone, made with `options`: drop it together with this future.
pub async fn begin_on<'c>(
    conn: &'c mut PgConnection,
    options: &PgConnectOptions,
) -> Result<Transaction<'c, Postgres>, sqlx::Error> {
    if leads_through_a_pooler(options) { conn.begin_with(BEGIN_BEHIND_A_POOLER).await } else { conn.begin().await }
}

/// A connection for statements of which each stands for itself.
///
/// Each commits by itself, but where a pooler stands between: there they are one transaction, over with [`Work::done`].
/// Without that, what they wrote is lost.
#[must_use = "what it wrote may be lost without `done`"]
pub struct Work<'d>(Held<'d>);

enum Held<'d> {
    Connection(PoolConnection<Postgres>),
    Transaction(Tx),
    Dedicated { home: &'d mut Dedicated, conn: PgConnection },
}

/// Takes a connection for statements of which each stands for itself.
pub async fn work(pool: &PgPool) -> Result<Work<'static>, sqlx::Error> {
    let pooled = leads_through_a_pooler(&pool.connect_options());
    Ok(Work(if pooled { Held::Transaction(begin(pool).await?) } else { Held::Connection(pool.acquire().await?) }))
}

impl Work<'_> {
    /// What they wrote stands when this returns.
    pub async fn done(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Held::Connection(_) => Ok(()),
            Held::Transaction(tx) => tx.commit().await,
            Held::Dedicated { home, mut conn } => {
                if home.pooled {
                    conn.execute("commit").await?;
                }
                home.conn = Some(conn);
                Ok(())
            }
        }
    }
}

impl Deref for Work<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match &self.0 {
            Held::Connection(conn) => conn,
            Held::Transaction(tx) => tx,
            Held::Dedicated { conn, .. } => conn,
        }
    }
}

impl DerefMut for Work<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match &mut self.0 {
            Held::Connection(conn) => conn,
            Held::Transaction(tx) => tx,
            Held::Dedicated { conn, .. } => conn,
        }
    }
}

/// A connection that is one task's alone: for what is asked so often that a pool's question before each use, and the one
/// after, would cost as much as the work.
///
/// It is made when it is needed. Work that fails, or that is dropped before it is [done](Work::done), takes the connection
/// along, with whatever was open on it.
#[derive(Debug)]
pub struct Dedicated {
    options: Arc<PgConnectOptions>,
    patience: Duration,
    pooled: bool,
    conn: Option<PgConnection>,
    made: Instant,
}

impl Dedicated {
    /// Connects as the pool does, and waits for that as long as the pool's callers wait.
    pub fn like(pool: &PgPool) -> Self {
        let options = pool.connect_options();
        let (patience, pooled) = (pool.options().get_acquire_timeout(), leads_through_a_pooler(&options));
        Self { options, patience, pooled, conn: None, made: Instant::now() }
    }

    /// Takes the connection for statements of which each stands for itself.
    pub async fn work(&mut self) -> Result<Work<'_>, sqlx::Error> {
        let mut conn = match self.conn.take() {
            Some(conn) if self.made.elapsed() < LIFETIME => conn,
            old => {
                drop(old);
                let conn = PgConnection::connect_with(&self.options);
                let conn = tokio::time::timeout(self.patience, conn).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
                self.made = Instant::now();
                conn
            }
        };
        if self.pooled {
            conn.execute(BEGIN_BEHIND_A_POOLER).await?;
        }
        Ok(Work(Held::Dedicated { home: self, conn }))
    }
}

/// Begins a transaction under a team's row-level security, in one round trip. Safe to drop at any point.
pub async fn begin_as(pool: &PgPool, team: TeamId) -> Result<Tx, sqlx::Error> {
    let pool = pool.clone();
    let begin = if leads_through_a_pooler(&pool.connect_options()) { BEGIN_BEHIND_A_POOLER } else { "begin" };
    // A uuid is hexadecimal digits and dashes: nothing in it ends the quotes.
    let begin = AssertSqlSafe(format!("{begin}; set local app.team_id = '{}'", team.0));
    safely(async move { pool.begin_with(begin).await }).await
}

/// Begins a transaction under a team's row-level security in which somebody acts whom the audit log names: `key <id>`.
pub async fn begin_by(pool: &PgPool, team: TeamId, actor: &str) -> Result<Tx, sqlx::Error> {
    let mut tx = begin(pool).await?;
    sqlx::query_file!("db/act_by.sql", team.0.to_string(), actor).fetch_one(&mut *tx).await?;
    Ok(tx)
}

/// Puts the rest of the open transaction under a team's row-level security.
pub async fn act_as(conn: &mut PgConnection, team: TeamId) -> Result<(), sqlx::Error> {
    sqlx::query_file!("db/act_as.sql", team.0.to_string()).fetch_one(conn).await?;
    Ok(())
}

/// How a pool behaves.
#[derive(Debug, Clone, Copy)]
pub struct PoolSize {
    /// Connections at most.
    pub connections: u32,
    /// How long a caller waits for one.
    pub acquire_timeout: Duration,
}

/// A pool whose connections are asked, before each use, whether somebody's transaction is still open on them.
///
/// The question takes the round trip that sqlx would spend on its own ping. In a fresh statement the transaction began
/// when the statement did; in a transaction left open it began earlier. It goes as one simple message, not as a prepared
/// statement: of those each message counts as a statement, the transaction begins with the first, and the two moments
/// differ on every connection.
pub fn guarded_pool(options: PgConnectOptions, size: PoolSize) -> PgPool {
    PgPoolOptions::new()
        .max_connections(size.connections)
        .acquire_timeout(size.acquire_timeout)
        .idle_timeout(Duration::from_secs(300))
        .max_lifetime(LIFETIME)
        .test_before_acquire(false)
        .before_acquire(|conn, _| Box::pin(async move { conn.fetch_one(include_str!("db/clean.sql")).await?.try_get(0) }))
        .connect_lazy_with(options)
}

/// True where the fault lies in a row that was offered, not in the way to the database.
pub fn is_about_rows(error: &sqlx::Error) -> bool {
    let Some(code) = error.as_database_error().and_then(|e| e.code()) else {
        return matches!(error, sqlx::Error::Encode(_));
    };
    !matches!(code.get(..2), Some("08" | "53" | "57" | "58" | "XX"))
}
