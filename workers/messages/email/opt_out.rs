//! Takes an address out of a team's reach, at once: the suppression, the lead's sequences and its planned messages, together.

use serde_json::json;
use sqlx::PgConnection;

use super::address;
use crate::{ids::TeamId, job::Invalid};

/// Why an address is suppressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Said stop.
    OptOut,
    /// Asked us by another way.
    DncRequest,
    /// Spoke of law.
    LegalDnc,
    /// Takes no mail.
    InvalidAddress,
}

impl Reason {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OptOut => "OPT_OUT",
            Self::DncRequest => "DNC_REQUEST",
            Self::LegalDnc => "LEGAL_DNC",
            Self::InvalidAddress => "INVALID_ADDRESS",
        }
    }

    /// Reads what is asked for.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::OptOut, Self::DncRequest, Self::LegalDnc, Self::InvalidAddress]
            .into_iter()
            .find(|reason| reason.as_str().eq_ignore_ascii_case(text))
    }
}

/// Why an address was not suppressed.
#[derive(Debug, thiserror::Error)]
pub enum SuppressError {
    /// A field breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What a way out stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Messages that were planned, by whatever channel.
    pub messages: u64,
}

/// The team and the message that a link in a mail belongs to. For the API, before any team is known.
pub async fn of_link(conn: &mut PgConnection, token: &[u8]) -> Result<Option<(TeamId, i64)>, sqlx::Error> {
    let found = sqlx::query_file!("messages/email/opt_out/of_link.sql", token).fetch_optional(conn).await?;
    Ok(found.map(|link| (TeamId(link.team), link.message)))
}

/// Does what a click on a mail's link asks for: no message of the team reaches that lead any more, by any channel. Once the
/// caller's transaction has committed, nothing is marked for them; what was marked before gets there within the dispatch
/// deadline. A second click changes nothing.
pub async fn unsubscribe(conn: &mut PgConnection, team: TeamId, message: i64) -> Result<Stopped, sqlx::Error> {
    // The lead's row first: the gates of a send hold it from their look at the suppressions to their mark.
    let lead = sqlx::query_file!("messages/email/opt_out/stop_lead.sql", team.0, message).fetch_optional(&mut *conn).await?;
    let Some(lead) = lead else { return Ok(Stopped::default()) };
    let source = format!("e-mail one-click, message {message}");
    if lead.recipient != "erased" {
        add(conn, team, &lead.recipient, Reason::OptOut, &source).await?;
    }
    sqlx::query_file!("messages/email/opt_out/stop_enrollments.sql", team.0, lead.lead_id).execute(&mut *conn).await?;
    let stopped = sqlx::query_file!("messages/email/opt_out/stop_messages.sql", team.0, lead.lead_id).execute(&mut *conn).await?;
    sqlx::query_file!("messages/email/opt_out/use_link.sql", team.0, message).execute(conn).await?;
    Ok(Stopped { messages: stopped.rows_affected() })
}

/// Puts an address on the suppression list because a person wants it: by telephone, on paper, through a lawyer. The gates of
/// every mail ask that list.
pub async fn suppress(
    conn: &mut PgConnection,
    team: TeamId,
    email: &str,
    reason: Reason,
    source: &str,
) -> Result<(), SuppressError> {
    let email = address::read(email).map_err(|reason| Invalid::new("email", reason))?;
    add(conn, team, &email, reason, source).await?;
    let after = json!({ "reason": reason.as_str() });
    sqlx::query_file!("messages/email/opt_out/write_down.sql", team.0, after).fetch_one(conn).await?;
    Ok(())
}

/// The same because of what a mail server said of the address.
pub async fn bounced(conn: &mut PgConnection, team: TeamId, email: &str, source: &str) -> Result<(), sqlx::Error> {
    add(conn, team, email, Reason::InvalidAddress, source).await
}

async fn add(conn: &mut PgConnection, team: TeamId, email: &str, reason: Reason, source: &str) -> Result<(), sqlx::Error> {
    sqlx::query_file!("messages/email/opt_out/insert.sql", team.0, email, reason.as_str(), source).execute(&mut *conn).await?;
    if reason != Reason::InvalidAddress {
        sqlx::query_file!("messages/email/opt_out/revoke_consents.sql", team.0, email).execute(conn).await?;
    }
    Ok(())
}
