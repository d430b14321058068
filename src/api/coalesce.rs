//! Puts single enqueues of one team that arrive together into one statement.
//!
//! Each caller is answered after the commit that holds its job. What arrives while a statement is under way becomes the
//! next one, so nobody waits for company and a busy door still pays one commit for many jobs. The statement runs in a
//! task of its own: a caller that goes away neither cancels it nor spoils it for the others. Teams never share a
//! statement, so none waits for another's keys.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use longshore_workers::{db, ids::TeamId};
use sqlx::PgPool;
use tokio::sync::oneshot;

use super::error::{self, ApiError, Code};
use crate::store::doors::{self, NewJob, Taken};

/// Jobs in one statement at most.
const MOST: usize = 200;
/// Statements under way at once for one team: the second gathers its jobs while the first commits.
const FLIGHTS: usize = 2;
/// Jobs waiting in all; one more is told to come back.
const ROOM: usize = 4096;

/// Gathers the enqueues of a process.
pub struct Coalescer {
    pool: PgPool,
    lanes: Mutex<HashMap<TeamId, Lane>>,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Lane {
    waiting: Vec<Waiting>,
    flights: usize,
}

struct Waiting {
    job: NewJob,
    answer: oneshot::Sender<Result<Taken, ApiError>>,
}

impl Coalescer {
    pub(super) fn new(pool: PgPool) -> Arc<Self> {
        Arc::new(Self { pool, lanes: Mutex::default(), waiting: AtomicUsize::new(0) })
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Enqueues one job; answers when it is committed or refused.
    pub async fn enqueue(self: &Arc<Self>, team: TeamId, job: NewJob) -> Result<Taken, ApiError> {
        if self.waiting() >= ROOM {
            return Err(ApiError::new(Code::Busy, "Too many jobs are waiting to be written down. Try again in a moment."));
        }
        if job.goes_alone() {
            let coalescer = self.clone();
            let alone = tokio::spawn(async move { coalescer.write(team, &[&job]).await });
            let taken = alone.await.map_err(ApiError::internal)??;
            return taken.into_iter().next().ok_or_else(|| ApiError::internal("the statement answered for no row"));
        }
        let (answer, answered) = oneshot::channel();
        let departs = {
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            let lane = lanes.entry(team).or_default();
            lane.waiting.push(Waiting { job, answer });
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let departs = lane.flights < FLIGHTS;
            lane.flights += usize::from(departs);
            departs
        };
        if departs {
            tokio::spawn(Flight { coalescer: self.clone(), team, landed: false }.run());
        }
        answered.await.unwrap_or_else(|_| Err(ApiError::internal("the statement that held this job broke off")))
    }

    /// The next jobs of a team; none left ends the flight, under the same lock.
    fn board(&self, team: TeamId) -> Vec<Waiting> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lane) = lanes.get_mut(&team) else { return Vec::new() };
        let boarded: Vec<_> = lane.waiting.drain(..lane.waiting.len().min(MOST)).collect();
        if boarded.is_empty() {
            lane.flights -= 1;
            if lane.flights == 0 {
                lanes.remove(&team);
            }
        }
        self.waiting.fetch_sub(boarded.len(), Ordering::Relaxed);
        boarded
    }

    async fn write(&self, team: TeamId, jobs: &[&NewJob]) -> Result<Vec<Taken>, sqlx::Error> {
        let mut work = db::work(&self.pool).await?;
        let taken = match jobs {
            [job] => vec![doors::enqueue(&mut work, team, job).await?],
            jobs => doors::enqueue_each(&mut work, team, jobs).await?,
        };
        work.done().await?;
        Ok(taken)
    }

    async fn carry(&self, team: TeamId, boarded: Vec<Waiting>) {
        let jobs: Vec<&NewJob> = boarded.iter().map(|one| &one.job).collect();
        match self.write(team, &jobs).await {
            Ok(taken) => {
                for (one, taken) in boarded.into_iter().zip(taken) {
                    // A caller that went away does not need its answer; its job is accepted all the same.
                    let _ = one.answer.send(Ok(taken));
                }
            }
            // One of them broke the statement (a key that somebody's open transaction holds): each for itself.
            Err(error) if boarded.len() > 1 && error::is_about_rows(&error) => {
                for one in boarded {
                    let alone = self.write(team, &[&one.job]).await;
                    let taken = alone.map_err(ApiError::from).and_then(|taken| {
                        taken.into_iter().next().ok_or_else(|| ApiError::internal("the statement answered for no row"))
                    });
                    let _ = one.answer.send(taken);
                }
            }
            Err(error) => {
                let refusal = ApiError::from(error);
                for one in boarded {
                    let _ = one.answer.send(Err(refusal.clone()));
                }
            }
        }
    }
}

/// A task that writes a team's jobs until none is waiting.
struct Flight {
    coalescer: Arc<Coalescer>,
    team: TeamId,
    landed: bool,
}

impl Flight {
    async fn run(mut self) {
        loop {
            let boarded = self.coalescer.board(self.team);
            if boarded.is_empty() {
                self.landed = true;
                return;
            }
            self.coalescer.carry(self.team, boarded).await;
        }
    }
}

impl Drop for Flight {
    /// A flight that broke off makes room for another, so that a panic does not hold up a team for ever.
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        let mut lanes = self.coalescer.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lane) = lanes.get_mut(&self.team) else { return };
        lane.flights -= 1;
        if lane.flights == 0 {
            // Their callers hear of it: the answers are dropped with them.
            self.coalescer.waiting.fetch_sub(lane.waiting.len(), Ordering::Relaxed);
            lanes.remove(&self.team);
        }
    }
}
