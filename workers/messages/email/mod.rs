//! Mail: from which address a team writes, to whom it may, and how somebody gets out.
//!
//! A mail passes the gates that a text passes ([`gates`]): campaign, enrollment, suppression, consent, frequency, and quiet hours
//! where the configuration says so. It bears the team's postal address and a link to leave by (RFC 8058: one click). A mail
//! server has no list of what it took, so a mail whose outcome is unknown is parked for a person, and never sent again by itself.

pub mod address;
pub mod consents;
pub mod gates;
pub mod mailer;
pub mod opt_out;
pub mod senders;

use std::time::Duration;

use serde::Deserialize;

use self::gates::Needed;
use super::send_email;

/// What the configuration says to mails: the section `[rules.email]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// The least consent that must be on record: `none`, `express` or `express_written`.
    pub consent: Needed,
    /// Mails leave only in the hours in which texts may.
    pub quiet_hours: bool,
    /// Mails one recipient may get from one team in 24 hours.
    pub daily_limit: i64,
    /// From the gates to the server's answer; later, the outcome counts as unknown. At most 15 seconds.
    pub dispatch_milliseconds: u64,
    /// How often a mail of a paused campaign looks whether the campaign goes on.
    pub paused_seconds: u64,
    /// Where the links in mails lead: the API's public address. Set from `api.public_url`; empty: no mail can leave.
    pub public_url: String,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            consent: Needed::Express,
            quiet_hours: false,
            daily_limit: 2,
            dispatch_milliseconds: 10_000,
            paused_seconds: 300,
            public_url: String::new(),
        }
    }
}

impl Rules {
    /// From the gates to the server's answer: never so long that the job's own time could end first.
    pub fn dispatch_deadline(&self) -> Duration {
        Duration::from_millis(self.dispatch_milliseconds).min(send_email::LONGEST_DISPATCH)
    }
}

/// Where in the API a link in a mail leads, before its token.
pub const UNSUBSCRIBE_PATH: &str = "/v1/unsubscribe/";
