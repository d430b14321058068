//! The port through which text messages leave.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use crate::{ids::TeamId, vendors::VendorError};

/// A text message that is ready to leave.
#[derive(Debug, Clone)]
pub struct OutboundSms {
    /// Whose message it is; it comes back in the status callback.
    pub team: TeamId,
    /// Our own id of the message; it comes back in the status callback.
    pub message_id: i64,
    /// Recipient, E.164.
    pub to: String,
    /// Sender, E.164.
    pub from: String,
    /// The text, 1 to 1600 characters.
    pub body: String,
    /// How long the vendor may still deliver it: the rest of the recipient's legal hours.
    pub valid_for: Duration,
}

/// The vendor has taken the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The vendor's id.
    pub vendor_id: String,
    /// Segments it will be billed as.
    pub segments: i32,
}

/// What a look at the vendor's records found about a message whose outcome was unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reconciled {
    /// The vendor has it.
    Found(Accepted),
    /// Not seen (yet): the vendor's list may lag behind its acceptances.
    Absent,
}

/// Sends text messages through one vendor.
#[async_trait]
pub trait SmsGateway: Send + Sync {
    /// The vendor's name, as the records have it.
    fn name(&self) -> &'static str {
        "twilio"
    }

    /// Hands a message over. [`VendorError::UnknownOutcome`] whenever it may have been taken.
    async fn send(&self, message: &OutboundSms) -> Result<Accepted, VendorError>;

    /// Looks a message up that was handed over, or not, since `attempted_at`.
    async fn find(&self, message: &OutboundSms, attempted_at: DateTime<Utc>) -> Result<Reconciled, VendorError>;

    /// Numbers (E.164) that carriers took back on a day. A vendor without such a list knows of none.
    async fn deactivated(&self, _day: NaiveDate) -> Result<Vec<String>, VendorError> {
        Ok(Vec::new())
    }
}
