//! Runs one claimed job: decode, run under its timeout, catch a panic, and decide what becomes of it.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use longshore_workers::{
    ctx::{Claim, Ctx, Services},
    job::{Outcome, Stop},
    registry::Kind,
};
use serde_json::value::RawValue;

use super::{
    running::Switch,
    settle::{StopCause, Verdict, settle},
};

/// A job in a worker's hands.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The claim: id, team, attempt, lease.
    pub claim: Claim,
    /// The version its payload was written in.
    pub version: i16,
    /// The payload.
    pub payload: Box<RawValue>,
    /// When it was claimed, by the database's clock.
    pub claimed_at: DateTime<Utc>,
    /// Somebody cancelled it before it started.
    pub cancelled: bool,
    /// More than its end depends on it: a limit, a batch, a chain. It is settled, not just finished.
    pub special: bool,
}

/// How long a handler that is told to stop, or whose time is up, may take to end in order before it is dropped.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// Runs `job` and says what becomes of it. `switch` stops it.
pub async fn execute(kind: &Kind, job: Claimed, services: Arc<Services>, switch: &Switch) -> Verdict {
    if job.cancelled {
        return Verdict::Cancelled;
    }
    let (attempt, max_attempts) = (job.claim.attempt, job.claim.max_attempts);
    let unit = services.random.unit();
    let ctx = Ctx::new(job.claim, services, switch.token().clone());
    // Around all of it: a handler that is dropped because its time is up may panic then.
    let work = AssertUnwindSafe(run(kind, job.version, job.payload, ctx, switch)).catch_unwind();
    let outcome =
        work.await.unwrap_or_else(|panic| Err(Stop::retry(anyhow::anyhow!("the handler panicked: {}", panic_text(&*panic)))));
    settle(outcome, switch.cause(), attempt, max_attempts, &kind.retry, unit)
}

async fn run(kind: &Kind, version: i16, payload: Box<RawValue>, ctx: Ctx, switch: &Switch) -> Outcome {
    if version > kind.version {
        // A newer build wrote it; that build shall have it.
        let reason = format!("payload version {version} is newer than this build's {}", kind.version);
        return Err(Stop::snooze(Duration::from_secs(30), reason));
    }
    let work = kind.run(version, payload, ctx);
    tokio::pin!(work);
    tokio::select! {
        // The work first: most of it ends without any of the others being asked.
        biased;
        outcome = &mut work => outcome,
        () = switch.token().cancelled() => {
            // Past its lease a handler has no time left: whatever it writes now is refused.
            let grace = if switch.cause() == StopCause::LeaseLost { Duration::ZERO } else { STOP_GRACE };
            tokio::time::timeout(grace, work).await.unwrap_or(Err(Stop::Cancelled))
        }
        () = tokio::time::sleep(kind.timeout) => {
            switch.stop(StopCause::TimedOut);
            match tokio::time::timeout(STOP_GRACE, work).await {
                Ok(Ok(done)) => Ok(done),
                _ => Err(Stop::retry(anyhow::anyhow!("timed out after {:?}", kind.timeout))),
            }
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
