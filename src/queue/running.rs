//! The jobs in a process's hands, from the claim's answer until their end is recorded: who may be stopped, and why.

use std::{
    collections::{HashMap, hash_map::Entry},
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
pub struct Switch(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    token: CancellationToken,
    cause: AtomicU8,
}

impl Switch {
    /// Cancelled when the job should stop.
    pub fn token(&self) -> &CancellationToken {
        &self.0.token
    }

    /// Why it should stop.
    pub fn cause(&self) -> StopCause {
        StopCause::from_code(self.0.cause.load(Ordering::SeqCst))
    }

    /// Tells the job to stop. The first cause stays, but a lost lease overrides every other, and every other a time that is up.
    pub fn stop(&self, cause: StopCause) {
        let _ = self.0.cause.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| {
            let yields = matches!(StopCause::from_code(now), StopCause::None | StopCause::TimedOut);
            (yields || cause == StopCause::LeaseLost).then_some(cause as u8)
        });
        self.0.token.cancel();
    }
}

#[derive(Debug)]
struct Held {
    switch: Switch,
    ended: Arc<Notify>,
}

/// The jobs of one incarnation, lease by lease.
#[derive(Debug, Default)]
pub struct Running {
    leases: Mutex<HashMap<i64, HashMap<JobId, Held>>>,
    emptied: Notify,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, HashMap<JobId, Held>>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claimed jobs are in our hands; `ended` is told when one leaves them. Answers their switches, in the same order.
    pub fn enter(&self, jobs: impl Iterator<Item = (i64, JobId)>, ended: &Arc<Notify>) -> Vec<Switch> {
        let mut leases = self.lock();
        jobs.map(|(fence, job)| {
            let switch = Switch::default();
            leases.entry(fence).or_default().insert(job, Held { switch: switch.clone(), ended: ended.clone() });
            switch
        })
        .collect()
    }

    /// Their ends are recorded, or no longer ours to record.
    pub fn leave(&self, jobs: impl Iterator<Item = (i64, JobId)>) {
        let mut leases = self.lock();
        for (fence, job) in jobs {
            let Entry::Occupied(mut lease) = leases.entry(fence) else { continue };
            if let Some(held) = lease.get_mut().remove(&job) {
                held.ended.notify_one();
            }
            if lease.get().is_empty() {
                lease.remove();
            }
        }
        if leases.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Stops one job, if it runs here.
    pub fn stop(&self, job: JobId, cause: StopCause) {
        for held in self.lock().values().filter_map(|lease| lease.get(&job)) {
            held.switch.stop(cause);
        }
    }

    /// Stops all.
    pub fn stop_all(&self, cause: StopCause) {
        for held in self.lock().values().flat_map(HashMap::values) {
            held.switch.stop(cause);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().values().map(HashMap::len).sum()
    }

    /// How many of a lease there are.
    pub fn count_under(&self, fence: i64) -> usize {
        self.lock().get(&fence).map_or(0, HashMap::len)
    }

    /// Every fence under which we hold something.
    pub fn fences(&self) -> Vec<i64> {
        self.lock().keys().copied().collect()
    }

    /// Waits until there are none.
    pub async fn wait_until_empty(&self) {
        loop {
            // Registered before the look, so that the last leave between the two is not missed.
            let emptied = self.emptied.notified();
            if self.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }
}
