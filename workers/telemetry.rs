//! The shape of a metric, and those that this crate records itself: enqueues, vendors, messages, credits, leads, rows.
//!
//! What is recorded inside a transaction is counted with its statement, also where that transaction fails later. These
//! figures show how the fleet moves; the tables are the truth of what happened.
//!
//! This file and `src/telemetry.rs` are the only ones that name a metric. A label's values come from a closed set that is
//! known when the process starts (a vendor, an outcome), never from data: no team, no job, no phone number.

use std::time::Duration;

use metrics::{counter, histogram};

use crate::vendors::VendorError;

/// What a metric measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only ever grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution, in buckets.
    Histogram,
}

/// One row of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// `longshore_…`, in base units.
    pub name: &'static str,
    /// What it measures.
    pub kind: MetricKind,
    /// The labels every series of it has.
    pub labels: &'static [&'static str],
    /// Upper bounds of a histogram's buckets; empty otherwise.
    pub buckets: &'static [f64],
    /// One sentence for whoever reads `/metrics`.
    pub help: &'static str,
}

impl Metric {
    /// A counter.
    pub const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, kind: MetricKind::Counter, labels, buckets: &[], help }
    }

    /// A gauge.
    pub const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { name, kind: MetricKind::Gauge, labels, buckets: &[], help }
    }

    /// A histogram.
    pub const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        buckets: &'static [f64],
        help: &'static str,
    ) -> Self {
        Self { name, kind: MetricKind::Histogram, labels, buckets, help }
    }
}

const ENQUEUED: Metric = Metric::counter(
    "longshore_jobs_enqueued_total",
    &["kind", "source"],
    "Jobs accepted through HTTP or the Rust library. What others enqueue through SQL shows in longshore_queue_jobs.",
);
const DEDUPLICATED: Metric = Metric::counter(
    "longshore_jobs_deduplicated_total",
    &["kind", "source"],
    "Enqueues answered with the job that their idempotency key had named before.",
);
const VENDOR_REQUESTS: Metric = Metric::counter(
    "longshore_vendor_requests_total",
    &["vendor", "outcome"],
    "Calls to a vendor by what the answer means: ok, rate_limited, refused, recipient, config, retryable, unknown.",
);
const VENDOR_SECONDS: Metric = Metric::histogram(
    "longshore_vendor_request_seconds",
    &["vendor"],
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0],
    "How long a vendor took to answer, or we to give up.",
);
const SENDS: Metric = Metric::counter(
    "longshore_sends_total",
    &["outcome"],
    "Messages by what became of a send: accepted, failed, unknown, suppressed, snoozed (a gate said not now).",
);
const CREDITS: Metric = Metric::counter(
    "longshore_credits_total",
    &["vendor", "entry"],
    "Credits of vendor calls: hold, capture (charged), release (given back), refused (not covered by the balance).",
);
const ENROLLED: Metric = Metric::counter(
    "longshore_enrollments_total",
    &["outcome"],
    "Leads that enrollment looked at: enrolled, or why not (enrolled_before, running_elsewhere, no_phone, stopped, suppressed).",
);
const INGESTED: Metric =
    Metric::counter("longshore_ingested_rows_total", &["outcome"], "Rows of ingested files: loaded, duplicate, rejected.");

/// The rows of the catalogue that are recorded here.
pub const METRICS: &[Metric] = &[ENQUEUED, DEDUPLICATED, VENDOR_REQUESTS, VENDOR_SECONDS, SENDS, CREDITS, ENROLLED, INGESTED];

/// Starts the counters whose series are known beforehand at zero.
pub fn start_at_zero() {
    use self::{Enrollment as E, Row as R, Send as S};
    [S::Accepted, S::Failed, S::Unknown, S::Suppressed, S::Snoozed].into_iter().for_each(|outcome| sends(outcome, 0));
    [E::Enrolled, E::EnrolledBefore, E::RunningElsewhere, E::NoPhone, E::Stopped, E::Suppressed]
        .into_iter()
        .for_each(|outcome| enrollments(outcome, 0));
    [R::Loaded, R::Duplicate, R::Rejected].into_iter().for_each(|outcome| rows(outcome, 0));
}

