//! The schema and the connection guard.

use crate::support::TestDb;

#[tokio::test]
async fn a_new_database_has_the_schema() {
    let db = TestDb::new().await;
    let tables: i64 = sqlx::query_scalar("select count(*) from pg_tables where schemaname = 'queue' and tablename = 'jobs'")
        .fetch_one(&db.admin)
        .await
        .expect("a count");
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_pool_keeps_its_connections() {
    let db = TestDb::new().await;
    let pool = db.pool("worker");
    let mut backends = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let mut conn = pool.acquire().await.expect("a connection");
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *conn).await.expect("its process");
        backends.insert(backend);
        drop(conn);
        // A connection goes back in a task of its own.
        while pool.num_idle() == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(backends.len(), 1, "connections are thrown away after one use");
}

#[tokio::test]
async fn a_connection_with_a_strangers_transaction_open_is_handed_to_nobody() {
    let db = TestDb::new().await;
    let pool = db.pool("worker");
    let mut conn = pool.acquire().await.expect("a connection");
    let process = "select pg_backend_pid()";
    let poisoned: i32 = sqlx::query_scalar(process).fetch_one(&mut *conn).await.expect("its process");
    // Behind sqlx's back, as a `begin` does whose caller was dropped.
    sqlx::raw_sql("begin").execute(&mut *conn).await.expect("a transaction");
    drop(conn);
    while pool.num_idle() == 0 && pool.size() > 0 {
        tokio::task::yield_now().await;
    }
    let mut conn = pool.acquire().await.expect("another connection");
    let next: i32 = sqlx::query_scalar(process).fetch_one(&mut *conn).await.expect("its process");
    assert_ne!(next, poisoned);
}
