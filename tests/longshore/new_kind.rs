//! A new kind needs one file and two lines: nothing else in the tree knows a kind by name.

use std::{
    fs,
    path::{Path, PathBuf},
};

use longshore::workers::{
    ctx::Ctx,
    job::{Done, Job, Outcome},
    registry,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::support::{Stepper, TestDb, services};

/// The file of a kind that nobody has heard of; `.add::<Greet>()` below is its line.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greet {
    name: String,
}

impl Job for Greet {
    const KIND: &'static str = "greet";
    const QUEUE: &'static str = "greetings";

    async fn run(&self, _: &Ctx) -> Outcome {
        Done::with(format!("Good morning, {}.", self.name))
    }
}

#[tokio::test]
async fn a_kind_that_nobody_has_heard_of_is_enqueued_through_sql_and_runs() {
    let db = TestDb::new().await;
    let team = db.team("greeters").await;
    let worker = Stepper::new(&db, registry().add::<Greet>(), services(&db)).await;
    let enqueue = "select job_id from queue.enqueue($1, 'greet', '{\"name\": \"Ada\"}')";
    let job: i64 = sqlx::query_scalar(enqueue).bind(team.0).fetch_one(&db.pool("scheduler")).await.expect("an accepted job");
    let (ran, _) = worker.next("greetings").await.expect("a job to run");
    assert_eq!(ran.0, job);
    let output: serde_json::Value = sqlx::query_scalar("select output from queue.outputs where job_id = $1")
        .bind(job)
        .fetch_one(&db.admin)
        .await
        .expect("an output");
    assert_eq!(output, "Good morning, Ada.");

    let misspelt = "select job_id from queue.enqueue($1, 'greet', '{\"nme\": \"Ada\"}')";
    let refused = sqlx::query(misspelt).bind(team.0).execute(&db.pool("scheduler")).await.expect_err("a refusal");
    assert!(refused.to_string().contains("name"), "the field is named by the kind's own schema: {refused}");
}

#[test]
fn each_kind_stands_in_one_file_and_one_line_of_the_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workers = rust_files(&root.join("workers"));
    let list = fs::read_to_string(root.join("workers/lib.rs")).expect("the list of kinds");
    let kinds: Vec<_> = registry().iter().map(|kind| kind.name).collect();
    assert_eq!(list.matches(".add::<").count(), kinds.len(), "workers/lib.rs adds each kind with one line");

    for kind in kinds {
        let declared = format!("const KIND: &'static str = \"{kind}\"");
        let named = |files: &[(PathBuf, String)]| -> Vec<PathBuf> {
            let quoted = format!("\"{kind}\"");
            files.iter().filter(|(_, text)| code(text).contains(&quoted)).map(|(path, _)| path.clone()).collect()
        };
        let homes: Vec<_> = workers.iter().filter(|(_, text)| text.contains(&declared)).map(|(path, _)| path.clone()).collect();
        assert_eq!(homes.len(), 1, "{kind} is declared in {homes:?}");
        assert_eq!(named(&workers), homes, "{kind} is named outside its file in workers/");
        // The demo plays a producer, and producers know what they ask for.
        let engine: Vec<_> =
            rust_files(&root.join("src")).into_iter().filter(|(path, _)| !path.starts_with(root.join("src/dev"))).collect();
        assert_eq!(named(&engine), Vec::<PathBuf>::new(), "{kind} is named in src/, which should read the registry");
    }
}

/// The text without comments and examples, and without the tests at its end.
fn code(text: &str) -> String {
    let lines = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default().lines();
    // An example in the API's document is prose.
    lines.filter(|line| !line.trim().starts_with("//") && !line.contains("example =")).collect::<Vec<_>>().join("\n")
}

fn rust_files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), fs::read_to_string(&path).expect("a text")));
        }
    }
    found
}
