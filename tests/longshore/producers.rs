//! Producers in other programs: what the documents show them runs, and costs them nothing of the engine.

use std::process::Command;

use longshore::workers::{ids::TeamId, registry};
use sqlx::PgPool;

use crate::support::{Stepper, TestDb, database, node::Node, services};

#[path = "../../examples/produce/src/produce.rs"]
mod produce;

const SQL: &str = include_str!("../../docs/SQL.md");

/// A platform's own role and tables, with no more of ours than the documents tell it to ask for.
async fn platform(db: &TestDb, tables: &str) -> (TeamId, PgPool) {
    let team = db.team("first").await;
    let role =
        "do $$ begin create role producers_platform login; exception when duplicate_object or unique_violation then null; end $$";
    for order in [role, "grant longshore_producer to producers_platform", tables] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(order)).execute(&db.admin).await.expect("a platform");
    }
    (team, database::pool(&db.admin_url().replace("postgres://postgres@", "postgres://producers_platform@"), 5))
}

async fn count(db: &TestDb, question: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(question)).fetch_one(&db.admin).await.expect("a count")
}

#[tokio::test]
async fn a_rust_producer_enqueues_beside_its_own_rows_and_a_rollback_leaves_neither() {
    let db = TestDb::new().await;
    let tables =
        "create table platform_uploads (file_id bigint primary key); grant all on platform_uploads to producers_platform";
    let (team, pool) = platform(&db, tables).await;
    let _announced = Stepper::new(&db, registry(), services(&db)).await;

    let first = produce::upload(&pool, team, 7).await.expect("an accepted job");
    assert!(!first.deduplicated);
    let again = produce::upload(&pool, team, 7).await.expect("an accepted job");
    assert_eq!((again.job, again.deduplicated), (first.job, true), "the same upload is the same job");
    let both = "select (select count(*) from queue.jobs where team_id = (select team_id from longshore.teams where name = 'first')) \
        * 100 + (select count(*) from platform_uploads)";
    assert_eq!(count(&db, both).await, 101, "one job, one upload");

    let forgotten = produce::think_twice(&pool, team, 8).await.expect("an accepted job");
    assert!(forgotten.job > first.job);
    assert_eq!(count(&db, both).await, 101, "a rollback leaves nothing");

    let refused = produce::look_up(&pool, team, &[1, 0]).await.expect_err("no lead has that id");
    assert!(refused.to_string().contains("lead_id"), "{refused}");
    assert_eq!(count(&db, both).await, 101, "all or none");
    assert_eq!(produce::look_up(&pool, team, &[1, 2, 3]).await.expect("accepted jobs"), 3);
    assert_eq!(count(&db, both).await, 401);
}

#[tokio::test]
async fn a_job_belongs_to_the_team_of_its_transaction_and_to_nobody_where_there_is_none() {
    let db = TestDb::new().await;
    let (_, pool) = platform(&db, "select").await;
    let other = db.team("second").await;
    let _announced = Stepper::new(&db, registry(), services(&db)).await;
    let mut tx = longshore::begin_as(&pool, other).await.expect("a transaction");
    longshore::enqueue(&mut tx, longshore::jobs::RefreshTags {}).await.expect("an accepted job");
    tx.commit().await.expect("a commit");
    assert_eq!(
        count(&db, "select count(*) from queue.jobs j join longshore.teams t using (team_id) where t.name = 'second'").await,
        1
    );

    let mut nobody = pool.acquire().await.expect("a connection");
    let refused = longshore::enqueue(&mut nobody, longshore::jobs::RefreshTags {}).await.expect_err("no team is set");
    assert!(refused.to_string().contains("team_id is missing"), "{refused}");
}

#[test]
fn a_producer_builds_nothing_of_the_engine() {
    let heavy =
        ["axum", "reqwest", "hyper", "apalis", "clap", "aws-", "metrics", "tracing-subscriber", "minijinja", "rlibphonenumber"];
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--package", "produce", "--edges", "normal", "--prefix", "none", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    let tree = String::from_utf8(tree.stdout).expect("a text");
    assert!(tree.contains("longshore-workers"), "the tree of the example: {tree}");
    let carried: Vec<_> = tree.lines().filter(|line| heavy.iter().any(|name| line.starts_with(name))).collect();
    assert!(carried.is_empty(), "a producer would build these too: {carried:?}");
}

#[tokio::test]
async fn a_node_producer_enqueues_as_the_document_shows_it() {
    let Some(node) = Node::find() else { return };
    let db = TestDb::new().await;
    let tables = "create table orders (id text, team_id uuid); grant all on orders to producers_platform";
    let (team, _) = platform(&db, tables).await;
    let announce = r#"[{"kind": "greet", "queue": "greetings", "version": 1, "priority": 5, "max_attempts": 3, "timeout_seconds": 5,
        "price": 0, "required": ["name"], "fields": {"name": ["string"]}, "schema": {}, "aliases": []}]"#;
    sqlx::query("select queue.register($1::jsonb)").bind(announce).execute(&db.admin).await.expect("the kind");

    let sample = SQL.split("```ts\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the document's sample");
    let script = include_str!("../fixtures/producer.cjs").replace("/* the sample */", sample);
    let url = db.admin_url().replace("postgres://postgres@", "postgres://producers_platform@");
    let ran = node.command().args(["--eval", &script, &url, &team.to_string()]).output().await.expect("node");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(said.trim(), "committed; refused: payload.name; rolled back; 50 callers, 1 job");

    assert_eq!(
        count(&db, "select count(*) from queue.jobs where kind = 'greet'").await,
        3,
        "committed, after the rollback, shared"
    );
    assert_eq!(count(&db, "select count(*) from orders where id = 'refused'").await, 0);
    assert_eq!(count(&db, "select count(*) from orders where id = 'shared'").await, 50, "each caller's own row stands");
}
