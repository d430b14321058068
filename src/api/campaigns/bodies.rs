//! Campaigns as they are asked for and answered over HTTP.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use longshore_workers::{
    enrollment::{
        campaigns::{Campaign, NewCampaign, NewStep, NewVariant, Recalled, Step},
        figures::{CampaignFigures, EnrollmentCounts, Figures},
    },
    ids::{CampaignId, JobId},
    messages::Purpose,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a campaign's messages are for.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CampaignPurpose {
    /// They sell something: written consent, and rather none than two where nobody knows whether one left.
    #[default]
    Marketing,
    /// They belong to something that the recipient asked for: express consent is enough.
    Transactional,
}

impl From<CampaignPurpose> for Purpose {
    fn from(purpose: CampaignPurpose) -> Self {
        match purpose {
            CampaignPurpose::Marketing => Self::Marketing,
            CampaignPurpose::Transactional => Self::Transactional,
        }
    }
}

impl From<Purpose> for CampaignPurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Marketing => Self::Marketing,
            Purpose::Transactional => Self::Transactional,
        }
    }
}

/// A campaign to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignRequest {
    /// Once in a team.
    #[schema(example = "Spring", min_length = 1, max_length = 200)]
    name: String,
    /// The number its messages come from, E.164.
    #[schema(example = "+15005550006")]
    sender: String,
    /// What its messages are for; marketing when left out.
    #[serde(default)]
    purpose: CampaignPurpose,
    /// A lead matches with any of them; none: every lead matches.
    #[serde(default)]
    #[schema(max_items = 100)]
    target_tags: Vec<String>,
    /// The levels of leads it is for: high, medium, low (or green, yellow, red).
    #[schema(min_items = 1)]
    engagement: Vec<String>,
    /// Its messages in their order.
    #[schema(min_items = 1, max_items = 3)]
    steps: Vec<StepRequest>,
}

/// One message of a sequence.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepRequest {
    /// Minutes behind the step before; for the first, behind enrollment and activation.
    #[schema(minimum = 0, maximum = 525_600)]
    delay_minutes: i64,
    /// The text with its variables in double braces.
    #[schema(example = "Hello {{ first_name }}", min_length = 1, max_length = 1600)]
    template: String,
    /// Its share of the leads beside `variants`; 1 when left out.
    #[schema(minimum = 1, maximum = 100)]
    weight: Option<i64>,
    /// Other texts, each for its share of the leads: variants b, c, d, e.
    #[serde(default)]
    #[schema(max_items = 4)]
    variants: Vec<VariantRequest>,
}

/// Another text of a step.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantRequest {
    /// The text with its variables in double braces.
    #[schema(min_length = 1, max_length = 1600)]
    template: String,
    /// Its share of the leads; 1 when left out.
    #[schema(minimum = 1, maximum = 100)]
    weight: Option<i64>,
}

impl From<CampaignRequest> for NewCampaign {
    fn from(asked: CampaignRequest) -> Self {
        let CampaignRequest { name, sender, purpose, target_tags, engagement, steps } = asked;
        let steps = steps.into_iter().map(NewStep::from).collect();
        Self { name, sender, purpose: purpose.into(), target_tags, engagement, steps }
    }
}

impl From<StepRequest> for NewStep {
    fn from(asked: StepRequest) -> Self {
        let StepRequest { delay_minutes, template, weight, variants } = asked;
        let variants = variants.into_iter().map(|other| NewVariant { template: other.template, weight: other.weight });
        Self { delay_minutes, template, weight, variants: variants.collect() }
    }
}

/// Leads to look at before there is a campaign.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AudienceRequest {
    /// A lead matches with any of them; none: every lead matches.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub(super) target_tags: Vec<String>,
    /// The levels of leads: high, medium, low (or green, yellow, red).
    #[schema(min_items = 1)]
    pub(super) engagement: Vec<String>,
    /// Where the sample begins.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10_000, default = 0)]
    pub(super) offset: i64,
    /// Leads in the sample.
    #[serde(default = "ten")]
    #[schema(minimum = 0, maximum = 100, default = 10)]
    pub(super) limit: i64,
}

pub(super) const fn ten() -> i64 {
    10
}

