//! What a process shows of itself: its logs, and every metric by name.
//!
//! No other file names a metric, but `workers/telemetry.rs` with those that job kinds record. Callers say what happened
//! (`job_finished`, `fenced`), and the row of the catalogue stands beside the function that records it. Prefix
//! `longshore_`, base units, `_total` on counters; a label's values come from a closed set (queue, kind, outcome, state,
//! vendor), never from data: no team, no job, no phone number. A figure that belongs to the fleet and not to a process
//! (depths, workers alive) is published by the scheduler alone and read with `max by (…)`.

mod logs;

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use longshore_workers::registry::Registry;
pub use longshore_workers::telemetry::{Metric, MetricKind};
use metrics::{Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub use self::logs::{LogError, LogFormat, init_logs, json_lines};
use crate::queue::settle::Verdict;

const BUILD: Metric =
    Metric::gauge("longshore_build_info", &["version", "role"], "Always 1: the build that runs here, and as what.");
const FINISHED: Metric = Metric::counter(
    "longshore_jobs_finished_total",
    &["queue", "kind", "outcome"],
    "Runs that were settled: done, retry, snoozed, unknown, parked, dead, cancelled, released.",
);
const WAIT: Metric = Metric::histogram(
    "longshore_job_wait_seconds",
    &["queue"],
    &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0],
    "From a job's enqueue to the claim of its first attempt.",
);
const RUN: Metric = Metric::histogram(
    "longshore_job_run_seconds",
    &["queue", "kind"],
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0],
    "How long a run took, from the start of its handler to its verdict.",
);
const CLAIM: Metric = Metric::histogram(
    "longshore_claim_seconds",
    &["queue"],
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0],
    "How long one claim took, whatever it found.",
);
const CLAIMED: Metric = Metric::counter("longshore_jobs_claimed_total", &["queue"], "Jobs that claims brought.");
const CLAIMS_EMPTY: Metric = Metric::counter("longshore_claims_empty_total", &["queue"], "Claims that brought nothing.");
const FENCED: Metric = Metric::counter(
    "longshore_jobs_fenced_total",
    &["queue"],
    "Results that were refused, because another worker had the job by then.",
);
const REAPED: Metric = Metric::counter(
    "longshore_jobs_reaped_total",
    &["fate"],
    "Jobs whose worker was lost, by what became of them: retried, or dead at their last attempt.",
);
const PROMOTED: Metric = Metric::counter("longshore_jobs_promoted_total", &[], "Scheduled jobs made ready when their time came.");
const RENEWALS: Metric = Metric::counter(
    "longshore_lease_renewals_total",
    &["outcome"],
    "Heartbeats: renewed, lost (the fleet holds this process for dead), failed (the database did not answer).",
);
const SETTLE: Metric = Metric::histogram(
    "longshore_settle_seconds",
    &[],
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0],
    "How long one statement took that recorded what became of jobs.",
);
const SLOTS: Metric = Metric::gauge("longshore_worker_slots", &["queue", "state"], "This worker's slots: busy or free.");
const POOL: Metric =
    Metric::gauge("longshore_db_pool_connections", &["pool", "state"], "This process's connections: busy or idle.");
const HTTP: Metric =
    Metric::counter("longshore_http_requests_total", &["route", "status"], "HTTP requests by route and class of answer.");
const HTTP_SECONDS: Metric = Metric::histogram(
    "longshore_http_request_seconds",
    &["route"],
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
    "How long an HTTP request took.",
);
const WAITING: Metric =
    Metric::gauge("longshore_http_waiting", &[], "Callers of this process that wait for a change of a job or a batch.");
const RATES_OPEN: Metric = Metric::counter(
    "longshore_http_rates_open_total",
    &[],
    "Requests that no rate held up, because how many API processes share it could not be learned.",
);
const TICKS: Metric = Metric::counter(
    "longshore_schedule_ticks_total",
    &["outcome"],
    "Ticks of schedules: fired, or skipped by the schedule's policy.",
);
const DEPTH: Metric = Metric::gauge(
    "longshore_queue_jobs",
    &["queue", "state"],
    "Unfinished jobs of a queue: ready, scheduled, parked, running; and its open dead letters (dead).",
);
const OLDEST: Metric = Metric::gauge(
    "longshore_queue_oldest_job_age_seconds",
    &["queue", "state"],
    "Age of the oldest job in that state; for scheduled ones, how long the first is overdue. 0 when there is none.",
);
const PAUSED: Metric = Metric::gauge("longshore_queue_paused", &["queue"], "1 while nobody may claim from the queue.");
const MEASURED: Metric =
    Metric::gauge("longshore_queue_measured_timestamp_seconds", &[], "When the depths were last measured, in Unix time.");
const WORKERS: Metric = Metric::gauge("longshore_queue_workers", &["queue"], "Live workers that claim from the queue.");
const PROCESSES: Metric = Metric::gauge("longshore_processes", &["role"], "Live processes of the fleet.");

