//! What a process shows of itself can be read: whether it lives, whether it can work, and every metric as the catalogue says.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use longshore::{
    admin::{self, Checks, Pulse},
    queue::settle::Verdict,
    store::depths,
    telemetry::{self, ClaimMeters, Metric, MetricKind, Renewal, RunMeters},
    workers::{
        ctx::Ctx,
        datalake::object_store::ObjectStore,
        enrichment::provider::{PersonFound, PersonProvider, PersonQuery},
        job::{Done, Job, Outcome},
        registry::Registry,
        telemetry::{self as families, Enrollment, Entry, Row, Send, Source},
        vendors::{VendorError, measured::Measured},
    },
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::{TestDb, http, services};

/// The metrics that a text names, as the catalogue has them: without the suffixes of a histogram's series.
pub fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| word.starts_with("longshore_"));
    words
        .map(|word| {
            let histogram = |suffix: &str| {
                let name = word.strip_suffix(suffix)?;
                telemetry::catalogue().any(|metric| metric.name == name && metric.kind == MetricKind::Histogram).then_some(name)
            };
            ["_bucket", "_sum", "_count"].into_iter().find_map(histogram).unwrap_or(word).to_owned()
        })
        .collect()
}

/// Calls every recording function, as a busy fleet would.
pub fn record_everything() {
    let moment = Duration::from_millis(30);
    for source in [Source::Http, Source::Rust] {
        families::jobs_enqueued("record", source, 2, 1);
    }
    let claims = ClaimMeters::of("tests");
    claims.claim(moment, 3);
    claims.claim(moment, 0);
    claims.waited(moment);
    let (text, delay) = ("because".to_owned(), moment);
    for verdict in [
        Verdict::Done { output: None },
        Verdict::Retry { delay, error: text.clone() },
        Verdict::Snooze { delay, reason: text.clone() },
        Verdict::Unknown { delay, intent: text.clone() },
        Verdict::Park { reason: text.clone() },
        Verdict::Dead { error: text },
        Verdict::Cancelled,
        Verdict::Released,
    ] {
        RunMeters::of("tests", "record").record(&verdict, moment);
    }
    telemetry::fenced("tests", 1);
    telemetry::reaped(3, 1);
    telemetry::promoted(2);
    for outcome in [Renewal::Renewed, Renewal::Lost, Renewal::Failed] {
        telemetry::renewal(outcome);
    }
    telemetry::settled(moment);
    claims.slots(3, 10);
    telemetry::pool("tests", 1, 4);
    telemetry::http_request("/v1/jobs/{id}", 200, moment);
    telemetry::http_request("/v1/jobs/{id}", 503, moment);
    telemetry::waiting(3);
    telemetry::rate_fell_open();
    telemetry::tick(true);
    telemetry::tick(false);
    telemetry::queue_depth("tests", "ready", 4, moment);
    telemetry::queue_depth("tests", "dead", 1, moment);
    telemetry::queue_state("tests", false, 2);
    telemetry::measured_at(1_800_000_000.0);
    telemetry::processes("worker", 2);
    families::vendor_request("tests", &Ok(()), moment);
    families::vendor_request("tests", &Err::<(), _>(VendorError::RateLimited { vendor: "tests", retry_after: None }), moment);
    families::sends(Send::Accepted, 1);
    families::sends(Send::Unknown, 1);
    families::credits("tests", Entry::Hold, 2);
    families::credits("tests", Entry::Capture, 1);
    families::enrollments(Enrollment::Enrolled, 5);
    families::rows(Row::Loaded, 100);
}

async fn serve(db: &TestDb, draining: CancellationToken, pulse: Pulse, objects: Option<Arc<dyn ObjectStore>>) -> SocketAddr {
    let metrics = telemetry::init_metrics().expect("metrics");
    let database = db.pool("worker");
    let pools = vec![("tests", database.clone())];
    let deadline = Duration::from_secs(10);
    let checks =
        Checks { role: "worker", pulse, database, objects, draining, waking: None, deadline, pools, metrics, token: None };
    admin::serve((Ipv4Addr::LOCALHOST, 0).into(), checks).await.expect("a server").0
}

