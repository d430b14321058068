//! How the sandbox's Twilio misbehaves: by shares that a seed decides, the same in every run, or by number.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::carrier;

/// A way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 429 with `Retry-After`; takes nothing.
    RateLimited,
    /// 500; takes nothing.
    ErrorBefore,
    /// Takes it, then 500.
    ErrorAfter,
    /// Takes it, then says nothing.
    HangAfter,
    /// Resets the connection; takes nothing.
    ResetBefore,
    /// Takes it, then resets the connection.
    ResetAfter,
    /// 21610: the recipient said STOP.
    OptedOut,
    /// 21211: no such number.
    InvalidNumber,
}

impl Fault {
    /// The answer, where the fault is one that takes nothing and answers.
    pub(super) fn refusal(self) -> Option<(StatusCode, i64, &'static str)> {
        match self {
            Self::RateLimited => Some((StatusCode::TOO_MANY_REQUESTS, 20429, "Too Many Requests")),
            Self::ErrorBefore => Some((StatusCode::INTERNAL_SERVER_ERROR, 20500, "Internal Server Error")),
            Self::OptedOut => Some((StatusCode::BAD_REQUEST, 21610, "Attempt to send to an unsubscribed recipient.")),
            Self::InvalidNumber => Some((StatusCode::BAD_REQUEST, 21211, "The 'To' number is not a valid phone number.")),
            Self::ErrorAfter | Self::HangAfter | Self::ResetBefore | Self::ResetAfter => None,
        }
    }
}

/// What one number meets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Number {
    /// What the first calls meet, in order; `null` is none.
    pub first: Vec<Option<Fault>>,
    /// What every later call meets.
    pub then: Option<Fault>,
    /// Messages to it end undelivered, with this code.
    pub undelivered: Option<i32>,
}

/// How it misbehaves. `POST /_sandbox/faults` takes this as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Decides who meets what, with the message's id and the number of its call.
    pub seed: u64,
    /// Share of calls that meet each fault: 0.02 is one in fifty.
    pub rates: BTreeMap<Fault, f64>,
    /// Numbers that meet something of their own.
    pub numbers: BTreeMap<String, Number>,
    /// What `Retry-After` says.
    pub retry_after_seconds: u64,
    /// How long it says nothing.
    pub hang_milliseconds: u64,
    /// How long a message is not listed yet.
    pub list_lag_milliseconds: u32,
    /// Share of messages whose reports come twice.
    pub callbacks_twice: f64,
    /// Share of messages whose reports come in the wrong order.
    pub callbacks_reversed: f64,
    /// Share of messages of which nothing is reported.
    pub callbacks_lost: f64,
    /// How long each create takes.
    pub latency_milliseconds: u64,
    /// Segments a second that carriers take from each number; the others stand in its line. None: all at once.
    pub segments_per_second: Option<f64>,
    /// Numbers that end so have their messages undelivered, with this code.
    pub endings: BTreeMap<String, i32>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            seed: 1,
            rates: BTreeMap::new(),
            numbers: BTreeMap::new(),
            retry_after_seconds: 1,
            hang_milliseconds: 60_000,
            list_lag_milliseconds: 0,
            callbacks_twice: 0.0,
            callbacks_reversed: 0.0,
            callbacks_lost: 0.0,
            latency_milliseconds: 0,
            segments_per_second: None,
            endings: BTreeMap::new(),
        }
    }
}

/// How a message is reported on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    pub twice: bool,
    pub reversed: bool,
    pub lost: bool,
    pub undelivered: Option<i32>,
}

impl Faults {
    /// What the call number `nth` of a message meets, which is call number `nth_to` to its recipient.
    pub(super) fn meet(&self, message: &str, nth: u64, to: &str, nth_to: u64) -> Option<Fault> {
        if let Some(number) = self.numbers.get(to) {
            let place = usize::try_from(nth_to - 1).unwrap_or(usize::MAX);
            return number.first.get(place).copied().unwrap_or(number.then);
        }
        let mut unit = self.unit(&format!("{message} {nth}"));
        for (fault, rate) in &self.rates {
            if unit < *rate {
                return Some(*fault);
            }
            unit -= rate;
        }
        None
    }

    pub(super) fn callbacks(&self, sid: &str, to: &str) -> Habits {
        Habits {
            twice: self.unit(&format!("twice {sid}")) < self.callbacks_twice,
            reversed: self.unit(&format!("reversed {sid}")) < self.callbacks_reversed,
            lost: self.unit(&format!("lost {sid}")) < self.callbacks_lost,
            undelivered: carrier::ends_with(self, to),
        }
    }

    /// A number from 0 to 1 that belongs to `what`, the same in every run.
    fn unit(&self, what: &str) -> f64 {
        let hash = Sha256::digest(format!("{} {what}", self.seed));
        let high = hash.iter().take(4).fold(0_u32, |high, byte| high << 8 | u32::from(*byte));
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_kept_and_a_seed_repeats_itself() {
        let faults = Faults { rates: [(Fault::ErrorAfter, 0.02), (Fault::HangAfter, 0.03)].into(), ..Faults::default() };
        let met: Vec<_> = (0..10_000).map(|m| faults.meet(&m.to_string(), 1, "+1", 1)).collect();
        let count = |fault| met.iter().filter(|one| **one == Some(fault)).count();
        assert!((150..250).contains(&count(Fault::ErrorAfter)), "{}", count(Fault::ErrorAfter));
        assert!((230..370).contains(&count(Fault::HangAfter)), "{}", count(Fault::HangAfter));
        assert_eq!(met, (0..10_000).map(|m| faults.meet(&m.to_string(), 1, "+1", 1)).collect::<Vec<_>>());
        assert_ne!(met, (0..10_000).map(|m| faults.meet(&m.to_string(), 2, "+1", 1)).collect::<Vec<_>>());
    }

    #[test]
    fn a_number_meets_its_own_in_order() {
        let number = Number { first: vec![Some(Fault::RateLimited), None], then: Some(Fault::OptedOut), undelivered: None };
        let faults = Faults { numbers: [("+1".to_owned(), number)].into(), ..Faults::default() };
        let met: Vec<_> = (1..5).map(|nth| faults.meet("m", 1, "+1", nth)).collect();
        assert_eq!(met, [Some(Fault::RateLimited), None, Some(Fault::OptedOut), Some(Fault::OptedOut)]);
    }
}
