//! Places that are few and shared by all teams: no team has more than its part of them, so that one that sends slowly, or all at
//! once, waits behind itself alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use longshore_workers::ids::TeamId;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// The places.
pub struct Places {
    all: Arc<Semaphore>,
    of_a_team: usize,
    teams: Mutex<HashMap<TeamId, Weak<Semaphore>>>,
}

/// One of them, given back when it is dropped.
pub struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_team: OwnedSemaphorePermit,
}

impl Places {
    /// So many, and so many of them at most for one team.
    pub fn new(all: usize, of_a_team: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), of_a_team, teams: Mutex::default() }
    }

    /// Waits for a place: first behind the own team's, then behind everybody's.
    pub async fn enter(&self, team: TeamId) -> Result<Place, AcquireError> {
        let of_team = self.part_of(team).acquire_owned().await?;
        let of_all = self.all.clone().acquire_owned().await?;
        Ok(Place { _of_all: of_all, _of_team: of_team })
    }

    /// A place of the team's part alone, if there is one now.
    pub fn try_part(&self, team: TeamId) -> Option<OwnedSemaphorePermit> {
        self.part_of(team).try_acquire_owned().ok()
    }

    fn part_of(&self, team: TeamId) -> Arc<Semaphore> {
        let mut teams = self.teams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = teams.get(&team).and_then(Weak::upgrade) {
            return part;
        }
        // Whoever comes anew clears away those who left; a place keeps its team's part alive.
        teams.retain(|_, part| part.strong_count() > 0);
        let part = Arc::new(Semaphore::new(self.of_a_team));
        teams.insert(team, Arc::downgrade(&part));
        part
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn a_team_that_has_its_part_waits_behind_itself_and_nobody_else_does() {
        let places = Places::new(3, 2);
        let (one, two) = (TeamId(Uuid::from_u128(1)), TeamId(Uuid::from_u128(2)));
        let first = places.enter(one).await.expect("a place");
        let _second = places.enter(one).await.expect("a place");
        assert!(places.enter(one).now_or_never().is_none(), "a third of the same team");
        let other = places.enter(two).now_or_never().expect("at once").expect("a place");
        assert!(places.enter(two).now_or_never().is_none(), "there are three in all");
        drop(first);
        let _third = places.enter(one).now_or_never().expect("at once").expect("a place");
        drop(other);
        let three = TeamId(Uuid::from_u128(3));
        drop(places.enter(three).now_or_never().expect("at once"));
        assert!(places.try_part(three).is_some());
        assert_eq!(places.teams.lock().expect("teams").keys().filter(|team| **team == two).count(), 0, "who left is forgotten");
    }
}