/// Which door a job came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The API.
    Http,
    /// The Rust library: most often another job.
    Rust,
}

/// Records accepted enqueues of a known kind.
pub fn jobs_enqueued(kind: &str, source: Source, fresh: usize, deduplicated: usize) {
    let source = match source {
        Source::Http => "http",
        Source::Rust => "rust",
    };
    counter!(ENQUEUED.name, "kind" => kind.to_owned(), "source" => source).increment(fresh as u64);
    counter!(DEDUPLICATED.name, "kind" => kind.to_owned(), "source" => source).increment(deduplicated as u64);
}

/// Records one call to a vendor.
pub fn vendor_request<T>(vendor: &'static str, result: &Result<T, VendorError>, took: Duration) {
    let outcome = match result {
        Ok(_) => "ok",
        Err(VendorError::RateLimited { .. }) => "rate_limited",
        Err(VendorError::Refused { .. }) => "refused",
        Err(VendorError::Recipient { .. }) => "recipient",
        Err(VendorError::Config { .. }) => "config",
        Err(VendorError::Retryable { .. }) => "retryable",
        Err(VendorError::UnknownOutcome { .. }) => "unknown",
    };
    counter!(VENDOR_REQUESTS.name, "vendor" => vendor, "outcome" => outcome).increment(1);
    histogram!(VENDOR_SECONDS.name, "vendor" => vendor).record(took.as_secs_f64());
}

/// What became of an attempt to send a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Send {
    /// The vendor took it.
    Accepted,
    /// The vendor refused it for good.
    Failed,
    /// It may or may not have been taken.
    Unknown,
    /// A gate said never.
    Suppressed,
    /// A gate said not now.
    Snoozed,
}

/// Records what became of attempts to send.
pub fn sends(outcome: Send, messages: u64) {
    let outcome = match outcome {
        Send::Accepted => "accepted",
        Send::Failed => "failed",
        Send::Unknown => "unknown",
        Send::Suppressed => "suppressed",
        Send::Snoozed => "snoozed",
    };
    counter!(SENDS.name, "outcome" => outcome).increment(messages);
}

/// A movement in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Reserved before a call.
    Hold,
    /// Spent: the vendor charged.
    Capture,
    /// Given back: the vendor did not charge.
    Release,
    /// Not reserved: the balance did not cover it.
    Refused,
}

/// Records credits moved in the ledger. Call it behind the commit: a movement that was rolled back is none.
pub fn credits(vendor: &'static str, entry: Entry, credits: u64) {
    let entry = match entry {
        Entry::Hold => "hold",
        Entry::Capture => "capture",
        Entry::Release => "release",
        Entry::Refused => "refused",
    };
    counter!(CREDITS.name, "vendor" => vendor, "entry" => entry).increment(credits);
}

/// What enrollment made of a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrollment {
    /// It is in the campaign now.
    Enrolled,
    /// It was in the campaign before.
    EnrolledBefore,
    /// Another running sequence has it.
    RunningElsewhere,
    /// It has no phone number.
    NoPhone,
    /// It said stop.
    Stopped,
    /// Its number is on the suppression list.
    Suppressed,
}

/// Records what enrollment made of leads.
pub fn enrollments(outcome: Enrollment, leads: i64) {
    let outcome = match outcome {
        Enrollment::Enrolled => "enrolled",
        Enrollment::EnrolledBefore => "enrolled_before",
        Enrollment::RunningElsewhere => "running_elsewhere",
        Enrollment::NoPhone => "no_phone",
        Enrollment::Stopped => "stopped",
        Enrollment::Suppressed => "suppressed",
    };
    counter!(ENROLLED.name, "outcome" => outcome).increment(count(leads));
}

/// What ingestion made of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// It is in the dataset now.
    Loaded,
    /// It was there already.
    Duplicate,
    /// It is on the reject list, with the reason.
    Rejected,
}

/// Records what ingestion made of rows.
pub fn rows(outcome: Row, rows: i64) {
    let outcome = match outcome {
        Row::Loaded => "loaded",
        Row::Duplicate => "duplicate",
        Row::Rejected => "rejected",
    };
    counter!(INGESTED.name, "outcome" => outcome).increment(count(rows));
}

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
