//! Every wording that a message has had: the first is what was planned, the last is what it says.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::ids::TeamId;

/// A wording as it stands on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Text {
    /// Its number.
    pub text: i64,
    /// Where it came from: `template`, `generated`, `edited`.
    pub source: String,
    /// The subject, of a mail.
    pub subject: Option<String>,
    /// What it said.
    pub body: String,
    /// Who or what wrote it: `job 12`, `key …`, `operator …`.
    pub written_by: String,
    /// Why the template had to stand in.
    pub note: Option<String>,
    /// The model that wrote it.
    pub model: Option<String>,
    /// When.
    pub written_at: DateTime<Utc>,
}

/// A wording to be.
#[derive(Debug, Clone, Default)]
pub struct NewText<'a> {
    /// `template`, `generated` or `edited`.
    pub source: &'a str,
    /// The subject, of a mail.
    pub subject: Option<&'a str>,
    /// What it says.
    pub body: &'a str,
    /// Who or what writes it.
    pub written_by: &'a str,
    /// Why the template has to stand in.
    pub note: Option<&'a str>,
    /// The model, and what it cost in tokens.
    pub model: Option<(&'a str, i32, i32)>,
}

/// Keeps a wording of a message, and returns its number.
pub async fn keep(conn: &mut PgConnection, team: TeamId, message: i64, text: &NewText<'_>) -> Result<i64, sqlx::Error> {
    let (model, asked, answered) = match text.model {
        Some((model, asked, answered)) => (Some(model), Some(asked), Some(answered)),
        None => (None, None, None),
    };
    sqlx::query_file_scalar!(
        "messages/texts/keep.sql",
        team.0,
        message,
        text.source,
        text.subject,
        text.body,
        text.written_by,
        text.note,
        model,
        asked,
        answered,
    )
    .fetch_one(conn)
    .await
}

/// All wordings of a message, the first one first.
pub async fn of_message(conn: &mut PgConnection, team: TeamId, message: i64) -> Result<Vec<Text>, sqlx::Error> {
    sqlx::query_file_as!(Text, "messages/texts/of_message.sql", team.0, message).fetch_all(conn).await
}
