//! The end of a process: asked once it stops in good order, asked twice it stops now.

use std::{future::Future, io, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Says when this process should stop. Clones hear the same.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    stop: CancellationToken,
    now: CancellationToken,
}

/// How a graceful end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended<T> {
    /// The work ended by itself.
    InTime(T),
    /// The grace period was over first.
    OutOfTime,
    /// Somebody asked a second time.
    Hurried,
}

impl Shutdown {
    /// One that only [`Shutdown::request`] sets off.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that SIGTERM and SIGINT set off: the first asks for a graceful end, the second for an end now.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        // Both are listened for before this returns, so that no signal meets the default, which kills.
        let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let told = shutdown.clone();
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    Some(()) = term.recv() => "SIGTERM",
                    Some(()) = interrupt.recv() => "SIGINT",
                    else => return,
                };
                if told.stop.is_cancelled() {
                    warn!("{name} again: stopping now; what is unfinished goes to another worker");
                } else {
                    info!("{name}: stopping; once more to stop now");
                }
                told.request();
            }
        });
        Ok(shutdown)
    }

    /// Asks for the end; asked again, for the end now.
    pub fn request(&self) {
        if self.stop.is_cancelled() {
            self.now.cancel();
        }
        self.stop.cancel();
    }

    /// Cancelled when the process should take no more work and end what it has.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Cancelled when it should end now.
    pub fn now(&self) -> &CancellationToken {
        &self.now
    }

    /// Waits until asked, then gives `work` the grace period to end. `work` is dropped when its time is over.
    pub async fn grace<T>(&self, work: impl Future<Output = T>, period: Duration) -> Ended<T> {
        let patience = async {
            self.stop.cancelled().await;
            tokio::time::sleep(period).await;
        };
        tokio::select! {
            biased;
            done = work => Ended::InTime(done),
            () = self.now.cancelled() => Ended::Hurried,
            () = patience => Ended::OutOfTime,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_first_request_is_graceful_and_the_second_is_not() {
        let shutdown = Shutdown::new();
        shutdown.request();
        assert!(shutdown.stop().is_cancelled() && !shutdown.now().is_cancelled());
        shutdown.request();
        assert!(shutdown.now().is_cancelled());
    }

    #[tokio::test]
    async fn work_that_ends_by_itself_is_in_time() {
        let shutdown = Shutdown::new();
        assert_eq!(shutdown.grace(async { 7 }, Duration::ZERO).await, Ended::InTime(7));
    }

    #[tokio::test]
    async fn the_grace_period_begins_with_the_request() {
        let shutdown = Shutdown::new();
        let end = shutdown.grace(pending::<()>(), Duration::ZERO);
        let mut end = std::pin::pin!(end);
        assert!(futures_util::poll!(&mut end).is_pending(), "it ended before anybody asked");
        shutdown.request();
        assert_eq!(end.await, Ended::OutOfTime);
    }

    #[tokio::test]
    async fn a_second_request_cuts_the_grace_period_short() {
        let shutdown = Shutdown::new();
        shutdown.request();
        shutdown.request();
        assert_eq!(shutdown.grace(pending::<()>(), HOUR).await, Ended::Hurried);
    }
}
