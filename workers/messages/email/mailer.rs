//! The port through which mails leave.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{ids::TeamId, messages::gateway::Accepted, vendors::VendorError};

/// A mail that is ready to leave. Every address in it was read by [`super::address::read`].
#[derive(Clone)]
pub struct OutboundMail {
    /// Whose mail it is.
    pub team: TeamId,
    /// Our own id of the message.
    pub message_id: i64,
    /// Who gets it.
    pub to: String,
    /// The address that it comes from.
    pub from: String,
    /// The name beside that address.
    pub from_name: String,
    /// Where an answer goes.
    pub reply_to: Option<String>,
    /// One line.
    pub subject: String,
    /// Plain text, with the postal address and the way out at its end.
    pub body: String,
    /// Where one click takes the recipient off the list.
    pub unsubscribe_url: String,
    /// When it was written.
    pub date: DateTime<Utc>,
}

impl std::fmt::Debug for OutboundMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundMail").field("team", &self.team).field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

impl OutboundMail {
    /// The id under which the mail is known to whoever gets it: the same however often it is made.
    pub fn vendor_id(&self) -> String {
        let domain = self.from.rsplit('@').next().unwrap_or("localhost");
        format!("<m{}.{}@{domain}>", self.message_id, self.team)
    }
}

/// Sends mails through one server.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// The vendor's name, as the records have it.
    fn name(&self) -> &'static str {
        "smtp"
    }

    /// Hands a mail over within a time. [`VendorError::UnknownOutcome`] whenever it may have been taken; what was not taken
    /// when the time is over is [`VendorError::Retryable`].
    async fn send(&self, mail: &OutboundMail, within: Duration) -> Result<Accepted, VendorError>;
}