const ENGINE: &[Metric] = &[
    BUILD,
    FINISHED,
    WAIT,
    RUN,
    CLAIM,
    CLAIMED,
    CLAIMS_EMPTY,
    FENCED,
    REAPED,
    PROMOTED,
    RENEWALS,
    SETTLE,
    SLOTS,
    POOL,
    HTTP,
    HTTP_SECONDS,
    WAITING,
    RATES_OPEN,
    TICKS,
    DEPTH,
    OLDEST,
    PAUSED,
    MEASURED,
    WORKERS,
    PROCESSES,
];

/// Every metric of the house.
pub fn catalogue() -> impl Iterator<Item = &'static Metric> {
    ENGINE.iter().chain(longshore_workers::telemetry::METRICS)
}

/// Why metrics could not be set up.
#[derive(Debug, Error)]
pub enum MetricsError {
    /// The catalogue is wrong.
    #[error("the metric catalogue is wrong: {0}")]
    Catalogue(#[from] BuildError),
    /// Something else has taken the metrics of this process.
    #[error("metrics were set up already, by something else")]
    Taken,
}

/// This process's metrics.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// As Prometheus reads them.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds recorded values into the histograms every five seconds, until `stop`: without it, memory grows between two
    /// scrapes, and for ever where nobody scrapes.
    pub async fn keep_up(self, stop: CancellationToken) {
        let mut every = tokio::time::interval(Duration::from_secs(5));
        while stop.run_until_cancelled(every.tick()).await.is_some() {
            self.0.run_upkeep();
        }
    }
}

/// Makes a panic be logged by its place alone: what it says may hold a payload, and goes where the job's own record goes.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a thread panicked; what it said is not logged, for it may hold data");
    }));
}

static METRICS: OnceLock<Metrics> = OnceLock::new();
static SETTING_UP: Mutex<()> = Mutex::new(());

/// Makes this process record metrics. Asked again, it answers with the same.
pub fn init_metrics() -> Result<Metrics, MetricsError> {
    let _one_at_a_time = SETTING_UP.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(metrics) = METRICS.get() {
        return Ok(metrics.clone());
    }
    let mut builder = PrometheusBuilder::new();
    for metric in catalogue().filter(|metric| metric.kind == MetricKind::Histogram) {
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.into()), metric.buckets)?;
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Taken)?;
    for metric in catalogue() {
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, metric.help),
            MetricKind::Gauge => describe_gauge!(metric.name, metric.help),
            MetricKind::Histogram => describe_histogram!(metric.name, metric.help),
        }
    }
    Ok(METRICS.get_or_init(|| Metrics(handle)).clone())
}

/// Says which build runs here, and as what.
pub fn build_info(role: &'static str) {
    gauge!(BUILD.name, "version" => env!("CARGO_PKG_VERSION"), "role" => role).set(1);
}

/// Starts a process's counters at zero, so that the first retry of a kind is seen as an increase and not as a beginning.
/// `queues` are those it claims from.
pub fn start_at_zero<'a>(registry: &Registry, queues: impl IntoIterator<Item = &'a str>) {
    for queue in queues {
        fenced(queue, 0);
        for kind in registry.iter().filter(|kind| kind.queue == queue) {
            for outcome in Verdict::NAMES {
                counter!(FINISHED.name, "queue" => kind.queue, "kind" => kind.name, "outcome" => outcome).increment(0);
            }
        }
    }
    reaped(0, 0);
    promoted(0);
    for outcome in ["renewed", "lost", "failed"] {
        counter!(RENEWALS.name, "outcome" => outcome).increment(0);
    }
    for outcome in ["fired", "skipped"] {
        counter!(TICKS.name, "outcome" => outcome).increment(0);
    }
    longshore_workers::telemetry::start_at_zero();
}

/// Starts what the door alone counts at zero: nobody waits yet, and no rate was passed over.
pub fn door_at_zero() {
    waiting(0);
    counter!(RATES_OPEN.name).increment(0);
}

/// The meters of one kind's runs, looked up once: by name for each job they would cost as much as the job's other upkeep.
#[derive(Clone)]
pub struct RunMeters {
    finished: Vec<(&'static str, Counter)>,
    run: Histogram,
}

impl RunMeters {
    /// Those of a kind. `kind` is the registered name, not an alias.
    pub fn of(queue: &'static str, kind: &'static str) -> Self {
        let finished = Verdict::NAMES
            .into_iter()
            .map(|outcome| (outcome, counter!(FINISHED.name, "queue" => queue, "kind" => kind, "outcome" => outcome)));
        Self { finished: finished.collect(), run: histogram!(RUN.name, "queue" => queue, "kind" => kind) }
    }

