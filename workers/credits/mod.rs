//! The ledger: no paid call without a reservation, and books that prove themselves (migration 0020 has the accounts).
//!
//! A call is reserved with [`hold`] in the transaction that records the intent to make it, and settled with [`capture`] or
//! [`release`] in the transaction that records its answer; when no answer came, [`mark_unknown`] keeps the hold until
//! somebody settles it, or until [`settle_expired`] charges it in full.
//!
//! A vendor that charges more than was held is entered at its true amount: beyond the hold it is taken from what the team
//! has available, and beyond that it is the team's debt, which the next credits pay. Nothing else may go below zero.
//!
//! Each of these locks the team's books until the transaction ends, and they take that lock before they look at a hold:
//! call them last, then assert the lease ([`crate::ctx::Ctx::keep_lease`], [`crate::ctx::Ctx::complete`]) and commit.

use sqlx::PgConnection;

use crate::ids::{JobId, TeamId};

/// How a parked job's reason begins when its team has too few credits; a grant wakes by it.
pub const OUT_OF_CREDIT: &str = "out_of_credit";

/// Which call a hold is for: each is held, captured or released once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HoldKey<'a> {
    /// The team that pays.
    pub team: TeamId,
    /// The job that calls.
    pub job: JobId,
    /// Its step.
    pub step: &'a str,
    /// Which call of that step, counted from 1. A repeated call is a new call.
    pub call: i32,
}

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// The call may be under way.
    Held,
    /// The vendor charged for it.
    Captured,
    /// It cost nothing.
    Released,
    /// It may have been charged; nobody knows yet.
    Unknown,
}

impl HoldState {
    fn named(name: &str) -> Result<Self, sqlx::Error> {
        match name {
            "held" => Ok(Self::Held),
            "captured" => Ok(Self::Captured),
            "released" => Ok(Self::Released),
            "unknown" => Ok(Self::Unknown),
            other => Err(sqlx::Error::Protocol(format!(
                "the ledger answered with a hold state that this build does not know: {other}"
            ))),
        }
    }
}

/// What became of a wish to reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Reserved now.
    Held,
    /// This key was used before; nothing moved.
    AlreadyHeld(HoldState),
    /// Too little is available; nothing moved.
    Insufficient {
        /// What there is.
        available: i64,
    },
}

/// What became of a wish to settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Settled now.
    Now,
    /// Settled before; nothing moved.
    Before {
        /// As what.
        state: HoldState,
        /// What the vendor was given then.
        captured: i64,
    },
}

/// A team's books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Balance {
    /// What may still be reserved.
    pub available: i64,
    /// Reserved for calls under way, or of unknown outcome.
    pub held: i64,
    /// What vendors charged.
    pub spent: i64,
    /// Charges beyond every hold and all that was available.
    pub owed: i64,
    /// All that was ever granted.
    pub granted: i64,
}

/// One way in which the books disagree with their entries.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Discrepancy {
    /// Whose books.
    pub team_id: TeamId,
    /// What is wrong, in words.
    pub what: String,
}

/// What a round of [`settle_expired`] charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// How many holds.
    pub holds: i64,
    /// Their credits.
    pub credits: i64,
}

/// Gives a team credits, and wakes its jobs that were parked for want of them. For operators.
pub async fn grant(conn: &mut PgConnection, team: TeamId, amount: i64, reason: &str) -> Result<(), sqlx::Error> {
    sqlx::query_file!("credits/grant.sql", team.0, amount, reason).fetch_one(conn).await?;
    Ok(())
}

/// Reserves `amount` for one call to `vendor`.
pub async fn hold(conn: &mut PgConnection, key: HoldKey<'_>, vendor: &str, amount: i64) -> Result<Held, sqlx::Error> {
    let row =
        sqlx::query_file!("credits/hold.sql", key.team.0, key.job.0, key.step, key.call, vendor, amount).fetch_one(conn).await?;
    if row.already {
        return Ok(Held::AlreadyHeld(HoldState::named(&row.outcome)?));
    }
    Ok(if row.outcome == "held" { Held::Held } else { Held::Insufficient { available: row.available } })
}

/// Settles a hold at what the vendor charged, more than was held included; the rest goes back.
pub async fn capture(conn: &mut PgConnection, key: HoldKey<'_>, charged: i64) -> Result<Settled, sqlx::Error> {
    let row =
        sqlx::query_file!("credits/capture.sql", key.team.0, key.job.0, key.step, key.call, charged).fetch_one(conn).await?;
    if row.already {
        return Ok(Settled::Before { state: HoldState::named(&row.outcome)?, captured: row.captured });
    }
    Ok(Settled::Now)
}

/// Settles a hold whose call cost nothing: all of it goes back.
pub async fn release(conn: &mut PgConnection, key: HoldKey<'_>) -> Result<Settled, sqlx::Error> {
    capture(conn, key, 0).await
}

/// Keeps a hold whose call may have been charged. False when it is settled already.
pub async fn mark_unknown(conn: &mut PgConnection, key: HoldKey<'_>) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("credits/mark_unknown.sql", key.team.0, key.job.0, key.step, key.call).fetch_one(conn).await
}

/// A team's books as they stand.
pub async fn balance(conn: &mut PgConnection, team: TeamId) -> Result<Balance, sqlx::Error> {
    sqlx::query_file_as!(Balance, "credits/balance.sql", team.0).fetch_one(conn).await
}

/// Proves the books from their entries: of all teams for an operator or an auditor, of its own for a team. Empty is sound.
pub async fn verify(conn: &mut PgConnection) -> Result<Vec<Discrepancy>, sqlx::Error> {
    sqlx::query_file_as!(Discrepancy, "credits/verify.sql").fetch_all(conn).await
}

/// Charges, in full, holds that stayed open for 24 hours, whatever kept them open: nobody knows that those calls were not
/// made. For the scheduler, every minute or so; at most `most` holds a round.
pub async fn settle_expired(conn: &mut PgConnection, most: i32) -> Result<Expired, sqlx::Error> {
    sqlx::query_file_as!(Expired, "credits/settle_expired.sql", most).fetch_one(conn).await
}

/// Wakes parked jobs whose team has the credits they wait for: a job is parked a moment after it was refused, and a grant
/// that fell between the two did not see it. For the scheduler, every minute or so. Returns how many.
pub async fn wake(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("credits/wake.sql").fetch_one(conn).await
}
