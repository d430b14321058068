//! What a vendor's answer means: one type for all ports, so that a job need not know HTTP.

use std::time::Duration;

use crate::job::Stop;

/// Why a vendor call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum VendorError {
    /// Known not to have taken effect, or safe to repeat: a lost connection before the request, a 5xx on a read.
    #[error("{vendor}: {reason}")]
    Retryable {
        /// Who.
        vendor: &'static str,
        /// What happened.
        reason: String,
    },
    /// Too many calls. Nothing took effect.
    #[error("{vendor}: rate limited")]
    RateLimited {
        /// Who.
        vendor: &'static str,
        /// How long the vendor asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The request may have taken effect: a timeout, a reset or a 5xx after it was sent.
    #[error("{vendor}: outcome unknown: {reason}")]
    UnknownOutcome {
        /// Who.
        vendor: &'static str,
        /// What happened.
        reason: String,
    },
    /// The vendor refuses this request for good.
    #[error("{vendor}: refused ({code}): {reason}")]
    Refused {
        /// Who.
        vendor: &'static str,
        /// The vendor's code, or the HTTP status.
        code: i64,
        /// What it said.
        reason: String,
    },
    /// The recipient can't or won't be reached.
    #[error("{vendor}: recipient {fault:?} ({code})")]
    Recipient {
        /// Who.
        vendor: &'static str,
        /// The vendor's code.
        code: i64,
        /// What is the matter with the recipient.
        fault: RecipientFault,
    },
    /// Our account, key or sender is wrong: a person must act.
    #[error("{vendor}: our configuration was refused ({code}): {reason}")]
    Config {
        /// Who.
        vendor: &'static str,
        /// The vendor's code, or the HTTP status.
        code: i64,
        /// What it said.
        reason: String,
    },
}

/// What is the matter with a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientFault {
    /// Said STOP to this sender.
    OptedOut,
    /// No such number, or not one that takes texts.
    InvalidNumber,
}

impl VendorError {
    /// What the error means for a job that does not know better.
    pub fn into_stop(self) -> Stop {
        match self {
            Self::RateLimited { retry_after, .. } => {
                Stop::snooze(retry_after.unwrap_or(Duration::from_secs(2)), format!("vendor_rate_limit: {self}"))
            }
            Self::UnknownOutcome { .. } => Stop::Unknown { after: Duration::from_secs(15), intent: self.to_string() },
            Self::Config { .. } => Stop::park(format!("vendor_config: {self}")),
            Self::Retryable { .. } => Stop::retry(self),
            Self::Refused { .. } | Self::Recipient { .. } => Stop::dead(self),
        }
    }
}
