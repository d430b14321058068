//! What keeps the house in order, each on its own rhythm: partitions ahead of the ids and old ones dropped, keys past their
//! time, depths for the dashboards, and holds on credits whose outcome stayed unknown.

use std::{future::Future, sync::Arc, time::Duration};

use longshore_workers::{clock::Random, credits};
use sqlx::{PgPool, pool::PoolConnection, postgres::Postgres};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::store::{depths, upkeep};

/// Starts every duty; each ends with `stop`.
pub fn start(pool: &PgPool, random: &Arc<dyn Random>, stop: &CancellationToken) {
    let every =
        |seconds| Rhythm { pool: pool.clone(), every: Duration::from_secs(seconds), random: random.clone(), stop: stop.clone() };
    tokio::spawn(every(5).keep("measuring depths", async |mut conn| depths::publish(&mut conn).await));
    tokio::spawn(every(60).keep("making partitions", async |mut conn| {
        let made = upkeep::ensure_partitions(&mut conn).await?;
        if made > 0 {
            info!(made, "partitions made ahead of the job ids");
        }
        Ok(())
    }));
    tokio::spawn(every(600).keep("dropping old history", async |mut conn| {
        if upkeep::turn_page(&mut conn).await? {
            info!("new jobs go into a new partition");
        }
        while let Some(dropped) = upkeep::drop_history(&mut conn).await? {
            info!(partition = dropped.name, carried = dropped.carried, "old history dropped");
        }
        Ok(())
    }));
    tokio::spawn(every(30).keep("forgetting expired keys", async |mut conn| upkeep::tidy(&mut conn).await.map(drop)));
    tokio::spawn(
        every(60).keep("settling expired holds", async |mut conn| credits::settle_expired(&mut conn, 1000).await.map(drop)),
    );
    tokio::spawn(
        every(10).keep("waking jobs that have credits again", async |mut conn| credits::wake(&mut conn).await.map(drop)),
    );
}

struct Rhythm {
    pool: PgPool,
    every: Duration,
    random: Arc<dyn Random>,
    stop: CancellationToken,
}

impl Rhythm {
    async fn keep<F, Fut>(self, duty: &'static str, act: F)
    where
        F: Fn(PoolConnection<Postgres>) -> Fut + Send,
        Fut: Future<Output = Result<(), sqlx::Error>> + Send,
    {
        while !self.stop.is_cancelled() {
            let done = async { act(self.pool.acquire().await?).await };
            if let Err(error) = done.await {
                warn!("{duty} failed, trying again: {error}");
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(self.every.mul_f64(0.75 + 0.5 * self.random.unit())) => {}
            }
        }
    }
}
