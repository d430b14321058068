//! What is accepted, and what a key means while it stands.

use super::{Answer, Held, Job, Key, Model, Offer, Place, Policy, Scope, accepted};

impl Model {
    /// Accepts a job, whose id is `id` if it is a new one.
    pub(super) fn enqueue(&mut self, offer: &Offer, id: i64) -> Answer {
        let mut later = offer.delayed.then_some(false);
        if let Some(Key { key, scope, policy }) = offer.key {
            let place = (offer.team, offer.kind, key);
            if let Some(held) = self.keys.get(&place).copied().filter(|held| !held.lapsed) {
                let first = &self.jobs[&held.job];
                let is_over = held.scope == Scope::Unfinished && first.has_ended();
                let same = held.body == offer.body;
                let stays = match policy {
                    _ if is_over => false,
                    Policy::First => true,
                    Policy::Replace => same || first.has_ended(),
                    Policy::Debounce => first.has_ended(),
                };
                if stays && policy == Policy::First && !same {
                    return Answer::Enqueued(None);
                }
                if stays {
                    return accepted(held.job, true);
                }
                if !is_over && first.waits() {
                    if policy == Policy::Replace {
                        // It keeps the first one's time.
                        later = matches!(first.place, Place::Later { due: false }).then_some(false);
                    }
                    self.end_unrun(held.job);
                }
            }
            self.keys.insert(place, Held { job: id, body: offer.body, scope, lapsed: false });
        }
        self.jobs.insert(id, Job::new(offer, later.map_or(Place::Ready, |due| Place::Later { due })));
        accepted(id, false)
    }

    pub(super) fn end_unrun(&mut self, job: i64) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.place = Place::Cancelled { fence: 0 };
            job.attempts = 0;
        }
    }
}
