//! Decides whether a message may leave now. Pure: facts in, verdict out, with the rule that decided.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Purpose, Rules,
    places::Place,
    quiet_hours::{self, Book},
};

/// How a person agreed to be texted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Agreed.
    Express,
    /// Agreed in writing, to this seller's marketing (47 CFR 64.1200(f)(9)).
    ExpressWritten,
}

impl Level {
    /// Reads what is stored.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "express" => Some(Self::Express),
            "express_written" => Some(Self::ExpressWritten),
            _ => None,
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
    /// Its evidence is on record.
    pub proven: bool,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The number that a text would leave from.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sender {
    /// The number, E.164; none where the team has none that may stand in.
    #[serde(skip)]
    pub phone: Option<String>,
    /// Why this one: `sticky` (the recipient knows it), `held` (the message stands in its line), `spread`.
    pub why: Option<String>,
    /// Why none may be used now.
    pub closed: Option<String>,
    /// For how long; none: until somebody does something about it.
    pub wait_seconds: Option<f64>,
}

/// What is known when the gates are asked. Serialized as the evidence: no phone number, no text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// What the message is for.
    pub purpose: Purpose,
    /// The campaign's state, its row locked.
    pub campaign: String,
    /// The lead's enrollment in it; `None` when there is none.
    pub enrollment: Option<String>,
    /// The lead said stop by some channel.
    pub lead_stopped: bool,
    /// The lead still has the number that the message was planned for.
    pub same_number: bool,
    /// Reasons for which the number is on the suppression list.
    pub suppressed: Vec<String>,
    /// The consent on record.
    pub consent: Option<Consent>,
    /// Texts of the team to this number in the last 24 hours that left, or may have.
    pub sent_lately: i64,
    /// In how many seconds the oldest of those no longer counts.
    pub frees_in_seconds: f64,
    /// The state on the lead's record.
    pub lead_state: Option<String>,
    /// The number that it would leave from.
    pub sender: Sender,
}

/// What becomes of a message at the gates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may leave, and may be delivered until `closes_at`.
    Send {
        /// The end of the recipient's legal hours.
        closes_at: DateTime<Utc>,
    },
    /// Not now.
    Wait {
        /// When to ask again.
        until: DateTime<Utc>,
        /// The gate that is closed.
        rule: String,
    },
    /// Never.
    Suppress {
        /// The gate that is closed for good.
        rule: String,
    },
}

impl Verdict {
    /// As a decision stores it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Send { .. } => "send",
            Self::Wait { .. } => "wait",
            Self::Suppress { .. } => "suppress",
        }
    }

    /// The gate that decided.
    pub fn rule(&self) -> &str {
        match self {
            Self::Send { .. } => "all_open",
            Self::Wait { rule, .. } | Self::Suppress { rule } => rule,
        }
    }
}

// A text handed over in the last minute of the legal hours could arrive behind them.
const MARGIN: Duration = Duration::minutes(1);

/// Asks every gate of a text message in turn, those that close for good first. `recipient` is an E.164 number.
pub fn decide(facts: &Facts, recipient: &str, rules: &Rules, book: &Book, now: DateTime<Utc>) -> Verdict {
    if let Some(rule) = never(facts, rules, now) {
        return Verdict::Suppress { rule };
    }
    let place = match book.atlas.locate(recipient, facts.lead_state.as_deref()) {
        Ok(place) => place,
        Err(nowhere) => return Verdict::Suppress { rule: nowhere.rule().into() },
    };
    if let Some((until, rule)) = not_now(facts, rules, now) {
        return Verdict::Wait { until, rule };
    }
    let verdict = hours(&place, rules, book, now);
    match &facts.sender.closed {
        Some(closed) if matches!(verdict, Verdict::Send { .. }) => {
            Verdict::Wait { until: after(facts.sender.wait_seconds, rules, now), rule: closed.clone() }
        }
        _ => verdict,
    }
}

/// When to ask again at a gate that says for how long it is closed, or does not know.
pub fn after(wait_seconds: Option<f64>, rules: &Rules, now: DateTime<Utc>) -> DateTime<Utc> {
    let wait = wait_seconds.map(|seconds| Duration::milliseconds((seconds.clamp(0.01, 86_400.0) * 1000.0) as i64));
    now + wait.unwrap_or_else(|| look_again(rules))
}

fn look_again(rules: &Rules) -> Duration {
    Duration::seconds(i64::try_from(rules.paused_seconds).unwrap_or(300).max(1))
}

/// The gate that is closed for now, whatever the channel, and when to ask again.
pub fn not_now(facts: &Facts, rules: &Rules, now: DateTime<Utc>) -> Option<(DateTime<Utc>, String)> {
    if facts.campaign != "active" {
        return Some((now + look_again(rules), format!("campaign_{}", facts.campaign)));
    }
    if facts.sent_lately >= rules.daily_limit {
        let frees_in = Duration::seconds(facts.frees_in_seconds.clamp(60.0, 86_400.0) as i64);
        return Some((now + frees_in, "daily_limit".into()));
    }
    None
}

