//! Makes scheduled jobs ready when their time has come, and adds up batches: from any process, each once.

use std::{sync::Arc, time::Duration};

use longshore_workers::{clock::Random, db};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{store::jobs, telemetry};

const MOST: i32 = 2000;

/// Promotes about once every `every`, and without pause while there is a backlog of due jobs.
pub async fn run(pool: PgPool, every: Duration, random: Arc<dyn Random>, stop: CancellationToken) {
    let mut failing = false;
    while !stop.is_cancelled() {
        let promoted = async {
            let mut work = db::work(&pool).await?;
            jobs::fold_batches(&mut work).await?;
            let promoted = jobs::promote(&mut work, MOST).await?;
            work.done().await?;
            Ok::<_, sqlx::Error>(promoted)
        };
        match promoted.await {
            Ok(promoted) => {
                telemetry::promoted(promoted);
                failing = false;
                if promoted == MOST {
                    continue;
                }
            }
            Err(error) if !failing => {
                failing = true;
                warn!("could not promote due jobs, trying again: {error}");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(every.mul_f64(0.5 + random.unit())) => {}
        }
    }
}
