//! Decides whether a mail may leave now. Pure: facts in, verdict out, with the rule that decided.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use super::Rules;
use crate::messages::{
    gates::{Level, Verdict},
    quiet_hours::{self, Book, Hours},
};

/// The least consent that a mail needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needed {
    /// None: who does not say stop is written to (CAN-SPAM).
    None,
    /// Agreed.
    Express,
    /// Agreed in writing.
    ExpressWritten,
}

impl Needed {
    fn is_met_by(self, level: Level) -> bool {
        match self {
            Self::None | Self::Express => true,
            Self::ExpressWritten => level == Level::ExpressWritten,
        }
    }
}

/// The best consent on record that is not revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Consent {
    /// Its row, as evidence.
    pub consent_id: i64,
    /// How strong it is.
    pub level: Level,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What is known when the gates are asked. Serialized as the evidence: no address, no text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// The campaign's state, its row locked.
    pub campaign: String,
    /// The lead's enrollment in it; `None` when there is none.
    pub enrollment: Option<String>,
    /// The lead said stop by some channel.
    pub lead_stopped: bool,
    /// The lead still has the address that the mail was planned for.
    pub same_address: bool,
    /// Reasons for which the address is on the suppression list.
    pub suppressed: Vec<String>,
    /// The consent on record.
    pub consent: Option<Consent>,
    /// Mails of the team to this address in the last 24 hours that left, or may have.
    pub sent_lately: i64,
    /// In how many seconds the oldest of those no longer counts.
    pub frees_in_seconds: f64,
    /// The state on the lead's record.
    pub lead_state: Option<String>,
}

/// Asks every gate in turn, those that close for good first. `phone` is the lead's number: where quiet hours hold for mails too,
/// they are those of the places where its owner may be.
pub fn decide(facts: &Facts, phone: Option<&str>, rules: &Rules, hours: Hours, book: &Book, now: DateTime<Utc>) -> Verdict {
    if let Some(rule) = never(facts, rules, now) {
        return Verdict::Suppress { rule };
    }
    if facts.campaign != "active" {
        let until = now + Duration::seconds(i64::try_from(rules.paused_seconds).unwrap_or(300).max(1));
        return Verdict::Wait { until, rule: format!("campaign_{}", facts.campaign) };
    }
    if facts.sent_lately >= rules.daily_limit {
        let frees_in = Duration::seconds(facts.frees_in_seconds.clamp(60.0, 86_400.0) as i64);
        return Verdict::Wait { until: now + frees_in, rule: "daily_limit".into() };
    }
    if !rules.quiet_hours {
        return Verdict::Send { closes_at: now + Duration::days(1) };
    }
    let place = match book.atlas.locate(phone.unwrap_or_default(), facts.lead_state.as_deref()) {
        Ok(place) => place,
        Err(nowhere) => return Verdict::Suppress { rule: nowhere.rule().into() },
    };
    match book.verdict(&place, hours, now) {
        quiet_hours::Verdict::Open { closes_at } => Verdict::Send { closes_at },
        quiet_hours::Verdict::Closed { opens_at, rule } => Verdict::Wait { until: opens_at, rule: format!("quiet_hours_{rule}") },
        quiet_hours::Verdict::Never => Verdict::Suppress { rule: "quiet_hours_never_open".into() },
    }
}

