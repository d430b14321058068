//! One client a vendor, behind one port a capability, with one error type: what an answer means for the job.

pub mod apollo;
pub mod error;
pub mod http;
pub mod twilio;

use std::sync::Arc;

pub use error::VendorError;

/// The vendors of a process, by capability.
#[derive(Clone)]
pub struct Vendors {
    /// Sends text messages.
    pub sms: Arc<dyn crate::messages::gateway::SmsGateway>,
    /// Finds people.
    pub people: Arc<dyn crate::enrichment::provider::PersonProvider>,
}
