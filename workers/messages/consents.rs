//! Who agreed to be texted, for what, and how that is proven. Append-only but for the day on which it was taken back.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::{Purpose, gates::Level};
use crate::{datalake::leads, ids::TeamId, job::Invalid};

/// Why a consent was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// A field breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A consent as it is proven.
#[derive(Clone)]
pub struct NewConsent<'a> {
    /// Whose: a number in any form; a US number needs no country.
    pub phone: &'a str,
    /// To what. One to marketing is one to what somebody asked for, too.
    pub purpose: Purpose,
    /// How they agreed.
    pub level: Level,
    /// By which way: `web_form`, `paper`.
    pub method: &'a str,
    /// What proves it: where the form lies, its digest.
    pub evidence: Option<&'a str>,
    /// When they agreed.
    pub captured_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A number as it is stored, or what is wrong with it: the words hold nothing of it.
pub fn number(text: &str) -> Result<String, Invalid> {
    leads::phone(text).map_err(|reason| Invalid::new("phone", reason))
}

/// Records a consent, and returns its number. It lifts no suppression: who said STOP has to say START.
pub async fn give(conn: &mut PgConnection, team: TeamId, new: &NewConsent<'_>, now: DateTime<Utc>) -> Result<i64, ConsentError> {
    let phone = number(new.phone)?;
    let method = new.method.trim();
    if !(1..=100).contains(&method.chars().count()) || method.chars().any(char::is_control) {
        return Err(Invalid::new("method", "has 1 to 100 characters").into());
    }
    // A file's rows are told apart by their place in it, which nobody else can name.
    if method == "file" {
        return Err(Invalid::new("method", "is what files are recorded by; say by which way they agreed").into());
    }
    if new.evidence.is_some_and(|evidence| evidence.chars().count() > 2000 || evidence.contains('\0')) {
        return Err(Invalid::new("evidence", "has at most 2000 characters, none of them NUL").into());
    }
    // Whoever says so has a clock of their own.
    if new.captured_at > now + TimeDelta::minutes(1) {
        return Err(Invalid::new("captured_at", "lies ahead of now").into());
    }
    if new.expires_at.is_some_and(|end| end <= new.captured_at) {
        return Err(Invalid::new("expires_at", "lies before the consent").into());
    }
    let level = match new.level {
        Level::Express => "express",
        Level::ExpressWritten => "express_written",
    };
    let consent = sqlx::query_file_scalar!(
        "messages/consents/give.sql",
        team.0,
        phone,
        new.purpose.as_str(),
        level,
        method,
        new.evidence,
        new.captured_at,
        new.expires_at,
    )
    .fetch_one(&mut *conn)
    .await?;
    let after = json!({ "purpose": new.purpose, "level": level, "method": method });
    sqlx::query_file!("messages/consents/write_down.sql", team.0, format!("consent {consent}"), after).fetch_one(conn).await?;
    Ok(consent)
}