/// The gate that is closed for good, whatever the channel, if one is.
pub fn never(facts: &Facts, rules: &Rules, now: DateTime<Utc>) -> Option<String> {
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
        // A sequence is complete when its last message is planned, which is before that message leaves.
        Some(_) => {}
    }
    if !facts.same_number {
        return Some("number_changed".into());
    }
    match facts.consent {
        None => Some("no_consent".into()),
        Some(consent) if consent.expires_at.is_some_and(|end| end <= now) => Some("consent_expired".into()),
        Some(consent) if consent.level < rules.consent_for(facts.purpose) => Some("consent_too_weak".into()),
        Some(consent) if rules.consent_evidence && !consent.proven => Some("consent_without_evidence".into()),
        Some(_) => None,
    }
}

fn hours(place: &Place, rules: &Rules, book: &Book, now: DateTime<Utc>) -> Verdict {
    let mut at = now;
    // Twice: behind the last minute of a day lies the next day's opening.
    for _ in 0..2 {
        match book.verdict(place, rules.hours, at) {
            quiet_hours::Verdict::Open { closes_at } if closes_at - at > MARGIN && at == now => {
                return Verdict::Send { closes_at };
            }
            quiet_hours::Verdict::Open { closes_at } if closes_at - at > MARGIN => {
                return Verdict::Wait { until: at, rule: "quiet_hours_near".into() };
            }
            quiet_hours::Verdict::Open { closes_at } => at = closes_at,
            quiet_hours::Verdict::Closed { opens_at, rule } if at == now => {
                return Verdict::Wait { until: opens_at, rule: format!("quiet_hours_{rule}") };
            }
            quiet_hours::Verdict::Closed { opens_at, .. } => {
                return Verdict::Wait { until: opens_at, rule: "quiet_hours_near".into() };
            }
            quiet_hours::Verdict::Never => break,
        }
    }
    Verdict::Suppress { rule: "quiet_hours_never_open".into() }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;

    use super::*;

    const NEW_YORK: &str = "+12125550100";

    fn noon() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 17, 18, 0, 0).single().expect("a moment")
    }

    fn open() -> Facts {
        Facts {
            purpose: Purpose::Marketing,
            campaign: "active".into(),
            enrollment: Some("running".into()),
            lead_stopped: false,
            same_number: true,
            suppressed: Vec::new(),
            consent: Some(Consent { consent_id: 1, level: Level::ExpressWritten, proven: true, expires_at: None }),
            sent_lately: 0,
            frees_in_seconds: 0.0,
            lead_state: Some("NY".into()),
            sender: Sender { phone: Some("+12125550199".into()), why: Some("spread".into()), ..Sender::default() },
        }
    }

    fn at(facts: &Facts, recipient: &str, now: DateTime<Utc>) -> Verdict {
        decide(facts, recipient, &Rules::default(), Book::shipped().expect("the shipped data"), now)
    }

    fn suppressed(rule: &str) -> Verdict {
        Verdict::Suppress { rule: rule.into() }
    }

    #[test]
    fn with_every_gate_open_it_may_leave_until_the_hours_end() {
        assert_eq!(at(&open(), NEW_YORK, noon()), Verdict::Send { closes_at: noon() + Duration::hours(7) });
    }

    #[test]
    fn each_gate_closes_for_its_own_reason() {
        let weak = Consent { level: Level::Express, ..open().consent.expect("consent") };
        let over = Consent { expires_at: Some(noon()), ..open().consent.expect("consent") };
        let table: [(Facts, &str); 10] = [
            (Facts { campaign: "stopped".into(), ..open() }, "campaign_stopped"),
            (Facts { campaign: "completed".into(), ..open() }, "campaign_completed"),
            (Facts { suppressed: vec!["OPT_OUT".into()], ..open() }, "suppressed_opt_out"),
            (Facts { lead_stopped: true, ..open() }, "lead_stopped"),
            (Facts { enrollment: None, ..open() }, "not_enrolled"),
            (Facts { enrollment: Some("stopped".into()), ..open() }, "enrollment_stopped"),
            (Facts { same_number: false, ..open() }, "number_changed"),
            (Facts { consent: None, ..open() }, "no_consent"),
            (Facts { consent: Some(weak), ..open() }, "consent_too_weak"),
            (Facts { consent: Some(over), ..open() }, "consent_expired"),
        ];
        for (facts, rule) in table {
            assert_eq!(at(&facts, NEW_YORK, noon()), suppressed(rule));
        }
        assert_eq!(at(&open(), "+18005550100", noon()), suppressed("recipient_toll_free"));
        assert_eq!(at(&open(), "+442079460000", noon()), suppressed("recipient_abroad"));
    }

    #[test]
    fn the_last_message_of_a_sequence_leaves_though_the_enrollment_is_complete() {
        let facts = Facts { enrollment: Some("completed".into()), ..open() };
        assert!(matches!(at(&facts, NEW_YORK, noon()), Verdict::Send { .. }));
    }

    #[test]
    fn a_paused_campaign_and_a_full_day_wait() {
        let paused = Facts { campaign: "paused".into(), ..open() };
        let wait = Verdict::Wait { until: noon() + Duration::minutes(5), rule: "campaign_paused".into() };
        assert_eq!(at(&paused, NEW_YORK, noon()), wait);
        let full = Facts { sent_lately: 3, frees_in_seconds: 4.0 * 3600.0, ..open() };
        let wait = Verdict::Wait { until: noon() + Duration::hours(4), rule: "daily_limit".into() };
        assert_eq!(at(&full, NEW_YORK, noon()), wait);
    }

    #[test]
    fn a_number_that_may_not_be_used_keeps_the_text_waiting_as_long_as_it_says() {
        let resting = Sender { closed: Some("sender_resting".into()), wait_seconds: Some(90.0), ..open().sender };
        let wait = Verdict::Wait { until: noon() + Duration::seconds(90), rule: "sender_resting".into() };
        assert_eq!(at(&Facts { sender: resting, ..open() }, NEW_YORK, noon()), wait);
        let none = Sender { closed: Some("sender_unregistered".into()), ..Sender::default() };
        let wait = Verdict::Wait { until: noon() + Duration::minutes(5), rule: "sender_unregistered".into() };
        assert_eq!(at(&Facts { sender: none, ..open() }, NEW_YORK, noon()), wait);
    }

    #[test]
    fn what_somebody_asked_for_needs_a_weaker_consent_and_no_stop() {
        let spoken = Some(Consent { level: Level::Express, ..open().consent.expect("consent") });
        let facts = Facts { purpose: Purpose::Transactional, consent: spoken, ..open() };
        assert!(matches!(at(&facts, NEW_YORK, noon()), Verdict::Send { .. }));
        assert_eq!(at(&Facts { lead_stopped: true, ..facts }, NEW_YORK, noon()), suppressed("lead_stopped"));
    }

    #[test]
    fn where_evidence_is_asked_for_a_consent_without_it_does_not_count() {
        let rules = Rules { consent_evidence: true, ..Rules::default() };
        let bare = Consent { proven: false, ..open().consent.expect("consent") };
        let decided = |consent| {
            let facts = Facts { consent: Some(consent), ..open() };
            decide(&facts, NEW_YORK, &rules, Book::shipped().expect("the shipped data"), noon())
        };
        assert_eq!(decided(bare), suppressed("consent_without_evidence"));
        assert!(matches!(decided(Consent { proven: true, ..bare }), Verdict::Send { .. }));
    }

    #[test]
    fn the_last_minute_of_the_day_is_left_alone() {
        let near = noon() + Duration::hours(7) - Duration::seconds(30);
        let wait = Verdict::Wait { until: noon() + Duration::hours(20), rule: "quiet_hours_near".into() };
        assert_eq!(at(&open(), NEW_YORK, near), wait);
    }

    proptest! {
        #[test]
        fn nothing_leaves_past_a_closed_gate(
            campaign in prop::sample::select(vec!["draft", "scheduled", "active", "paused", "completed", "stopped"]),
            enrollment in prop::option::of(prop::sample::select(vec!["running", "completed", "stopped"])),
            lead_stopped: bool, same_number: bool, suppressed: bool, consented: bool, sent_lately in 0i64..5, hour in 0i64..168,
            closed in prop::option::of(prop::sample::select(vec!["sender_resting", "sender_unregistered"])),
        ) {
            let facts = Facts {
                campaign: campaign.into(),
                enrollment: enrollment.map(str::to_owned),
                lead_stopped,
                same_number,
                suppressed: if suppressed { vec!["DNC_REQUEST".into()] } else { Vec::new() },
                consent: open().consent.filter(|_| consented),
                sent_lately,
                frees_in_seconds: 0.0,
                sender: Sender { closed: closed.map(str::to_owned), ..open().sender },
                lead_state: None,
                purpose: Purpose::Marketing,
            };
            let now = noon() + Duration::hours(hour);
            match at(&facts, NEW_YORK, now) {
                Verdict::Send { closes_at } => {
                    prop_assert!(campaign == "active" && matches!(enrollment, Some("running" | "completed")));
                    prop_assert!(!lead_stopped && same_number && !suppressed && consented && sent_lately < 3 && closed.is_none());
                    prop_assert!(closes_at > now && closes_at - now <= Duration::hours(11));
                }
                Verdict::Wait { until, .. } => {
                    prop_assert!(until > now);
                    prop_assert!(!lead_stopped && same_number && !suppressed && consented);
                }
                Verdict::Suppress { .. } => {}
            }
        }
    }
}
