//! The jobs in a process's hands, from the claim's answer until their end is recorded: who may be stopped, and why.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use longshore_workers::ids::JobId;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::settle::StopCause;

/// A running job's off switch.
#[derive(Debug, Clone, Default)]
pub struct Switch {
    token: CancellationToken,
    cause: Arc<AtomicU8>,
}

impl Switch {
    /// Cancelled when the job should stop.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Why it should stop; the first cause stays, but a lost lease overrides every other.
    pub fn cause(&self) -> StopCause {
        match self.cause.load(Ordering::SeqCst) {
            1 => StopCause::Cancelled,
            2 => StopCause::Shutdown,
            3 => StopCause::LeaseLost,
            _ => StopCause::None,
        }
    }

    /// Tells the job to stop.
    pub fn stop(&self, cause: StopCause) {
        let code = match cause {
            StopCause::None => return,
            StopCause::Cancelled => 1,
            StopCause::Shutdown => 2,
            StopCause::LeaseLost => 3,
        };
        let _ = self.cause.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| (now == 0 || code == 3).then_some(code));
        self.token.cancel();
    }
}

#[derive(Debug)]
struct Held {
    switch: Switch,
    ended: Arc<Notify>,
}

/// The jobs of one incarnation.
#[derive(Debug, Default)]
pub struct Running {
    jobs: Mutex<HashMap<(i64, JobId), Held>>,
    emptied: Notify,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<(i64, JobId), Held>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A claimed job is in our hands; `ended` is told when it leaves them.
    pub fn enter(&self, fence: i64, job: JobId, ended: &Arc<Notify>) -> Switch {
        let switch = Switch::default();
        self.lock().insert((fence, job), Held { switch: switch.clone(), ended: ended.clone() });
        switch
    }

    /// Its end is recorded, or no longer ours to record.
    pub fn leave(&self, fence: i64, job: JobId) {
        let mut jobs = self.lock();
        if let Some(held) = jobs.remove(&(fence, job)) {
            held.ended.notify_one();
        }
        if jobs.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Stops one job, if it runs here.
    pub fn stop(&self, job: JobId, cause: StopCause) {
        for ((_, id), held) in self.lock().iter() {
            if *id == job {
                held.switch.stop(cause);
            }
        }
    }

    /// Stops all.
    pub fn stop_all(&self, cause: StopCause) {
        for held in self.lock().values() {
            held.switch.stop(cause);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Every fence under which we hold something.
    pub fn fences(&self) -> Vec<i64> {
        let mut fences: Vec<_> = self.lock().keys().map(|(fence, _)| *fence).collect();
        fences.sort_unstable();
        fences.dedup();
        fences
    }

    /// Waits until there are none.
    pub async fn wait_until_empty(&self) {
        loop {
            // Registered before the look, so that the last leave between the two is not missed.
            let emptied = self.emptied.notified();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }
}