pub async fn serve_healthy(db: &TestDb) -> SocketAddr {
    serve(db, CancellationToken::new(), Pulse::new(Duration::from_secs(3600)), Some(services(db).objects)).await
}

async fn ask(addr: SocketAddr, path: &str) -> (u16, Value) {
    let (status, body) = http::get(addr, path).await.expect("an answer");
    (status, serde_json::from_str(&body).expect("JSON"))
}

#[tokio::test]
async fn a_process_that_can_work_is_alive_and_ready() {
    let db = TestDb::new().await;
    let addr = serve_healthy(&db).await;
    assert_eq!(ask(addr, "/livez").await.0, 200);
    let (status, answer) = ask(addr, "/readyz").await;
    assert_eq!(status, 200, "{answer}");
    for check in ["database", "objects", "loop", "serving"] {
        assert_eq!(answer["checks"][check]["ok"], true, "{answer}");
    }
}

#[tokio::test]
async fn a_process_whose_loop_stands_still_is_not_alive() {
    let db = TestDb::new().await;
    let pulse = Pulse::new(Duration::ZERO);
    let addr = serve(&db, CancellationToken::new(), pulse.clone(), None).await;
    while pulse.silence().is_zero() {
        tokio::task::yield_now().await;
    }
    let (status, answer) = ask(addr, "/livez").await;
    assert_eq!((status, &answer["checks"]["loop"]["ok"]), (503, &Value::Bool(false)), "{answer}");
}

#[tokio::test]
async fn a_draining_process_is_alive_and_not_ready() {
    let db = TestDb::new().await;
    let draining = CancellationToken::new();
    let addr = serve(&db, draining.clone(), Pulse::new(Duration::from_secs(3600)), None).await;
    draining.cancel();
    assert_eq!(ask(addr, "/livez").await.0, 200);
    let (status, answer) = ask(addr, "/readyz").await;
    assert_eq!((status, &answer["checks"]["serving"]["ok"]), (503, &Value::Bool(false)), "{answer}");
}

#[tokio::test]
async fn a_database_behind_the_build_is_not_ready_and_one_ahead_is() {
    let db = TestDb::new().await;
    let addr = serve_healthy(&db).await;
    let history = "insert into longshore._migrations (version, description, success, checksum, execution_time)
        values (9999, 'of a later build', true, '', 0)";
    sqlx::query(history).execute(&db.admin).await.expect("a later migration");
    let (status, answer) = ask(addr, "/readyz").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["checks"]["database"]["detail"], "reachable, 1 migrations ahead of this build");

    sqlx::query("delete from longshore._migrations where version = 1").execute(&db.admin).await.expect("a gap");
    let (status, answer) = ask(addr, "/readyz").await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer["checks"]["database"]["detail"].to_string().contains("longshore migrate"), "{answer}");
}

#[tokio::test]
async fn a_migration_changed_after_it_was_applied_is_not_ready() {
    let db = TestDb::new().await;
    let addr = serve_healthy(&db).await;
    sqlx::query("update longshore._migrations set checksum = 'x' where version = 2").execute(&db.admin).await.expect("a change");
    let (status, answer) = ask(addr, "/readyz").await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer["checks"]["database"]["detail"].to_string().contains("migration 2"), "{answer}");
}

