//! The local stack as a person starts it: one command brings everything up, and nothing stays behind.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use longshore::workers::vendors::http::{self, Deadlines};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::PATIENCE;

fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// `longshore …` in a folder of its own, with none of our own settings.
fn longshore(here: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command.args(words).current_dir(here).stdin(Stdio::null());
    for variable in longshore::config::own_variables() {
        command.env_remove(variable);
    }
    command
}

/// `longshore dev --json`, and what it says when it is up.
fn dev(here: &Path) -> (Child, Value) {
    let words = here.join("words");
    let stderr = fs::File::create(&words).unwrap();
    let mut dev = longshore(here, &["dev", "--json"]).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(dev.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let up = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{}", fs::read_to_string(&words).unwrap()));
    (dev, up)
}

fn pids(up: &Value) -> Vec<u64> {
    up["processes"].as_array().unwrap().iter().map(|one| one["pid"].as_u64().unwrap()).collect()
}

fn alive(pid: u64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

pub fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_brings_everything_up_and_ctrl_c_takes_all_of_it_down() {
    let here = open_folder();
    let (mut dev, up) = dev(here.path());
    let pids = pids(&up);
    assert_eq!(pids.len(), 4, "{up}");

    // The key opens the door, and a worker runs what is asked for.
    let client = http::client(Deadlines { connect: Duration::from_secs(2), total: Duration::from_secs(20) }).unwrap();
    let (api, key) = (up["api"].as_str().unwrap(), up["key"].as_str().unwrap());
    let job = serde_json::json!({ "kind": "ingest_file", "payload": { "file_id": 1 } });
    let answer = client.post(format!("{api}/v1/jobs")).bearer_auth(key).json(&job).send().await.unwrap();
    let accepted: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let id = accepted["id"].as_str().unwrap_or_else(|| panic!("{accepted}"));
    loop {
        let answer = client.get(format!("{api}/v1/jobs/{id}")).bearer_auth(key).send().await.unwrap();
        let job: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        // The file is not there: dead is where this job must end.
        match job["state"].as_str() {
            Some("dead") => break,
            Some("done") => panic!("a file that is not there was loaded: {job}"),
            _ => tokio::task::yield_now().await,
        }
    }

    signal("-INT", dev.id());
    assert!(dev.wait().unwrap().success());
    assert!(pids.iter().all(|pid| !alive(*pid)), "a process outlived the stack");
    assert!(!here.path().join(".longshore/postgres/data/postmaster.pid").exists(), "the server outlived the stack");
}

#[test]
fn nothing_outlives_a_stack_that_is_killed() {
    let here = open_folder();
    let (mut dev, up) = dev(here.path());
    let pids = pids(&up);
    signal("-KILL", dev.id());
    dev.wait().unwrap();
    let patience = Instant::now() + PATIENCE;
    let server = here.path().join(".longshore/postgres/data/postmaster.pid");
    while pids.iter().any(|pid| alive(*pid)) || server.exists() {
        assert!(Instant::now() < patience, "a process outlived the stack");
        std::thread::yield_now();
    }
}

#[test]
fn the_demo_keeps_every_promise_and_says_so_in_one_object() {
    let here = open_folder();
    let mut demo = longshore(here.path(), &["demo", "--json", "--rows", "1000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = String::new();
    demo.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    let mut data = String::new();
    demo.stdout.take().unwrap().read_to_string(&mut data).unwrap();
    let status = demo.wait().unwrap();
    let totals: Value = serde_json::from_str(data.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{words}"));
    assert_eq!(totals["promises_broken"], serde_json::json!([]), "{words}\n{totals:#}");
    assert!(status.success(), "{words}");
    for key in [
        "rows_in",
        "rows_loaded",
        "rows_rejected",
        "rows_duplicate",
        "enrolled",
        "enriched",
        "out_of_credit",
        "planned",
        "accepted",
        "suppressed",
        "dead",
        "replayed",
        "credits_granted",
        "credits_captured",
        "credits_released",
    ] {
        assert!(totals[key].as_i64().is_some_and(|count| count > 0), "{key}: {totals:#}");
    }
    for key in ["unknown", "credits_held", "second_sends", "jobs_lost"] {
        assert!(totals[key].is_i64(), "{key}: {totals:#}");
    }
    assert!(totals["seconds"].is_f64());
}

#[test]
fn a_leads_file_says_what_must_come_of_it() {
    let here = open_folder();
    let output = longshore(here.path(), &["dev", "leads", "--rows", "2000", "--out", "leads.csv", "--json"]).output().unwrap();
    let expected: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(expected["rows"], 2000);
    let lines = fs::read(here.path().join("leads.csv")).unwrap().iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, 2001);
    let refused = longshore(here.path(), &["dev", "leads", "--out", "/proc/leads.csv"]).output().unwrap();
    assert!(!refused.status.success());
}
