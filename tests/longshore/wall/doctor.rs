//! `longshore doctor` on a good set-up and on broken ones: one line each says what is wrong.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use longshore::dev::postgres::{Cluster, Options};
use serde_json::Value;
use sqlx::Executor as _;

use crate::{
    cli::fleet::{Ran, binary, ran, run_at},
    support::{TestDb, database},
};

static DURABLE: OnceLock<Cluster> = OnceLock::new();
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A database that a process has announced this build's kinds in, and a folder for objects. Not of the run's cluster, which
/// does not wait for the disk: the doctor says so.
async fn sound() -> (TestDb, tempfile::TempDir) {
    let cluster = DURABLE.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("longshore-test-doctor-{}", std::process::id()));
        let settings = ["max_connections=200", "log_min_messages=fatal"].map(str::to_owned).to_vec();
        database::start(Options { folder, temporary: true, settings })
    });
    let db = TestDb::in_cluster(cluster, &format!("d{}", NEXT.fetch_add(1, Ordering::Relaxed))).await;
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

/// The lines of the report, without what differs from run to run and grows with the product.
fn lines(ran: &Ran) -> String {
    let hide = |word: &str| {
        let bare = word.trim_matches(['(', ')', ',', ';']);
        let masked = match bare {
            place if place.starts_with("127.0.0.1:") => "[database]",
            number if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => "[n]",
            version if version.contains('.') && version.bytes().all(|b| b.is_ascii_digit() || b == b'.') => "[version]",
            other => other,
        };
        if bare.is_empty() { word.to_owned() } else { word.replace(bare, masked) }
    };
    let text: Vec<_> = ran.stdout.lines().map(|line| line.split(' ').map(hide).collect::<Vec<_>>().join(" ")).collect();
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
    insta::assert_snapshot!(lines(&as_any), @r"
    ok     configuration  [n] settings, [n] not at their defaults
    ok     database       [database], Postgres [version], reached in [n] ms
    ok     clock          this machine's and the database's agree
    ok     migrations     as new as this build, its functions too
    ok     role           longshore_operator is held by row-level security, and has no more than its duty
    ok     wall           every table of a team's data forces its policies; keys, rights and functions are as they must be
    ok     pools          an API, a worker and a scheduler ask for [n] + [n] + [n] connections of [n] ([n] in use now)
    ok     kinds          all [n] of this build are known
    ok     partitions     made for the next ten million jobs
    note   fleet          alive: [n] API, [n] workers, [n] schedulers; to do: start `longshore worker` and `longshore scheduler` (docs/runbook/no-worker.md)
    ok     waking         workers are woken by notice (LISTEN)
    ok     objects        file://[objects] answers
    -- this set-up is sound (exit 0)
    ");
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
    // Usually it can't log in. This cluster is the doctor's alone.
    db.admin.execute("alter role longshore_owner login").await.expect("a login");
    let as_owner = doctor(&db.url("owner"), &objects, "doctor", &[]);
    let tables =
        as_owner.stdout.split(" tables of").next().and_then(|text| text.rsplit('(').next()).unwrap_or_default().to_owned();
    insta::assert_snapshot!(faults(&as_owner).replace(&format!("({tables} tables"), "([n] tables"), @r"
    FAULT  role           role longshore_owner owns longshore._functions ([n] tables of the house): an owner can switch row-level security off; to do: put the role of its process (longshore_api, …), or a login that is a member of it alone, into DATABASE_URL
    -- 1 fault (exit 1)
    ");
    let as_superuser = doctor(&db.admin_url(), &objects, "doctor --process worker", &[]);
    insta::assert_snapshot!(faults(&as_superuser), @r"
    FAULT  role           role postgres is a superuser: row-level security does not hold it; to do: put longshore_worker, or a login that is a member of it alone, into DATABASE_URL
    -- 1 fault (exit 1)
    ");
}

#[tokio::test]
async fn a_missing_policy_is_one_line() {
    let (db, objects) = sound().await;
    db.admin.execute("drop policy team on longshore.messages").await.expect("a breach");
    let ran = doctor(&db.url("operator"), &objects, "doctor", &[]);
    insta::assert_snapshot!(faults(&ran), @r"
    FAULT  wall           table longshore.messages has no policy that shows a team its own rows; to do: call longshore.protect('longshore.messages', 'select')
    -- 1 fault (exit 1)
    ");
    let json = doctor(&db.url("operator"), &objects, "doctor --json", &[]).json();
    let fault =
        json["checks"].as_array().and_then(|checks| checks.iter().find(|check| check["verdict"] == "fault")).expect("a fault");
    assert_eq!((json["sound"].as_bool(), fault["rule"].as_str()), (Some(false), Some("no_policy")), "{json}");
}

#[tokio::test]
async fn a_weak_secret_is_one_line_that_does_not_tell_it() {
    let (db, objects) = sound().await;
    let ran = doctor(&db.url("operator"), &objects, "doctor", &[("LONGSHORE_ADMIN__TOKEN", "correct-horse")]);
    insta::assert_snapshot!(faults(&ran), @r"
    FAULT  configuration  admin.token has 13 characters, and 32 are the least: make one with `openssl rand -hex 32` (env LONGSHORE_ADMIN__TOKEN); to do: `longshore config show` lists every setting and where it came from
    -- 1 fault (exit 1)
    ");
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
    assert!(behind.code == 1 && behind.stdout.contains("FAULT  migrations     1 missing; to do: longshore migrate"), "{behind}");
}
