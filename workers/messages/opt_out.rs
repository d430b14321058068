//! Takes a number out of a team's reach, at once: the suppression, the lead's sequences and its planned messages, together.

use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{ids::TeamId, vendors::error::RecipientFault};

/// Why a number is suppressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Said stop, or the vendor says so.
    OptOut,
    /// Asked us by another way.
    DncRequest,
    /// Spoke of law.
    LegalDnc,
    /// Belongs to somebody else.
    WrongNumber,
    /// Takes no texts.
    InvalidNumber,
}

impl Reason {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptOut => "OPT_OUT",
            Self::DncRequest => "DNC_REQUEST",
            Self::LegalDnc => "LEGAL_DNC",
            Self::WrongNumber => "WRONG_NUMBER",
            Self::InvalidNumber => "INVALID_NUMBER",
        }
    }
}

impl From<RecipientFault> for Reason {
    fn from(fault: RecipientFault) -> Self {
        match fault {
            RecipientFault::OptedOut => Self::OptOut,
            RecipientFault::InvalidNumber => Self::InvalidNumber,
        }
    }
}

/// What a suppression stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Sequences that were running.
    pub enrollments: u64,
    /// Messages that were planned.
    pub messages: u64,
}

/// Suppresses a number for a team. Once the caller's transaction has committed, nothing is marked for it any more; a message
/// that was marked before is in the vendor's hands, or gets there within the dispatch deadline.
///
/// `source` says who or what wants it (`sms STOP`, `twilio 21610`, `api key …`): no phone number, no text.
pub async fn suppress(
    conn: &mut PgConnection,
    team: TeamId,
    phone: &str,
    reason: Reason,
    source: &str,
) -> Result<Stopped, sqlx::Error> {
    // The lead's row first: the gates of a send hold it from their look at the suppressions to their mark.
    sqlx::query_file!("messages/opt_out/stop_lead.sql", team.0, phone).execute(&mut *conn).await?;
    sqlx::query_file!("messages/opt_out/insert.sql", team.0, phone, reason.as_str(), source).execute(&mut *conn).await?;
    // Whatever the reason: where the number is somebody else's by now, they have agreed to nothing.
    sqlx::query_file!("messages/opt_out/revoke_consents.sql", team.0, phone).execute(&mut *conn).await?;
    let enrollments =
        sqlx::query_file!("messages/opt_out/stop_enrollments.sql", team.0, phone).execute(&mut *conn).await?.rows_affected();
    let rule = format!("suppressed_{}", reason.as_str().to_lowercase());
    let messages =
        sqlx::query_file!("messages/opt_out/stop_messages.sql", team.0, phone, rule).execute(&mut *conn).await?.rows_affected();
    let after = json!({ "reason": reason.as_str(), "enrollments_stopped": enrollments, "messages_stopped": messages });
    write_down(conn, team, "suppression.add", phone, after).await?;
    Ok(Stopped { enrollments, messages })
}

/// Takes an opt-out back because the person asked for it: the suppression is lifted, and consents that the opt-out revoked
/// are given anew. Other reasons stay. What was stopped stays stopped.
///
/// `evidence` names the inbound message.
pub async fn restore(conn: &mut PgConnection, team: TeamId, phone: &str, evidence: &str) -> Result<bool, sqlx::Error> {
    let lifted = sqlx::query_file!("messages/opt_out/lift.sql", team.0, phone).fetch_optional(&mut *conn).await?;
    let Some(lifted) = lifted else { return Ok(false) };
    sqlx::query_file!("messages/opt_out/renew_consents.sql", team.0, phone, lifted.since, evidence).execute(&mut *conn).await?;
    sqlx::query_file!("messages/opt_out/free_lead.sql", team.0, phone).execute(&mut *conn).await?;
    write_down(conn, team, "suppression.lift", phone, json!({ "reason": Reason::OptOut.as_str() })).await?;
    Ok(true)
}

/// In the audit log, where a person did it. The number is masked there.
async fn write_down(conn: &mut PgConnection, team: TeamId, action: &str, phone: &str, after: Value) -> Result<(), sqlx::Error> {
    sqlx::query_file!("messages/opt_out/write_down.sql", team.0, action, phone, after).fetch_optional(conn).await?;
    Ok(())
}
