//! The bench says what it should, in the shape it promises. How fast it was is not asked here.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::database::cluster;

fn bench(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command.arg("bench").args(arguments.split(' ')).env_clear().env("USER", "ann").stdin(Stdio::null());
    command.output().expect("the binary")
}

/// Runs a measurement on the tests' server: its conditions, and its lines.
fn measured(arguments: &str) -> (Value, Vec<Value>) {
    lines(&bench(&format!("{arguments} --json --database-url {}", cluster().url("postgres", "postgres"))))
}

fn lines(output: &Output) -> (Value, Vec<Value>) {
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let conditions = lines.remove(0);
    assert!(conditions["conditions"].is_object(), "{text}");
    for line in &lines {
        assert!(line["what"].is_string() && line["case"].is_string() && line["baseline"].is_boolean(), "{line}");
        assert!(line["n"].is_u64() && line["seconds"].is_f64(), "{line}");
    }
    (conditions, lines)
}

/// So many lines of a throughput, of which so many are baselines, each of at least `n` jobs.
fn is_throughput(lines: &[Value], ours: usize, baselines: usize, n: u64) {
    let are_baselines = lines.iter().filter(|line| line["baseline"] == true).count();
    assert_eq!((lines.len() - are_baselines, are_baselines), (ours, baselines), "{lines:#?}");
    for line in lines {
        assert!(line["n"].as_u64().is_some_and(|jobs| jobs >= n), "{line}");
        assert!(line["jobs_per_s"].as_f64().is_some_and(|pace| pace > 0.0), "{line}");
        assert!(line["server_cpu_us"].is_f64() && line["client_cpu_us"].is_f64(), "{line}");
    }
}

/// A line of waits, and its baseline before it.
fn is_latency(lines: &[Value], n: u64) {
    assert_eq!(lines.iter().map(|line| &line["baseline"]).collect::<Vec<_>>(), [true, false], "{lines:#?}");
    for line in lines {
        assert_eq!(line["n"], n, "{line}");
        let [p50, p95, p99] = ["p50_ms", "p95_ms", "p99_ms"].map(|key| line[key].as_f64().expect("a wait"));
        assert!(0.0 < p50 && p50 <= p95 && p95 <= p99, "{line}");
    }
}

#[test]
fn drain_on_a_server_of_its_own_that_is_durable_and_goes_with_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its rights");
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command.args(["bench", "drain", "--jobs", "400", "--payload", "1024", "--json"]);
    let output = command.env_clear().env("USER", "ann").env("TMPDIR", folder.path()).stdin(Stdio::null()).output();
    let (said, lines) = lines(&output.expect("the binary"));
    let conditions = &said["conditions"];
    assert_eq!((&conditions["fsync"], &conditions["synchronous_commit"]), (&"on".into(), &"on".into()), "{said}");
    assert_eq!(conditions["payload_bytes"], 1024);
    for key in ["cpus", "postgres", "load_average", "build"] {
        assert!(!conditions[key].is_null(), "{key}: {said}");
    }
    is_throughput(&lines, 1, 1, 400);
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "something stayed behind");
}

#[test]
fn drain_of_rows_of_one_job() {
    is_throughput(&measured("drain --jobs 300 --chunk 1").1, 1, 1, 300);
}

#[test]
fn enqueue_in_bulk_one_by_one_and_over_http() {
    let (_, lines) = measured("enqueue --jobs 1500 --singles 200 --producers 4 --connections 4");
    is_throughput(&lines, 4, 3, 200);
}

#[test]
fn the_front_door() {
    let (_, lines) = measured("api --rate 50 --seconds 1 --connections 4 --singles 200 --batches 3");
    let of = |case: &str| {
        lines
            .iter()
            .find(|line| line["case"].as_str().is_some_and(|known| known.contains(case)))
            .unwrap_or_else(|| panic!("{case}: {lines:#?}"))
    };
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert!(of("plain single inserts")["jobs_per_s"].is_f64());
    assert!(of("singles, 4 connections")["percent_of_baseline"].is_f64() && of("singles, 4")["resident_kib"].is_u64());
    assert!(of("open loop")["p99_ms"].is_f64() && of("open loop")["n"] == 50);
    assert!(of("batches of 1,000")["p50_ms"].is_f64() && of("batches of 1,000")["percent_of_baseline"].is_f64());
}

#[test]
fn cycle() {
    is_throughput(&measured("cycle --jobs 1500").1, 1, 1, 1500);
}

