//! One client a vendor, behind one port a capability, with one error type: what an answer means for the job.

pub mod apollo;
pub mod error;
pub mod http;
pub mod measured;
pub mod receiver;
pub mod twilio;

use std::sync::Arc;

use serde::Deserialize;

pub use error::VendorError;
use measured::Measured;

/// The vendors of a process, by capability.
#[derive(Clone)]
pub struct Vendors {
    /// Sends text messages.
    pub sms: Arc<dyn crate::messages::gateway::SmsGateway>,
    /// Finds people.
    pub people: Arc<dyn crate::enrichment::provider::PersonProvider>,
}

/// How each vendor is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Text messages.
    pub twilio: twilio::Config,
    /// People.
    pub apollo: apollo::Config,
}

impl Vendors {
    /// A client each. One whose account is not configured refuses every call in words that say so.
    pub fn open(config: &Config) -> Result<Self, anyhow::Error> {
        Ok(Self {
            sms: Arc::new(Measured(twilio::Twilio::new(&config.twilio)?)),
            people: Arc::new(Measured(apollo::Apollo::new(&config.apollo)?)),
        })
    }
}
