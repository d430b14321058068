//! Transactions: how one is begun, and how a connection that still has a stranger's open transaction is refused.
//!
//! sqlx 0.9.0 has a hole: when a `begin()` future is dropped while `BEGIN` is under way, the connection goes back to the
//! pool with a transaction open, and the next borrower's write, though answered with success, is never committed
//! (upstream #4393; 48 of 200 rounds here). So `begin` never runs inside a future that can be dropped, and a pool hands
//! out no connection without asking it. Look again at each sqlx release.

use std::time::Duration;

use sqlx::{
    Executor as _, PgConnection, PgPool, Postgres, Row as _, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::ids::TeamId;

/// A transaction that owns its connection.
pub type Tx = Transaction<'static, Postgres>;

/// Begins a transaction. Safe to drop at any point.
#[expect(clippy::disallowed_methods, reason = "this is the door that the lint points to")]
pub async fn begin(pool: &PgPool) -> Result<Tx, sqlx::Error> {
    let pool = pool.clone();
    // In a task of its own: when our caller is dropped, the task still ends, and its transaction is rolled back.
    match tokio::spawn(async move { pool.begin().await }).await {
        Ok(begun) => begun,
        Err(_) => Err(sqlx::Error::WorkerCrashed),
    }
}

/// Begins a transaction under a team's row-level security.
pub async fn begin_as(pool: &PgPool, team: TeamId) -> Result<Tx, sqlx::Error> {
    let mut tx = begin(pool).await?;
    act_as(&mut tx, team).await?;
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
        .max_lifetime(Duration::from_secs(1800))
        .test_before_acquire(false)
        .before_acquire(|conn, _| {
            Box::pin(async move { conn.fetch_one(include_str!("db/no_transaction_open.sql")).await?.try_get(0) })
        })
        .connect_lazy_with(options)
}
