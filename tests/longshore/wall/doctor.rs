//! `longshore doctor` on a good set-up and on broken ones: one line each says what is wrong.

use serde_json::Value;
use sqlx::Executor as _;

use crate::{
    cli::fleet::{Ran, binary, ran, run_at},
    support::TestDb,
};

/// A database that a process has announced this build's kinds in, and a folder for objects.
async fn sound() -> (TestDb, tempfile::TempDir) {
    let db = TestDb::new().await;
    let mut conn = db.pool("worker").acquire().await.expect("a connection");
    longshore::store::jobs::register(&mut conn, &longshore::workers::registry()).await.expect("the kinds");
    (db, tempfile::tempdir().expect("a folder"))
}

fn doctor(url: &str, objects: &tempfile::TempDir, line: &str, more: &[(&str, &str)]) -> Ran {
    let mut command = binary(url, line);
    command.env("LONGSHORE_OBJECTS__URL", format!("file://{}", objects.path().display())).envs(more.iter().copied());
    let mut ran = ran(line, command.output().expect("the binary"));
    ran.mask(&objects.path().display().to_string(), "[objects]");
    ran
}

/// The lines of the report, without what differs from run to run.
fn lines(ran: &Ran) -> String {
    let hide = |line: &str| {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for at in 0..words.len() {
            let number = words[at].parse::<i64>().is_ok();
            if words[at].starts_with("127.0.0.1:") {
                words[at] = "[database],".into();
            } else if at > 0 && words[at - 1] == "Postgres" {
                words[at] = "[version],".into();
            } else if number && (words.get(at + 1).is_some_and(|next| next == "ms") || words[at - 1] == "of") {
                words[at] = "[n]".into();
            } else if words[at].starts_with('(') && words[at][1..].parse::<i64>().is_ok() {
                words[at] = "([n]".into();
            }
        }
        words.join(" ")
    };
    let text: Vec<_> = ran.stdout.lines().map(hide).collect();
    format!("{}\n-- {} (exit {})", text.join("\n"), ran.stderr.trim(), ran.code)
}

/// The lines that say what is wrong.
fn faults(ran: &Ran) -> String {
    let faults: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("FAULT")).collect();
    format!("{}\n-- {} (exit {})", faults.join("\n"), ran.stderr.trim(), ran.code)
}

#[tokio::test]
async fn a_good_set_up_is_found_sound() {
    let (db, objects) = sound().await;
    let as_any = doctor(&db.url("operator"), &objects, "doctor", &[]);
    insta::assert_snapshot!(lines(&as_any), @"");
    for process in ["api", "worker", "scheduler"] {
        let ran = doctor(&db.url(process), &objects, &format!("doctor --process {process}"), &[]);
        assert_eq!(ran.code, 0, "{ran}");
    }
    let json: Value = doctor(&db.url("operator"), &objects, "doctor --json", &[]).json();
    assert_eq!(json["sound"], true, "{json}");
    assert!(json["checks"].as_array().is_some_and(|checks| checks.len() > 8), "{json}");
}

#[tokio::test]
async fn an_owners_role_is_one_line() {
    let (db, objects) = sound().await;
    // The owner can't log in; whoever migrates may become it.
    insta::assert_snapshot!(faults(&doctor(&db.admin_url(), &objects, "doctor", &[])), @"");
    db.admin
        .execute("do $$ begin create role wall_test_owner login; exception when duplicate_object then null; end $$")
        .await
        .expect("a role");
    db.admin.execute("alter table longshore.tags owner to wall_test_owner; grant usage on schema longshore, queue to wall_test_owner; grant longshore_api to wall_test_owner").await.expect("an owner");
    let url = db.admin_url().replace("postgres://postgres@", "postgres://wall_test_owner@");
    let ran = doctor(&url, &objects, "doctor --process api", &[]);
    insta::assert_snapshot!(faults(&ran), @"");
}

#[tokio::test]
async fn a_missing_policy_is_one_line() {
    let (db, objects) = sound().await;
    db.admin.execute("drop policy team on longshore.messages").await.expect("a breach");
    let ran = doctor(&db.url("operator"), &objects, "doctor", &[]);
    insta::assert_snapshot!(faults(&ran), @"");
    let json = doctor(&db.url("operator"), &objects, "doctor --json", &[]).json();
    let fault =
        json["checks"].as_array().and_then(|checks| checks.iter().find(|check| check["verdict"] == "fault")).expect("a fault");
    assert_eq!((json["sound"].as_bool(), fault["rule"].as_str()), (Some(false), Some("no_policy")), "{json}");
}

#[tokio::test]
async fn a_weak_secret_is_one_line_that_does_not_tell_it() {
    let (db, objects) = sound().await;
    let ran = doctor(&db.url("operator"), &objects, "doctor", &[("LONGSHORE_ADMIN__TOKEN", "correct-horse")]);
    insta::assert_snapshot!(faults(&ran), @"");
    assert!(!ran.stdout.contains("correct-horse") && !ran.stderr.contains("correct-horse"));
}

#[tokio::test]
async fn what_else_goes_wrong_is_one_line_too() {
    let (db, objects) = sound().await;
    let nowhere = run_at("postgres://longshore_api@127.0.0.1:1/longshore", "doctor");
    assert!(nowhere.code == 1 && nowhere.stdout.contains("FAULT  database"), "{nowhere}");
    let gone = doctor(&db.url("operator"), &objects, "doctor", &[("LONGSHORE_OBJECTS__URL", "file:///dev/null/objects")]);
    assert!(gone.code == 1 && gone.stdout.contains("FAULT  objects"), "{gone}");
    let greedy = doctor(&db.url("operator"), &objects, "doctor", &[("LONGSHORE_DATABASE__POOLS__HANDLERS", "1000")]);
    assert!(greedy.code == 1 && greedy.stdout.contains("FAULT  pools"), "{greedy}");
    let polling = doctor(&db.url("operator"), &objects, "doctor", &[("LONGSHORE_DATABASE__PGBOUNCER", "true")]);
    assert!(polling.code == 0 && polling.stdout.contains("note   waking"), "{polling}");
    db.admin.execute("delete from queue.kinds where kind = 'send_sms'").await.expect("a kind less");
    let unknown = doctor(&db.url("operator"), &objects, "doctor", &[]);
    assert!(unknown.code == 1 && unknown.stdout.contains("does not know send_sms"), "{unknown}");
    db.admin
        .execute("delete from longshore._migrations where version = (select max(version) from longshore._migrations)")
        .await
        .expect("less");
    let behind = doctor(&db.url("operator"), &objects, "doctor", &[]);
    assert!(
        behind.code == 1 && behind.stdout.contains("FAULT  migrations     1 are missing; to do: longshore migrate"),
        "{behind}"
    );
}
