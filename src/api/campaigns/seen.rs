//! What is seen of a campaign over HTTP: its preview, its trail, why a lead is in it.

use chrono::{DateTime, Utc};
use longshore_workers::{
    enrollment::{
        preview::{Counted, Preview, Sampled, Text},
        refresh_tags::Tag,
        trail::{Decision, Enrollment, Entry, Reported, Why},
    },
    ids::JobId,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Who a campaign would reach.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewBody {
    /// Leads that match.
    total: i64,
    /// Of those, leads that nothing keeps out.
    free: i64,
    /// How many would be skipped, and why.
    skipped: Skipped,
    /// When they were counted, where that was not now: the leads of a large team are counted by a job.
    counted_at: Option<DateTime<Utc>>,
    /// Some of them, by id; what keeps each out is looked at now.
    sample: Vec<SampledBody>,
    /// The texts as somebody whose every field is known would get them.
    texts: Vec<TextBody>,
}

/// Leads that would be skipped, each by the first thing that keeps it out.
#[derive(Debug, Serialize, ToSchema)]
pub struct Skipped {
    no_phone: i64,
    /// Said stop.
    stopped: i64,
    /// The number is on the suppression list.
    suppressed: i64,
    enrolled_before: i64,
    running_elsewhere: i64,
}

/// A lead of a sample. Who it is, without a number.
#[derive(Debug, Serialize, ToSchema)]
pub struct SampledBody {
    lead_id: i64,
    first_name: Option<String>,
    last_name: Option<String>,
    company: Option<String>,
    city: Option<String>,
    state: Option<String>,
    tags: Vec<String>,
    engagement: String,
    /// `free`, or what would keep it out.
    #[schema(example = "free")]
    fate: String,
    /// Why a text could not be written for it; it is never sent then.
    problem: Option<String>,
}

/// A text of a campaign.
#[derive(Debug, Serialize, ToSchema)]
pub struct TextBody {
    step: i16,
    #[schema(example = "a")]
    variant: String,
    /// Null where it can't be written.
    text: Option<String>,
    problem: Option<String>,
    /// GSM-7 or UCS-2.
    encoding: Option<&'static str>,
    /// Segments it is sent as, placeholders and all: a lead's own words may make it longer or shorter.
    segments: Option<usize>,
}

impl From<Preview> for PreviewBody {
    fn from(all: Preview) -> Self {
        let Counted { total, free, no_phone, stopped, suppressed, enrolled_before, running_elsewhere, counted_at, .. } =
            all.counted;
        Self {
            total,
            free,
            skipped: Skipped { no_phone, stopped, suppressed, enrolled_before, running_elsewhere },
            counted_at,
            sample: all.sample.into_iter().map(SampledBody::from).collect(),
            texts: all.texts.into_iter().map(TextBody::from).collect(),
        }
    }
}

impl From<Sampled> for SampledBody {
    fn from(one: Sampled) -> Self {
        Self {
            lead_id: one.lead_id,
            first_name: one.first_name,
            last_name: one.last_name,
            company: one.company,
            city: one.city,
            state: one.state,
            tags: one.tags,
            engagement: one.engagement,
            fate: one.fate,
            problem: one.problem,
        }
    }
}

impl From<Text> for TextBody {
    fn from(one: Text) -> Self {
        Self {
            step: one.step,
            variant: one.variant,
            text: one.text,
            problem: one.problem,
            encoding: one.segments.map(|counted| counted.encoding.as_str()),
            segments: one.segments.map(|counted| counted.segments),
        }
    }
}

/// A page of a campaign's trail, by lead, step and round.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrailPage {
    pub(super) entries: Vec<TrailEntry>,
    /// Pass it as `after` for the next page; null on the last one.
    #[schema(example = "51.1.1")]
    pub(super) next: Option<String>,
}

