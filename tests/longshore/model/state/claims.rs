//! Which claims are legal: of what waits, in which order, within which limits.

use super::{Answer, Claimed, Given, Job, KINDS, LIMITS, Model, Op, Place};

impl Model {
    /// The limit that the job of a claim counts against, which its end frees.
    pub fn key_to_be_freed(&self, op: &Op) -> Option<(usize, usize)> {
        let Op::Settle { claim, .. } = op else { return None };
        self.key_of(self.nth_given(*claim)?.job)
    }

    fn key_of(&self, job: i64) -> Option<(usize, usize)> {
        let job = self.jobs.get(&job)?;
        Some((job.team, job.limit?))
    }

    fn is_paused(&self, job: &Job) -> bool {
        self.pauses.iter().any(|(queue, team, kind)| {
            queue.is_none_or(|queue| queue == KINDS[job.kind])
                && team.is_none_or(|team| team == job.team)
                && kind.is_none_or(|kind| kind == job.kind)
        })
    }

    fn running(&self, counts: impl Fn(&Job) -> bool) -> i64 {
        self.jobs.values().filter(|job| matches!(job.place, Place::Running { .. }) && counts(job)).count() as i64
    }

    fn is_full(&self, team: usize, limit: usize, beyond: i64) -> bool {
        let most = self.limits.get(&(team, limit)).map_or(LIMITS[limit], |most| i64::from(*most));
        self.running(|job| job.team == team && job.limit == Some(limit)) > most - 1 + beyond
    }

    /// Whether what was claimed could be, one after the other.
    pub(super) fn claim(&mut self, worker: usize, queue: usize, slots: i32, got: &[Claimed]) -> Result<Answer, String> {
        let fences_before = self.last_fence;
        if got.len() > slots as usize {
            return Err("more than there are slots".into());
        }
        for one in got {
            self.take(worker, one, Place::Ready, fences_before)?;
            if KINDS[self.jobs[&one.job].kind] != queue {
                return Err(format!("{one:?} is of another queue"));
            }
        }
        self.check_limits(got)?;
        // Of a team, nothing less urgent goes before what could have gone.
        for one in got {
            let taken = &self.jobs[&one.job];
            let passed_over = self.jobs.iter().find(|(id, left)| {
                left.place == Place::Ready
                    && (left.team, KINDS[left.kind]) == (taken.team, queue)
                    && left.priority < taken.priority
                    && !self.blocked.contains(id)
                    && !self.is_paused(left)
                    && left.limit.is_none_or(|limit| !self.is_full(left.team, limit, 0))
            });
            if let Some((id, _)) = passed_over {
                return Err(format!("{one:?} went before job {id}, which is more urgent"));
            }
        }
        Ok(Answer::Claimed(got.to_vec()))
    }

    pub(super) fn claim_suspect(&mut self, worker: usize, got: &[Claimed]) -> Result<Answer, String> {
        for one in got {
            self.take(worker, one, Place::Suspect, self.last_fence)?;
        }
        self.check_limits(got)?;
        let could = self.jobs.iter().find(|(_, job)| {
            job.place == Place::Suspect
                && !self.is_paused(job)
                && job.limit.is_none_or(|limit| !self.is_full(job.team, limit, 0))
                && !self.lane_is_full(job.team, KINDS[job.kind], 0)
        });
        match could {
            Some((id, _)) if got.is_empty() => Err(format!("nothing, though job {id} could be claimed")),
            _ => Ok(Answer::Claimed(got.to_vec())),
        }
    }

    fn take(&mut self, worker: usize, one: &Claimed, from: Place, fences_before: i64) -> Result<(), String> {
        let Some(job) = self.jobs.get(&one.job) else { return Err(format!("{one:?} is nobody's job")) };
        if job.place != from || self.is_paused(job) || one.attempt != job.attempts + 1 || one.cancelled != job.cancel {
            return Err(format!("{one:?} of {job:?}"));
        }
        if one.fence <= fences_before {
            return Err(format!("{one:?} under a fence that is not the newest: {fences_before}"));
        }
        let boot = self.boots[worker];
        self.last_fence = self.last_fence.max(one.fence);
        self.given.push(Given { boot, fence: one.fence, job: one.job });
        if let Some(job) = self.jobs.get_mut(&one.job) {
            job.place = Place::Running { fence: one.fence, boot };
            job.attempts = one.attempt;
        }
        Ok(())
    }

    fn lane_is_full(&self, team: usize, queue: usize, beyond: i64) -> bool {
        let running = self.running(|job| job.team == team && KINDS[job.kind] == queue);
        self.lanes.get(&(team, queue)).is_some_and(|most| running > i64::from(*most) - 1 + beyond)
    }

    fn check_limits(&self, got: &[Claimed]) -> Result<(), String> {
        for one in got {
            let job = &self.jobs[&one.job];
            if job.limit.is_some_and(|limit| self.is_full(job.team, limit, 1)) {
                return Err(format!("{one:?} is one more than its key admits"));
            }
            if self.lane_is_full(job.team, KINDS[job.kind], 1) {
                return Err(format!("{one:?} is one more than its lane admits"));
            }
        }
        Ok(())
    }

    /// Whether what `op` has freed is free for those that waited for it: of a key with jobs set aside, as many run or may be
    /// claimed as it admits.
    pub fn check_freed(&self, op: &Op, answer: &Answer, freed: Option<(usize, usize)>) -> Result<(), String> {
        let freed = freed.filter(|_| matches!(answer, Answer::Settled(true, _)));
        // The reaper looks at every key, the end of a job at its own.
        let looked_at = |key: &(usize, usize)| matches!(op, Op::Reap) || freed == Some(*key);
        for (team, limit) in self.blocked.iter().filter_map(|id| self.key_of(*id)).filter(looked_at) {
            let ready = self.jobs.iter().filter(|(id, job)| {
                (job.team, job.limit, job.place) == (team, Some(limit), Place::Ready) && !self.blocked.contains(id)
            });
            if !self.is_full(team, limit, -(ready.count() as i64)) {
                return Err(format!("jobs of team {team} wait for limit {limit}, which has room"));
            }
        }
        Ok(())
    }
}
