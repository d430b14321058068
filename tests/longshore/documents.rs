//! The documents tell the truth: what they name is there, and what they show runs.

use std::{collections::BTreeSet, fs, path::Path};

use longshore::workers::{
    ctx::Ctx,
    job::{Done, Job, Outcome},
    registry::Registry,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::Executor as _;

use crate::support::{Stepper, TestDb, services};

const SQL: &str = include_str!("../../docs/SQL.md");

/// The kind of the samples.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greet {
    name: String,
}

impl Job for Greet {
    const KIND: &'static str = "greet";
    const QUEUE: &'static str = "greetings";

    async fn run(&self, _: &Ctx) -> Outcome {
        Ok(Done::NOTHING)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/decisions", "docs/runbook"] {
        for path in fs::read_dir(root().join(folder)).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(root()).expect("a path below the root").to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).expect("a text")));
            }
        }
    }
    found
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let folders = ["src/", "workers/", "migrations/", "tests/", "deploy/", "docs/", ".ci/"];
    let mut missing = Vec::new();
    for (name, text) in documents() {
        let quoted = text.split('`').skip(1).step_by(2).filter(|words| folders.iter().any(|folder| words.starts_with(folder)));
        let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.starts_with("http"));
        for path in quoted.chain(linked) {
            // `migrations/0003` stands for a file that begins so; `workers/messages/send_fax.rs` is an example.
            let beginning = path.strip_prefix("migrations/").filter(|rest| !rest.is_empty() && !rest.contains(['.', '/']));
            let there = match beginning {
                Some(number) => fs::read_dir(root().join("migrations"))
                    .expect("migrations")
                    .any(|entry| entry.expect("an entry").file_name().to_string_lossy().starts_with(number)),
                None => path.ends_with("send_fax.rs") || root().join(path.trim_end_matches('/')).exists(),
            };
            if !there {
                missing.push(format!("{name} names {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "documents name what is not there:\n  {}", missing.join("\n  "));
}

#[test]
fn every_error_of_the_queue_is_explained_and_none_is_made_up() {
    let codes = |text: &str| -> BTreeSet<String> {
        let starts = text.match_indices("LS0").map(|(at, _)| text[at..].chars().take(5).collect::<String>());
        starts.filter(|code| code.len() == 5 && code[2..].bytes().all(|b| b.is_ascii_digit())).collect()
    };
    let mut raised = BTreeSet::new();
    for entry in fs::read_dir(root().join("migrations/functions")).expect("the functions") {
        raised.extend(codes(&fs::read_to_string(entry.expect("an entry").path()).expect("functions")));
    }
    assert_eq!(codes(SQL), raised, "docs/SQL.md beside the migrations");
}

#[tokio::test]
async fn the_samples_of_the_sql_contract_run_as_they_stand() {
    let db = TestDb::new().await;
    sqlx::query("insert into longshore.teams (team_id, name) values ('6f9d4c1e-0d5f-4a54-9c58-1f6f3c1f2a10', 'sample')")
        .execute(&db.admin)
        .await
        .expect("the samples' team");
    let worker = Stepper::new(&db, Registry::new().add::<Greet>(), services(&db)).await;
    // A platform's own role, with what the document tells it to ask for.
    sqlx::raw_sql("create role samples_platform login; grant longshore_producer to samples_platform")
        .execute(&db.admin)
        .await
        .expect("a platform");
    let url = db.admin_url().replace("postgres://postgres@", "postgres://samples_platform@");
    let mut platform = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.expect("a connection");
    let samples: Vec<_> = SQL.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(samples.len(), 3, "one job, many jobs, a batch");
    for sample in samples {
        platform.execute(sqlx::raw_sql(sample)).await.unwrap_or_else(|error| panic!("{error} in\n{sample}"));
    }
    let ran = worker.drain("greetings").await.len();
    assert_eq!(ran, 3, "Ada, Grace, Ada; the misspelt one was refused without failing its neighbour");
    assert_eq!(worker.fold_batches().await, 1);
    assert_eq!(worker.drain("greetings").await.len(), 1, "everybody, behind the batch");
    let denied = platform.execute("select * from queue.jobs").await.expect_err("a producer reads nothing");
    assert!(denied.to_string().contains("permission denied"), "{denied}");
}
