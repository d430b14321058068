//! What people decided about messages: looked at, and handed out for whoever trains on it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::ids::TeamId;

/// A decision about a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Its number.
    pub decision: i64,
    /// `approve`, `reject`, `edit` or `rewrite`.
    pub verdict: String,
    /// The wording that it was about.
    pub text: i64,
    /// Of an edit: the wording that was put in its place.
    pub new_text: Option<i64>,
    /// Who decided: `key …` or `operator …`.
    pub decided_by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub decided_at: DateTime<Utc>,
}

/// A decision with what it was about: one line of the export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Its number; they grow.
    pub decision: i64,
    /// `approve`, `reject`, `edit` or `rewrite`.
    pub verdict: String,
    /// Who decided.
    pub decided_by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub decided_at: DateTime<Utc>,
    /// The message.
    pub message: i64,
    /// Its campaign.
    pub campaign: i64,
    /// Its lead.
    pub lead: i64,
    /// Its step.
    pub step: i16,
    /// By which channel it leaves.
    pub channel: String,
    /// What the model was told, where one wrote.
    pub prompt: Option<String>,
    /// What the template gave: the first wording.
    pub original: String,
    /// Where the wording that was looked at came from: `template`, `generated`, `edited`.
    pub source: String,
    /// The model that wrote it.
    pub model: Option<String>,
    /// The subject that was looked at, of a mail.
    pub subject: Option<String>,
    /// The wording that was looked at.
    pub body: String,
    /// Of an edit: the subject that was put in its place.
    pub new_subject: Option<String>,
    /// Of an edit: the wording that was put in its place.
    pub new_body: Option<String>,
}

/// What was decided about a message, in order.
pub async fn of_message(conn: &mut PgConnection, team: TeamId, message: i64) -> Result<Vec<Decision>, sqlx::Error> {
    sqlx::query_file_as!(Decision, "messages/approval/decisions/of_message.sql", team.0, message).fetch_all(conn).await
}

/// Up to `most` decisions of a team behind one of them, the oldest first. What was erased of a person is erased here too.
pub async fn page(conn: &mut PgConnection, team: TeamId, after: Option<i64>, most: i64) -> Result<Vec<Exported>, sqlx::Error> {
    let after = after.unwrap_or(0);
    sqlx::query_file_as!(Exported, "messages/approval/decisions/page.sql", team.0, after, most).fetch_all(conn).await
}
