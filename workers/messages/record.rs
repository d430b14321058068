//! Writes what has become of a message, and settles the credits that were reserved for it. Every statement says from which
//! states it may go, so that a late writer changes nothing.
//!
//! A message carries the key of its open hold (`hold_job`, `tries`), so that whoever learns what became of it can settle it.
//! The books are locked last, behind the message: see migration 0120 for the order.

use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::gateway::Accepted;
use crate::{
    credits::{self, HoldKey},
    ctx::Ctx,
    ids::{JobId, TeamId},
    job::Stop,
    vendors::twilio::VENDOR,
};

/// The step under which a send holds its credits (migrations/functions/61_sending.sql).
const STEP: &str = "sms";
/// The same for a charge that comes when the credits had been given back.
const STEP_LATE: &str = "sms_late";

/// A message that the vendor has, and the job that sent it.
#[derive(Debug, Serialize)]
pub struct Taken<'a> {
    /// The message.
    pub message: i64,
    /// What the vendor calls it.
    pub vendor_id: &'a str,
    /// What the vendor counts.
    pub segments: i32,
    /// Of the job's lease.
    pub fence: i64,
    /// The job.
    pub job: i64,
}

impl<'a> Taken<'a> {
    /// The message of a running job.
    pub fn of(ctx: &Ctx, message: i64, accepted: &'a Accepted) -> Self {
        let (fence, job) = (ctx.claim().lease.fence, ctx.job().0);
        Self { message, vendor_id: &accepted.vendor_id, segments: accepted.segments, fence, job }
    }
}

/// The vendor has them: the messages, their credits and the ends of their jobs, in one statement; the caller commits with
/// [`Ctx::completed`]. A callback that came first keeps what it wrote. `price` of a segment; `boot` holds the leases.
pub async fn accepted(
    conn: &mut PgConnection,
    team: TeamId,
    vendor: &str,
    price: i64,
    boot: Uuid,
    taken: &[Taken<'_>],
    output: &Value,
) -> Result<(), Stop> {
    let taken = serde_json::to_value(taken)?;
    sqlx::query_file!("messages/record/accepted.sql", team.0, taken, vendor, price, boot, output).fetch_one(conn).await?;
    Ok(())
}

/// Keeps a message as it is until the transaction ends.
pub async fn hold(conn: &mut PgConnection, team: TeamId, message: i64) -> Result<(), sqlx::Error> {
    sqlx::query_file!("messages/record/hold.sql", team.0, message).fetch_optional(conn).await?;
    Ok(())
}

/// What was decided of a message, and by what: the evidence.
#[derive(Debug)]
pub struct Decision<'a> {
    /// What was decided.
    pub verdict: &'a str,
    /// The gate or look that decided.
    pub rule: &'a str,
    /// Of the rules.
    pub version: &'a str,
    /// What it was decided from: no phone number, no text.
    pub inputs: &'a Value,
}

/// Keeps the evidence of a decision, for the moment `now`.
pub async fn decide(conn: &mut PgConnection, ctx: &Ctx, message: i64, decision: Decision<'_>) -> Result<(), sqlx::Error> {
    let Decision { verdict, rule, version, inputs } = decision;
    sqlx::query_file!("messages/record/decide.sql", ctx.team().0, message, ctx.now(), verdict, rule, version, inputs)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// The vendor refused it for good.
pub async fn failed(
    conn: &mut PgConnection,
    team: TeamId,
    message: i64,
    reason: &str,
    code: Option<i32>,
) -> Result<(), sqlx::Error> {
    sqlx::query_file!("messages/record/failed.sql", team.0, message, reason, code).execute(&mut *conn).await?;
    settle(conn, team, message, 0).await
}

/// It is not to leave; `rule` says why.
pub async fn suppressed(conn: &mut PgConnection, team: TeamId, message: i64, rule: &str) -> Result<(), sqlx::Error> {
    sqlx::query_file!("messages/record/suppressed.sql", team.0, message, rule).execute(&mut *conn).await?;
    settle(conn, team, message, 0).await
}

/// Known not to have been taken: it may be sent as if it had never been tried.
pub async fn not_sent(conn: &mut PgConnection, team: TeamId, message: i64, reason: &str) -> Result<(), sqlx::Error> {
    sqlx::query_file!("messages/record/not_sent.sql", team.0, message, reason).execute(&mut *conn).await?;
    settle(conn, team, message, 0).await
}

/// May have been taken. `looked`: the vendor was asked, and did not have it (yet). False: it became known meanwhile.
pub async fn unknown(
    conn: &mut PgConnection,
    team: TeamId,
    message: i64,
    reason: &str,
    looked: bool,
) -> Result<bool, sqlx::Error> {
    let unknown = sqlx::query_file!("messages/record/unknown.sql", team.0, message, reason, i16::from(looked));
    let Some(held) = unknown.fetch_optional(&mut *conn).await? else { return Ok(false) };
    if let Some(job) = held.hold_job {
        credits::mark_unknown(conn, key(team, job, held.tries)).await?;
    }
    Ok(true)
}

/// Surely absent from the vendor's records, by the setting for its purpose: it goes through the gates again. False: it became
/// known meanwhile.
pub async fn again(conn: &mut PgConnection, team: TeamId, message: i64, reason: &str) -> Result<bool, sqlx::Error> {
    let again = sqlx::query_file!("messages/record/again.sql", team.0, message, reason);
    if again.execute(&mut *conn).await?.rows_affected() == 0 {
        return Ok(false);
    }
    settle(conn, team, message, 0).await?;
    Ok(true)
}

/// Settles what a message still holds, at `price` a segment. What is settled already stays so; a charge for what had been
/// given back is taken all the same, because the vendor takes it.
pub async fn settle(conn: &mut PgConnection, team: TeamId, message: i64, price: i64) -> Result<(), sqlx::Error> {
    let held = sqlx::query_file!("messages/record/find_hold.sql", team.0, message).fetch_optional(&mut *conn).await?;
    let Some(held) = held else { return Ok(()) };
    let key = HoldKey { team, job: JobId(held.job_id), step: STEP, call: held.call };
    let charged = price * held.segments;
    match held.state.as_str() {
        "captured" => Ok(()),
        "released" if charged == 0 => Ok(()),
        "released" => {
            let late = HoldKey { step: STEP_LATE, ..key };
            credits::hold(&mut *conn, late, VENDOR, 0).await?;
            credits::capture(conn, late, charged).await.map(drop)
        }
        _ => credits::capture(conn, key, charged).await.map(drop),
    }
}

fn key(team: TeamId, job: i64, tries: i16) -> HoldKey<'static> {
    HoldKey { team, job: JobId(job), step: STEP, call: i32::from(tries) }
}
