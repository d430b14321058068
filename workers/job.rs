//! The contract of a job: what a kind must say of itself, and what a run may answer.
//!
//! A kind is a type. To add one, write a file with a payload struct that implements [`Job`], and add its `mod` and its
//! `.add::<…>()` to `lib.rs`. Everything else (HTTP, SQL, command line, metrics, documents) reads the registry.

#[cfg(feature = "handlers")]
use std::future::Future;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

#[cfg(feature = "handlers")]
use crate::{ctx::Ctx, vendors::VendorError};

/// One kind of job. Its fields are the payload: derive `Serialize`, `Deserialize` and `JsonSchema`, and deny unknown
/// fields.
pub trait Job: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The stored name, verb and object (`send_sms`). It never changes; a rename keeps the old one in [`Job::ALIASES`].
    const KIND: &'static str;
    /// The version of the payload's shape; raise it with every change, and teach [`Job::upcast`] the older ones.
    const VERSION: i16 = 1;
    /// The queue it runs in.
    const QUEUE: &'static str;
    /// Earlier names, still found in the database.
    const ALIASES: &'static [&'static str] = &[];
    /// 0 runs first, 9 last, among the jobs of one team in one queue.
    const PRIORITY: i16 = 5;
    /// How often and how soon it is tried again.
    const RETRY: RetryPolicy = RetryPolicy::STANDARD;
    /// How long one attempt may take. Its handler is stopped then, and the attempt counts.
    const TIMEOUT: Duration = Duration::from_secs(60);
    /// The most credits that one run can cost.
    const PRICE: i64 = 0;

    /// Turns the payload of an older version into this one's shape.
    fn upcast(_version: i16, payload: Value) -> Result<Value, Invalid> {
        Ok(payload)
    }

    /// What the types can't say: refuses values that could never run. Called when the job is enqueued through Rust or
    /// HTTP, and again before it runs.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }

    /// How many jobs like this one may run at once, where the enqueuer says nothing of it. Counted for each team, in all
    /// processes. What SQL enqueues has only the limit that its producer passes.
    fn limit(&self) -> Option<Limit> {
        None
    }

    /// Does the work. Only where jobs run: a build for producers is without it. May be started again after a crash: whatever it did must be safe to meet again.
    #[cfg(feature = "handlers")]
    fn run(&self, ctx: &Ctx) -> impl Future<Output = Outcome> + Send;
}

/// At most `at_once` jobs of a team with the same `key` run at once; the others are out of the way until one of them ends.
/// An operator may set another number for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What is limited, across kinds and queues: `twilio:+1555…`, `import`. 1 to 200 bytes.
    pub key: String,
    /// How many at once; at least 1.
    pub at_once: i32,
}

impl Limit {
    /// At most `at_once` jobs with `key`.
    pub fn new(key: impl Into<String>, at_once: i32) -> Self {
        Self { key: key.into(), at_once }
    }
}

/// What a run answers: done, or why not.
pub type Outcome = Result<Done, Stop>;

/// A job that is done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// Kept for whoever asks for the job; `None` stores nothing.
    pub output: Option<Value>,
    /// The completion is already committed, by `ctx.complete`.
    pub settled: bool,
}

impl Done {
    /// Done, with nothing to keep.
    pub const NOTHING: Self = Self { output: None, settled: false };

    /// Done, with an output that is stored.
    pub fn with(output: impl Serialize) -> Result<Self, Stop> {
        Ok(Self { output: Some(serde_json::to_value(output)?), settled: false })
    }
}

