//! Reads the clock and the processors' accounts, before and after.

use std::time::{Duration, Instant};

use super::{cpu, place::Database, report::Pace};

/// What has passed since it was started.
pub struct Meter {
    started: Instant,
    server: Option<Duration>,
    client: Duration,
}

impl Meter {
    /// Where this process is the client.
    pub fn start(db: &Database) -> Self {
        Self::with_client(db, cpu::own())
    }

    /// Where others are, who have used `client` so far.
    pub fn with_client(db: &Database, client: Duration) -> Self {
        Self { server: db.cpu(), client, started: Instant::now() }
    }

    /// `n` jobs have passed.
    pub fn read(&self, db: &Database, n: u64) -> Pace {
        self.read_with_client(db, n, cpu::own())
    }

    /// The same for [`Meter::with_client`].
    pub fn read_with_client(&self, db: &Database, n: u64, client: Duration) -> Pace {
        // The clock first: reading the accounts takes a moment.
        let seconds = self.started.elapsed().as_secs_f64();
        let server = self.server.zip(db.cpu()).map(|(before, after)| after.saturating_sub(before));
        Pace { n, seconds, server, client: client.saturating_sub(self.client) }
    }
}
