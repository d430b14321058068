//! The record of paid vendor calls: intent and hold before the call, outcome and settlement after it.
//!
//! A call is one number of one step of one job, and is made once: whoever wants to repeat it takes the next number and a
//! hold of its own. Where nobody knows what became of a call, its hold stays until it is settled or charged in full.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;

use super::provider::{PersonFound, PersonQuery};
use crate::{
    credits::{self, Held, HoldKey},
    ctx::Ctx,
    job::Stop,
    vendors::VendorError,
};

/// One call: which, at whom, about whom, for how much.
#[derive(Debug, Clone)]
pub struct Call {
    /// The step that calls.
    pub step: &'static str,
    /// Which call of that step, counted from 1.
    pub number: i32,
    /// The vendor's name.
    pub vendor: &'static str,
    /// The lead it is about.
    pub lead: i64,
    /// What is asked.
    pub query: PersonQuery,
    /// The most it can cost.
    pub quote: i64,
}

impl Call {
    /// The hold that pays for it.
    pub fn hold(&self, ctx: &Ctx) -> HoldKey<'static> {
        HoldKey { team: ctx.team(), job: ctx.job(), step: self.step, call: self.number }
    }

    /// Tells a repeated request, and gives nothing away across teams.
    fn request_hash(&self, ctx: &Ctx) -> Result<Vec<u8>, Stop> {
        let mut hash = Sha256::new();
        hash.update(ctx.team().0.as_bytes());
        hash.update(self.vendor.as_bytes());
        hash.update([0]);
        hash.update(serde_json::to_vec(&self.query)?);
        Ok(hash.finalize().to_vec())
    }
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// In one word, as the record has it.
    pub outcome: &'static str,
    /// The vendor's code, where it gave one.
    pub status: Option<i64>,
    /// What it charged; `None` when nobody knows.
    pub credits: Option<i64>,
}

impl Ending {
    /// Nobody knows what came of it.
    pub const UNKNOWN: Self = Self { outcome: "unknown", status: None, credits: None };

    /// What an answer means for the books.
    pub fn of(answer: &Result<PersonFound, VendorError>) -> Self {
        let free = |outcome, status| Self { outcome, status, credits: Some(0) };
        match answer {
            Ok(found) => Self {
                outcome: if found.person.is_some() { "found" } else { "no_match" },
                status: None,
                credits: Some(found.credits),
            },
            Err(VendorError::UnknownOutcome { .. }) => Self::UNKNOWN,
            Err(VendorError::Retryable { .. }) => free("retryable", None),
            Err(VendorError::RateLimited { .. }) => free("rate_limited", None),
            Err(VendorError::Refused { code, .. } | VendorError::Recipient { code, .. }) => free("refused", Some(*code)),
            Err(VendorError::Config { code, .. }) => free("config", Some(*code)),
        }
    }
}

/// Writes down the intent and reserves its price. The caller asserts its lease and commits, or rolls both back.
pub async fn begin(conn: &mut PgConnection, ctx: &Ctx, call: &Call) -> Result<Held, Stop> {
    sqlx::query_file!(
        "enrichment/begin_call.sql",
        ctx.team().0,
        ctx.job().0,
        call.step,
        call.number,
        call.vendor,
        call.lead,
        call.request_hash(ctx)?,
        ctx.claim().lease.fence,
    )
    .execute(&mut *conn)
    .await?;
    Ok(credits::hold(conn, call.hold(ctx), call.vendor, call.quote).await?)
}

/// Writes down what came of a call, and settles its hold accordingly: what was charged is captured and the rest goes
/// back, or all of it stays held where nobody knows. The caller asserts its lease and commits.
pub async fn end(conn: &mut PgConnection, key: HoldKey<'_>, ending: Ending, latency: Option<Duration>) -> Result<(), Stop> {
    sqlx::query_file!(
        "enrichment/end_call.sql",
        key.team.0,
        key.job.0,
        key.step,
        key.call,
        ending.outcome,
        ending.status,
        latency.map(|latency| i32::try_from(latency.as_millis()).unwrap_or(i32::MAX)),
        ending.credits,
    )
    .execute(&mut *conn)
    .await?;
    match ending.credits {
        Some(charged) => credits::capture(conn, key, charged).await.map(drop)?,
        None => credits::mark_unknown(conn, key).await.map(drop)?,
    }
    Ok(())
}
