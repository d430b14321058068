//! Decides what becomes of a job from what its run answered. Pure: facts in, verdict out.

use std::time::Duration;

use longshore_workers::job::{Outcome, RetryPolicy, Stop};
use serde_json::Value;

use super::backoff;

/// What becomes of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Done; `output` is kept for whoever asks.
    Done {
        /// The output, if any.
        output: Option<Value>,
    },
    /// Done or gone already: nothing is left to record.
    Nothing,
    /// Back in `delay`, this attempt counted.
    Retry {
        /// How long to wait.
        delay: Duration,
        /// What went wrong.
        error: String,
    },
    /// Back in `delay`, this attempt not counted.
    Snooze {
        /// How long to wait.
        delay: Duration,
        /// Why.
        reason: String,
    },
    /// As a snooze, while an effect's outcome is looked for.
    Unknown {
        /// When to look.
        delay: Duration,
        /// What was intended.
        intent: String,
    },
    /// Out of the way until somebody wakes it.
    Park {
        /// Why.
        reason: String,
    },
    /// To the dead letters.
    Dead {
        /// The last error.
        error: String,
    },
    /// Ended because somebody asked.
    Cancelled,
    /// Handed back unrun or cut short by our own stop: ready at once, this attempt not counted.
    Released,
}

impl Verdict {
    /// Every word that [`Verdict::name`] answers.
    pub const NAMES: [&'static str; 8] = ["done", "retry", "snoozed", "unknown", "parked", "dead", "cancelled", "released"];

    /// The word that `queue.settle`, logs and metrics use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Done { .. } | Self::Nothing => "done",
            Self::Retry { .. } => "retry",
            Self::Snooze { .. } => "snoozed",
            Self::Unknown { .. } => "unknown",
            Self::Park { .. } => "parked",
            Self::Dead { .. } => "dead",
            Self::Cancelled => "cancelled",
            Self::Released => "released",
        }
    }
}

/// Why a handler was told to stop, if it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// Nobody told it to.
    None,
    /// Its time is up.
    TimedOut,
    /// Somebody cancelled the job.
    Cancelled,
    /// The process is ending.
    Shutdown,
    /// The lease is lost.
    LeaseLost,
}

impl StopCause {
    /// The cause whose `as u8` that is.
    pub fn from_code(code: u8) -> Self {
        let all = [Self::None, Self::TimedOut, Self::Cancelled, Self::Shutdown, Self::LeaseLost];
        all.into_iter().find(|cause| *cause as u8 == code).unwrap_or(Self::None)
    }
}

/// What becomes of a job in its attempt number `attempt` of `max_attempts`; `unit` (0 ≤ unit < 1) is the jitter.
pub fn settle(outcome: Outcome, cause: StopCause, attempt: i16, max_attempts: i16, policy: &RetryPolicy, unit: f64) -> Verdict {
    let stop = match outcome {
        Ok(done) if done.settled => return Verdict::Nothing,
        Ok(done) => return Verdict::Done { output: done.output },
        Err(stop) => stop,
    };
    match (stop, cause) {
        (Stop::Fenced, _) | (_, StopCause::LeaseLost) => Verdict::Nothing,
        (Stop::Cancelled | Stop::Retry { .. }, StopCause::Cancelled) => Verdict::Cancelled,
        (Stop::Cancelled, StopCause::Shutdown) => Verdict::Released,
        // A handler that says so though nobody asked it: as good as an error.
        (Stop::Cancelled, StopCause::None | StopCause::TimedOut) => {
            retry("the handler stopped unasked".into(), None, attempt, max_attempts, policy, unit)
        }
        (Stop::Retry { error, after }, _) => retry(format!("{error:#}"), after, attempt, max_attempts, policy, unit),
        (Stop::Snooze { after, reason }, _) => Verdict::Snooze { delay: after, reason },
        (Stop::Unknown { after, intent }, _) => Verdict::Unknown { delay: after, intent },
        (Stop::Park { reason }, _) => Verdict::Park { reason },
        (Stop::Dead(error), _) => Verdict::Dead { error: format!("{error:#}") },
    }
}

fn retry(error: String, after: Option<Duration>, attempt: i16, max_attempts: i16, policy: &RetryPolicy, unit: f64) -> Verdict {
    if attempt >= max_attempts {
        return Verdict::Dead { error };
    }
    Verdict::Retry { delay: after.unwrap_or_else(|| backoff::delay(policy, attempt, unit)), error }
}

#[cfg(test)]
mod tests {
    use longshore_workers::job::Done;
    use proptest::prelude::*;

    use super::*;

    fn outcomes() -> impl Strategy<Value = fn() -> Outcome> {
        let all: [fn() -> Outcome; 9] = [
            || Ok(Done::NOTHING),
            || Ok(Done { output: None, settled: true }),
            || Err(Stop::Retry { error: anyhow::anyhow!("e"), after: None }),
            || Err(Stop::snooze(Duration::from_secs(5), "s")),
            || Err(Stop::Unknown { after: Duration::from_secs(5), intent: "i".into() }),
            || Err(Stop::park("p")),
            || Err(Stop::dead(anyhow::anyhow!("d"))),
            || Err(Stop::Cancelled),
            || Err(Stop::Fenced),
        ];
        prop::sample::select(all.to_vec())
    }

    fn causes() -> impl Strategy<Value = StopCause> {
        (0u8..5).prop_map(StopCause::from_code)
    }

    proptest! {
        #[test]
        fn the_last_attempt_never_retries(outcome in outcomes(), cause in causes(), max in 1i16..20, unit in 0.0f64..1.0) {
            let verdict = settle(outcome(), cause, max, max, &RetryPolicy::STANDARD, unit);
            prop_assert!(!matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
        }

        #[test]
        fn success_is_never_turned_into_anything_else(cause in causes(), attempt in 1i16..20) {
            let verdict = settle(Ok(Done::NOTHING), cause, attempt, 20, &RetryPolicy::STANDARD, 0.5);
            prop_assert_eq!(verdict, Verdict::Done { output: None });
        }

        #[test]
        fn a_lost_lease_records_no_failure(outcome in outcomes(), attempt in 1i16..20) {
            let verdict = settle(outcome(), StopCause::LeaseLost, attempt, 20, &RetryPolicy::STANDARD, 0.5);
            prop_assert!(matches!(verdict, Verdict::Nothing | Verdict::Done { .. }), "{verdict:?}");
        }

        #[test]
        fn only_a_retry_or_an_end_burns_the_attempt(outcome in outcomes(), attempt in 1i16..5) {
            let verdict = settle(outcome(), StopCause::Shutdown, attempt, 5, &RetryPolicy::STANDARD, 0.5);
            if matches!(outcome(), Err(Stop::Cancelled)) {
                prop_assert_eq!(verdict, Verdict::Released);
            }
        }
    }
}
