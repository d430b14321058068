//! Messages: what may be sent, to whom, when; sent at most once.
//!
//! A message is one row per send key (campaign, lead, step, variant), planned by [`plan`], sent by [`send_sms`]. The row is
//! marked `dispatching` before the vendor is called, in the transaction that looks at the gates ([`gates`]). Whoever finds
//! that mark later does not know whether the vendor has the message, so it asks the vendor and never sends again. Callbacks
//! ([`status`]) and opt-outs ([`opt_out`]) take the same row locks (migration 0040 says which, in which order).
//!
//! What a message says and by which channel it leaves is its step's [`content`]: where that is more than a plain text, a model
//! writes it ([`write_text`]), a person approves it ([`approval`]), or it leaves as a mail ([`send_email`]).

pub mod approval;
pub mod channel;
pub mod content;
mod divert;
pub mod email;
pub mod gates;
pub mod gateway;
pub mod generator;
pub mod inbox;
pub mod opt_out;
pub mod places;
pub mod plan;
pub mod quiet_hours;
pub mod record;
pub mod segments;
pub mod send_email;
pub mod send_sms;
pub mod status;
pub mod template;
pub mod texts;
pub mod voice;
pub mod write_text;

use std::time::Duration;

use serde::Deserialize;

use self::{gates::Level, quiet_hours::Hours};
use crate::settings::{Settings, catalogue};

/// What the configuration says to messages: the section `[rules.messages]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// The house's hours, local time of the recipient: `[9, 20]`. Federal and state rules only narrow them.
    pub hours: Hours,
    /// The least consent that must be on record: `express` or `express_written`.
    pub consent: Level,
    /// Texts one recipient may get from one team in 24 hours.
    pub daily_limit: i64,
    /// From the gates to the vendor's answer; later, the outcome counts as unknown. At most 15 seconds.
    pub dispatch_milliseconds: u64,
    /// When an unknown outcome is looked up, in seconds since the message was handed over.
    pub look_seconds: Vec<u64>,
    /// How often a message of a paused campaign looks whether the campaign goes on.
    pub paused_seconds: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            hours: Hours(9, 20),
            consent: Level::ExpressWritten,
            daily_limit: 3,
            dispatch_milliseconds: 10_000,
            look_seconds: vec![15, 60, 300],
            paused_seconds: 300,
        }
    }
}

impl Rules {
    /// The house's rules as a team has narrowed them: it can ask for less, never for more.
    pub fn narrowed(&self, settings: &Settings) -> Self {
        let mut rules = self.clone();
        if let Some(limit) = settings.whole(catalogue::MESSAGES_DAILY_LIMIT) {
            rules.daily_limit = rules.daily_limit.min(limit);
        }
        if settings.boolean(catalogue::MESSAGES_WRITTEN_CONSENT) == Some(true) {
            rules.consent = rules.consent.max(Level::ExpressWritten);
        }
        if let Some([from, to]) = settings.array(catalogue::MESSAGES_HOURS) {
            let hour = |value: &serde_json::Value| value.as_u64().and_then(|hour| u32::try_from(hour).ok());
            rules.hours.0 = rules.hours.0.max(hour(from).unwrap_or(0));
            rules.hours.1 = rules.hours.1.min(hour(to).unwrap_or(24));
        }
        rules
    }

    /// From the gates to the vendor's answer: never so long that the job's own time could end first.
    pub fn dispatch_deadline(&self) -> Duration {
        Duration::from_millis(self.dispatch_milliseconds).min(send_sms::LONGEST_DISPATCH)
    }
}
