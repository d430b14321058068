//! Somebody who can switch triggers off still can't rewrite a chain unseen; and an export proves itself.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::cli::fleet::Fleet;

/// Acme has a chain of five, globex one of two, the house a few.
async fn with_chains() -> Fleet {
    let fleet = Fleet::new().await;
    for (team, deeds) in [("acme", 5), ("globex", 2)] {
        for n in 0..deeds {
            let grant = fleet.run(&format!("credits grant {team} {} --reason 'invoice {n}'", n + 1));
            assert_eq!(grant.code, 0, "{grant}");
        }
    }
    fleet
}

async fn tamper(fleet: &Fleet, how: &str) {
    let team = format!("'{}'", fleet.acme);
    let how = format!(
        "begin; alter table longshore.audit_log disable trigger append_only; {};
         alter table longshore.audit_log enable always trigger append_only; commit",
        how.replace("ACME", &team)
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(how)).execute(&fleet.db.admin).await.expect("a superuser may");
}

#[tokio::test]
async fn chains_that_nobody_touched_are_sound() {
    let fleet = with_chains().await;
    let verify = fleet.run("audit verify --json");
    assert_eq!((verify.code, verify.json()["sound"].as_bool()), (0, Some(true)), "{verify}");
    let chain =
        |team: String| verify.json()["chains"].as_array().expect("chains").iter().find(|one| one["team_id"] == team).cloned();
    assert_eq!(chain(fleet.acme.to_string()).expect("acme's")["entries"], 5);
    assert_eq!(chain(fleet.globex.to_string()).expect("globex's")["entries"], 2);
    let one = fleet.run("audit verify --team globex --json");
    assert_eq!(one.json()["chains"].as_array().map(Vec::len), Some(1), "{one}");
}

#[tokio::test]
async fn whatever_is_done_to_the_rows_is_found_and_named() {
    let again = "insert into longshore.audit_log
        select team_id, 6, at, actor, action, target, reason, before, after, hash, hash from longshore.audit_log where team_id = ACME and seq = 5";
    let forged =
        format!("{again}; update longshore.audit_log l set hash = longshore.audit_hash(l) where team_id = ACME and seq = 6");
    let ways = [
        ("update longshore.audit_log set after = '{\"granted\": 1}' where team_id = ACME and seq = 3", 3, "not what was written"),
        (
            "update longshore.audit_log set at = at + interval '1 microsecond' where team_id = ACME and seq = 2",
            2,
            "not what was written",
        ),
        (
            "update longshore.audit_log l set actor = 'operator eve' where team_id = ACME and seq = 4;
             update longshore.audit_log l set hash = longshore.audit_hash(l) where team_id = ACME and seq = 4",
            5,
            "does not follow",
        ),
        (
            "update longshore.audit_log l set actor = 'operator eve' where team_id = ACME and seq = 5;
             update longshore.audit_log l set hash = longshore.audit_hash(l) where team_id = ACME and seq = 5",
            5,
            "not the entry that the chain's head knows",
        ),
        ("delete from longshore.audit_log where team_id = ACME and seq = 1", 2, "missing"),
        ("delete from longshore.audit_log where team_id = ACME and seq = 3", 4, "missing"),
        ("delete from longshore.audit_log where team_id = ACME and seq = 5", 5, "missing"),
        ("delete from longshore.audit_log where team_id = ACME", 1, "missing"),
        (again, 6, "not what was written"),
        (&forged, 6, "added past the log's one way in"),
        ("delete from longshore.audit_heads where team_id = ACME", 5, "head is missing"),
        ("update longshore.audit_heads set seq = 4 where team_id = ACME", 5, "added past"),
    ];
    for (way, seq, what) in ways {
        let fleet = with_chains().await;
        tamper(&fleet, way).await;
        let verify = fleet.run("audit verify --json");
        assert_eq!((verify.code, verify.json()["sound"].as_bool()), (1, Some(false)), "{way}\n{verify}");
        let broken = verify.json()["broken"].clone();
        assert_eq!(broken.as_array().map(Vec::len), Some(1), "{way}\n{verify}");
        assert_eq!(
            (&broken[0]["team_id"], &broken[0]["seq"]),
            (&Value::from(fleet.acme.to_string()), &Value::from(seq)),
            "{way}"
        );
        assert!(broken[0]["what"].as_str().is_some_and(|said| said.contains(what)), "{way}\n{verify}");
        // The others are still proven.
        assert_eq!(verify.json()["chains"].as_array().map(Vec::len), Some(2), "{way}\n{verify}");
    }
}

#[tokio::test]
async fn an_export_proves_itself_and_shows_what_was_cut_or_changed() {
    let fleet = with_chains().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.jsonl");
    let export = fleet.run(&format!("audit export --out {}", path.display()));
    assert_eq!(export.code, 0, "{export}");
    assert_eq!(fleet.run(&format!("audit export --out {}", path.display())).code, 1, "it writes over nothing");
    let text = std::fs::read_to_string(&path).expect("the export");
    assert_eq!(fleet.run("audit export").stdout, text);
    assert!(text.lines().all(|line| line.parse::<Value>().is_ok()));

    let lines: Vec<&str> = text.lines().collect();
    let granted = lines.iter().position(|line| line.contains("invoice 2")).expect("an entry");
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().join("\n");
    let last = lines.iter().rposition(|line| line.contains("invoice")).expect("an entry");
    let wrong = [text.replace("invoice 2", "invoice 3"), without(granted), without(last), without(lines.len() - 1)];
    for (text, sound) in std::iter::once((text, true)).chain(wrong.into_iter().map(|text| (text, false))) {
        std::fs::write(&path, &text).expect("a file");
        let verify = fleet.run(&format!("audit verify --file {}", path.display()));
        assert_eq!(verify.code, i32::from(!sound), "{verify}");
        assert_eq!(by_the_document(&text), sound, "{verify}");
    }
    std::fs::write(&path, "{}\n").expect("a file");
    assert_eq!(fleet.run(&format!("audit verify --file {}", path.display())).code, 2);
}

/// What the script in docs/AUDIT.md says, which knows nothing of ours.
fn by_the_document(export: &str) -> bool {
    let document = include_str!("../../../docs/AUDIT.md");
    let script = document.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the script");
    let mut python = Command::new("python3");
    let mut python =
        python.args(["-c", script]).stdin(Stdio::piped()).stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("python3");
    // It may end before it has read everything.
    let _ = python.stdin.take().expect("its input").write_all(export.as_bytes());
    python.wait().expect("its end").success()
}
