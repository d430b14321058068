//! Each panel and each alert reads something that is there, and Prometheus itself agrees.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use longshore::telemetry;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    observability::{metrics_in, record_everything, serve_healthy},
    stack,
    support::{
        PATIENCE, TestDb, http, programs,
        prometheus::{INSTALL, Prometheus},
    },
};

const DASHBOARD: &str = include_str!("../../deploy/grafana/longshore.json");
const ALERTS: &str = include_str!("../../deploy/prometheus/alerts.yml");

struct Panel {
    title: String,
    description: String,
    expressions: Vec<String>,
}

fn panels() -> Vec<Panel> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = dashboard["panels"].as_array().cloned().expect("panels");
    let shown = all.iter().filter(|panel| panel["type"] != "row").map(|panel| Panel {
        title: text(&panel["title"]),
        description: text(&panel["description"]),
        expressions: panel["targets"].as_array().expect("targets").iter().map(|target| text(&target["expr"])).collect(),
    });
    shown.collect()
}

#[test]
fn every_panel_says_what_it_shows_and_reads_metrics_that_exist() {
    let known: BTreeSet<_> = telemetry::catalogue().map(|metric| metric.name.to_owned()).collect();
    let mut shown = BTreeSet::new();
    for Panel { title, description, expressions } in panels() {
        assert!(description.len() > 15, "panel {title:?} has no description");
        for expression in expressions {
            assert!(!expression.contains("rate(") || expression.contains("[$__rate_interval]"), "{title}: {expression}");
            let named = metrics_in(&expression);
            assert!(!named.is_empty(), "{title}: {expression}");
            let unknown: Vec<_> = named.difference(&known).collect();
            assert!(unknown.is_empty(), "panel {title:?} reads {unknown:?}, which nothing records");
            shown.extend(named);
        }
    }
    let hidden: Vec<_> = known.difference(&shown).collect();
    assert!(hidden.is_empty(), "no panel shows {hidden:?}");
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    assert_eq!(dashboard["uid"], "longshore", "links to the dashboard hang on its uid");
    let variables: Vec<_> =
        dashboard["templating"]["list"].as_array().expect("variables").iter().map(|v| v["name"].clone()).collect();
    assert_eq!(variables, ["datasource", "queue"]);
}

#[test]
fn every_alert_reads_metrics_that_exist_and_has_a_page_in_the_runbook() {
    let known: BTreeSet<_> = telemetry::catalogue().map(|metric| metric.name.to_owned()).collect();
    let unknown: Vec<_> = metrics_in(ALERTS).into_iter().filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "the alerts read {unknown:?}, which nothing records");
    let alerts: Vec<_> = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let pages: Vec<_> = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("runbook: ")).collect();
    assert_eq!(alerts.len(), pages.len(), "each alert has one page");
    for (alert, page) in alerts.into_iter().zip(pages) {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page));
        let text = text.unwrap_or_else(|error| panic!("{alert} points to {page}: {error}"));
        assert!(text.contains(alert), "{page} does not name {alert}");
    }
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_rules_configuration_and_metrics() {
    let Some(promtool) = programs::find("promtool", INSTALL) else { return };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus");
    let run = |arguments: &[&str], input: Option<std::fs::File>| {
        let mut command = Command::new(&promtool);
        command.args(arguments).current_dir(folder).stdin(input.map_or_else(Stdio::null, Stdio::from));
        let output = command.output().expect("promtool");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "promtool {arguments:?}:\n{}", String::from_utf8_lossy(&said));
    };
    run(&["check", "rules", "alerts.yml"], None);
    run(&["test", "rules", "alerts_test.yml"], None);
    run(&["check", "config", "prometheus.yml"], None);

    let db = TestDb::new().await;
    let addr = serve_healthy(&db).await;
    record_everything();
    let (_, shown) = http::get(addr, "/metrics").await.expect("an answer");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("metrics");
    std::fs::write(&file, shown).expect("a file");
    run(&["check", "metrics"], Some(std::fs::File::open(file).expect("the file")));
}

