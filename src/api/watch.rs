//! Those who wait for a change of a job or a batch: any number of them share one question, asked a few times a second.
//!
//! Nobody who waits holds a connection or a place among the requests in hand: a waiter is an entry in a map. It is a poll,
//! so it works through a pooler, and nothing is added to the end of a job. The poll never takes more than a tenth of its own
//! time: where a look is slow, it is less often.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use longshore_workers::{
    db,
    ids::{BatchId, JobId, TeamId},
};
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::warn;

use super::{
    error::{ApiError, Code},
    places::Places,
};
use crate::{
    store::watch::{self as store, Mark},
    telemetry,
};

/// How often is looked.
const EVERY: Duration = Duration::from_millis(250);
/// A look that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A job of a team.
    Job(TeamId, JobId),
    /// A batch of a team.
    Batch(TeamId, BatchId),
}

/// The waiters of a process.
pub struct Watch {
    pool: PgPool,
    watched: Mutex<Watched>,
    places: Arc<Semaphore>,
    parts: Places,
    most_of_a_key: usize,
    of_keys: Mutex<HashMap<String, usize>>,
    looks: AtomicU64,
}

#[derive(Default)]
struct Watched {
    subjects: HashMap<Subject, watch::Sender<Option<Mark>>>,
    looking: bool,
}

/// One waiter's place, given back when it is dropped.
pub struct Ticket {
    watch: Arc<Watch>,
    key: String,
    _place: OwnedSemaphorePermit,
    _part: OwnedSemaphorePermit,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut of_keys = self.watch.of_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = of_keys.entry(std::mem::take(&mut self.key)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        telemetry::waiting(of_keys.values().sum());
    }
}

/// Hears of changes.
pub struct Changes(watch::Receiver<Option<Mark>>);

impl Changes {
    /// Waits until it looks other than `before`, as far as `differs` says.
    pub async fn news(&mut self, before: &Mark, differs: impl Fn(&Mark, &Mark) -> bool) {
        loop {
            if self.0.changed().await.is_err() {
                return;
            }
            // What is not there any more has changed too.
            if self.0.borrow_and_update().as_ref().is_none_or(|now| differs(before, now)) {
                return;
            }
        }
    }
}

impl Watch {
    pub(super) fn new(pool: PgPool, most: usize, most_of_a_key: usize) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(most));
        Arc::new(Self {
            pool,
            watched: Mutex::default(),
            places,
            // However many keys a team has, a quarter is left for the others.
            parts: Places::new(most, most - most / 4),
            most_of_a_key,
            of_keys: Mutex::default(),
            looks: AtomicU64::new(0),
        })
    }

    pub(super) fn waiting(&self) -> usize {
        self.of_keys.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    pub(super) fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// A place for one more waiter of a team's key.
    pub fn enter(self: &Arc<Self>, team: TeamId, key: &str) -> Result<Ticket, ApiError> {
        let busy = || ApiError::new(Code::Busy, "Too many callers wait for jobs in this process. Ask without waiting.");
        let part = self.parts.try_part(team).ok_or_else(busy)?;
        let place = self.places.clone().try_acquire_owned().map_err(|_| busy())?;
        let mut of_keys = self.of_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if of_keys.get(key).is_some_and(|count| *count >= self.most_of_a_key) {
            let detail = format!("The key waits for {} answers already. Ask without waiting.", self.most_of_a_key);
            return Err(ApiError::new(Code::OverLimit, detail));
        }
        *of_keys.entry(key.to_owned()).or_default() += 1;
        telemetry::waiting(of_keys.values().sum());
        drop(of_keys);
        Ok(Ticket { watch: self.clone(), key: key.to_owned(), _place: place, _part: part })
    }

    /// Hears of changes from now on. Subscribe first and look then, so that no change falls between.
    pub fn follow(self: &Arc<Self>, subject: Subject) -> Changes {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = Changes(watched.subjects.entry(subject).or_insert_with(|| watch::Sender::new(None)).subscribe());
        if !std::mem::replace(&mut watched.looking, true) {
            tokio::spawn(Looking { watch: self.clone(), ended: false }.run());
        }
        changes
    }

    /// What is still waited for; nothing ends the looking, under the same lock.
    fn subjects(&self) -> Vec<Subject> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.subjects.retain(|_, told| told.receiver_count() > 0);
        watched.looking = !watched.subjects.is_empty();
        watched.subjects.keys().copied().collect()
    }

    async fn look(&self, subjects: &[Subject]) -> Result<HashMap<Subject, Mark>, sqlx::Error> {
        let (mut jobs, mut batches) = (Vec::new(), Vec::new());
        for subject in subjects {
            match *subject {
                Subject::Job(team, job) => jobs.push((team, job)),
                Subject::Batch(team, batch) => batches.push((team, batch)),
            }
        }
        let mut marks = HashMap::new();
        let mut work = db::work(&self.pool).await?;
        if !jobs.is_empty() {
            let seen = store::jobs(&mut work, &jobs).await?;
            marks.extend(seen.into_iter().map(|(team, job, mark)| (Subject::Job(team, job), mark)));
        }
        if !batches.is_empty() {
            let seen = store::batches(&mut work, &batches).await?;
            marks.extend(seen.into_iter().map(|(team, batch, mark)| (Subject::Batch(team, batch), mark)));
        }
        work.done().await?;
        Ok(marks)
    }

    fn tell(&self, subjects: &[Subject], mut marks: HashMap<Subject, Mark>) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for subject in subjects {
            let mark = marks.remove(subject);
            if let Some(told) = watched.subjects.get(subject) {
                told.send_if_modified(|known| {
                    let news = *known != mark;
                    *known = mark;
                    news
                });
            }
        }
    }
}

/// The task that looks for all who wait, as long as anybody does.
struct Looking {
    watch: Arc<Watch>,
    ended: bool,
}

impl Looking {
    async fn run(mut self) {
        loop {
            let watch = &self.watch;
            let subjects = watch.subjects();
            if subjects.is_empty() {
                self.ended = true;
                return;
            }
            watch.looks.fetch_add(1, Ordering::Relaxed);
            let began = Instant::now();
            match tokio::time::timeout(PATIENCE, watch.look(&subjects)).await {
                Ok(Ok(marks)) => watch.tell(&subjects, marks),
                Ok(Err(error)) => warn!("can't look for those who wait, trying again: {error}"),
                Err(_) => warn!("a look for those who wait took longer than {PATIENCE:?}"),
            }
            tokio::time::sleep(EVERY.max(began.elapsed() * 9)).await;
        }
    }
}

impl Drop for Looking {
    /// A look that broke off makes room for another.
    fn drop(&mut self) {
        if !self.ended {
            self.watch.watched.lock().unwrap_or_else(PoisonError::into_inner).looking = false;
        }
    }
}