#[test]
fn singles() {
    is_throughput(&measured("singles --jobs 300 --producers 4").1, 1, 1, 300);
}

#[test]
fn pickup() {
    is_latency(&measured("pickup --samples 5 --gap 20").1, 5);
}

#[test]
fn backlog() {
    let (_, lines) = measured("backlog --jobs 200 --backlog 1000 --scheduled 1000 --teams 5 --pin-seconds 1");
    is_throughput(&lines, 6, 6, 1);
    let shares = lines.iter().filter(|line| line["percent_of_empty"].is_f64()).count();
    let pinned = lines.iter().filter(|line| line["percent_of_unpinned"].is_f64()).count();
    assert_eq!((shares, pinned), (8, 2), "{lines:#?}");
}

#[test]
fn fair() {
    let (_, lines) = measured("fair --teams 5 --backlog 3000 --samples 5 --sleep 5");
    is_latency(&lines, 5);
    assert!(lines[1]["backlog_left"].as_u64().is_some_and(|left| left > 0), "{lines:#?}");
}

#[test]
fn limits() {
    let (_, lines) = measured("limits --lanes 8 --at-once 2 --blocked 1000 --samples 40");
    is_latency(&lines, 40);
    assert!(lines[0]["most_of_a_lane"].as_u64().is_some_and(|most| most > 2), "the baseline has no limit: {lines:#?}");
    assert_eq!(lines[1]["most_of_a_lane"], 2, "the limit is used, and not exceeded: {lines:#?}");
}

#[test]
fn enrollment_and_previews() {
    let (_, lines) = measured("enroll --leads 1500 --previews 5");
    is_throughput(&lines[..2], 1, 1, 1500);
    for line in &lines[2..] {
        assert!(line["p95_ms"].is_f64() && line["n"] == 5, "{line}");
    }
    assert_eq!(lines.len(), 4, "{lines:#?}");
}

#[test]
fn a_sequence() {
    is_throughput(&measured("sequence --due 1500").1, 1, 1, 1500);
}

#[test]
fn processes() {
    let (_, lines) = measured("processes --jobs 400 --processes 2");
    is_throughput(&lines, 1, 2, 400);
    assert_eq!(lines[2]["processes"], 2, "{lines:#?}");
}

#[test]
fn memory() {
    let (_, lines) = measured("memory --jobs 100 --sleep 100 --seconds 2");
    for key in ["resident_kib_connected", "resident_kib_full", "resident_kib_end", "resident_kib_most"] {
        assert!(lines[0][key].as_u64().is_some_and(|kib| kib > 1000), "{key}: {}", lines[0]);
    }
}

#[test]
fn send_through_every_gate_and_never_twice() {
    let (_, lines) = measured("send --messages 60 --teams 3 --latency 5");
    is_throughput(&lines, 1, 1, 60);
    for line in &lines {
        assert_eq!((&line["second_accepts"], &line["teams"]), (&0.into(), &3.into()), "{line}");
    }
    assert!(lines[1]["percent_of_baseline"].is_f64(), "{lines:#?}");
}

#[test]
fn gates_beside_many_opt_outs_and_consents() {
    let (_, lines) = measured("gates --suppressions 2000 --consents 2000 --samples 40");
    assert_eq!(lines.iter().map(|line| &line["baseline"]).collect::<Vec<_>>(), [true, false, false], "{lines:#?}");
    for line in &lines {
        assert_eq!(line["n"], 40, "{line}");
        let [p50, p95, p99] = ["p50_ms", "p95_ms", "p99_ms"].map(|key| line[key].as_f64().expect("a wait"));
        assert!(0.0 < p50 && p50 <= p95 && p95 <= p99, "{line}");
    }
    assert!(lines[1]["p95_times_baseline"].is_f64() && lines[2]["p95_times_baseline"].is_f64(), "{lines:#?}");
}

#[test]
fn a_table_for_people_and_a_refusal_in_words() {
    let url = cluster().url("postgres", "postgres");
    let table = bench(&format!("limits --lanes 2 --blocked 10 --samples 5 --database-url {url}"));
    let text = String::from_utf8_lossy(&table.stdout);
    assert!(table.status.success() && text.contains("WHAT") && text.contains("2 lanes, no limits"), "{text}");
    let nobody = bench("drain --jobs 1 --database-url postgres://nobody@127.0.0.1:1/none");
    assert_eq!(nobody.status.code(), Some(5), "{nobody:?}");
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("error: reaching the server"), "{nobody:?}");
}
