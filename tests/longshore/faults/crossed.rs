//! Transactions that take the same things in opposite order: Postgres ends one of them, and whoever tries again gets through.

use futures_util::future::join;
use longshore::workers::db;
use sqlx::PgPool;
use tokio::sync::Barrier;

use crate::support::{Fleet, kinds::Scripted};

/// Says `first`, waits for the other, says `second`, and commits; from the start again, alone, when Postgres ended it.
/// Returns how often it was ended.
async fn cross(pool: &PgPool, [first, second]: [String; 2], both: &Barrier) -> usize {
    for ended in 0..5 {
        let attempt = async {
            let mut tx = db::begin(pool).await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(first.clone())).execute(&mut *tx).await?;
            if ended == 0 {
                both.wait().await;
            }
            sqlx::raw_sql(sqlx::AssertSqlSafe(second.clone())).execute(&mut *tx).await?;
            tx.commit().await
        };
        match attempt.await {
            Ok(()) => return ended,
            Err(error) => {
                let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
                assert_eq!(code.as_deref(), Some("40P01"), "{error}");
            }
        }
    }
    panic!("it did not get through");
}

#[tokio::test]
async fn enqueues_of_the_same_keys_in_opposite_order_both_get_through() {
    let fleet = Fleet::new().await;
    let enqueue = |key: &str| format!(r#"select queue.enqueue('{}', 'scripted', '{{"does": "effect"}}', '{key}')"#, fleet.team);
    let (pool, both) = (&fleet.db.admin, Barrier::new(2));
    let ended =
        join(cross(pool, [enqueue("one"), enqueue("two")], &both), cross(pool, [enqueue("two"), enqueue("one")], &both)).await;
    assert_eq!(ended.0 + ended.1, 1, "one of them was ended, once");
    assert_eq!(fleet.census().await.accepted, 2, "a job a key");
    let _worker = fleet.worker();
    fleet.promises_hold().await;
}

#[tokio::test]
async fn cancels_of_the_same_jobs_in_opposite_order_both_get_through() {
    let fleet = Fleet::new().await;
    let one = fleet.enqueue(&Scripted::new("effect")).await;
    let two = fleet.enqueue(&Scripted::new("effect")).await;
    let cancel = |job: i64| format!("select queue.cancel('{}', {job}, 'a test')", fleet.team);
    let (pool, both) = (&fleet.db.admin, Barrier::new(2));
    let ended =
        join(cross(pool, [cancel(one.0), cancel(two.0)], &both), cross(pool, [cancel(two.0), cancel(one.0)], &both)).await;
    assert_eq!(ended.0 + ended.1, 1, "one of them was ended, once");
    assert_eq!(fleet.census().await.cancelled, 2);
    let _worker = fleet.worker();
    fleet.promises_hold().await;
}

#[tokio::test]
async fn an_enqueue_against_a_cancel_of_what_it_replaces_both_get_through() {
    let fleet = Fleet::new().await;
    let replace = |key: &str, note: &str| {
        let payload = format!(r#"{{"does": "effect", "note": "{note}"}}"#);
        format!("select queue.enqueue('{}', 'scripted', '{payload}', '{key}', on_conflict => 'replace')", fleet.team)
    };
    fleet.tell(format!("{}; {}", replace("one", "first"), replace("two", "first"))).await;
    let jobs: Vec<i64> = sqlx::query_scalar("select id from queue.jobs order by id").fetch_all(&fleet.db.admin).await.unwrap();
    let cancel = |job: i64| format!("select queue.cancel('{}', {job}, 'a test')", fleet.team);
    let (pool, both) = (&fleet.db.admin, Barrier::new(2));
    let ended = join(
        cross(pool, [replace("one", "second"), replace("two", "second")], &both),
        cross(pool, [cancel(jobs[1]), cancel(jobs[0])], &both),
    )
    .await;
    assert_eq!(ended.0 + ended.1, 1, "one of them was ended, once");
    let census = fleet.census().await;
    // Whoever came first: replaced, the first two are on record as cancelled; cancelled, they still answer for their keys.
    assert!(matches!((census.accepted, census.cancelled), (4 | 2, 2)), "{census:?}");
    let _worker = fleet.worker();
    fleet.promises_hold().await;
}
