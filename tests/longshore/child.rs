//! The processes of the local stack: ready when they say so, and gone when we are.

use std::{os::unix::process::ExitStatusExt as _, path::Path};

use longshore::dev::child::{Child, ChildError, Role};
use tempfile::TempDir;

const READY: &str = r#"echo '{"role":"worker","admin":"127.0.0.1:1","pid":'$$'}';"#;

/// A role played by a shell script.
fn role(script: &str) -> Role {
    let environment = vec![("LONGSHORE_WORKER__SLOTS".to_owned(), "3".to_owned())];
    Role { name: "worker 1".into(), words: vec!["-c".into(), script.into()], environment }
}

async fn start(script: &str, logs: &TempDir) -> Result<Child, ChildError> {
    Child::start(Path::new("/bin/sh"), &role(script), logs.path()).await
}

fn alive(pid: u32) -> bool {
    // A zombie is dead; only nobody has asked yet.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_role_is_ready_when_it_says_so_and_stops_in_order_when_asked() {
    let logs = tempfile::tempdir().unwrap();
    let script = format!("trap 'echo stopped in order >&2; exit 0' TERM; {READY} while :; do sleep 0.05; done");
    let child = start(&script, &logs).await.unwrap();
    assert_eq!(child.ready.admin, "127.0.0.1:1");
    let pid = child.ready.pid;
    assert!(alive(pid));
    assert!(child.stop().await.unwrap().success());
    assert!(!alive(pid));
    let log = std::fs::read_to_string(logs.path().join("worker-1.log")).unwrap();
    assert!(log.contains("stopped in order"), "{log}");
}

#[tokio::test]
async fn a_role_dies_with_its_owner() {
    let logs = tempfile::tempdir().unwrap();
    let child = start(&format!("{READY} exec sleep 600"), &logs).await.unwrap();
    let pid = child.ready.pid;
    // What the system does when we are killed: our end of the pipe closes.
    drop(child);
    while alive(pid) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_killed_role_has_no_time_to_tidy_up() {
    let logs = tempfile::tempdir().unwrap();
    let child = start(&format!("trap 'echo tidied >&2' TERM; {READY} while :; do sleep 0.05; done"), &logs).await.unwrap();
    let status = child.kill().await.unwrap();
    assert!(status.code() == Some(137) || status.signal() == Some(9), "{status}");
    assert_eq!(std::fs::read_to_string(logs.path().join("worker-1.log")).unwrap().matches("tidied").count(), 0);
}

#[tokio::test]
async fn a_role_that_does_not_start_shows_the_end_of_its_log() {
    let logs = tempfile::tempdir().unwrap();
    let error = start("echo 'no database is named' >&2; exit 2", &logs).await.expect_err("no start").to_string();
    assert!(error.contains("worker 1 ended before it was ready") && error.contains("no database is named"), "{error}");
    let error = start("echo hello; sleep 600", &logs).await.expect_err("no addresses").to_string();
    assert!(error.contains(r#"printed "hello""#), "{error}");
}

#[tokio::test]
async fn a_role_gets_its_own_settings() {
    let logs = tempfile::tempdir().unwrap();
    let script = r#"echo '{"admin":"'$LONGSHORE_WORKER__SLOTS'","pid":1}'"#;
    assert_eq!(start(script, &logs).await.unwrap().ready.admin, "3");
}