/// Set LONGSHORE_TEST_SCRAPE to the admin addresses of a running stack (`127.0.0.1:4001,127.0.0.1:4002`) and the panels
/// are read from that; else from this process, which records everything that can be recorded.
#[tokio::test]
async fn every_panel_has_data_in_a_prometheus_that_scraped_the_fleet() {
    let Some(program) = programs::find("prometheus", INSTALL) else { return };
    #[expect(clippy::disallowed_methods, reason = "a test reads the environment it runs in")]
    let given = std::env::var("LONGSHORE_TEST_SCRAPE").unwrap_or_default();
    let given: Vec<SocketAddr> = given.split(',').filter_map(|addr| addr.trim().parse().ok()).collect();
    let db = TestDb::new().await;
    let ours = given.is_empty();
    let targets = if ours { vec![serve_healthy(&db).await] } else { given };
    let prometheus = Prometheus::start(&program, &targets).await;
    for times in 1..=3 {
        if ours {
            record_everything();
        }
        prometheus.scraped(targets.len(), times).await;
    }
    let silent = panels_without_data(&prometheus).await;
    assert!(silent.is_empty(), "these panels show nothing:\n{}", silent.join("\n"));
}

/// Each expression is asked again and again, from the demo's beginning on and behind its end until it has given a number: a
/// process that was killed is not there to be asked at the end, and one that has just begun has been scraped by nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_has_data_while_the_demo_runs() {
    let Some(program) = programs::find("prometheus", INSTALL) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut demo = tokio::process::Command::new(env!("CARGO_BIN_EXE_longshore"))
        .args(["demo", "--json", "--rows", "4000", "--stay"])
        .current_dir(folder.path())
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(std::fs::File::create(folder.path().join("said")).expect("a file")))
        .kill_on_drop(true)
        .spawn()
        .expect("a demo");
    let mut verdict = BufReader::new(demo.stdout.take().expect("its verdict")).lines();
    let verdict = tokio::spawn(async move { verdict.next_line().await.ok().flatten() });
    let said = || std::fs::read_to_string(folder.path().join("said")).unwrap_or_default();
    let prometheus = Prometheus::start(&program, &[]).await;
    let mut targets = BTreeSet::new();
    let mut silent = panels_without_data(&prometheus).await;
    let mut ended = None;
    while !silent.is_empty() {
        if verdict.is_finished() && ended.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            panic!("these panels show nothing:\n{}\nthe demo said:\n{}", silent.join("\n"), said());
        }
        let found = admin_addresses(&folder.path().join(".longshore/logs"));
        if found != targets {
            prometheus.retarget(&found.iter().copied().collect::<Vec<_>>());
            targets = found;
        }
        let still = panels_without_data(&prometheus).await;
        silent.retain(|panel| still.contains(panel));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let verdict: Value = verdict.await.expect("no panic").and_then(|line| serde_json::from_str(&line).ok()).unwrap_or_default();
    assert_eq!(verdict["promises_broken"], Value::Array(Vec::new()), "the demo said {verdict}\n{}", said());
    assert!(targets.len() >= 4, "api, scheduler and two workers were to be scraped, not {targets:?}; the demo said:\n{}", said());
    stack::signal("-INT", demo.id().expect("it stays"));
    assert!(demo.wait().await.expect("an end").success(), "{}", said());
}

/// Where the processes of a stack answer, as each says in its log when it is ready.
fn admin_addresses(logs: &Path) -> BTreeSet<SocketAddr> {
    let files = std::fs::read_dir(logs).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    let ready = |text: String| -> Vec<SocketAddr> {
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|line| line["admin"].as_str()?.parse().ok()).collect()
    };
    texts.flat_map(ready).collect()
}

/// Each panel's expressions that give no number, over what `prometheus` has scraped.
pub async fn panels_without_data(prometheus: &Prometheus) -> Vec<String> {
    let mut silent = Vec::new();
    for Panel { title, expressions, .. } in panels() {
        for expression in expressions {
            let asked = expression.replace("$__rate_interval", "1m").replace("$queue", ".*");
            if !prometheus.has_data(&asked).await {
                silent.push(format!("{title}: {asked}"));
            }
        }
    }
    silent
}
