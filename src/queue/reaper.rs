//! Hands back jobs whose process is gone, so that another may run them, or buries them at their last attempt; and lets
//! blocked jobs go whose limit was raised.

use std::{sync::Arc, time::Duration};

use longshore_workers::{clock::Random, db};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{store::jobs, telemetry};

const MOST: i32 = 200;

/// Reaps about once every `every`.
pub async fn run(pool: PgPool, every: Duration, random: Arc<dyn Random>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let reaped = async {
            let mut work = db::work(&pool).await?;
            jobs::unblock(&mut work).await?;
            let found = jobs::reap(&mut work, MOST).await?;
            work.done().await?;
            Ok::<_, sqlx::Error>(found)
        };
        match reaped.await {
            Ok(found) if found.lost > 0 => {
                telemetry::reaped(found.lost, found.buried);
                warn!(lost = found.lost, buried = found.buried, "jobs of lost processes handed back");
            }
            Ok(_) => {}
            Err(error) => warn!("could not reap lost processes, trying again: {error}"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(every.mul_f64(0.5 + random.unit())) => {}
        }
    }
}
