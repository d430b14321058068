//! What keeps the house in order, each on its own rhythm: partitions ahead of the ids and old ones dropped, keys past their
//! time, what was settled long ago, depths for the dashboards, and holds on credits whose outcome stayed unknown.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use longshore_workers::{
    clock::Random,
    credits,
    db::{self, Work},
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::store::{depths, upkeep};

/// Rows of a kind that are forgotten in one turn.
const BITE: i32 = 5000;

/// Starts every duty; each ends with `stop`. What is settled is forgotten after `settled_days`.
pub fn start(pool: &PgPool, settled_days: i32, random: &Arc<dyn Random>, stop: &CancellationToken) {
    let every =
        |seconds| Rhythm { pool: pool.clone(), every: Duration::from_secs(seconds), random: random.clone(), stop: stop.clone() };
    tokio::spawn(every(5).keep("measuring depths", async |mut work| {
        depths::publish(&mut work).await?;
        work.done().await
    }));
    tokio::spawn(every(60).keep("making partitions", async |mut work| {
        let made = upkeep::ensure_partitions(&mut work).await?;
        if made > 0 {
            info!(made, "partitions made ahead of the job ids");
        }
        work.done().await
    }));
    let history = pool.clone();
    tokio::spawn(every(600).keep("dropping old history", move |mut work: Work<'static>| {
        let pool = history.clone();
        async move {
            if upkeep::turn_page(&mut work).await? {
                info!("new jobs go into a new partition");
            }
            work.done().await?;
            // Each by itself: dropping locks what it drops until that is committed.
            loop {
                let mut work = db::work(&pool).await?;
                let dropped = upkeep::drop_history(&mut work).await?;
                work.done().await?;
                let Some(dropped) = dropped else { return Ok(()) };
                info!(partition = dropped.name, carried = dropped.carried, "old history dropped");
            }
        }
    }));
    tokio::spawn(every(30).keep("forgetting expired keys", async |mut work| {
        upkeep::tidy(&mut work).await?;
        work.done().await
    }));
    tokio::spawn(every(60).keep("forgetting what was settled long ago", move |mut work: Work<'static>| async move {
        let gone = upkeep::forget_settled(&mut work, settled_days, BITE).await?;
        work.done().await?;
        if gone > 0 {
            info!(gone, "settled plans, batches, dead letters and ticks forgotten");
        }
        Ok(())
    }));
    tokio::spawn(every(60).keep("settling expired holds", async |mut work| {
        credits::settle_expired(&mut work, 1000).await?;
        work.done().await
    }));
    tokio::spawn(every(10).keep("waking jobs that have credits again", async |mut work| {
        credits::wake(&mut work).await?;
        work.done().await
    }));
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
        F: Fn(Work<'static>) -> Fut + Send,
        Fut: Future<Output = Result<(), sqlx::Error>> + Send,
    {
        while !self.stop.is_cancelled() {
            let began = Instant::now();
            let done = async { act(db::work(&self.pool).await?).await };
            if let Err(error) = done.await {
                warn!("{duty} failed, trying again: {error}");
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(pause(self.every.mul_f64(0.75 + 0.5 * self.random.unit()), began.elapsed())) => {}
            }
        }
    }
}

/// The longest that a duty is put off: dashboards call figures old that are older.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a duty that `took` so long rests: by its rhythm, and longer where it would be at it for more than a twentieth of
/// the time. Ten million scheduled jobs take a second or two to measure.
fn pause(rhythm: Duration, took: Duration) -> Duration {
    rhythm.max((took * 19).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duty_that_takes_long_comes_less_often_and_none_is_forgotten() {
        let seconds = Duration::from_secs_f64;
        assert_eq!(pause(seconds(5.0), seconds(0.01)), seconds(5.0), "a quick one keeps its rhythm");
        assert_eq!(pause(seconds(5.0), seconds(1.0)), seconds(19.0), "a second in twenty");
        assert_eq!(pause(seconds(5.0), seconds(60.0)), LONGEST, "the figures stay younger than a minute");
        assert_eq!(pause(seconds(600.0), seconds(60.0)), seconds(600.0), "nothing comes more often than its rhythm");
    }
}
