//! The catalogue: every table, key, right and function that is there is as it must be, and whoever serves asks first.

use longshore::store::wall::{self, Breached, Duty};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::{cli::fleet::run_at, support::TestDb};

/// As a role that really connected, after something was done to the database that nobody keeps.
async fn rules_after(db: &TestDb, deed: &str) -> Vec<String> {
    let mut tx = longshore::workers::db::begin(&db.admin).await.expect("a transaction");
    tx.execute(AssertSqlSafe(deed.to_owned())).await.unwrap_or_else(|error| panic!("{deed}: {error}"));
    let found = wall::everything(&mut tx).await.expect("an answer");
    tx.rollback().await.expect("an end");
    found.into_iter().map(|finding| finding.rule).collect()
}

#[tokio::test]
async fn nothing_in_the_catalogue_lets_one_team_reach_another() {
    let db = TestDb::new().await;
    let mut conn = db.admin.acquire().await.expect("a connection");
    let found = wall::everything(&mut conn).await.expect("an answer");
    let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[tokio::test]
async fn every_way_to_break_the_wall_is_found() {
    let db = TestDb::new().await;
    db.admin.execute("create role wall_test_stranger").await.ok();
    let deeds = [
        ("rls_off", "alter table longshore.leads disable row level security"),
        ("rls_off", "create table longshore.forgotten (team_id uuid not null, note text, primary key (team_id))"),
        ("rls_off", "alter table queue.jobs_30d_0 disable row level security"),
        ("rls_not_forced", "alter table queue.jobs no force row level security"),
        ("no_policy", "drop policy team on longshore.messages"),
        ("wide_policy", "create policy oops on longshore.leads for select to longshore_api using (true)"),
        (
            "wide_policy",
            "create policy oops on longshore.leads using (team_id = (select longshore.current_team()) or lead_id = 1)",
        ),
        ("wide_policy", "create policy oops on longshore.leads for insert to longshore_worker with check (true)"),
        ("wide_policy", "create policy oops on longshore.leads for select to longshore_scheduler using (true)"),
        ("nullable_team", "alter table queue.batch_moves alter team_id drop not null"),
        ("unexplained_table", "create table queue.stray (id bigint)"),
        ("global_key", "create unique index on longshore.leads (email)"),
        (
            "plain_reference",
            "alter table longshore.tags add other uuid, add foreign key (other) references longshore.teams (team_id)",
        ),
        ("public_grant", "grant select on longshore.leads to public"),
        ("public_grant", "grant update (phone) on longshore.leads to public"),
        ("public_grant", "grant execute on function queue.reap(integer) to public"),
        ("public_grant", "grant usage on schema queue to public"),
        ("owners_right", "grant truncate on longshore.leads to longshore_worker"),
        ("handed_on", "grant select on longshore.leads to longshore_api with grant option"),
        ("partition_grant", "grant select on queue.jobs_30d_0 to longshore_api"),
        ("sequence_grant", "grant usage on sequence queue.job_ids to longshore_worker"),
        ("producer_grant", "grant select on queue.jobs to longshore_producer"),
        ("auditor_writes", "grant delete on longshore.leads to longshore_auditor"),
        ("auditor_writes", "grant execute on function queue.reap(integer) to longshore_auditor"),
        ("creates_in_schema", "grant create on schema queue to longshore_worker"),
        ("default_leak", "alter default privileges for role longshore_owner grant select on tables to longshore_api"),
        ("default_open", "alter default privileges for role longshore_engine grant execute on functions to public"),
        ("strange_owner", "alter table longshore.leads owner to wall_test_stranger"),
        ("strong_role", "alter role longshore_worker bypassrls"),
        ("strange_member", "grant longshore_engine to longshore_api"),
        ("strange_member", "grant longshore_operator to longshore_worker"),
        ("definer_path", "alter function queue.reap(integer) reset search_path"),
        ("definer_path", "alter function queue.reap(integer) set search_path = queue, public"),
        ("unpinned_path", "alter function queue.guard_team(uuid) reset search_path"),
        ("definer_view", "alter view longshore.vendor_call_log reset (security_invoker)"),
        ("definer_view", "create view longshore.peek as select * from longshore.leads"),
    ];
    for (rule, deed) in deeds {
        let found = rules_after(&db, deed).await;
        assert!(found.iter().any(|one| one == rule), "{deed} should break {rule}; it broke {found:?}");
    }
}

async fn refusal(url: &str, duty: Duty) -> Vec<String> {
    let mut conn = PgConnection::connect(url).await.expect("a connection");
    wall::at_start(&mut conn, duty).await.expect("an answer").into_iter().map(|finding| finding.rule).collect()
}

#[tokio::test]
async fn a_process_serves_only_as_its_own_role() {
    let db = TestDb::new().await;
    for (role, duty) in [("api", Duty::Api), ("worker", Duty::Worker), ("scheduler", Duty::Scheduler)] {
        assert_eq!(refusal(&db.url(role), duty).await, Vec::<String>::new(), "{role}");
    }
    for (role, rule) in
        [("worker", "not_its_role"), ("operator", "not_its_role"), ("auditor", "not_its_role"), ("migrator", "wrong_member")]
    {
        let found = refusal(&db.url(role), Duty::Api).await;
        assert!(found.iter().any(|one| one == rule), "an API as {role}: {found:?}");
    }
    assert_eq!(refusal(&db.admin_url(), Duty::Worker).await, ["superuser"]);
    // A login of its own is as good as the role, and no better.
    let login = format!("t_login_{}", std::process::id());
    let made = [format!("create role {login} login"), format!("grant longshore_api to {login}")];
    for deed in &made {
        db.admin.execute(AssertSqlSafe(deed.clone())).await.expect("a login");
    }
    let url = db.admin_url().replace("postgres://postgres@", &format!("postgres://{login}@"));
    assert_eq!(refusal(&url, Duty::Api).await, Vec::<String>::new());
    let escapes = [
        ("bypasses_rls", format!("alter role {login} bypassrls"), format!("alter role {login} nobypassrls")),
        ("creates_roles", format!("alter role {login} createrole"), format!("alter role {login} nocreaterole")),
        ("wrong_member", format!("grant longshore_owner to {login}"), format!("revoke longshore_owner from {login}")),
        ("wrong_member", format!("grant pg_read_all_data to {login}"), format!("revoke pg_read_all_data from {login}")),
        (
            "owns_tables",
            format!("alter table longshore.tags owner to {login}"),
            "alter table longshore.tags owner to longshore_owner".to_owned(),
        ),
    ];
    for (rule, deed, undo) in escapes {
        db.admin.execute(AssertSqlSafe(deed.clone())).await.expect("a deed");
        let found = refusal(&url, Duty::Api).await;
        assert!(found.iter().any(|one| one == rule), "{deed}: {found:?}");
        db.admin.execute(AssertSqlSafe(undo)).await.expect("its end");
    }
    // And the guard of the functions knows it: with no team set it acts for none.
    let team = db.team("acme").await;
    let mut conn = PgConnection::connect(&url).await.expect("a connection");
    let refused = sqlx::query("select queue.cancel($1, 1, 'me')").bind(team.0).execute(&mut conn).await.expect_err("a refusal");
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("LS007"), "{refused}");
    conn.close().await.ok();
    db.admin.execute(AssertSqlSafe(format!("drop role {login}"))).await.expect("no login");
}

#[tokio::test]
async fn the_binary_refuses_to_serve_and_says_why_in_one_line() {
    let db = TestDb::new().await;
    for process in ["api", "worker", "scheduler"] {
        let refused = run_at(&db.admin_url(), process);
        let line = refused.stderr.lines().find(|line| line.contains("refusing to serve")).unwrap_or_else(|| panic!("{refused}"));
        assert!(refused.code == 1 && line.contains("role postgres is a superuser"), "{refused}");
    }
    db.admin.execute("drop policy team on longshore.leads").await.expect("a breach");
    let refused = run_at(&db.url("worker"), "worker");
    assert!(
        refused.code == 1 && refused.stderr.contains("table longshore.leads has no policy that shows a team its own rows"),
        "{refused}"
    );
    assert!(!refused.stdout.contains("pid"), "it did not say that it is ready: {refused}");
}

#[test]
fn what_is_wrong_first_stands_first() {
    let empty = Breached(Vec::new());
    assert_eq!(empty.to_string(), "refusing to serve: ");
}
