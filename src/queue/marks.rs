//! Where a claimer got to in its lanes, for the time when somebody's old snapshot keeps what was taken in the index.
//!
//! Postgres can't clean away a row that some open transaction might still see, and a claim has to walk over all of them: after ten
//! minutes of such a transaction over millions. A claimer that notices (its claim took long) goes on from its marks, and
//! looks from the start again once in a while: what came back to a lane behind its mark (a retry, a more urgent job) waits
//! until then. As long as claims are quick there are no marks, and nothing waits.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::store::jobs::Mark;

/// A claim that takes longer than this walks over something.
const SLOW: Duration = Duration::from_millis(20);
/// Looking from the start takes at most such a part of the time.
const SHARE: u32 = 20;
/// Lanes that are remembered.
const MOST: usize = 64;

/// The marks of one claimer.
#[derive(Debug, Default)]
pub struct Marks {
    lanes: HashMap<(Uuid, Arc<str>), (i16, i64)>,
    until: Option<Instant>,
}

impl Marks {
    /// The marks for a claim at `now`; none when it should look from the start.
    pub fn at(&self, now: Instant) -> Vec<Mark> {
        if self.until.is_none_or(|until| now >= until) {
            return Vec::new();
        }
        let mark = |((team, kind), (priority, job)): (&(Uuid, Arc<str>), &(i16, i64))| Mark {
            team: *team,
            kind: kind.clone(),
            priority: *priority,
            job: *job,
        };
        self.lanes.iter().map(mark).collect()
    }

    /// Learns from a claim: what it took, whether it had marks, and how long it took until `now`.
    pub fn learn(&mut self, taken: &[Mark], marked: bool, took: Duration, now: Instant) {
        if !marked {
            self.until = (took > SLOW).then(|| now + took * SHARE);
        }
        for mark in taken {
            let place = (mark.priority, mark.job);
            let lane = self.lanes.entry((mark.team, mark.kind.clone())).or_insert(place);
            *lane = (*lane).max(place);
        }
        if self.lanes.len() > MOST {
            self.lanes.retain(|(team, kind), _| taken.iter().any(|mark| mark.team == *team && mark.kind == *kind));
            let mut kept = 0;
            self.lanes.retain(|_, _| {
                kept += 1;
                kept <= MOST
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(team: u128, job: i64) -> Mark {
        Mark { team: Uuid::from_u128(team), kind: "a".into(), priority: 5, job }
    }

    #[test]
    fn quick_claims_look_from_the_start() {
        let (mut marks, now) = (Marks::default(), Instant::now());
        marks.learn(&[mark(1, 7)], false, Duration::from_millis(5), now);
        assert_eq!(marks.at(now), []);
    }

    #[test]
    fn after_a_slow_claim_the_next_go_on_from_the_furthest_mark_for_twenty_times_as_long() {
        let (mut marks, start) = (Marks::default(), Instant::now());
        marks.learn(&[mark(1, 7), mark(1, 9)], false, Duration::from_millis(50), start);
        marks.learn(&[mark(1, 8)], true, Duration::from_millis(1), start);
        assert_eq!(marks.at(start + Duration::from_millis(999)), [mark(1, 9)]);
        assert_eq!(marks.at(start + Duration::from_millis(1000)), []);
    }

    #[test]
    fn the_marks_do_not_grow_with_the_teams() {
        let (mut marks, now) = (Marks::default(), Instant::now());
        let many: Vec<_> = (0..1000).map(|team| mark(team, 1)).collect();
        marks.learn(&many, false, Duration::from_secs(1), now);
        assert_eq!(marks.at(now).len(), MOST);
        marks.learn(&[mark(2000, 1)], true, Duration::from_millis(1), now);
        assert_eq!(marks.at(now), [mark(2000, 1)]);
    }
}
