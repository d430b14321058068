//! Messages: what may be sent, to whom, when; sent at most once.
//!
//! A message is one row per send key (campaign, lead, step, variant), planned by [`plan`], sent by [`send_sms`]. The row is
//! marked `dispatching` before the vendor is called, in the transaction that looks at the gates ([`gates`]). Whoever finds
//! that mark later does not know whether the vendor has the message, so it asks the vendor; what that can't say, a setting or
//! a person decides ([`unknown`]). Callbacks ([`status`]) and opt-outs ([`opt_out`]) take the same row locks (migrations 0040
//! and 0120 say which, in which order). From which number a text leaves, how fast and how much, is [`senders`]' part.
//!
//! What a message says and by which channel it leaves is its step's [`content`]: where that is more than a plain text, a model
//! writes it ([`write_text`]), a person approves it ([`approval`]), or it leaves as a mail ([`send_email`]).

pub mod approval;
pub mod channel;
pub mod consents;
pub mod content;
mod divert;
pub mod email;
pub mod gates;
pub mod gateway;
pub mod generator;
pub mod inbox;
pub mod keywords;
pub mod opt_out;
pub mod places;
pub mod plan;
pub mod pull_deactivations;
pub mod quiet_hours;
pub mod record;
mod resend;
pub mod segments;
pub mod send_email;
pub mod send_sms;
pub mod senders;
pub mod status;
pub mod template;
pub mod texts;
pub mod unknown;
pub mod voice;
pub mod write_text;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// How often a message of a paused campaign looks whether the campaign goes on, and one without a usable number whether
    /// there is one.
    pub paused_seconds: u64,
    /// Only consents count whose evidence is on record.
    pub consent_evidence: bool,
    /// Segments that may leave for one team in a day of the carriers' (Los Angeles); 0: as many as its numbers carry.
    pub team_daily_segments: i64,
    /// Texts that one number hands over without a pause: carriers block longer runs.
    pub carrier_batch: u32,
    /// How long that pause is.
    pub carrier_pause_seconds: u32,
    /// What one segment costs a team; 0: texts cost nothing.
    pub segment_credits: i64,
    /// What becomes of a marketing message that every look at the vendor's records missed: `park` or `resend`.
    pub unknown_marketing: AfterLooks,
    /// The same for a transactional one.
    pub unknown_transactional: AfterLooks,
}

/// What becomes of a message of unknown outcome that every look missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterLooks {
    /// A person decides: rather none than two.
    Park,
    /// It goes through the gates again: rather two than none.
    Resend,
}

/// What a message is for. It decides which consent it needs, and what becomes of it when nobody knows whether it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Sells something.
    #[default]
    Marketing,
    /// Belongs to something that the recipient asked for.
    Transactional,
}

impl Purpose {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::Transactional => "transactional",
        }
    }

    /// Reads what is stored; what nobody knows is held to the stricter rules.
    pub fn parse(text: &str) -> Self {
        if text == "transactional" { Self::Transactional } else { Self::Marketing }
    }
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
            consent_evidence: false,
            team_daily_segments: 0,
            carrier_batch: 2000,
            carrier_pause_seconds: 5,
            segment_credits: 1,
            unknown_marketing: AfterLooks::Park,
            unknown_transactional: AfterLooks::Resend,
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
        if let Some(most) = settings.whole(catalogue::MESSAGES_DAILY_SEGMENTS) {
            rules.team_daily_segments = rules.team_cap().map_or(most, |house| house.min(most));
        }
        rules
    }

    /// Segments that a team may send in a day; none: no cap.
    pub fn team_cap(&self) -> Option<i64> {
        (self.team_daily_segments > 0).then_some(self.team_daily_segments)
    }

    /// The least consent that a message of this purpose needs.
    pub fn consent_for(&self, purpose: Purpose) -> Level {
        match purpose {
            Purpose::Marketing => self.consent,
            Purpose::Transactional => Level::Express,
        }
    }

    /// What becomes of a message of this purpose that every look missed.
    pub fn after_looks(&self, purpose: Purpose) -> AfterLooks {
        match purpose {
            Purpose::Marketing => self.unknown_marketing,
            Purpose::Transactional => self.unknown_transactional,
        }
    }

    /// From the gates to the vendor's answer: never so long that the job's own time could end first.
    pub fn dispatch_deadline(&self) -> Duration {
        Duration::from_millis(self.dispatch_milliseconds).min(send_sms::LONGEST_DISPATCH)
    }
}
