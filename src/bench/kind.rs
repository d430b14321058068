//! The kind that is measured: a handler that does nothing, or sleeps, and can tell when it started.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use longshore_workers::{
    clock::{Clock as _, SystemClock},
    ctx::Ctx,
    job::{Done, Job, Outcome},
    registry::Registry,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

/// The queue of all of it.
pub const QUEUE: &str = "bench";

/// Does nothing with its data.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Noop {
    /// As long as the payload should be.
    pub data: String,
}

impl Noop {
    /// One whose handler tells when it starts.
    pub fn that_tells(payload: usize) -> Self {
        let Self { data } = Self::of(payload.max(r#"{"data": ""}"#.len() + 1));
        Self { data: data.replacen('x', TELL, 1) }
    }

    /// One whose payload has so many bytes as Postgres writes it.
    pub fn of(payload: usize) -> Self {
        Self { data: "x".repeat(payload.saturating_sub(r#"{"data": ""}"#.len())) }
    }
}

/// Data that begins so asks its handler to tell when it starts.
const TELL: &str = "!";

/// When a handler started: its job, and the machine's clock in microseconds.
pub type Start = (i64, i64);

/// What the handlers of this process count, and whom they tell. A kind has no state of its own to keep it in.
pub struct Told {
    /// How many have started.
    pub handled: AtomicU64,
    /// How long each sleeps.
    pub sleep: OnceLock<Duration>,
    /// Who hears of each start.
    pub starts: OnceLock<UnboundedSender<Start>>,
}

/// This process's.
pub static TOLD: Told = Told { handled: AtomicU64::new(0), sleep: OnceLock::new(), starts: OnceLock::new() };

impl Job for Noop {
    const KIND: &'static str = "bench_noop";
    const QUEUE: &'static str = QUEUE;

    async fn run(&self, ctx: &Ctx) -> Outcome {
        if self.data.starts_with(TELL)
            && let Some(starts) = TOLD.starts.get()
        {
            let _ = starts.send((ctx.job().0, now_us()));
        }
        if let Some(sleep) = TOLD.sleep.get() {
            ctx.sleep(*sleep).await?;
        }
        TOLD.handled.fetch_add(1, Ordering::Relaxed);
        Ok(Done::NOTHING)
    }
}

/// The machine's clock, which all processes of a run share.
pub fn now_us() -> i64 {
    SystemClock.now().timestamp_micros()
}

/// A build that knows only this kind.
pub fn registry() -> Registry {
    Registry::new().add::<Noop>()
}

/// The stored names that a claim may take.
pub fn names() -> Vec<String> {
    vec![Noop::KIND.to_owned()]
}
