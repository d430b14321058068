//! What stands in requests about approvals, and in their answers.

use chrono::{DateTime, Utc};
use longshore_workers::messages::{
    approval::{ApprovedMany, Seen, Waiting, decisions::Decision, decisions::Exported, stage::Moment},
    texts::Text,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Messages that wait for a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalPage {
    pub(super) approvals: Vec<ApprovalBody>,
    /// Pass it as `after`; left out on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<i64>,
}

/// A message that waits for a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalBody {
    /// The message.
    #[schema(example = 42)]
    message: i64,
    campaign: i64,
    lead: i64,
    step: i16,
    /// `sms` or `email`.
    #[schema(example = "sms")]
    channel: String,
    /// `draft`: its text is being written; `preview`: somebody has to look at it.
    #[schema(example = "preview")]
    stage: String,
    /// Of a mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// What it says.
    body: String,
    /// Which wording that is: pass it along with a decision, so that another one is not decided about unseen.
    text: i64,
    planned_at: DateTime<Utc>,
}

impl From<Waiting> for ApprovalBody {
    fn from(one: Waiting) -> Self {
        Self {
            message: one.message,
            campaign: one.campaign,
            lead: one.lead,
            step: one.step,
            channel: one.channel.as_str().to_owned(),
            stage: one.stage.to_string(),
            subject: one.subject,
            body: one.body,
            text: one.text,
            planned_at: one.planned_at,
        }
    }
}

/// A message with all that was said and decided.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalDetail {
    #[schema(example = 42)]
    message: i64,
    campaign: i64,
    lead: i64,
    step: i16,
    channel: String,
    /// `draft`, `preview`, `pending`, `processing`, `sent`, `rejected`, `failed` or `suppressed`.
    #[schema(example = "preview")]
    stage: String,
    /// Why it ended, where it ended unsent.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_because: Option<String>,
    /// Where it came to, when, and by whom.
    moments: Vec<MomentBody>,
    /// Its wordings, the first one first.
    texts: Vec<TextBody>,
    /// What was decided about it.
    decisions: Vec<DecisionBody>,
}

/// Where a message came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct MomentBody {
    /// `approved` stands here too: it is a moment, not a place to wait in.
    #[schema(example = "approved")]
    stage: String,
    at: DateTime<Utc>,
    /// By whom; left out where the send itself moved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

/// One wording of a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct TextBody {
    text: i64,
    /// `template`, `generated` or `edited`.
    #[schema(example = "generated")]
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    body: String,
    written_by: String,
    /// Why the template had to stand in: `content_filter`, `cut_off`, `placeholder` and their like.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    written_at: DateTime<Utc>,
}

/// One decision about a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionBody {
    decision: i64,
    /// `approve`, `reject`, `edit` or `rewrite`.
    #[schema(example = "approve")]
    verdict: String,
    /// The wording that it was about.
    text: i64,
    /// Of an edit: the wording that was put in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_text: Option<i64>,
    decided_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    decided_at: DateTime<Utc>,
}

impl From<Seen> for ApprovalDetail {
    fn from(seen: Seen) -> Self {
        Self {
            message: seen.message,
            campaign: seen.campaign,
            lead: seen.lead,
            step: seen.step,
            channel: seen.channel.as_str().to_owned(),
            stage: seen.stage.to_string(),
            ended_because: seen.ended_because,
            moments: seen.moments.into_iter().map(MomentBody::from).collect(),
            texts: seen.texts.into_iter().map(TextBody::from).collect(),
            decisions: seen.decisions.into_iter().map(DecisionBody::from).collect(),
        }
    }
}

impl From<Moment> for MomentBody {
    fn from(moment: Moment) -> Self {
        Self { stage: moment.stage.to_string(), at: moment.at, by: moment.by }
    }
}

impl From<Text> for TextBody {
    fn from(text: Text) -> Self {
        let Text { text, source, subject, body, written_by, note, model, written_at } = text;
        Self { text, source, subject, body, written_by, note, model, written_at }
    }
}

impl From<Decision> for DecisionBody {
    fn from(decision: Decision) -> Self {
        let Decision { decision, verdict, text, new_text, decided_by, reason, decided_at } = decision;
        Self { decision, verdict, text, new_text, decided_by, reason, decided_at }
    }
}

/// A decision.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecideRequest {
    /// The wording that was looked at: the decision is refused (412) when the message says something else now.
    pub(super) text: Option<i64>,
    /// Why, for whoever reads it later.
    #[schema(max_length = 500)]
    pub(super) reason: Option<String>,
}

/// Another wording.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditRequest {
    /// What the message says from now on, 1 to 1600 characters: sent as it stands.
    #[schema(max_length = 1600)]
    pub(super) body: String,
    /// Of a mail; left out: as it was.
    #[schema(max_length = 200)]
    pub(super) subject: Option<String>,
    /// The wording that was looked at.
    pub(super) text: Option<i64>,
    /// Why.
    #[schema(max_length = 500)]
    pub(super) reason: Option<String>,
}

/// An edit that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct Edited {
    /// The new wording; it still has to be approved.
    pub(super) text: i64,
}

/// Many messages to approve.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveManyRequest {
    /// These; left out: whatever waits, the oldest first.
    pub(super) messages: Option<Vec<i64>>,
    /// Only of this campaign.
    pub(super) campaign: Option<i64>,
    /// Only those whose wording is this one or an older one: what was written since you looked is left.
    pub(super) up_to_text: Option<i64>,
    /// At most so many; the configuration has the most there may be.
    #[schema(minimum = 1, example = 100)]
    pub(super) at_most: i64,
    /// Why.
    #[schema(max_length = 500)]
    pub(super) reason: Option<String>,
}

/// What was approved.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovedManyBody {
    /// Messages that were approved.
    approved: i64,
    /// Others like them still wait.
    more: bool,
}

impl From<ApprovedMany> for ApprovedManyBody {
    fn from(ApprovedMany { approved, more }: ApprovedMany) -> Self {
        Self { approved, more }
    }
}

/// Decisions, for whoever learns from them.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionPage {
    pub(super) decisions: Vec<ExportedDecision>,
    /// Pass it as `after`; left out on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<i64>,
}

/// A decision with what it was about.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportedDecision {
    decision: i64,
    /// `approve`, `reject`, `edit` or `rewrite`.
    #[schema(example = "edit")]
    verdict: String,
    decided_by: String,
    reason: Option<String>,
    decided_at: DateTime<Utc>,
    message: i64,
    campaign: i64,
    lead: i64,
    step: i16,
    channel: String,
    /// What the model was told, where one wrote.
    prompt: Option<String>,
    /// What the template gave.
    original: String,
    /// Where the wording that was looked at came from.
    source: String,
    model: Option<String>,
    subject: Option<String>,
    /// The wording that was looked at.
    body: String,
    new_subject: Option<String>,
    /// Of an edit: the wording that was put in its place.
    new_body: Option<String>,
}

impl From<Exported> for ExportedDecision {
    fn from(one: Exported) -> Self {
        Self {
            decision: one.decision,
            verdict: one.verdict,
            decided_by: one.decided_by,
            reason: one.reason,
            decided_at: one.decided_at,
            message: one.message,
            campaign: one.campaign,
            lead: one.lead,
            step: one.step,
            channel: one.channel,
            prompt: one.prompt,
            original: one.original,
            source: one.source,
            model: one.model,
            subject: one.subject,
            body: one.body,
            new_subject: one.new_subject,
            new_body: one.new_body,
        }
    }
}