/// What became of one step for one lead. No number, no text.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrailEntry {
    lead_id: i64,
    step: i16,
    variant: String,
    /// 1, and one more each time the lead was enrolled again because its sends had failed, or one was sent once more by itself.
    round: i16,
    message_id: i64,
    /// The message that failed in passing and is sent once more by this one.
    resend_of: Option<i64>,
    state: String,
    reason: Option<String>,
    planned_at: DateTime<Utc>,
    attempted_at: Option<DateTime<Utc>>,
    accepted_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    vendor: Option<String>,
    /// The furthest that the vendor has reported.
    vendor_status: Option<String>,
    error_code: Option<i32>,
    segments: Option<i32>,
    /// What was decided about it, the oldest first.
    decisions: Vec<DecisionBody>,
    /// What the vendor reported, the oldest first.
    reports: Vec<ReportBody>,
}

/// One decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionBody {
    at: DateTime<Utc>,
    #[schema(example = "wait")]
    verdict: String,
    #[schema(example = "quiet_hours")]
    rule: String,
    rules_version: String,
    /// The facts it decided from; only where one lead is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    inputs: Option<Value>,
}

/// One report of the vendor.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportBody {
    at: DateTime<Utc>,
    status: String,
    error_code: Option<i32>,
}

impl From<Entry> for TrailEntry {
    fn from(one: Entry) -> Self {
        let decision = |Decision { at, verdict, rule, rules_version, inputs }: Decision| DecisionBody {
            at,
            verdict,
            rule,
            rules_version,
            inputs,
        };
        let report = |Reported { at, status, error_code }: Reported| ReportBody { at, status, error_code };
        Self {
            lead_id: one.lead_id,
            step: one.step,
            variant: one.variant,
            round: one.round,
            message_id: one.message_id,
            resend_of: one.resend_of,
            state: one.state,
            reason: one.reason,
            planned_at: one.planned_at,
            attempted_at: one.attempted_at,
            accepted_at: one.accepted_at,
            ended_at: one.ended_at,
            vendor: one.vendor,
            vendor_status: one.vendor_status,
            error_code: one.error_code,
            segments: one.segments,
            decisions: one.decisions.into_iter().map(decision).collect(),
            reports: one.reports.into_iter().map(report).collect(),
        }
    }
}

/// Why a lead is or is not in a campaign, and all that became of it there.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhyBody {
    lead_id: i64,
    /// enrolled_running, enrolled_completed, enrolled_stopped, other_tags, other_engagement, no_phone, stopped, suppressed,
    /// running_elsewhere or free.
    #[schema(example = "running_elsewhere")]
    answer: String,
    enrollment: Option<EnrollmentBody>,
    trail: Vec<TrailEntry>,
}

/// A lead's way through a sequence.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnrollmentBody {
    state: String,
    enrolled_at: DateTime<Utc>,
    /// The job that enrolled it last.
    #[schema(value_type = String, example = "job_42")]
    job: JobId,
    round: i16,
    next_step: Option<i16>,
    /// When that falls due; the first one not before the campaign opens.
    next_due_at: Option<DateTime<Utc>>,
}

impl From<Why> for WhyBody {
    fn from(why: Why) -> Self {
        let enrollment = |one: Enrollment| EnrollmentBody {
            state: one.state,
            enrolled_at: one.enrolled_at,
            job: JobId(one.run_job),
            round: one.round,
            next_step: one.next_step,
            next_due_at: one.next_due_at,
        };
        Self {
            lead_id: why.lead_id,
            answer: why.answer,
            enrollment: why.enrollment.map(enrollment),
            trail: why.trail.into_iter().map(TrailEntry::from).collect(),
        }
    }
}

/// The team's tags.
#[derive(Debug, Serialize, ToSchema)]
pub struct TagList {
    pub(super) tags: Vec<TagBody>,
}

/// A tag and how many leads carry it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TagBody {
    tag: String,
    leads: i64,
    /// When they were counted.
    refreshed_at: DateTime<Utc>,
}

impl From<Tag> for TagBody {
    fn from(Tag { tag, leads, refreshed_at }: Tag) -> Self {
        Self { tag, leads, refreshed_at }
    }
}
