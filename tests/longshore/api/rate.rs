//! How many single enqueues a second the door takes, beside what plain SQL takes. A measurement, not a promise:
//! `cargo test --test longshore -- --ignored --nocapture enqueue_rate`

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;

use super::door::Door;

const CALLERS: usize = 64;
const SECONDS: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn enqueue_rate() {
    let door = Door::open().await;
    let body = json!({ "kind": "greet", "payload": { "name": "Ada" } });
    let plain_pool = door.db.pool("scheduler");
    // The tests' cluster does not wait for the disk; the second round does, so that a commit costs what it costs.
    for fsync in ["off", "on"] {
        for setting in ["fsync", "full_page_writes"] {
            let set = format!("alter system set {setting} = {fsync}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&door.db.admin).await.expect("a setting");
        }
        sqlx::query("select pg_reload_conf()").execute(&door.db.admin).await.expect("a reload");
        let coalesced = count(|| async { door.post("/v1/jobs", &body).await.status() == 202 }).await;
        let plain = count(|| async {
            let job = "select job_id from queue.enqueue($1, 'greet', '{\"name\": \"Ada\"}')";
            sqlx::query(job).bind(door.team.0).execute(&plain_pool).await.is_ok()
        })
        .await;
        println!(
            "{CALLERS} callers, {SECONDS} s, fsync {fsync}: {coalesced} a second over HTTP, {plain} a second by plain SQL over 10 connections"
        );
    }
}

async fn count<F: Future<Output = bool>>(call: impl Fn() -> F) -> u64 {
    let (done, until) = (AtomicU64::new(0), Instant::now() + Duration::from_secs(SECONDS));
    join_all((0..CALLERS).map(|_| async {
        while Instant::now() < until {
            assert!(call().await, "a call failed");
            done.fetch_add(1, Ordering::Relaxed);
        }
    }))
    .await;
    done.into_inner() / SECONDS
}
