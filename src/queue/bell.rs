//! Wakes idle claimers when a queue gets work. An enqueue notifies only where somebody sleeps, so a busy fleet has no
//! notices at all; and nothing depends on one: a poll is always behind it.
//!
//! Listening is state of a session, so it has a connection of its own, and does not go through PgBouncer.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A queue's bell in one process.
#[derive(Debug, Clone)]
pub struct Bell {
    ringing: Arc<Notify>,
    heard: Arc<AtomicBool>,
}

impl Bell {
    /// Waits for the next ring; one that came before anybody waited counts.
    pub async fn rings(&self) {
        self.ringing.notified().await;
    }

    /// Somebody listens for it: without that it never rings.
    pub fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }
}

/// The bells of a process.
#[derive(Debug)]
pub struct Bells {
    bells: HashMap<i16, Bell>,
    heard: Arc<AtomicBool>,
}

impl Bells {
    /// One for each queue, by its id.
    pub fn new(queues: impl IntoIterator<Item = i16>) -> Self {
        let heard = Arc::new(AtomicBool::new(false));
        let bell = |queue| (queue, Bell { ringing: Arc::default(), heard: heard.clone() });
        Self { bells: queues.into_iter().map(bell).collect(), heard }
    }

    /// A queue's bell.
    pub fn of(&self, queue: i16) -> Option<Bell> {
        self.bells.get(&queue).cloned()
    }

    fn ring_all(&self) {
        self.bells.values().for_each(|bell| bell.ringing.notify_one());
    }

    /// Listens until `stop`, whatever becomes of the connection.
    pub async fn listen(self, options: PgConnectOptions, stop: CancellationToken) {
        let pool = PgPoolOptions::new().max_connections(1).min_connections(0).connect_lazy_with(options);
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                ended = self.listen_once(&pool) => {
                    self.heard.store(false, Ordering::Relaxed);
                    // Whatever was said meanwhile, nobody heard.
                    self.ring_all();
                    if let Err(error) = ended {
                        warn!("can't listen for work, polling meanwhile: {error}");
                    }
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    }
                }
            }
        }
    }

    /// Listens until the connection is lost.
    async fn listen_once(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        let channels: Vec<(String, &Bell)> =
            self.bells.iter().map(|(queue, bell)| (format!("longshore_{queue}"), bell)).collect();
        listener.listen_all(channels.iter().map(|(channel, _)| channel.as_str())).await?;
        info!(queues = channels.len(), "listening for work");
        self.heard.store(true, Ordering::Relaxed);
        self.ring_all();
        while let Some(notice) = listener.try_recv().await? {
            if let Some((_, bell)) = channels.iter().find(|(channel, _)| channel == notice.channel()) {
                bell.ringing.notify_one();
            }
        }
        Ok(())
    }
}
