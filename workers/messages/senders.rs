//! The numbers a team texts from. An operator registers them; the gates choose among them (migrations/functions/61_sending.sql)
//! and heed how each fares: one that carriers refuse is quarantined, one that is too busy or too often taken for spam rests.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    ids::TeamId,
    vendors::twilio::errors::{self, Book, SenderFault as Fault},
};

/// What an operator says of a number; what is not said stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Numbers of one pool stand in for each other; empty: it stands alone.
    pub pool: Option<String>,
    /// Segments a second.
    pub per_second: Option<f64>,
    /// Segments at once, after a quiet time.
    pub burst: Option<i32>,
    /// Segments in a day of the carriers' (Los Angeles); `Some(None)` takes the cap away.
    pub daily_segments: Option<Option<i32>>,
}

/// What became of a wish to register a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is the team's now.
    Added,
    /// It was already; what was said of it holds.
    Changed,
    /// Another team has it.
    Taken,
}

/// Why a team can't text from a number, in words that go on behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SenderFault {
    /// It is none of the team's.
    #[error(
        "is none of the team's numbers; an operator registers it with `longshore senders put`, or take one that \
         `longshore senders list` shows"
    )]
    Unregistered,
    /// It was the team's, and no other of its pool stands in for it.
    #[error(
        "was taken out of use and no number of its pool stands in for it; an operator takes it back with `longshore senders put`, \
         or clone the campaign with another number"
    )]
    Retired,
}

impl SenderFault {
    /// Reads what `longshore.sender_fault` answers.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "sender_unregistered" => Some(Self::Unregistered),
            "sender_retired" => Some(Self::Retired),
            _ => None,
        }
    }
}

/// A number, and how it fares.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sender {
    /// The number, E.164.
    pub phone: String,
    /// Its pool.
    pub pool: String,
    /// Segments a second.
    pub per_second: f64,
    /// Segments at once.
    pub burst: i32,
    /// Segments a day.
    pub daily_segments: Option<i32>,
    /// Out of use since.
    pub retired_at: Option<DateTime<Utc>>,
    /// `well`, `resting` or `quarantined`.
    pub state: String,
    /// Why.
    pub state_reason: Option<String>,
    /// Until when.
    pub rests_until: Option<DateTime<Utc>>,
    /// The day that is counted.
    pub day: NaiveDate,
    /// Segments of that day.
    pub segments: i64,
    /// Texts of that day.
    pub messages: i64,
    /// Of those, taken for spam.
    pub filtered: i64,
    /// Of those, answered with STOP.
    pub opted_out: i64,
}

/// Registers a number for a team, or changes what is said of it. For operators.
pub async fn put(conn: &mut PgConnection, team: TeamId, phone: &str, set: &Settings) -> Result<Put, sqlx::Error> {
    let daily = set.daily_segments.flatten();
    let no_cap = set.daily_segments == Some(None);
    let done =
        sqlx::query_file_scalar!("messages/senders/put.sql", team.0, phone, set.pool, set.per_second, set.burst, daily, no_cap)
            .fetch_one(conn)
            .await?;
    Ok(match done.as_str() {
        "added" => Put::Added,
        "changed" => Put::Changed,
        _ => Put::Taken,
    })
}

/// Takes a number out of use; it still hears what people write. False: the team has no such number in use. For operators.
pub async fn retire(conn: &mut PgConnection, team: TeamId, phone: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("messages/senders/retire.sql", team.0, phone).fetch_one(conn).await
}

/// Lets a number that rests or is quarantined carry texts again. False: it does neither. For operators.
pub async fn release(conn: &mut PgConnection, team: TeamId, phone: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("messages/senders/release.sql", team.0, phone).fetch_one(conn).await
}

/// A team's numbers.
pub async fn list(conn: &mut PgConnection, team: TeamId) -> Result<Vec<Sender>, sqlx::Error> {
    sqlx::query_file_as!(Sender, "messages/senders/list.sql", team.0).fetch_all(conn).await
}

/// Heeds what a vendor's code says of the number a text left from. True: the code speaks of the number.
pub async fn note_code(conn: &mut PgConnection, team: TeamId, phone: &str, vendor: &str, code: i64) -> Result<bool, sqlx::Error> {
    let Some(fault) = errors::sender_fault(code) else { return Ok(false) };
    let reason = format!("{vendor} {code}");
    let (what, seconds) = match fault {
        Fault::Quarantine => ("quarantine", None),
        Fault::Rest(seconds) => ("rest", Some(f64::from(seconds))),
        Fault::RestOfDay => ("rest", None),
        Fault::Filtered => return counted(conn, team, phone, "filtered", &reason).await,
        Fault::OptedOut => return counted(conn, team, phone, "opted_out", &reason).await,
    };
    sqlx::query_file!("messages/senders/note.sql", team.0, phone, what, reason, seconds, None::<f64>, None::<i32>)
        .fetch_one(conn)
        .await?;
    Ok(true)
}

/// Lays a number to rest for so long.
pub async fn rest(
    conn: &mut PgConnection,
    team: TeamId,
    phone: &str,
    reason: &str,
    how_long: Duration,
) -> Result<(), sqlx::Error> {
    let seconds = Some(how_long.as_secs_f64());
    sqlx::query_file!("messages/senders/note.sql", team.0, phone, "rest", reason, seconds, None::<f64>, None::<i32>)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Counts a STOP that somebody sent to the number.
pub async fn note_opt_out(conn: &mut PgConnection, team: TeamId, phone: &str, reason: &str) -> Result<(), sqlx::Error> {
    counted(conn, team, phone, "opted_out", reason).await.map(drop)
}

async fn counted(conn: &mut PgConnection, team: TeamId, phone: &str, what: &str, reason: &str) -> Result<bool, sqlx::Error> {
    let Ok(Book { health, .. }) = Book::shipped() else { return Ok(false) };
    let share = if what == "filtered" { health.filtered_share } else { health.opted_out_share };
    let reason = format!("{what}: {reason}");
    let seconds = f64::from(health.rest_seconds);
    sqlx::query_file!(
        "messages/senders/note.sql",
        team.0,
        phone,
        what,
        reason,
        Some(seconds),
        Some(share),
        Some(health.at_least)
    )
    .fetch_one(conn)
    .await?;
    Ok(true)
}
