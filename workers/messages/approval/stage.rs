//! Where a message stands between its draft and its end, and what may be decided there. Pure.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::decisions::Decision;
use crate::messages::texts::Text;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its text is being written.
    Draft,
    /// Somebody has to look at it.
    Preview,
    /// Somebody let it leave.
    Approved,
    /// It may leave, and its job waits for the gates.
    Pending,
    /// It is being handed to the vendor.
    Processing,
    /// The vendor has it.
    Sent,
    /// Somebody kept it from leaving.
    Rejected,
    /// The vendor would not have it.
    Failed,
    /// A gate closed for good.
    Suppressed,
}

/// What somebody may do to a message that is not cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Let it leave.
    Approve,
    /// Keep it from leaving.
    Reject,
    /// Put another wording in place of the one there is.
    Edit,
    /// Have a model write it anew.
    Rewrite,
}

impl Deed {
    /// All deeds.
    pub const ALL: [Self; 4] = [Self::Approve, Self::Reject, Self::Edit, Self::Rewrite];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Edit => "edit",
            Self::Rewrite => "rewrite",
        }
    }

    /// In a sentence: while it is …
    pub const fn possible_in(self) -> &'static str {
        match self {
            Self::Approve | Self::Rewrite => "in preview",
            Self::Reject | Self::Edit => "a draft or in preview",
        }
    }

    /// In a sentence: it can be …
    pub const fn done(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Reject => "rejected",
            Self::Edit => "edited",
            Self::Rewrite => "written anew",
        }
    }
}

