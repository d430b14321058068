//! The TypeScript client: what is in the tree is what this build exports, it compiles strictly and refuses what is wrong, and
//! it keeps its promises in real Node against a real database and a real API.

use std::path::{Path, PathBuf};

use longshore::{
    tenancy::keys::Scope,
    typescript,
    workers::{ids::TeamId, registry},
};

use crate::{
    api::door,
    support::{Stepper, TestDb, node::Node, role, services},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/typescript")
}

#[test]
fn the_client_in_the_tree_is_what_this_build_exports() {
    let kept = std::fs::read_to_string(folder().join("longshore.ts")).expect("clients/typescript/longshore.ts");
    let exported = typescript::client(&registry());
    assert!(
        kept.trim_end() == exported.trim_end(),
        "kinds or operations changed: longshore export ts --out clients/typescript/longshore.ts"
    );
}

/// The client and its tests as JavaScript, in a folder of their own. Compiling is a test in itself: `tests/types.ts` holds what
/// the compiler must refuse.
async fn compiled(node: &Node) -> tempfile::TempDir {
    let out = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(out.path().join("tests")).expect("a folder");
    for file in ["longshore.ts", "package.json", "tsconfig.json", "tests/types.ts", "tests/transactions.ts", "tests/http.ts"] {
        std::fs::copy(folder().join(file), out.path().join(file)).expect(file);
    }
    std::os::unix::fs::symlink(&node.modules, out.path().join("node_modules")).expect("a link");
    let tsc = node.modules.join("typescript/bin/tsc");
    let ran = node.command().arg(tsc).current_dir(out.path()).output().await.expect("tsc");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    out
}

async fn passes(node: &Node, file: &str, environment: &[(&str, &str)]) {
    let out = compiled(node).await;
    let ran = node
        .command()
        .args(["--test", "--test-reporter=spec", &format!("out/tests/{file}.js")])
        .current_dir(out.path())
        .envs(environment.iter().copied())
        .output()
        .await
        .expect("node");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("fail 0"), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(!said.contains("tests 0"), "{said}");
}

#[tokio::test]
async fn jobs_from_node_live_and_die_with_the_transaction_they_are_enqueued_in() {
    let Some(node) = Node::find() else { return };
    let db = TestDb::new().await;
    let team = db.team("first").await;
    let _announced = Stepper::new(&db, registry(), services(&db)).await;
    for order in [
        "do $$ begin create role producers_platform login; exception when duplicate_object or unique_violation then null; end $$",
        "grant longshore_producer to producers_platform",
        "create table notes (note text); grant all on notes to producers_platform",
    ] {
        sqlx::raw_sql(order).execute(&db.admin).await.expect("a platform");
    }
    let url = db.admin_url().replace("postgres://postgres@", "postgres://producers_platform@");
    let environment = [("DATABASE_URL", url.as_str()), ("READER_URL", &db.admin_url()), ("LONGSHORE_TEAM", &team.to_string())];
    passes(&node, "transactions", &environment).await;
    assert_eq!(jobs(&db, team).await, 3 * 6, "six of each driver, and none of those that were rolled back");
}

#[tokio::test]
async fn over_http_what_was_lost_is_sent_again_and_leaves_one_job() {
    let Some(node) = Node::find() else { return };
    let db = TestDb::new().await;
    let team = db.team("first").await;
    let (key, _) = door::key(&db, team, &[Scope::Enqueue, Scope::Read, Scope::Cancel, Scope::Dead], None).await;
    let folder = tempfile::tempdir().expect("a folder");
    let api = role::start("api", "api", db.url("api"), &[], folder.path()).await;
    let worker = role::start("worker", "worker", db.url("worker"), &[], folder.path()).await;
    let scheduler = role::start("scheduler", "scheduler", db.url("scheduler"), &[], folder.path()).await;
    let url = format!("http://{}", api.ready.api.as_deref().expect("an address"));
    passes(&node, "http", &[("LONGSHORE_URL", &url), ("LONGSHORE_KEY", &key)]).await;
    drop((worker, scheduler));
    assert_eq!(jobs(&db, team).await, 6, "one of each call that was accepted");
}

async fn jobs(db: &TestDb, team: TeamId) -> i64 {
    let asked = sqlx::query_scalar("select count(*) from queue.jobs where team_id = $1").bind(team.0);
    asked.fetch_one(&db.admin).await.expect("a count")
}
