//! Who agreed to be written to. Append-only but for the day on which it was taken back.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::address;
use crate::{ids::TeamId, job::Invalid, messages::gates::Level};

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
    /// Whose: an address in any case.
    pub email: &'a str,
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

/// Records a consent, and returns its number. It lifts no suppression: who said stop has to say start.
pub async fn give(conn: &mut PgConnection, team: TeamId, new: &NewConsent<'_>) -> Result<i64, ConsentError> {
    let email = address::read(new.email).map_err(|reason| Invalid::new("email", reason))?;
    let method = new.method.trim();
    if !(1..=100).contains(&method.chars().count()) || method.chars().any(char::is_control) {
        return Err(Invalid::new("method", "has 1 to 100 characters").into());
    }
    if new.evidence.is_some_and(|evidence| evidence.chars().count() > 2000 || evidence.contains('\0')) {
        return Err(Invalid::new("evidence", "has at most 2000 characters, none of them NUL").into());
    }
    let level = match new.level {
        Level::Express => "express",
        Level::ExpressWritten => "express_written",
    };
    let consent = sqlx::query_file_scalar!(
        "messages/email/consents/give.sql",
        team.0,
        email,
        level,
        method,
        new.evidence,
        new.captured_at,
        new.expires_at,
    )
    .fetch_one(&mut *conn)
    .await?;
    let target = format!("e-mail consent {consent}");
    let after = json!({ "level": level, "method": method });
    sqlx::query_file!("messages/email/consents/write_down.sql", team.0, target, after).fetch_one(conn).await?;
    Ok(consent)
}
