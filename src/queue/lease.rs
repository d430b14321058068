//! Renews the leases of a process: one heartbeat for whatever it runs, on a thread and a connection of its own, so that no
//! handler and no busy pool can hold it up.
//!
//! The database's clock decides when a lease ends; this side stops earlier by its own, counted from the moment each
//! renewal was asked for. A runtime that is blocked renews nothing: its jobs are better off with another process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use longshore_workers::{db, failpoint, ids::JobId};
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use super::{running::Running, settle::StopCause};
use crate::{
    store::processes,
    telemetry::{self, Renewal},
};

/// Counts while the runtime that carries the handlers turns.
#[derive(Debug, Default)]
pub struct Watchdog(AtomicU64);

impl Watchdog {
    /// Counts on the calling runtime until `stop`.
    pub async fn turn(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.0.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(every).await;
        }
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The times of a lease.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long one renewal lasts.
    pub ttl: Duration,
    /// How often it is renewed.
    pub beat: Duration,
}

impl Times {
    /// How long before the lease's end by our own clock handlers are stopped.
    fn margin(self) -> Duration {
        (self.ttl / 6).min(Duration::from_secs(5))
    }
}

/// A running heartbeat.
#[derive(Debug)]
pub struct Heartbeat {
    lost: CancellationToken,
    stop: CancellationToken,
}

impl Heartbeat {
    /// Starts beating for `boot`, which entered the fleet when `entered` was asked for. Jobs that somebody cancels are
    /// stopped through `running`.
    pub fn start(
        options: PgConnectOptions,
        boot: Uuid,
        times: Times,
        entered: Instant,
        running: Arc<Running>,
        watchdog: Arc<Watchdog>,
    ) -> std::io::Result<Self> {
        let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
        let heart = Heart { options, boot, times, running, watchdog, lost: lost.clone(), stop: stop.clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("longshore-lease".into()).spawn(move || runtime.block_on(heart.beat(entered)))?;
        Ok(Self { lost, stop })
    }

    /// Cancelled when the leases are lost, or may be by the time anybody looks.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Heart {
    options: PgConnectOptions,
    boot: Uuid,
    times: Times,
    running: Arc<Running>,
    watchdog: Arc<Watchdog>,
    lost: CancellationToken,
    stop: CancellationToken,
}

impl Heart {
    async fn beat(self, entered: Instant) {
        let mut conn = None;
        let mut deadline = entered + self.times.ttl - self.times.margin();
        let mut turned = self.watchdog.count();
        let mut pause = self.times.beat;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let asked = Instant::now();
            let count = self.watchdog.count();
            if count == turned && self.running.count() > 0 {
                error!("the runtime is blocked: leases are not renewed (a handler blocks its thread; use spawn_blocking)");
            } else {
                let patience = deadline.saturating_duration_since(asked).min(self.times.beat);
                match tokio::time::timeout(patience, self.renew(&mut conn)).await {
                    Ok(Ok(Some(cancelled))) => {
                        telemetry::renewal(Renewal::Renewed);
                        deadline = asked + self.times.ttl - self.times.margin();
                        turned = count;
                        pause = self.times.beat;
                        for job in cancelled {
                            self.running.stop(job, StopCause::Cancelled);
                        }
                        continue;
                    }
                    Ok(Ok(None)) => {
                        telemetry::renewal(Renewal::Lost);
                        error!(boot = %self.boot, "the fleet counts this process as dead: its leases are gone");
                        break;
                    }
                    Ok(Err(error)) => {
                        telemetry::renewal(Renewal::Failed);
                        warn!(boot = %self.boot, "leases could not be renewed, trying again: {error}");
                        conn = None;
                    }
                    Err(_) => {
                        telemetry::renewal(Renewal::Failed);
                        warn!(boot = %self.boot, "renewing the leases took longer than {patience:?}, trying again");
                        conn = None;
                    }
                }
            }
            if Instant::now() >= deadline {
                error!(boot = %self.boot, "leases could not be renewed in time: handlers are stopped before they end");
                break;
            }
            pause = (self.times.beat / 10).max(Duration::from_millis(20));
        }
        self.running.stop_all(StopCause::LeaseLost);
        self.lost.cancel();
    }

    async fn renew(&self, conn: &mut Option<PgConnection>) -> Result<Option<Vec<JobId>>, sqlx::Error> {
        let conn = match conn {
            Some(conn) => conn,
            None => conn.insert(PgConnection::connect_with(&self.options).await?),
        };
        failpoint!(BeforeRenew);
        if !db::leads_through_a_pooler(&self.options) {
            return processes::beat(conn, self.boot, self.times.ttl).await;
        }
        let mut tx = db::begin_on(conn, &self.options).await?;
        let beaten = processes::beat(&mut tx, self.boot, self.times.ttl).await?;
        tx.commit().await?;
        Ok(beaten)
    }
}
