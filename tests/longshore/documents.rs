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

/// Every test function with the module it stands in, as `cli::dead`.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root().join("tests/longshore")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let place = path.strip_prefix(root().join("tests/longshore")).expect("a path below it").with_extension("");
            let module: Vec<_> = place.iter().map(|part| part.to_string_lossy()).filter(|part| part != "mod").collect();
            for (at, _) in text.match_indices("#[test]").chain(text.match_indices("#[tokio::test")) {
                let name = text[at..].split_once("fn ").and_then(|(_, rest)| rest.split_once('(')).map_or("", |(name, _)| name);
                found.insert(format!("{}::{name}", module.join("::")));
            }
        }
    }
    found
}

/// A test is named with its module, or with the folder its module was divided into.
fn is_among(tests: &BTreeSet<String>, named: &str) -> bool {
    let Some((module, name)) = named.rsplit_once("::") else { return false };
    tests.iter().any(|test| test.starts_with(&format!("{module}::")) && test.ends_with(&format!("::{name}")))
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let (tests, mut named, mut missing) = (tests(), 0, Vec::new());
    for (document, text) in documents() {
        // A module of ours, `::`, and a sentence.
        let words = text.split('`').skip(1).step_by(2);
        for test in words.filter(|words| words.rsplit_once("::").is_some_and(|(_, name)| name.matches('_').count() > 2)) {
            let test = test.trim_start_matches("cargo test ");
            named += 1;
            if !is_among(&tests, test) {
                missing.push(format!("{document} names {test}"));
            }
        }
    }
    assert!(named > 50, "only {named} tests were found to be named");
    assert!(missing.is_empty(), "documents name tests that are not there:\n  {}", missing.join("\n  "));
}

/// The cells of each row below a heading, without the lines of the heads.
fn rows<'t>(text: &'t str, heading: &str) -> Vec<Vec<&'t str>> {
    let section = text.split_once(heading).expect("the heading").1;
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn whatever_the_comparison_claims_for_us_names_what_shows_it() {
    let text = fs::read_to_string(root().join("docs/COMPARISON.md")).expect("the comparison");
    let mut features = 0;
    for heading in ["## Getting work in", "## Running it", "## After it fails"] {
        for row in rows(&text, heading) {
            features += 1;
            assert_eq!(row.len(), 11, "{row:?}");
            assert_eq!(row[1] == "no", row[2].is_empty(), "claimed without proof, or proved without a claim: {row:?}");
        }
    }
    assert!(features >= 55, "only {features} features");
    let pains = rows(&text, "## Where it hurts elsewhere");
    assert!(pains.len() >= 20, "only {} pains", pains.len());
    assert!(pains.iter().all(|pain| pain.len() == 3 && pain[2].contains("::")), "{pains:?}");
}

#[test]
fn every_error_of_the_queue_is_explained_and_none_is_made_up() {
    let codes = |text: &str| -> BTreeSet<String> {
        let starts = text.match_indices("LS0").map(|(at, _)| text[at..].chars().take(5).collect::<String>());
        starts.filter(|code| code.len() == 5 && code[2..].bytes().all(|b| b.is_ascii_digit())).collect()
    };
    let raised = |folder: &str| {
        let files = fs::read_dir(root().join(folder)).expect("a folder").map(|entry| entry.expect("an entry").path());
        let texts = files.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).expect("SQL"));
        texts.flat_map(|text| codes(&text)).collect::<BTreeSet<_>>()
    };
    // Tables raise some that only whoever goes round the functions ever sees: those need no line.
    let (explained, by_functions, by_tables) = (codes(SQL), raised("migrations/functions"), raised("migrations"));
    let unexplained: Vec<_> = by_functions.difference(&explained).collect();
    let made_up: Vec<_> = explained.iter().filter(|code| !by_functions.contains(*code) && !by_tables.contains(*code)).collect();
    assert!(unexplained.is_empty() && made_up.is_empty(), "docs/SQL.md lacks {unexplained:?}, and makes up {made_up:?}");
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
