//! How webhook endpoints and deliveries are written in requests and answers.

use chrono::{DateTime, Utc};
use longshore_workers::{
    ids::{DeliveryId, EndpointId, JobId},
    webhooks::{
        deliveries::Delivery,
        endpoints::{Endpoint, KEEP_HOURS, Wanted},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A team's endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointList {
    pub(super) endpoints: Vec<EndpointBody>,
}

/// Where webhooks go to.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointBody {
    #[schema(value_type = String, example = "ep_7")]
    id: EndpointId,
    #[schema(example = "https://example.com/webhooks")]
    url: String,
    description: String,
    /// What it is told.
    #[schema(example = json!(["job.done", "job.dead"]))]
    events: Vec<String>,
    /// Of job events only those of jobs of these kinds; null: of all.
    kinds: Option<Vec<String>>,
    enabled: bool,
    /// Since when nothing is sent to it.
    disabled_at: Option<DateTime<Utc>>,
    /// Why.
    disabled_reason: Option<String>,
    /// Since when it has taken nothing, though it was tried.
    failing_since: Option<DateTime<Utc>>,
    /// Secrets that sign now: two while one is replaced.
    secrets: i64,
    /// Until when the older one signs.
    old_secret_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl EndpointBody {
    pub(super) fn id(&self) -> EndpointId {
        self.id
    }
}

impl From<Endpoint> for EndpointBody {
    fn from(one: Endpoint) -> Self {
        Self {
            id: one.id,
            url: one.url,
            description: one.description,
            events: one.events,
            kinds: one.kinds,
            enabled: one.disabled_at.is_none(),
            disabled_at: one.disabled_at,
            disabled_reason: one.disabled_reason,
            failing_since: one.failing_since,
            secrets: one.secrets,
            old_secret_until: one.old_secret_until,
            created_at: one.created_at,
        }
    }
}

/// An endpoint, and the secret that it was just given.
#[derive(Serialize, ToSchema)]
pub struct EndpointSecret {
    pub(super) endpoint: EndpointBody,
    /// What deliveries are signed with. Keep it now: it is never shown again.
    #[schema(example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    pub(super) secret: String,
}

/// An endpoint to set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointRequest {
    /// An https address on the public network, port 443 or from 1024 on.
    #[schema(example = "https://example.com/webhooks", max_length = 2048)]
    url: String,
    /// What people call it.
    #[serde(default)]
    #[schema(max_length = 200)]
    description: String,
    /// What it is told; docs/WEBHOOKS.md lists the events.
    #[schema(example = json!(["job.done", "job.dead"]), min_items = 1)]
    events: Vec<String>,
    /// Of job events only those of jobs of these kinds; all when left out.
    #[schema(max_items = 50)]
    kinds: Option<Vec<String>>,
    /// False: nothing is sent to it yet.
    #[serde(default = "yes")]
    #[schema(default = true)]
    enabled: bool,
}

const fn yes() -> bool {
    true
}

impl From<EndpointRequest> for Wanted {
    fn from(asked: EndpointRequest) -> Self {
        Self {
            url: Some(asked.url),
            description: Some(asked.description),
            events: Some(asked.events),
            kinds: asked.kinds,
            enabled: Some(asked.enabled),
        }
    }
}

/// What is to be different about an endpoint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointChange {
    /// An https address on the public network, port 443 or from 1024 on.
    #[schema(max_length = 2048)]
    url: Option<String>,
    #[schema(max_length = 200)]
    description: Option<String>,
    /// All that it is told from now on.
    #[schema(min_items = 1)]
    events: Option<Vec<String>>,
    /// Of job events only those of jobs of these kinds; an empty list: of all.
    #[schema(max_items = 50)]
    kinds: Option<Vec<String>>,
    /// Whether anything is sent to it.
    enabled: Option<bool>,
}

impl From<EndpointChange> for Wanted {
    fn from(asked: EndpointChange) -> Self {
        let EndpointChange { url, description, events, kinds, enabled } = asked;
        Self { url, description, events, kinds, enabled }
    }
}

/// How a secret is replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// How long the secret before goes on signing beside the new one.
    #[serde(default = "keep_hours")]
    #[schema(minimum = 0, maximum = 168, default = 24)]
    pub(super) keep_hours: i32,
}

const fn keep_hours() -> i32 {
    KEEP_HOURS
}

impl Default for RotateRequest {
    fn default() -> Self {
        Self { keep_hours: KEEP_HOURS }
    }
}

/// A page of deliveries, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryPage {
    pub(super) deliveries: Vec<DeliveryBody>,
    /// The next page's `after`; left out where no more follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "dlv_42")]
    pub(super) next: Option<DeliveryId>,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is tried, or tried again later.
    Waiting,
    /// The receiver has taken it.
    Delivered,
    /// It was tried in vain; its job is a dead letter.
    Failed,
    /// The endpoint was disabled or deleted.
    Skipped,
    /// Somebody cancelled its job.
    Cancelled,
}

impl DeliveryState {
    pub(super) const fn stored(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One event for one endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryBody {
    #[schema(value_type = String, example = "dlv_42")]
    id: DeliveryId,
    #[schema(value_type = String, example = "ep_7")]
    endpoint: EndpointId,
    /// The `webhook-id` that the receiver sees: the same at every try.
    #[schema(example = "evt_0f7a3c9e5b1d4e6f8a2b4c6d8e0f1a3b")]
    event_id: String,
    #[schema(example = "job.done")]
    event: String,
    /// `waiting`, `delivered`, `failed`, `skipped` or `cancelled`.
    state: String,
    /// How often it was tried.
    attempts: i32,
    /// The last answer's HTTP status.
    status: Option<i16>,
    /// Why it was not taken.
    problem: Option<String>,
    tried_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    /// The job that delivers it.
    #[schema(value_type = String, example = "job_42")]
    job: JobId,
}

impl From<Delivery> for DeliveryBody {
    fn from(one: Delivery) -> Self {
        let Delivery { id, endpoint, event_id, event, state, attempts, status, problem, tried_at, created_at, ended_at, job } =
            one;
        Self { id, endpoint, event_id, event, state, attempts, status, problem, tried_at, created_at, ended_at, job }
    }
}