/// Why a run ended without being done.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Try again by the kind's policy, or after the given delay. Burns an attempt.
    #[error("{error:#}")]
    Retry {
        /// What went wrong.
        error: anyhow::Error,
        /// A delay that somebody asked for; the policy's own otherwise.
        after: Option<Duration>,
    },
    /// Come back later; burns no attempt.
    #[error("snoozed for {after:?}: {reason}")]
    Snooze {
        /// How long to wait.
        after: Duration,
        /// Why, in words an operator understands.
        reason: String,
    },
    /// An effect may or may not have happened: come back to find out. Burns no attempt; nothing is repeated blindly.
    #[error("outcome unknown: {intent}")]
    Unknown {
        /// When to look.
        after: Duration,
        /// What was intended.
        intent: String,
    },
    /// Wait for somebody or something (a top-up, a decision). Burns no attempt. The first word names the cause.
    #[error("parked: {reason}")]
    Park {
        /// Why; `queue.unpark` wakes by how it starts.
        reason: String,
    },
    /// Another try can't help.
    #[error("{0:#}")]
    Dead(anyhow::Error),
    /// The job was cancelled, and the handler stopped.
    #[error("cancelled")]
    Cancelled,
    /// The lease is no longer ours: another worker has the job. Nothing is recorded.
    #[error("fenced: the lease is no longer ours")]
    Fenced,
}

impl Stop {
    /// Try again by the kind's policy.
    pub fn retry(error: impl Into<anyhow::Error>) -> Self {
        Self::Retry { error: error.into(), after: None }
    }

    /// Another try can't help.
    pub fn dead(error: impl Into<anyhow::Error>) -> Self {
        Self::Dead(error.into())
    }

    /// Come back after `after`.
    pub fn snooze(after: Duration, reason: impl Into<String>) -> Self {
        Self::Snooze { after, reason: reason.into() }
    }

    /// The same, for another job that was stopped by the same thing.
    pub fn again(&self) -> Self {
        match self {
            Self::Retry { error, after } => Self::Retry { error: anyhow::anyhow!("{error:#}"), after: *after },
            Self::Snooze { after, reason } => Self::Snooze { after: *after, reason: reason.clone() },
            Self::Unknown { after, intent } => Self::Unknown { after: *after, intent: intent.clone() },
            Self::Park { reason } => Self::Park { reason: reason.clone() },
            Self::Dead(error) => Self::Dead(anyhow::anyhow!("{error:#}")),
            Self::Cancelled => Self::Cancelled,
            Self::Fenced => Self::Fenced,
        }
    }

    /// Wait until somebody wakes the job.
    pub fn park(reason: impl Into<String>) -> Self {
        Self::Park { reason: reason.into() }
    }
}

/// For results where another try can't help: `read(row).or_dead()?`.
pub trait OrDead<T> {
    /// Turns an error into [`Stop::Dead`].
    fn or_dead(self) -> Result<T, Stop>;
}

impl<T, E: Into<anyhow::Error>> OrDead<T> for Result<T, E> {
    fn or_dead(self) -> Result<T, Stop> {
        self.map_err(Stop::dead)
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        let fenced = error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "LS010");
        if fenced { Self::Fenced } else { Self::retry(error) }
    }
}

#[cfg(feature = "handlers")]
impl From<VendorError> for Stop {
    fn from(error: VendorError) -> Self {
        error.into_stop()
    }
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Self {
        Self::dead(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::retry(error)
    }
}

/// Context added with `.context(…)` does not hide what the cause means for the job.
impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        #[cfg(feature = "handlers")]
        let error = match error.downcast::<VendorError>() {
            Ok(vendor) => return vendor.into(),
            Err(other) => other,
        };
        match error.downcast::<Stop>() {
            Ok(stop) => stop,
            Err(other) => Self::retry(other),
        }
    }
}

/// A payload that could never run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field's path inside the payload (`recipient.phone`).
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

impl Invalid {
    /// Names the field and the fault.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

/// How often and how soon a kind is tried again: exponential growth from `first_delay`, at most `max_delay`, with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included: 1 to 100.
    pub attempts: i16,
    /// The delay behind the first failed attempt, before jitter.
    pub first_delay: Duration,
    /// No delay is longer.
    pub max_delay: Duration,
}

impl RetryPolicy {
    /// Ten attempts over about half an hour.
    pub const STANDARD: Self = Self { attempts: 10, first_delay: Duration::from_secs(2), max_delay: Duration::from_secs(600) };

    /// The standard delays with another number of attempts.
    pub const fn attempts(attempts: i16) -> Self {
        Self { attempts, ..Self::STANDARD }
    }
}