    /// Records a run and its verdict.
    pub fn record(&self, verdict: &Verdict, run: Duration) {
        if let Some((_, counter)) = self.finished.iter().find(|(outcome, _)| *outcome == verdict.name()) {
            counter.increment(1);
        }
        self.run.record(run.as_secs_f64());
    }
}

/// The meters of one queue's claims.
#[derive(Clone)]
pub struct ClaimMeters {
    seconds: Histogram,
    empty: Counter,
    claimed: Counter,
    wait: Histogram,
    busy: Gauge,
    free: Gauge,
}

impl ClaimMeters {
    /// Those of a queue.
    pub fn of(queue: &str) -> Self {
        let queue = || queue.to_owned();
        Self {
            seconds: histogram!(CLAIM.name, "queue" => queue()),
            empty: counter!(CLAIMS_EMPTY.name, "queue" => queue()),
            claimed: counter!(CLAIMED.name, "queue" => queue()),
            wait: histogram!(WAIT.name, "queue" => queue()),
            busy: gauge!(SLOTS.name, "queue" => queue(), "state" => "busy"),
            free: gauge!(SLOTS.name, "queue" => queue(), "state" => "free"),
        }
    }

    /// Records a claim and what it brought.
    pub fn claim(&self, took: Duration, jobs: usize) {
        self.seconds.record(took.as_secs_f64());
        if jobs == 0 { self.empty.increment(1) } else { self.claimed.increment(jobs as u64) }
    }

    /// Records how long a job had waited, when its first attempt was claimed.
    pub fn waited(&self, wait: Duration) {
        self.wait.record(wait.as_secs_f64());
    }

    /// Shows this worker's slots.
    pub fn slots(&self, busy: usize, total: usize) {
        self.busy.set(busy as f64);
        self.free.set(total.saturating_sub(busy) as f64);
    }
}

/// Records results that were refused because the lease was gone.
pub fn fenced(queue: &str, jobs: usize) {
    counter!(FENCED.name, "queue" => queue.to_owned()).increment(jobs as u64);
}

/// Records jobs whose worker was lost; `buried` of the `lost` were at their last attempt.
pub fn reaped(lost: i32, buried: i32) {
    let count = |n: i32| u64::try_from(n).unwrap_or(0);
    counter!(REAPED.name, "fate" => "retried").increment(count(lost - buried));
    counter!(REAPED.name, "fate" => "dead").increment(count(buried));
}

/// Records scheduled jobs made ready.
pub fn promoted(jobs: i32) {
    counter!(PROMOTED.name).increment(u64::try_from(jobs).unwrap_or(0));
}

/// How a heartbeat went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The process is alive to the fleet.
    Renewed,
    /// The fleet holds it for dead.
    Lost,
    /// The database did not answer in time.
    Failed,
}

/// Records a heartbeat.
pub fn renewal(outcome: Renewal) {
    let outcome = match outcome {
        Renewal::Renewed => "renewed",
        Renewal::Lost => "lost",
        Renewal::Failed => "failed",
    };
    counter!(RENEWALS.name, "outcome" => outcome).increment(1);
}

/// Records one statement that settled jobs.
pub fn settled(took: Duration) {
    histogram!(SETTLE.name).record(took.as_secs_f64());
}

/// Shows a pool's connections.
pub fn pool(name: &'static str, idle: usize, total: usize) {
    gauge!(POOL.name, "pool" => name, "state" => "busy").set(total.saturating_sub(idle) as f64);
    gauge!(POOL.name, "pool" => name, "state" => "idle").set(idle as f64);
}

/// Records an HTTP request. `route` is the template (`/v1/jobs/{id}`), never the path.
pub fn http_request(route: &str, status: u16, took: Duration) {
    let class = match status {
        0..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    counter!(HTTP.name, "route" => route.to_owned(), "status" => class).increment(1);
    histogram!(HTTP_SECONDS.name, "route" => route.to_owned()).record(took.as_secs_f64());
}

/// Shows how many callers wait for a change.
pub fn waiting(callers: usize) {
    gauge!(WAITING.name).set(callers as f64);
}

/// Records a request that no rate held up, because the rate could not be known.
pub fn rate_fell_open() {
    counter!(RATES_OPEN.name).increment(1);
}

/// Records a tick.
pub fn tick(fired: bool) {
    counter!(TICKS.name, "outcome" => if fired { "fired" } else { "skipped" }).increment(1);
}

/// Shows the depth of one queue in one state.
pub fn queue_depth(queue: &str, state: &str, jobs: i64, oldest_age: Duration) {
    gauge!(DEPTH.name, "queue" => queue.to_owned(), "state" => state.to_owned()).set(jobs as f64);
    gauge!(OLDEST.name, "queue" => queue.to_owned(), "state" => state.to_owned()).set(oldest_age.as_secs_f64());
}

/// Shows whether a queue is paused, and how many live workers claim from it.
pub fn queue_state(queue: &str, paused: bool, workers: i64) {
    gauge!(PAUSED.name, "queue" => queue.to_owned()).set(if paused { 1.0 } else { 0.0 });
    gauge!(WORKERS.name, "queue" => queue.to_owned()).set(workers as f64);
}

/// Shows when the depths were measured, in Unix time.
pub fn measured_at(unix_seconds: f64) {
    gauge!(MEASURED.name).set(unix_seconds);
}

/// Shows how many processes of a role are alive.
pub fn processes(role: &str, alive: i64) {
    gauge!(PROCESSES.name, "role" => role.to_owned()).set(alive as f64);
}
