//! sqlx 0.9.0 returns a connection with an open transaction when a `begin()` is dropped; our pool refuses it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use longshore::workers::db::{self, PoolSize};
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::support::{Proxy, TestDb};

/// Polls a future until it has been pending `times` times, and drops it there. True when it did not finish before.
async fn drop_while_pending<T>(work: impl Future<Output = T>, times: usize) -> bool {
    let mut work = pin!(work);
    let mut pending = 0;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(false),
        Poll::Pending => {
            pending += 1;
            if pending == times { Poll::Ready(true) } else { Poll::Pending }
        }
    })
    .await
}

/// A pool of one connection, without our guard and without sqlx's own ping.
async fn plain_pool(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(1).test_before_acquire(false).connect(url).await.expect("a pool")
}

fn guarded_pool(url: &str) -> PgPool {
    let size = PoolSize { connections: 1, acquire_timeout: Duration::from_secs(20) };
    db::guarded_pool(url.parse().expect("an address"), size)
}

/// Drops a `begin` whose BEGIN is with the server and not answered yet.
#[expect(clippy::disallowed_methods, reason = "this is what the lint is there to prevent")]
async fn drop_a_begin_under_way(pool: &PgPool, proxy: &Proxy) {
    // The statement as it goes over the wire, not the word in the guard's own comment.
    proxy.hold("BEGIN\0");
    tokio::select! {
        _ = pool.begin() => panic!("a transaction began whose BEGIN was not answered"),
        () = proxy.held() => {}
    }
    proxy.let_go();
}

async fn ledger(db: &TestDb) {
    sqlx::raw_sql("create table ledger (entry integer)").execute(&db.admin).await.expect("a table");
}

/// Writes one entry through `pool`, whose answer says that it is committed; true when another connection finds it.
async fn is_kept(db: &TestDb, pool: &PgPool, entry: i32) -> bool {
    sqlx::query("insert into ledger values ($1)").bind(entry).execute(pool).await.expect("an answer of success");
    let found = sqlx::query_scalar("select exists (select from ledger where entry = $1)").bind(entry);
    found.fetch_one(&db.admin).await.expect("an answer")
}

async fn backend(pool: &PgPool) -> i32 {
    sqlx::query_scalar("select pg_backend_pid()").fetch_one(pool).await.expect("a backend")
}

/// If this fails after an update of sqlx, the hole is closed: the guard may go.
#[tokio::test]
async fn without_the_guard_a_dropped_begin_loses_the_next_borrowers_write() {
    let db = TestDb::new().await;
    ledger(&db).await;
    let proxy = db.proxy().await;
    let mut kept = 0;
    for round in 0..10 {
        let pool = plain_pool(&db.admin_url_through(&proxy)).await;
        drop_a_begin_under_way(&pool, &proxy).await;
        kept += i32::from(is_kept(&db, &pool, round).await);
        pool.close().await;
    }
    assert_eq!(kept, 0, "every write was answered with success, and none is there");
}

#[tokio::test]
async fn the_guarded_pool_refuses_a_connection_on_which_a_begin_was_dropped() {
    let db = TestDb::new().await;
    ledger(&db).await;
    let proxy = db.proxy().await;
    let pool = guarded_pool(&db.admin_url_through(&proxy));
    for round in 0..10 {
        let before = backend(&pool).await;
        drop_a_begin_under_way(&pool, &proxy).await;
        assert!(is_kept(&db, &pool, round).await, "round {round} lost a write");
        assert_ne!(backend(&pool).await, before, "round {round} was given the poisoned connection");
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the guard must hold where somebody calls begin by mistake")]
async fn the_guarded_pool_loses_nothing_wherever_a_begin_is_dropped() {
    let db = TestDb::new().await;
    ledger(&db).await;
    let pool = guarded_pool(&db.admin_url());
    for round in 0..200 {
        drop_while_pending(pool.begin(), 1 + round % 8).await;
        assert!(is_kept(&db, &pool, round as i32).await, "round {round} lost a write");
    }
}

#[tokio::test]
async fn our_begin_may_be_dropped_at_any_point_even_without_the_guard() {
    let db = TestDb::new().await;
    ledger(&db).await;
    let pool = plain_pool(&db.admin_url()).await;
    for round in 0..100 {
        drop_while_pending(db::begin(&pool), 1 + round % 4).await;
        assert!(is_kept(&db, &pool, round as i32).await, "round {round} lost a write");
    }
}
