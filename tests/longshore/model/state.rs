//! The queue as one would explain it: a pure machine. What Postgres is free to choose (ids, fences, which of the claimable
//! jobs a claim takes) it is told by the answer, and checks that the choice was a legal one.

mod claims;
mod keys;

use std::collections::{BTreeMap, BTreeSet};

use super::{ATTEMPTS, KINDS, Key, LIMITS, Offer, Op, Policy, QUEUES, Scope, TEAMS, WORKERS, Word, accepted};

/// What an operation answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing worth comparing.
    Nothing,
    /// Yes or no; a word.
    Said(String),
    /// The job, and whether it was there before; `None`: the key was used for another payload.
    Enqueued(Option<(i64, bool)>),
    /// The same for each row.
    Each(Vec<Option<(i64, bool)>>),
    /// What was claimed.
    Claimed(Vec<Claimed>),
    /// Whether it was accepted, and the job that follows it.
    Settled(bool, Option<i64>),
    /// The new job.
    Replayed(Option<i64>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    pub fence: i64,
    pub job: i64,
    pub attempt: i16,
    pub cancelled: bool,
}

/// A claim that was ever given: whoever had it may come back with it.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    pub boot: usize,
    pub fence: i64,
    pub job: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Ready,
    Suspect,
    Later { due: bool },
    Parked,
    Running { fence: i64, boot: usize },
    Done { fence: i64 },
    Dead { fence: i64, settled: bool },
    Cancelled { fence: i64 },
}

#[derive(Debug, Clone)]
struct Job {
    team: usize,
    kind: usize,
    priority: i16,
    limit: Option<usize>,
    chain: bool,
    place: Place,
    /// Attempts made; while it runs, and once it ended, the one it is in.
    attempts: i16,
    cancel: bool,
}

impl Job {
    fn new(offer: &Offer, place: Place) -> Self {
        let Offer { team, kind, priority, limit, chain, .. } = *offer;
        Self { team, kind, priority, limit, chain, place, attempts: 0, cancel: false }
    }

    fn has_ended(&self) -> bool {
        matches!(self.place, Place::Done { .. } | Place::Dead { .. } | Place::Cancelled { .. })
    }

    fn waits(&self) -> bool {
        !self.has_ended() && !matches!(self.place, Place::Running { .. })
    }
}

#[derive(Debug, Clone, Copy)]
struct Held {
    job: i64,
    body: u8,
    scope: Scope,
    lapsed: bool,
}

/// Where a job is: id, place, attempt, fence.
pub type Line = (i64, String, i16, i64);
/// A key that stands: team, kind, key, its job.
pub type Standing = (usize, usize, usize, i64);
type Pause = (Option<usize>, Option<usize>, Option<usize>);

pub struct Model {
    jobs: BTreeMap<i64, Job>,
    keys: BTreeMap<(usize, usize, usize), Held>,
    pauses: BTreeSet<Pause>,
    lanes: BTreeMap<(usize, usize), i32>,
    limits: BTreeMap<(usize, usize), i32>,
    /// The boot of each worker, and which boots are dead.
    boots: [usize; WORKERS],
    next_boot: usize,
    dead: BTreeSet<usize>,
    pub given: Vec<Given>,
    last_fence: i64,
    blocked: BTreeSet<i64>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            jobs: BTreeMap::new(),
            keys: BTreeMap::new(),
            pauses: BTreeSet::new(),
            lanes: BTreeMap::new(),
            limits: BTreeMap::new(),
            boots: std::array::from_fn(|worker| worker),
            next_boot: WORKERS,
            dead: BTreeSet::new(),
            given: Vec::new(),
            last_fence: 0,
            blocked: BTreeSet::new(),
        }
    }
}

impl Model {
    /// The boot under which a worker is in the fleet.
    pub fn boot(&self, worker: usize) -> usize {
        self.boots[worker]
    }

