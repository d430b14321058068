//! How schedules are written in requests and answers.

use chrono::{DateTime, Utc};
use longshore_workers::ids::JobId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::store::schedules::Schedule;

/// A page of schedules, by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct SchedulePage {
    pub(super) schedules: Vec<ScheduleBody>,
    /// The next page's `after`; left out where no more follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A schedule.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleBody {
    #[schema(example = "nightly")]
    name: String,
    kind: String,
    #[schema(value_type = Object)]
    payload: Value,
    #[schema(example = "30 2 * * *")]
    cron: String,
    #[schema(example = "America/New_York")]
    time_zone: String,
    /// What becomes of ticks that nobody was there to fire: `skip`, `run_once` or `catch_up`.
    missed: String,
    catch_up_most: i32,
    /// Since when it does not fire.
    paused_at: Option<DateTime<Utc>>,
    /// Why: as somebody said, or as the scheduler that had to stop it found.
    paused_reason: Option<String>,
    /// The house's configuration says so; it is put back when that is read again.
    declared: bool,
    /// Its next tick; of a paused one, what it would have been.
    next_due_at: DateTime<Utc>,
    last_due_at: Option<DateTime<Utc>>,
    /// The job of that tick; left out where it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "job_42")]
    last_job: Option<JobId>,
}

/// A schedule as somebody wants it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRequest {
    /// What its jobs do: one of the kinds that `longshore kinds` lists.
    #[schema(example = "refresh_tags", max_length = 63)]
    pub(super) kind: String,
    /// With what; `{}` when left out.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(super) payload: Map<String, Value>,
    /// When: minute hour day month weekday.
    #[schema(example = "30 2 * * *", max_length = 200)]
    pub(super) cron: String,
    /// By which clocks: a name of the IANA database.
    #[serde(default = "utc")]
    #[schema(example = "America/New_York", default = "UTC")]
    pub(super) time_zone: String,
    /// What becomes of ticks that nobody was there to fire; one job stands for all when left out.
    #[serde(default)]
    pub(super) missed: Missed,
    /// With `catch_up`: so many of the newest are made up for, the rest are skipped.
    #[serde(default = "catch_up_most")]
    #[schema(minimum = 1, maximum = 10_000, default = 100)]
    pub(super) catch_up_most: i32,
}

fn utc() -> String {
    "UTC".into()
}

const fn catch_up_most() -> i32 {
    100
}

/// What becomes of ticks that nobody was there to fire.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Missed {
    /// They are skipped.
    Skip,
    /// One job stands for all.
    #[default]
    RunOnce,
    /// Each gets its job.
    CatchUp,
}

impl Missed {
    pub(super) const fn stored(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::RunOnce => "run_once",
            Self::CatchUp => "catch_up",
        }
    }
}

/// Why a schedule is stopped.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// For whoever looks at it later.
    #[schema(max_length = 1000)]
    pub(super) reason: Option<String>,
}

impl From<Schedule> for ScheduleBody {
    fn from(one: Schedule) -> Self {
        Self {
            name: one.name,
            kind: one.kind,
            payload: one.payload,
            cron: one.cron,
            time_zone: one.time_zone,
            missed: one.missed,
            catch_up_most: one.catch_up_most,
            paused_at: one.paused_at,
            paused_reason: one.paused_reason,
            declared: one.declared,
            next_due_at: one.next_due_at,
            last_due_at: one.last_due_at,
            last_job: one.last_job,
        }
    }
}