/// When a campaign begins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleCampaignRequest {
    /// Ahead of now, by a year at most.
    pub(super) activate_at: DateTime<Utc>,
}

/// What a copy is called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloneRequest {
    /// Once in a team.
    #[schema(example = "Spring, once more", min_length = 1, max_length = 200)]
    pub(super) name: String,
    /// The number its messages come from; the campaign's own when left out.
    #[schema(example = "+15005550006")]
    pub(super) sender: Option<String>,
}

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignBody {
    #[schema(value_type = i64, example = 3)]
    id: CampaignId,
    name: String,
    /// draft, scheduled, active, paused, completed or stopped.
    #[schema(example = "draft")]
    state: &'static str,
    /// Why it was paused or completed by itself; null where a person did it: filtered (carriers took too many of its texts for spam),
    /// sender_unregistered, sender_retired (when its time had come its number was gone), all_through (nobody was left in it).
    #[schema(example = "filtered")]
    state_reason: Option<String>,
    sender: String,
    purpose: CampaignPurpose,
    target_tags: Vec<String>,
    engagement: Vec<&'static str>,
    created_at: DateTime<Utc>,
    /// When it begins by itself, or was to.
    activate_at: Option<DateTime<Utc>>,
    /// When it was activated the first time.
    activated_at: Option<DateTime<Utc>>,
    /// When its first step opens: activation and the first delay.
    opens_at: Option<DateTime<Utc>>,
    changed_at: DateTime<Utc>,
    recalled_at: Option<DateTime<Utc>>,
    #[schema(value_type = Option<i64>)]
    cloned_from: Option<CampaignId>,
}

impl From<Campaign> for CampaignBody {
    fn from(one: Campaign) -> Self {
        Self {
            id: one.id,
            name: one.name,
            state: one.state.as_str(),
            state_reason: one.state_reason,
            sender: one.sender,
            purpose: one.purpose.into(),
            target_tags: one.target_tags,
            engagement: one.engagement.iter().map(|level| level.as_str()).collect(),
            created_at: one.created_at,
            activate_at: one.activate_at,
            activated_at: one.activated_at,
            opens_at: one.opens_at,
            changed_at: one.changed_at,
            recalled_at: one.recalled_at,
            cloned_from: one.cloned_from,
        }
    }
}

/// A page of campaigns, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignPage {
    pub(super) campaigns: Vec<CampaignBody>,
    /// Pass it as `after` for the next page; null on the last one.
    #[schema(value_type = Option<i64>)]
    pub(super) next: Option<CampaignId>,
}

/// A campaign that was created, or that its key had named before.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignCreated {
    pub(super) campaign: CampaignBody,
    /// The job that enrolls its leads; left out where the campaign was there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "job_42")]
    pub(super) job: Option<JobId>,
}

/// A campaign with its steps and its figures.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignDetail {
    pub(super) campaign: CampaignBody,
    pub(super) steps: Vec<StepBody>,
    pub(super) enrollments: EnrollmentFigures,
    pub(super) messages: MessageFigures,
}

/// A step.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepBody {
    step: i16,
    delay_minutes: i32,
    /// Its texts; `a` is its own.
    variants: Vec<VariantBody>,
}

/// One text of a step.
#[derive(Debug, Serialize, ToSchema)]
pub struct VariantBody {
    #[schema(example = "a")]
    variant: String,
    weight: i16,
    template: String,
}

impl From<Step> for StepBody {
    fn from(step: Step) -> Self {
        let own = VariantBody { variant: "a".into(), weight: step.weight, template: step.template };
        let others = step.variants.into_iter();
        let others = others.map(|one| VariantBody { variant: one.variant, weight: one.weight, template: one.template });
        Self { step: step.step, delay_minutes: step.delay_minutes, variants: std::iter::once(own).chain(others).collect() }
    }
}

/// How enrollments stand.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnrollmentFigures {
    enrolled: i64,
    running: i64,
    completed: i64,
    stopped: i64,
}

impl From<EnrollmentCounts> for EnrollmentFigures {
    fn from(counts: EnrollmentCounts) -> Self {
        let EnrollmentCounts { enrolled, running, completed, stopped } = counts;
        Self { enrolled, running, completed, stopped }
    }
}