    /// The n-th job, its team with it; mostly of those that have not ended.
    pub fn nth_job(&self, n: usize) -> Option<(i64, usize)> {
        let (n, any) = (n / 4, n.is_multiple_of(4));
        let jobs: Vec<_> = self.jobs.iter().filter(|(_, job)| any || !job.has_ended()).collect();
        let (id, job) = jobs.get(n.checked_rem(jobs.len())?)?;
        Some((**id, job.team))
    }

    /// The n-th job that died, its team with it; every job before one has.
    pub fn nth_dead(&self, n: usize) -> Option<(i64, usize)> {
        let dead: Vec<_> = self.jobs.iter().filter(|(_, job)| matches!(job.place, Place::Dead { .. })).collect();
        let (id, job) = dead.get(n.checked_rem(dead.len())?)?;
        Some((**id, job.team))
    }

    /// The n-th claim, mostly of those that still hold.
    pub fn nth_given(&self, n: usize) -> Option<Given> {
        let (n, any) = (n / 4, n.is_multiple_of(4));
        let given: Vec<_> = self.given.iter().filter(|given| any || self.holds(given)).collect();
        given.get(n.checked_rem(given.len())?).map(|given| **given)
    }

    /// Nothing else is under way in the lease of a claim, as far as its worker knows.
    pub fn is_whole(&self, given: Given) -> bool {
        self.given.iter().filter(|other| other.fence == given.fence && self.holds(other)).all(|other| other.job == given.job)
    }

    fn holds(&self, given: &Given) -> bool {
        self.jobs[&given.job].place == (Place::Running { fence: given.fence, boot: given.boot })
    }

    pub fn nth_pause(&self, n: usize) -> Option<Pause> {
        self.pauses.iter().nth(n.checked_rem(self.pauses.len())?).copied()
    }

    /// What a worker says of a job in that attempt: the last one retries no more.
    pub fn word(&self, given: Given, word: Word) -> Word {
        let last = self.jobs.get(&given.job).is_some_and(|job| job.attempts >= ATTEMPTS);
        if word == Word::Retry && last { Word::Dead } else { word }
    }

    /// Does to itself what was done to Postgres, and says what that should have answered.
    pub fn apply(&mut self, op: &Op, answer: &Answer) -> Result<Answer, String> {
        match (op, answer) {
            (Op::Enqueue(offer), Answer::Enqueued(got)) => Ok(self.enqueue(offer, got.map_or(0, |(job, _)| job))),
            (Op::EnqueueEach(team, rows, scope), Answer::Each(got)) => {
                let each = rows.iter().zip(got).map(|((kind, body, key), got)| {
                    let key = key.map(|key| Key { key, scope: *scope, policy: Policy::First });
                    let offer = Offer {
                        team: *team,
                        kind: *kind,
                        priority: 5,
                        body: *body,
                        key,
                        delayed: false,
                        limit: None,
                        chain: false,
                    };
                    match self.enqueue(&offer, got.map_or(0, |(job, _)| job)) {
                        Answer::Enqueued(one) => one,
                        _ => None,
                    }
                });
                Ok(Answer::Each(each.collect()))
            }
            (Op::Claim { worker, queue, slots, .. }, Answer::Claimed(got)) => self.claim(*worker, *queue, *slots, got),
            (Op::ClaimSuspect { worker }, Answer::Claimed(got)) => self.claim_suspect(*worker, got),
            (Op::Settle { claim, word, .. }, Answer::Settled(_, follower)) => Ok(self.settle(*claim, *word, *follower)),
            (Op::Cancel { job }, _) => Ok(self.cancel(*job)),
            (Op::Replay { job }, Answer::Replayed(new)) => Ok(self.replay(*job, *new)),
            (Op::Discard { job }, _) => Ok(self.discard(*job)),
            (op, _) => {
                self.operate(op);
                Ok(Answer::Nothing)
            }
        }
    }

