//! The chain itself: what is hashed, that it stays one chain, and that nobody may touch it.

use longshore::workers::{db, ids::TeamId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use crate::support::TestDb;

const AUDIT: &str = "select longshore.audit($1, $2, $3, $4, $5, $6, $7)";

async fn audit(conn: &mut PgConnection, team: TeamId, target: &str, after: Value) -> Result<i64, sqlx::Error> {
    let call = sqlx::query_scalar(AUDIT).bind(team.0).bind("operator ada").bind("test.do").bind(target);
    call.bind("because").bind(None::<Value>).bind(after).fetch_one(conn).await
}

async fn chain(db: &TestDb, team: TeamId) -> Vec<PgRow> {
    let entries =
        "select seq, to_char(at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') as at, actor, action, target, reason,
        before::text as before, after::text as after, encode(previous, 'hex') as previous, encode(hash, 'hex') as hash
        from longshore.audit_log where team_id = $1 order by seq";
    sqlx::query(entries).bind(team.0).fetch_all(&db.admin).await.expect("the entries")
}

/// As docs/AUDIT.md says, and nothing from Postgres but the fields.
fn due(team: TeamId, row: &PgRow) -> String {
    let field = |text: Option<String>| text.map_or_else(|| "-,".into(), |text| format!("{}:{text},", text.len()));
    let mut bytes = field(Some("longshore-audit-1".into())) + &field(row.get("previous")) + &field(Some(team.to_string()));
    bytes += &field(Some(row.get::<i64, _>("seq").to_string()));
    for column in ["at", "actor", "action", "target", "reason", "before", "after"] {
        bytes += &field(row.get(column));
    }
    hex::encode(Sha256::digest(bytes))
}

#[tokio::test]
async fn an_entry_is_hashed_as_the_document_says_whatever_the_session_is_set_to() {
    let db = TestDb::new().await;
    let team = db.team("one").await;
    let settings =
        ["UTC', DateStyle = 'ISO", "Asia/Tokyo', DateStyle = 'German', extra_float_digits = '-5', IntervalStyle = 'iso_8601"];
    for (n, setting) in settings.iter().enumerate() {
        let mut tx = db::begin_as(&db.pool("operator"), team).await.expect("a transaction");
        for one in setting.split(", ") {
            let (name, value) = one.split_once(" = ").unwrap_or(("TimeZone", one));
            let set = sqlx::query("select set_config($1, $2, true)").bind(name).bind(value.trim_matches('\''));
            set.execute(&mut *tx).await.expect("a setting");
        }
        let value = json!({ "ratio": 0.1_f64 + 0.2, "big": 1e300, "text": "Zoë \u{1F980} \"quoted\"", "list": [1, null, true] });
        audit(&mut tx, team, &format!("thing {n}, naïve"), value).await.expect("an entry");
        tx.commit().await.expect("a commit");
    }
    let rows = chain(&db, team).await;
    assert_eq!(rows.len(), 2);
    let mut previous = "0".repeat(64);
    for row in &rows {
        assert_eq!(row.get::<String, _>("previous"), previous);
        assert_eq!(row.get::<String, _>("hash"), due(team, row));
        previous = row.get("hash");
    }
}

#[tokio::test]
async fn sixty_four_at_once_make_one_chain() {
    let db = TestDb::new().await;
    let (team, other) = (db.team("one").await, db.team("other").await);
    let pool = db.pool("operator");
    let tasks = (0..64).map(|n| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let team = if n % 4 == 0 { other } else { team };
            let mut tx = db::begin_as(&pool, team).await.expect("a transaction");
            audit(&mut tx, team, &format!("thing {n}"), json!({ "n": n })).await.expect("an entry");
            tx.commit().await.expect("a commit");
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("a task");
    }
    for (team, entries) in [(team, 48), (other, 16)] {
        let rows = chain(&db, team).await;
        let numbers: Vec<i64> = rows.iter().map(|row| row.get("seq")).collect();
        assert_eq!(numbers, (1..=entries).collect::<Vec<_>>());
        for pair in rows.windows(2) {
            assert_eq!(pair[1].get::<String, _>("previous"), pair[0].get::<String, _>("hash"));
            assert!(pair[1].get::<String, _>("at") >= pair[0].get::<String, _>("at"), "time goes back along the chain");
        }
    }
}

#[tokio::test]
async fn what_is_rolled_back_leaves_no_entry() {
    let db = TestDb::new().await;
    let team = db.team("one").await;
    for commit in [true, false, true] {
        let mut tx = db::begin_as(&db.pool("operator"), team).await.expect("a transaction");
        audit(&mut tx, team, "thing", json!({})).await.expect("an entry");
        if commit {
            tx.commit().await.expect("a commit");
        } else {
            tx.rollback().await.expect("a rollback");
        }
    }
    let numbers: Vec<i64> = chain(&db, team).await.iter().map(|row| row.get("seq")).collect();
    assert_eq!(numbers, [1, 2], "the next one takes the number of what was rolled back");
}

#[tokio::test]
async fn nobody_may_change_an_entry() {
    let db = TestDb::new().await;
    let team = db.team("one").await;
    let mut conn = db.admin.acquire().await.expect("a connection");
    audit(&mut conn, team, "thing", json!({})).await.expect("an entry");
    let deeds = [
        "update longshore.audit_log set actor = 'nobody'",
        "delete from longshore.audit_log",
        "truncate longshore.audit_log",
        "insert into longshore.audit_log select * from longshore.audit_log",
        "update longshore.audit_heads set seq = 0",
        "delete from longshore.audit_heads",
        "truncate longshore.audit_heads",
    ];
    let roles = ["owner", "engine", "producer", "migrator", "api", "worker", "scheduler", "operator", "auditor"];
    for role in roles {
        for deed in deeds {
            // What is left open: the engine adds entries and moves heads, which is what longshore.audit does; and what the
            // owner of a table does to a row that says nothing by itself.
            let open = match role {
                "engine" => deed.starts_with("insert") || deed.starts_with("update longshore.audit_heads"),
                // The migrator is both of the two.
                "owner" | "migrator" => deed.contains("audit_heads") || deed.starts_with("insert"),
                _ => false,
            };
            if open {
                continue;
            }
            let mut tx = db::begin(&db.admin).await.expect("a transaction");
            let act = format!("set local role longshore_{role}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(act)).execute(&mut *tx).await.expect("the role");
            let error = sqlx::raw_sql(deed).execute(&mut *tx).await.expect_err(&format!("{role}: {deed}"));
            let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
            assert_eq!(code.as_deref(), Some("42501"), "{role}: {deed}: {error}");
        }
    }
    // A superuser has every privilege: the trigger is what says no, and a session can't turn it off by replica mode.
    for replica in ["origin", "replica"] {
        for deed in &deeds[..3] {
            let mut tx = db::begin(&db.admin).await.expect("a transaction");
            let mode = format!("set local session_replication_role = {replica}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(mode)).execute(&mut *tx).await.expect("the mode");
            let error = sqlx::raw_sql(*deed).execute(&mut *tx).await.expect_err(deed);
            let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
            assert_eq!(code.as_deref(), Some("LS024"), "{deed}: {error}");
        }
    }
    assert_eq!(chain(&db, team).await.len(), 1);
}

#[tokio::test]
async fn a_team_reads_its_own_entries_and_writes_for_itself_alone() {
    let db = TestDb::new().await;
    let (team, other) = (db.team("one").await, db.team("other").await);
    let mut conn = db.admin.acquire().await.expect("a connection");
    for team in [team, other, TeamId::HOUSE] {
        audit(&mut conn, team, "thing", json!({})).await.expect("an entry");
    }
    let seen = "select count(*) from longshore.audit_log where action = 'test.do'";
    for (role, sees) in [("api", 1_i64), ("worker", 1), ("scheduler", 1), ("operator", 3), ("auditor", 3)] {
        let mut tx = db::begin_as(&db.pool(role), team).await.expect("a transaction");
        assert_eq!(sqlx::query_scalar::<_, i64>(seen).fetch_one(&mut *tx).await.expect("a count"), sees, "{role}");
    }
    let mut tx = db::begin_as(&db.pool("api"), team).await.expect("a transaction");
    let error = audit(&mut tx, other, "thing", json!({})).await.expect_err("another team's chain");
    assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some("LS007"));
}

#[tokio::test]
async fn no_phone_number_or_e_mail_gets_into_an_entrys_words() {
    let db = TestDb::new().await;
    let team = db.team("one").await;
    let words = "Ada <ada@example.com> of (617) 555-0123, +1 617-555-0123, 617.555.0123, +16175550123 or 16175550123 asked on 2026-11-17 at 18:00 for job_6175550123";
    let call = sqlx::query_scalar::<_, i64>(AUDIT).bind(team.0).bind("operator ada").bind("test.do").bind(words).bind(words);
    call.bind(None::<Value>).bind(json!({ "list": "x".repeat(10_000) })).fetch_one(&db.admin).await.expect("an entry");
    let row = chain(&db, team).await.pop().expect("the entry");
    let expected = "Ada <[e-mail]> of [number …0123], [number …0123], [number …0123], [number …0123] or [number …0123] asked on 2026-11-17 at 18:00 for job_6175550123";
    assert_eq!(row.get::<String, _>("reason"), expected);
    assert_eq!(row.get::<String, _>("target"), expected);
    let after: Value = serde_json::from_str(&row.get::<String, _>("after")).expect("a value");
    assert_eq!(after["bytes"], 10_012);
}