/// What became of messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageFigures {
    /// All that were ever planned; one a send key.
    planned: i64,
    /// Not yet handed to the vendor.
    waiting: i64,
    dispatching: i64,
    /// It is being found out whether the vendor took them.
    unknown: i64,
    /// Taken by the vendor, whatever became of them later.
    accepted: i64,
    delivered: i64,
    failed: i64,
    /// Of those, how many for what.
    failed_by_class: BTreeMap<String, i64>,
    /// Stopped by a rule before they were handed over.
    suppressed: i64,
    /// Of those, how many by which rule.
    suppressed_by_rule: BTreeMap<String, i64>,
    replies: i64,
    /// Of the replies, those that said stop.
    opt_outs: i64,
    /// Segments that the vendor counted.
    segments: i64,
    /// Credits that were charged for them, by the ledger; those that a model's texts cost included.
    credits: i64,
}

impl From<Figures> for MessageFigures {
    fn from(all: Figures) -> Self {
        Self {
            planned: all.planned,
            waiting: all.waiting,
            dispatching: all.dispatching,
            unknown: all.unknown,
            accepted: all.accepted,
            delivered: all.delivered,
            failed: all.failed,
            failed_by_class: all.failed_by_class.into_iter().map(|(class, n)| (class.to_owned(), n)).collect(),
            suppressed: all.suppressed,
            suppressed_by_rule: all.suppressed_by_rule,
            replies: all.replies,
            opt_outs: all.opt_outs,
            segments: all.segments,
            credits: all.credits,
        }
    }
}

/// A campaign's figures.
#[derive(Debug, Serialize, ToSchema)]
pub struct Analytics {
    enrollments: EnrollmentFigures,
    /// Of all messages.
    totals: MessageFigures,
    /// By step and variant.
    variants: Vec<VariantFigures>,
}

/// The figures of one variant of one step.
#[derive(Debug, Serialize, ToSchema)]
pub struct VariantFigures {
    step: i16,
    #[schema(example = "a")]
    variant: String,
    figures: MessageFigures,
}

impl From<CampaignFigures> for Analytics {
    fn from(all: CampaignFigures) -> Self {
        let variants = all.variants().iter().map(|one| VariantFigures {
            step: one.step,
            variant: one.variant.clone(),
            figures: one.figures.clone().into(),
        });
        Self { enrollments: all.enrollments().into(), totals: all.totals().into(), variants: variants.collect() }
    }
}

/// Where a campaign stands now.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignMoved {
    #[schema(value_type = i64, example = 3)]
    pub(super) id: CampaignId,
    #[schema(example = "active")]
    pub(super) state: &'static str,
}

/// Work on a campaign that was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignJob {
    #[schema(value_type = i64, example = 3)]
    pub(super) id: CampaignId,
    /// Its output says what it did.
    #[schema(value_type = String, example = "job_42")]
    pub(super) job: JobId,
}

/// A campaign that was recalled.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignRecalled {
    #[schema(value_type = i64, example = 3)]
    pub(super) id: CampaignId,
    #[schema(example = "stopped")]
    state: &'static str,
    /// What had left.
    left: LeftBody,
    /// Messages that waited: none of them leaves.
    waiting: i64,
    /// Leads that were in its sequence.
    running: i64,
    /// The job that ends both, one by one.
    #[schema(value_type = String, example = "job_42")]
    pub(super) job: JobId,
}

/// What had left when a campaign was recalled.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeftBody {
    /// The vendor had them.
    accepted: i64,
    delivered: i64,
    failed: i64,
    /// On their way to the vendor: each gets there within the dispatch deadline, or not at all.
    dispatching: i64,
    /// It is being found out whether the vendor took them.
    unknown: i64,
}

impl CampaignRecalled {
    pub(super) fn new(id: CampaignId, recalled: Recalled) -> Self {
        let left = recalled.left;
        Self {
            id,
            state: recalled.state.as_str(),
            left: LeftBody {
                accepted: left.accepted,
                delivered: left.delivered,
                failed: left.failed,
                dispatching: left.dispatching,
                unknown: left.unknown,
            },
            waiting: recalled.waiting,
            running: recalled.running,
            job: recalled.job,
        }
    }
}