    fn operate(&mut self, op: &Op) {
        match *op {
            Op::Die { worker } => {
                self.dead.insert(self.boots[worker]);
                self.boots[worker] = self.next_boot;
                self.next_boot += 1;
            }
            Op::Reap => {
                for job in self.jobs.values_mut() {
                    let Place::Running { fence, boot } = job.place else { continue };
                    if self.dead.contains(&boot) {
                        job.place = if job.cancel {
                            Place::Cancelled { fence }
                        } else if job.attempts >= ATTEMPTS {
                            Place::Dead { fence, settled: false }
                        } else {
                            Place::Suspect
                        };
                    }
                }
            }
            Op::Disown { worker } => {
                let mine = self.boots[worker];
                for job in self.jobs.values_mut() {
                    if matches!(job.place, Place::Running { boot, .. } if boot == mine) {
                        job.place = Place::Ready;
                        job.attempts -= 1;
                    }
                }
            }
            Op::TimePasses => {
                for job in self.jobs.values_mut().filter(|job| matches!(job.place, Place::Later { .. })) {
                    job.place = Place::Ready;
                }
            }
            Op::KeysLapse => {
                for held in self.keys.values_mut() {
                    held.lapsed |= held.scope == Scope::Period;
                }
            }
            Op::Tidy => {
                let jobs = &self.jobs;
                let is_free = |held: &Held| held.lapsed || held.scope == Scope::Unfinished && jobs[&held.job].has_ended();
                self.keys.retain(|_, held| !is_free(held));
            }
            Op::Pause { queue, team, kind } => drop(self.pauses.insert((queue, team, kind))),
            Op::Resume { pause } => {
                if let Some(pause) = self.nth_pause(pause) {
                    self.pauses.remove(&pause);
                }
            }
            Op::Unpark { team } => {
                for job in self.jobs.values_mut().filter(|job| job.team == team && job.place == Place::Parked) {
                    job.place = Place::Later { due: true };
                }
            }
            Op::LimitLane { team, queue, most } => set(&mut self.lanes, (team, queue), most),
            Op::LimitKey { team, limit, most } => set(&mut self.limits, (team, limit), most),
            _ => {}
        }
    }

    fn settle(&mut self, claim: usize, word: Word, follower: Option<i64>) -> Answer {
        let Some(given) = self.nth_given(claim) else { return Answer::Nothing };
        let word = self.word(given, word);
        let Some(job) = self.jobs.get_mut(&given.job) else { return Answer::Settled(false, None) };
        if job.place != (Place::Running { fence: given.fence, boot: given.boot }) {
            return Answer::Settled(false, None);
        }
        let fence = given.fence;
        if matches!(word, Word::Snoozed | Word::Parked | Word::Released) {
            job.attempts -= 1;
        }
        job.place = match word {
            Word::Done => Place::Done { fence },
            Word::Retry | Word::Snoozed => Place::Later { due: false },
            Word::Parked => Place::Parked,
            Word::Dead => Place::Dead { fence, settled: false },
            Word::Cancelled => Place::Cancelled { fence },
            Word::Released => Place::Ready,
        };
        let follows = word == Word::Done && job.chain;
        let next = Job { priority: 5, limit: None, chain: false, place: Place::Ready, attempts: 0, cancel: false, ..job.clone() };
        // Who follows has the next id, whatever that is.
        let follower = follower.filter(|_| follows).or(follows.then_some(0));
        if let Some(id) = follower {
            self.jobs.insert(id, next);
        }
        Answer::Settled(true, follower)
    }

    fn cancel(&mut self, n: usize) -> Answer {
        let Some((id, _)) = self.nth_job(n) else { return Answer::Nothing };
        let said = match self.jobs[&id].place {
            Place::Done { .. } => "done",
            Place::Dead { .. } => "dead",
            Place::Cancelled { .. } => "cancelled",
            Place::Running { .. } => {
                self.jobs.entry(id).and_modify(|job| job.cancel = true);
                "cancelling"
            }
            _ => {
                self.end_unrun(id);
                "cancelled"
            }
        };
        Answer::Said(said.into())
    }

