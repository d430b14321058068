//! The port through which calls would leave. Nobody offers any yet, so it refuses in words that say what to do instead.

use std::time::Duration;

use async_trait::async_trait;

use super::gateway::Accepted;
use crate::{ids::TeamId, vendors::VendorError};

/// What whoever asks for a call is told.
pub const NOT_OFFERED: &str = "calls can't be placed: no voice vendor is connected; choose sms or email";

/// A call that is ready to be placed.
#[derive(Debug, Clone)]
pub struct OutboundCall {
    /// Whose call it is.
    pub team: TeamId,
    /// Our own id of the message.
    pub message_id: i64,
    /// Who is called, E.164.
    pub to: String,
    /// From which number, E.164.
    pub from: String,
    /// What is said.
    pub script: String,
    /// How long the vendor may still begin it: the rest of the recipient's legal hours.
    pub valid_for: Duration,
}

/// Places calls through one vendor.
#[async_trait]
pub trait VoiceGateway: Send + Sync {
    /// The vendor's name, as the records have it.
    fn name(&self) -> &'static str;

    /// Places a call. [`VendorError::UnknownOutcome`] whenever somebody's telephone may have rung.
    async fn call(&self, call: &OutboundCall) -> Result<Accepted, VendorError>;
}

/// Nobody.
pub struct NoVoice;

#[async_trait]
impl VoiceGateway for NoVoice {
    fn name(&self) -> &'static str {
        "no_voice"
    }

    async fn call(&self, _: &OutboundCall) -> Result<Accepted, VendorError> {
        Err(VendorError::Refused { vendor: self.name(), code: 0, reason: NOT_OFFERED.into() })
    }
}