#[tokio::test]
async fn metrics_with_a_token_are_shown_to_its_bearer_only() {
    let db = TestDb::new().await;
    let database = db.pool("worker");
    let checks = Checks {
        role: "worker",
        pulse: Pulse::new(Duration::from_secs(3600)),
        database,
        objects: None,
        draining: CancellationToken::new(),
        waking: None,
        deadline: Duration::from_secs(10),
        pools: Vec::new(),
        metrics: telemetry::init_metrics().expect("metrics"),
        token: Some("correct horse battery staple 1234".into()),
    };
    let addr = admin::serve((Ipv4Addr::LOCALHOST, 0).into(), checks).await.expect("a server").0;
    for (given, expected) in [
        (None, 401),
        (Some("Bearer "), 401),
        (Some("Bearer correct horse battery staple 123"), 401),
        (Some("correct horse battery staple 1234"), 401),
        (Some("Bearer correct horse battery staple 1234"), 200),
    ] {
        let (status, _) = http::get_as(addr, "/metrics", given).await.expect("an answer");
        assert_eq!(status, expected, "{given:?}");
    }
    assert_eq!(ask(addr, "/livez").await.0, 200, "health needs no token");
}

#[tokio::test]
async fn depths_are_published_from_the_database() {
    let db = TestDb::new().await;
    let arrange = [
        "insert into queue.queues (name) values ('depths_a'), ('depths_b')",
        "insert into queue.ready (queue_id, team_id, priority, first_job, jobs, keep, kind, ready_at)
         select id, gen_random_uuid(), 5, 1, array[1, 2, 3], 30, 'k', now() - interval '90 s' from queue.queues where name = 'depths_a'",
        "insert into queue.scheduled (job_id, team_id, run_at, queue_id, kind, priority, keep, attempt, reason)
         select 9, gen_random_uuid(), now() + interval '1 hour', id, 'k', 5, 30, 0, 'delayed' from queue.queues where name = 'depths_a'",
        "select queue.pause('depths_b', 'a test', null)",
        "insert into queue.processes (boot_id, role, host, pid, build, queues, slots, expires_at)
         select gen_random_uuid(), 'worker', 'h', 1, 'b', array['depths_a'], 1, now() + alive * interval '1 hour'
         from unnest(array[1, 1, -1]) alive",
    ];
    for statement in arrange {
        sqlx::raw_sql(statement).execute(&db.admin).await.expect(statement);
    }
    let metrics = telemetry::init_metrics().expect("metrics");
    let scheduler = db.pool("scheduler");
    depths::publish(&mut scheduler.acquire().await.expect("a connection")).await.expect("depths");
    let shown = metrics.render();
    let figure = |series: &str| -> f64 {
        let line = shown.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_else(|| panic!("no {series} in\n{shown}"));
        line.trim().parse().expect("a number")
    };
    assert_eq!(figure(r#"longshore_queue_jobs{queue="depths_a",state="ready"}"#), 3.0);
    assert_eq!(figure(r#"longshore_queue_jobs{queue="depths_a",state="scheduled"}"#), 1.0);
    assert_eq!(figure(r#"longshore_queue_jobs{queue="depths_b",state="ready"}"#), 0.0);
    let age = figure(r#"longshore_queue_oldest_job_age_seconds{queue="depths_a",state="ready"}"#);
    assert!((90.0..150.0).contains(&age), "{age}");
    assert_eq!(figure(r#"longshore_queue_oldest_job_age_seconds{queue="depths_a",state="scheduled"}"#), 0.0);
    assert_eq!(figure(r#"longshore_queue_paused{queue="depths_a"}"#), 0.0);
    assert_eq!(figure(r#"longshore_queue_paused{queue="depths_b"}"#), 1.0);
    assert_eq!(figure(r#"longshore_queue_workers{queue="depths_a"}"#), 2.0);
    assert_eq!(figure(r#"longshore_queue_workers{queue="depths_b"}"#), 0.0);
}

#[test]
fn the_catalogue_keeps_its_own_rules() {
    // Closed sets only: a team, a job, a number or an error text would make a series each.
    let closed =
        ["queue", "kind", "outcome", "state", "vendor", "source", "fate", "entry", "role", "route", "status", "pool", "version"];
    let mut names = BTreeSet::new();
    for Metric { name, kind, labels, buckets, help } in telemetry::catalogue().copied() {
        assert!(names.insert(name), "{name} is in the catalogue twice");
        assert!(name.starts_with("longshore_"), "{name}");
        assert!(help.len() > 15 && help.ends_with('.'), "{name} needs a sentence of help");
        assert_eq!(name.ends_with("_total"), kind == MetricKind::Counter, "{name}: _total is for counters, all of them");
        assert_eq!(buckets.is_empty(), kind != MetricKind::Histogram, "{name}: buckets are for histograms, all of them");
        assert!(buckets.is_sorted(), "{name}");
        assert!(kind != MetricKind::Histogram || name.ends_with("_seconds"), "{name}: a histogram here is of seconds");
        for label in labels {
            assert!(closed.contains(label), "{name} has a label {label}, whose values are not known to be few");
        }
    }
}

#[tokio::test]
async fn every_metric_is_recorded_as_the_catalogue_says() {
    let db = TestDb::new().await;
    let addr = serve_healthy(&db).await;
    record_everything();
    let (status, shown) = http::get(addr, "/metrics").await.expect("an answer");
    assert_eq!(status, 200);
    for metric in telemetry::catalogue() {
        assert!(shown.contains(&format!("# HELP {} {}", metric.name, metric.help)), "{} has no help", metric.name);
        let kind = format!("{:?}", metric.kind).to_lowercase();
        assert!(shown.contains(&format!("# TYPE {} {kind}\n", metric.name)), "{} is not shown as a {kind}", metric.name);
    }
    for line in shown.lines().filter(|line| line.starts_with("longshore_")) {
        let name = metrics_in(line.split(['{', ' ']).next().unwrap_or_default()).pop_first().expect("a name");
        let metric = telemetry::catalogue().find(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("{name} is recorded and not in the catalogue"));
        let labels: BTreeSet<_> = line
            .split_once('{')
            .map(|(_, rest)| rest.rsplit_once('}').expect("an end").0)
            .into_iter()
            .flat_map(|labels| labels.split("\","))
            .filter_map(|label| label.split_once('=').map(|(name, _)| name))
            .filter(|name| *name != "le")
            .collect();
        assert_eq!(labels, metric.labels.iter().copied().collect(), "{line}");
    }
}

#[test]
fn the_counters_of_a_kind_that_never_ran_are_there_at_zero() {
    let metrics = telemetry::init_metrics().expect("metrics");
    telemetry::start_at_zero(&Registry::new().add::<NeverRuns>(), ["never_runs_here"]);
    let shown = metrics.render();
    for outcome in Verdict::NAMES {
        let series =
            format!("longshore_jobs_finished_total{{queue=\"never_runs_here\",kind=\"never_runs\",outcome=\"{outcome}\"}} 0\n");
        assert!(shown.contains(&series), "no {series}");
    }
    assert!(shown.contains("longshore_jobs_fenced_total{queue=\"never_runs_here\"} 0\n"), "no fenced");
}

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct NeverRuns {}

impl Job for NeverRuns {
    const KIND: &'static str = "never_runs";
    const QUEUE: &'static str = "never_runs_here";

    async fn run(&self, _: &Ctx) -> Outcome {
        Ok(Done::NOTHING)
    }
}

struct NeverAnswers;

#[async_trait]
impl PersonProvider for NeverAnswers {
    fn name(&self) -> &'static str {
        "never_answers"
    }

    fn quote(&self, _: &PersonQuery) -> i64 {
        1
    }

    async fn find(&self, _: &PersonQuery) -> Result<PersonFound, VendorError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_call_to_a_vendor_that_was_given_up_is_counted_as_unknown() {
    let metrics = telemetry::init_metrics().expect("metrics");
    let given_up = tokio::time::timeout(Duration::ZERO, Measured(NeverAnswers).find(&PersonQuery::default())).await;
    assert!(given_up.is_err());
    let counted = "longshore_vendor_requests_total{vendor=\"never_answers\",outcome=\"unknown\"} 1\n";
    assert!(metrics.render().contains(counted), "{}", metrics.render());
}