impl Stage {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Preview => "preview",
            Self::Approved => "approved",
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Sent => "sent",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Suppressed => "suppressed",
        }
    }

    /// Where a message stands, from its clearance and how far its send is.
    pub fn of(approval: &str, state: &str) -> Self {
        match (approval, state) {
            ("rejected", _) => Self::Rejected,
            (_, "suppressed") => Self::Suppressed,
            ("draft", _) => Self::Draft,
            ("preview", _) => Self::Preview,
            (_, "dispatching" | "unknown") => Self::Processing,
            (_, "accepted" | "delivered") => Self::Sent,
            (_, "failed") => Self::Failed,
            _ => Self::Pending,
        }
    }

    /// Where a deed leads; `None`: not from here.
    pub fn after(self, deed: Deed) -> Option<Self> {
        match (self, deed) {
            (Self::Preview, Deed::Approve) => Some(Self::Approved),
            // Nobody has to wait for a model that does not answer.
            (Self::Draft | Self::Preview, Deed::Reject) => Some(Self::Rejected),
            (Self::Draft | Self::Preview, Deed::Edit) => Some(Self::Preview),
            (Self::Preview, Deed::Rewrite) => Some(Self::Draft),
            _ => None,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a message came to, when, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Where it came to.
    pub stage: Stage,
    /// When.
    pub at: DateTime<Utc>,
    /// By whom: a person, a job; `None` where the send itself moved it.
    pub by: Option<String>,
}

/// When a message moved by itself.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// It was planned.
    pub planned_at: DateTime<Utc>,
    /// It was marked for the vendor.
    pub attempted_at: Option<DateTime<Utc>>,
    /// The vendor took it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// It ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// The stages that a message with this clearance went through, in order.
pub fn moments(times: &Times, approval: &str, now: Stage, texts: &[Text], decisions: &[Decision]) -> Vec<Moment> {
    let moment = |stage, at, by: Option<&str>| Moment { stage, at, by: by.map(str::to_owned) };
    let mut moments = vec![moment(Stage::Draft, times.planned_at, None)];
    // A wording that no person wrote comes before somebody, or on its way: the template's only where no model was asked.
    let is_unwritten = approval == "draft" && decisions.is_empty();
    let next = if approval == "none" { Stage::Pending } else { Stage::Preview };
    let by_us: Vec<&Text> = texts.iter().filter(|text| text.source != "edited").collect();
    let skipped = usize::from(by_us.len() > 1);
    for text in by_us.into_iter().skip(skipped).filter(|_| !is_unwritten) {
        moments.push(moment(next, text.written_at, Some(&text.written_by)));
    }
    for one in decisions {
        let by = Some(one.decided_by.as_str());
        match one.verdict.as_str() {
            "approve" => {
                moments.extend([moment(Stage::Approved, one.decided_at, by), moment(Stage::Pending, one.decided_at, by)])
            }
            "reject" => moments.push(moment(Stage::Rejected, one.decided_at, by)),
            "edit" => moments.push(moment(Stage::Preview, one.decided_at, by)),
            _ => moments.push(moment(Stage::Draft, one.decided_at, by)),
        }
    }
    moments.extend(times.attempted_at.map(|at| moment(Stage::Processing, at, None)));
    moments.extend(times.accepted_at.map(|at| moment(Stage::Sent, at, None)));
    if matches!(now, Stage::Failed | Stage::Suppressed) {
        moments.extend(times.ended_at.map(|at| moment(now, at, None)));
    }
    moments.sort_by_key(|moment| moment.at);
    moments
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;

    use super::*;

    fn at(minute: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 17, 18, minute, 0).single().expect("a moment")
    }

    fn text(source: &str, minute: u32) -> Text {
        Text {
            text: minute.into(),
            source: source.into(),
            subject: None,
            body: "Hi".into(),
            written_by: "job 1".into(),
            note: None,
            model: None,
            written_at: at(minute),
        }
    }

    fn decision(verdict: &str, minute: u32) -> Decision {
        Decision {
            decision: minute.into(),
            verdict: verdict.into(),
            text: 1,
            new_text: None,
            decided_by: "operator ann".into(),
            reason: None,
            decided_at: at(minute),
        }
    }

    #[test]
    fn a_message_that_was_written_looked_at_and_sent_went_through_every_stage() {
        let times = Times { planned_at: at(0), attempted_at: Some(at(5)), accepted_at: Some(at(6)), ended_at: None };
        let texts = [text("template", 0), text("generated", 1), text("edited", 2)];
        let decisions = [decision("edit", 2), decision("approve", 3)];
        let went: Vec<_> =
            moments(&times, "approved", Stage::Sent, &texts, &decisions).iter().map(|one| one.stage.as_str()).collect();
        assert_eq!(went, ["draft", "preview", "preview", "approved", "pending", "processing", "sent"]);
    }

    #[test]
    fn a_rejected_one_and_one_that_is_being_written_end_where_they_stand() {
        let times = Times { planned_at: at(0), attempted_at: None, accepted_at: None, ended_at: Some(at(3)) };
        let went = moments(&times, "rejected", Stage::Rejected, &[text("template", 0)], &[decision("reject", 3)]);
        let went: Vec<_> = went.iter().map(|one| (one.stage.as_str(), one.by.as_deref())).collect();
        assert_eq!(went, [("draft", None), ("preview", Some("job 1")), ("rejected", Some("operator ann"))]);
        let times = Times { ended_at: None, ..times };
        let went = moments(&times, "draft", Stage::Draft, &[text("template", 0)], &[]);
        assert_eq!(went.iter().map(|one| one.stage).collect::<Vec<_>>(), [Stage::Draft]);
    }

    proptest! {
        /// Whatever is done in whatever order, nothing is sent that nobody approved, and nobody decides twice.
        #[test]
        fn no_deeds_lead_past_an_approval(
            deeds in prop::collection::vec((prop::sample::select(Deed::ALL.to_vec()), any::<bool>()), 0..12),
        ) {
            let (mut stage, mut approved, mut decided) = (Stage::Draft, false, 0);
            for (deed, written) in deeds {
                // The job comes back with a text, or does not.
                if written && stage == Stage::Draft {
                    stage = Stage::Preview;
                }
                let Some(next) = stage.after(deed) else { continue };
                prop_assert!(matches!(stage, Stage::Draft | Stage::Preview));
                prop_assert!(deed != Deed::Approve || stage == Stage::Preview, "a draft was approved unseen");
                approved |= deed == Deed::Approve;
                decided += u32::from(matches!(deed, Deed::Approve | Deed::Reject));
                stage = next;
            }
            prop_assert_eq!(stage == Stage::Approved, approved);
            prop_assert!(decided <= 1);
        }

        #[test]
        fn what_is_not_cleared_stands_before_every_send(
            approval in prop::sample::select(vec!["draft", "preview", "rejected"]), state in prop::sample::select(vec!["planned", "suppressed"]),
        ) {
            let stage = Stage::of(approval, state);
            prop_assert!(!matches!(stage, Stage::Pending | Stage::Processing | Stage::Sent | Stage::Failed));
        }
    }
}
