//! Runs one claimed job: decode, run under its timeout, catch a panic, and decide what becomes of it.

use std::{panic::AssertUnwindSafe, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use longshore_workers::{
    ctx::{Claim, Ctx, Services},
    job::{Outcome, Stop},
    registry::Kind,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::settle::{StopCause, Verdict, settle};

/// A job in a worker's hands.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The claim: id, team, attempt, lease.
    pub claim: Claim,
    /// The version its payload was written in.
    pub version: i16,
    /// The payload.
    pub payload: Value,
    /// When it was claimed, by the database's clock.
    pub claimed_at: DateTime<Utc>,
    /// Somebody cancelled it before it started.
    pub cancelled: bool,
}

/// Runs `job` and says what becomes of it. `cancel` stops it; `cause` then says why.
pub async fn execute(
    kind: &Kind,
    job: Claimed,
    services: Arc<Services>,
    cancel: CancellationToken,
    cause: impl FnOnce() -> StopCause,
) -> Verdict {
    if job.cancelled {
        return Verdict::Cancelled;
    }
    let (attempt, max_attempts) = (job.claim.attempt, job.claim.max_attempts);
    let unit = services.random.unit();
    let ctx = Ctx::new(job.claim, services, cancel.clone());
    let outcome = run(kind, job.version, job.payload, ctx, cancel).await;
    settle(outcome, cause(), attempt, max_attempts, &kind.retry, unit)
}

async fn run(kind: &Kind, version: i16, payload: Value, ctx: Ctx, cancel: CancellationToken) -> Outcome {
    if version > kind.version {
        // A newer build wrote it; let that build have it.
        return Err(Stop::snooze(
            std::time::Duration::from_secs(30),
            format!("payload version {version} is newer than this build's {}", kind.version),
        ));
    }
    let work = AssertUnwindSafe(kind.run(version, payload, ctx)).catch_unwind();
    match tokio::time::timeout(kind.timeout, work).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(Stop::retry(anyhow::anyhow!("the handler panicked: {}", panic_text(&panic)))),
        Err(_) => {
            cancel.cancel();
            Err(Stop::retry(anyhow::anyhow!("timed out after {:?}", kind.timeout)))
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
