//! The states of a campaign and the moves between them. Pure: the database's rows follow it, and nothing else does.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a campaign stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum State {
    /// Being written; leads may be enrolled already, nothing is sent.
    Draft,
    /// Will be activated at a set time.
    Scheduled,
    /// Its steps fall due and its messages leave.
    Active,
    /// Nothing leaves, messages already queued included, until it is resumed.
    Paused,
    /// Ended: every lead has been through.
    Completed,
    /// Ended early: nothing leaves any more.
    Stopped,
}

/// What may be done to a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Move {
    /// Set the time of its activation, or another one.
    Schedule,
    /// Let it begin.
    Activate,
    /// Hold it.
    Pause,
    /// Let it go on.
    Resume,
    /// End it with every lead through.
    Complete,
    /// End it now.
    Stop,
}

impl State {
    /// All states, in the order of a campaign's life.
    pub const ALL: [Self; 6] = [Self::Draft, Self::Scheduled, Self::Active, Self::Paused, Self::Completed, Self::Stopped];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
        }
    }

    /// It has ended: no move leads out.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Stopped)
    }

    /// Where `by` leads from here; `None` when it can't be done here.
    pub fn after(self, by: Move) -> Option<Self> {
        match (self, by) {
            (Self::Draft | Self::Scheduled, Move::Schedule) => Some(Self::Scheduled),
            (Self::Draft | Self::Scheduled, Move::Activate) => Some(Self::Active),
            (Self::Active, Move::Pause) => Some(Self::Paused),
            (Self::Paused, Move::Resume) => Some(Self::Active),
            (Self::Active | Self::Paused, Move::Complete) => Some(Self::Completed),
            (Self::Draft | Self::Scheduled | Self::Active | Self::Paused, Move::Stop) => Some(Self::Stopped),
            _ => None,
        }
    }
}

impl Move {
    /// All moves.
    pub const ALL: [Self; 6] = [Self::Schedule, Self::Activate, Self::Pause, Self::Resume, Self::Complete, Self::Stop];

    /// The states in which it can be done, for people: `draft or scheduled`.
    pub fn possible_in(self) -> String {
        let names: Vec<_> = State::ALL.into_iter().filter(|state| state.after(self).is_some()).map(State::as_str).collect();
        names.join(" or ")
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Schedule => "scheduled",
            Self::Activate => "activated",
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Complete => "completed",
            Self::Stop => "stopped",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        prop::collection::vec(prop::sample::select(Move::ALL.to_vec()), 0..30)
    }

    proptest! {
        #[test]
        fn a_campaign_goes_from_draft_to_an_end_and_never_back(moves in moves()) {
            let mut states = vec![State::Draft];
            for by in moves {
                let state = states[states.len() - 1];
                if let Some(next) = state.after(by) {
                    prop_assert!(!state.has_ended(), "{by:?} led out of {state}");
                    prop_assert_ne!(next, State::Draft);
                    prop_assert!(next != state || by == Move::Schedule, "{by:?} left it {state}");
                    states.push(next);
                }
            }
            // Scheduled comes before active or not at all; paused only behind active.
            let active = states.iter().position(|s| *s == State::Active);
            for (at, state) in states.iter().enumerate() {
                match state {
                    State::Scheduled => prop_assert!(active.is_none_or(|active| at < active)),
                    State::Paused => prop_assert_eq!(states[at - 1], State::Active),
                    State::Completed => prop_assert!(active.is_some_and(|active| active < at)),
                    _ => {}
                }
            }
        }

        #[test]
        fn a_live_campaign_can_always_be_stopped(state in prop::sample::select(State::ALL.to_vec())) {
            let expected = if state.has_ended() { None } else { Some(State::Stopped) };
            prop_assert_eq!(state.after(Move::Stop), expected);
        }
    }
}
