//! Messages of which nobody knows whether they left, for the person who has to find out.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::ids::TeamId;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// Whose.
    pub team_id: TeamId,
    /// The message.
    pub message_id: i64,
    /// Its campaign.
    pub campaign_id: i64,
    /// Its lead.
    pub lead_id: i64,
    /// Its step.
    pub step: i16,
    /// `marketing` or `transactional`.
    pub purpose: String,
    /// When it was handed over.
    pub attempted_at: Option<DateTime<Utc>>,
    /// How often the vendor's records were looked through in vain.
    pub looks: i16,
    /// What is known.
    pub state_reason: Option<String>,
    /// The last four digits of whom it was for.
    pub recipient_ends: String,
    /// The number it left from, if it did.
    pub sender: String,
}

/// What a person found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The vendor has it.
    Sent,
    /// The vendor has not got it: it goes through the gates again.
    NotSent,
    /// Nobody will ever know; it ends here, and is not sent again.
    GivenUp,
}

impl Finding {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::NotSent => "not_sent",
            Self::GivenUp => "given_up",
        }
    }
}

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// It holds. False: the outcome was known by then.
    pub done: bool,
    /// The message's state.
    pub state: String,
}

/// Messages of unknown outcome, of all teams or of one, the oldest first behind `after`. For operators.
pub async fn list(
    conn: &mut PgConnection,
    team: Option<TeamId>,
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<Unknown>, sqlx::Error> {
    sqlx::query_file_as!(Unknown, "messages/unknown/list.sql", team.map(|team| team.0), after.unwrap_or(0), limit)
        .fetch_all(conn)
        .await
}

/// Records what a person found out of a message, wakes the job that waits for it, and leaves an audit entry. `None`: the team
/// has no such message. For operators.
pub async fn resolve(
    conn: &mut PgConnection,
    team: TeamId,
    message: i64,
    finding: Finding,
    vendor_id: Option<&str>,
) -> Result<Option<Resolved>, sqlx::Error> {
    sqlx::query_file_as!(Resolved, "messages/unknown/resolve.sql", team.0, message, finding.as_str(), vendor_id)
        .fetch_optional(conn)
        .await
}