    fn replay(&mut self, n: usize, new: Option<i64>) -> Answer {
        let Some((id, _)) = self.nth_dead(n) else { return Answer::Nothing };
        let Some(job) = self.jobs.get_mut(&id) else { return Answer::Nothing };
        let Place::Dead { fence, settled } = job.place else { return Answer::Replayed(None) };
        if settled {
            return Answer::Replayed(None);
        }
        job.place = Place::Dead { fence, settled: true };
        let again = Job { place: Place::Ready, attempts: 0, cancel: false, ..job.clone() };
        let new = new.unwrap_or_default();
        self.jobs.insert(new, again);
        Answer::Replayed(Some(new))
    }

    fn discard(&mut self, n: usize) -> Answer {
        let Some((id, _)) = self.nth_dead(n) else { return Answer::Nothing };
        let mut open = false;
        if let Some(Place::Dead { settled, .. }) = self.jobs.get_mut(&id).map(|job| &mut job.place) {
            open = !std::mem::replace(settled, true);
        }
        Answer::Said(open.to_string())
    }

    /// Notes which ready jobs are out of the claims' way.
    pub fn see_blocked(&mut self, seen: &[Line]) {
        self.blocked = seen.iter().filter(|(_, place, ..)| place == "blocked").map(|(id, ..)| *id).collect();
    }

    /// Where every job should be. A ready one may be set aside for its limit: which are is taken from `seen`.
    pub fn jobs(&self, seen: &[Line]) -> Vec<Line> {
        let line = |(id, job): (&i64, &Job)| {
            let aside = job.limit.is_some() && seen.iter().any(|(seen, place, ..)| seen == id && place == "blocked");
            let (place, fence) = match job.place {
                Place::Ready if aside => ("blocked", 0),
                Place::Ready => ("ready", 0),
                Place::Suspect => ("suspect", 0),
                Place::Later { .. } => ("later", 0),
                Place::Parked => ("parked", 0),
                Place::Running { fence, .. } => ("running", fence),
                Place::Done { fence } => ("done", fence),
                Place::Dead { fence, .. } => ("dead", fence),
                Place::Cancelled { fence } => ("cancelled", fence),
            };
            (*id, place.to_owned(), job.attempts, fence)
        };
        self.jobs.iter().map(line).collect()
    }

    /// The keys that should stand.
    pub fn keys(&self) -> Vec<Standing> {
        let standing = self.keys.iter().filter(|(_, held)| !held.lapsed);
        standing.map(|(&(team, kind, key), held)| (team, kind, key, held.job)).collect()
    }

    pub fn is_over(&self) -> bool {
        self.jobs.values().all(Job::has_ended)
    }

    pub fn unfinished(&self) -> Vec<String> {
        self.jobs.iter().filter(|(_, job)| !job.has_ended()).map(|(id, job)| format!("{id}: {job:?}")).collect()
    }

    /// What takes back every pause and every limit of a lane, and ends every process.
    pub fn lift_everything(&self) -> Vec<Op> {
        let mut ops: Vec<_> = (0..self.pauses.len()).map(|_| Op::Resume { pause: 0 }).collect();
        for team in 0..TEAMS {
            ops.extend((0..QUEUES).map(|queue| Op::LimitLane { team, queue, most: None }));
        }
        ops.extend((0..WORKERS).map(|worker| Op::Die { worker }));
        ops
    }

    /// A round of a fleet at work: each job that it claims is done.
    pub fn work_on(&self) -> Vec<Op> {
        let mut ops = vec![Op::Reap];
        ops.extend((0..TEAMS).map(|team| Op::Unpark { team }));
        ops.push(Op::TimePasses);
        // The first that holds, as often as there are some.
        let running = self.given.iter().filter(|given| self.holds(given));
        ops.extend(running.map(|_| Op::Settle { claim: 1, word: Word::Done, door: super::Door::Settle }));
        ops.extend((0..QUEUES).map(|queue| Op::Claim { worker: 0, queue, slots: 5, after: None }));
        ops.push(Op::ClaimSuspect { worker: 0 });
        ops
    }
}

fn set(of: &mut BTreeMap<(usize, usize), i32>, at: (usize, usize), most: Option<i32>) {
    match most {
        Some(most) => drop(of.insert(at, most)),
        None => drop(of.remove(&at)),
    }
}