/// The gate that is closed for good, if one is.
fn never(facts: &Facts, rules: &Rules, now: DateTime<Utc>) -> Option<String> {
    if matches!(facts.campaign.as_str(), "stopped" | "completed") {
        return Some(format!("campaign_{}", facts.campaign));
    }
    if let Some(reason) = facts.suppressed.first() {
        return Some(format!("suppressed_{}", reason.to_lowercase()));
    }
    if facts.lead_stopped {
        return Some("lead_stopped".into());
    }
    match facts.enrollment.as_deref() {
        None => return Some("not_enrolled".into()),
        Some("stopped") => return Some("enrollment_stopped".into()),
        Some(_) => {}
    }
    if !facts.same_address {
        return Some("address_changed".into());
    }
    match facts.consent {
        _ if rules.consent == Needed::None => None,
        None => Some("no_consent".into()),
        Some(consent) if consent.expires_at.is_some_and(|end| end <= now) => Some("consent_expired".into()),
        Some(consent) if !rules.consent.is_met_by(consent.level) => Some("consent_too_weak".into()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;

    use super::*;

    fn noon() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 17, 18, 0, 0).single().expect("a moment")
    }

    fn open() -> Facts {
        Facts {
            campaign: "active".into(),
            enrollment: Some("running".into()),
            lead_stopped: false,
            same_address: true,
            suppressed: Vec::new(),
            consent: Some(Consent { consent_id: 1, level: Level::Express, expires_at: None }),
            sent_lately: 0,
            frees_in_seconds: 0.0,
            lead_state: Some("NY".into()),
        }
    }

    fn at(facts: &Facts, rules: &Rules, now: DateTime<Utc>) -> Verdict {
        decide(facts, Some("+12125550100"), rules, Hours(9, 20), Book::shipped().expect("the shipped data"), now)
    }

    #[test]
    fn each_gate_closes_for_its_own_reason() {
        let rules = Rules::default();
        assert!(matches!(at(&open(), &rules, noon()), Verdict::Send { .. }));
        let over = Consent { expires_at: Some(noon()), ..open().consent.expect("consent") };
        for (facts, rule) in [
            (Facts { campaign: "stopped".into(), ..open() }, "campaign_stopped"),
            (Facts { suppressed: vec!["OPT_OUT".into()], ..open() }, "suppressed_opt_out"),
            (Facts { lead_stopped: true, ..open() }, "lead_stopped"),
            (Facts { enrollment: None, ..open() }, "not_enrolled"),
            (Facts { enrollment: Some("stopped".into()), ..open() }, "enrollment_stopped"),
            (Facts { same_address: false, ..open() }, "address_changed"),
            (Facts { consent: None, ..open() }, "no_consent"),
            (Facts { consent: Some(over), ..open() }, "consent_expired"),
        ] {
            assert_eq!(at(&facts, &rules, noon()), Verdict::Suppress { rule: rule.into() });
        }
        let written = Rules { consent: Needed::ExpressWritten, ..Rules::default() };
        assert_eq!(at(&open(), &written, noon()), Verdict::Suppress { rule: "consent_too_weak".into() });
        let none = Rules { consent: Needed::None, ..Rules::default() };
        assert!(matches!(at(&Facts { consent: None, ..open() }, &none, noon()), Verdict::Send { .. }));
        let full = Facts { sent_lately: 2, frees_in_seconds: 7200.0, ..open() };
        let until = noon() + Duration::hours(2);
        assert_eq!(at(&full, &rules, noon()), Verdict::Wait { until, rule: "daily_limit".into() });
    }

    #[test]
    fn quiet_hours_hold_for_mails_where_the_house_says_so() {
        let night = noon() + Duration::hours(10);
        assert!(matches!(at(&open(), &Rules::default(), night), Verdict::Send { .. }));
        let quiet = Rules { quiet_hours: true, ..Rules::default() };
        assert!(matches!(at(&open(), &quiet, noon()), Verdict::Send { .. }));
        match at(&open(), &quiet, night) {
            Verdict::Wait { until, rule } => assert!(until > night && rule.starts_with("quiet_hours_"), "{rule}"),
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn nothing_leaves_past_a_closed_gate(
            campaign in prop::sample::select(vec!["draft", "scheduled", "active", "paused", "completed", "stopped"]),
            enrollment in prop::option::of(prop::sample::select(vec!["running", "completed", "stopped"])),
            lead_stopped: bool, same_address: bool, suppressed: bool, consented: bool, sent_lately in 0i64..4, quiet_hours: bool, hour in 0i64..168,
        ) {
            let facts = Facts {
                campaign: campaign.into(),
                enrollment: enrollment.map(str::to_owned),
                lead_stopped,
                same_address,
                suppressed: if suppressed { vec!["OPT_OUT".into()] } else { Vec::new() },
                consent: open().consent.filter(|_| consented),
                sent_lately,
                ..open()
            };
            let now = noon() + Duration::hours(hour);
            let rules = Rules { quiet_hours, ..Rules::default() };
            match at(&facts, &rules, now) {
                Verdict::Send { closes_at } => {
                    prop_assert!(campaign == "active" && matches!(enrollment, Some("running" | "completed")));
                    prop_assert!(!lead_stopped && same_address && !suppressed && consented && sent_lately < 2 && closes_at > now);
                }
                Verdict::Wait { until, .. } => prop_assert!(until > now && !lead_stopped && !suppressed && consented),
                Verdict::Suppress { .. } => {}
            }
        }
    }
}
