//! The OpenAPI document: complete, sound in the eyes of others, and kept by the server under fire.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use longshore::{api::openapi, tenancy::keys::Scope};
use reqwest::Method;
use serde_json::{Value, json};

use super::door::{Door, client, key, problem};
use crate::support::{ApiProcess, TestDb, programs};

/// The versions that were looked at: newer ones are looked at before they are taken.
const PACKAGES: [&str; 2] = ["openapi-spec-validator==0.9.0", "schemathesis==4.32.5"];

/// A program of PyPI's, in an environment of our own that is made the first time.
fn tool(name: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/api");
    let program = own.join("bin").join(name);
    if !program.is_file() {
        let place = own.display();
        let steps = format!("python3 -m venv '{place}' && '{place}/bin/pip' install --quiet {}", PACKAGES.join(" "));
        eprintln!("installing what judges the OpenAPI document, once: {steps}");
        let _ = Command::new("/bin/sh").args(["-c", &steps]).status();
    }
    if program.is_file() { Some(program) } else { programs::find(name, &format!("pip install {}", PACKAGES.join(" "))) }
}

fn operations(document: &Value) -> Vec<(String, Method, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let each = paths.iter().flat_map(|(path, operations)| {
        let operations = operations.as_object().expect("operations").iter();
        operations.map(|(method, one)| (path.clone(), method.to_uppercase().parse().expect("a method"), one.clone()))
    });
    each.collect()
}

#[test]
fn a_public_validator_finds_nothing_wrong_with_the_document() {
    let Some(validator) = tool("openapi-spec-validator") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, openapi::document()).expect("a file");
    let ran = Command::new(&validator).args(["--schema", "3.1"]).arg(&file).output().expect("the validator");
    assert!(ran.status.success(), "{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    // And it is one that finds something.
    std::fs::write(
        &file,
        openapi::document().replace("\"operationId\"", "\"operation\"").replace("\"in\": \"path\"", "\"in\": \"road\""),
    )
    .expect("a file");
    let ran = Command::new(validator).args(["--schema", "3.1"]).arg(&file).output().expect("the validator");
    assert!(!ran.status.success(), "it finds nothing wrong with anything");
}

#[test]
fn every_operation_says_what_it_takes_and_everything_it_may_answer() {
    let document: Value = serde_json::from_str(&openapi::document()).expect("JSON");
    let mut ids = std::collections::BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let what = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap_or_else(|| panic!("{what} has no id")).to_owned()), "{what}");
        assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{what}");
        assert!(operation["security"][0]["key"][0].is_string(), "{what} names no scope");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{what}");
        for status in ["400", "401", "403", "500", "503"] {
            assert!(responses.contains_key(status), "{what} lacks {status}");
        }
        for (status, response) in responses {
            assert!(response["headers"]["X-Request-Id"].is_object(), "{what} {status}");
            if status.starts_with(['4', '5']) {
                assert!(response["content"]["application/problem+json"].is_object(), "{what} {status}");
            }
        }
        if path.contains('{') {
            assert!(responses.contains_key("404"), "{what}");
        }
        if operation["requestBody"].is_object() {
            for status in ["408", "413", "415", "422"] {
                assert!(responses.contains_key(status), "{what} lacks {status}");
            }
        }
        // Every parameter has a bound and a description.
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let parameter = match parameter["$ref"].as_str() {
                Some(place) => document.pointer(place.trim_start_matches('#')).expect("a parameter"),
                None => parameter,
            };
            let schema = &parameter["schema"];
            let bounded = ["maxLength", "maximum", "enum", "$ref", "format"].iter().any(|bound| !schema[bound].is_null())
                || schema["type"] == "boolean"
                || schema["oneOf"].is_array();
            assert!(bounded, "{what}: {parameter} has no bound");
            assert!(parameter["description"].is_string(), "{what}: {parameter} says nothing");
        }
    }
}

#[tokio::test]
async fn an_operation_opens_to_the_scope_that_it_names_and_to_no_other() {
    let door = Door::open().await;
    let document: Value = serde_json::from_str(&openapi::document()).expect("JSON");
    let mut keys = Vec::new();
    for scope in Scope::ALL {
        keys.push((scope, key(&door.db, door.team, &[scope], None).await.0));
    }
    for (path, method, operation) in operations(&document) {
        let named = operation["security"][0]["key"][0].as_str().expect("a scope").to_owned();
        for (scope, key) in &keys {
            let id = match path.split('/').nth(2) {
                Some("batches") => "batch_999",
                Some("dead") if path.contains("plans") => "plan_999",
                Some("keys") => "000000000000",
                Some("webhook-endpoints") => "ep_999",
                Some("campaigns") => "999",
                _ => "job_999",
            };
            let address =
                path.replace("{id}", id).replace("{name}", "nobody").replace("{delivery}", "dlv_1").replace("{lead}", "1");
            let ask = door.bare(method.clone(), &address).bearer_auth(key).json(&json!({ "nonsense": 1 }));
            let answer = ask.send().await.expect("an answer");
            if scope.name() == named || *scope == Scope::Admin {
                assert_ne!(answer.status(), 403, "{method} {path} with {scope}");
            } else {
                problem(answer, 403, "missing_scope").await;
            }
        }
    }
}

/// 20,000 requests of all shapes, made from the document: `.ci/schemathesis` runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes of requests: .ci/schemathesis runs it"]
async fn twenty_thousand_made_up_requests_find_nothing() {
    let Some(program) = tool("schemathesis") else { return };
    let db = TestDb::new().await;
    // Ids of examples and guesses name nothing: nobody waits for such a job, or follows it.
    sqlx::raw_sql("alter sequence queue.job_ids restart with 9000000").execute(&db.admin).await.expect("a jump");
    let (text, _) = key(&db, db.team("acme").await, &Scope::ALL, None).await;
    // What ends keys has a team of its own: it finds its own key in a list, and ends it. What waits asks there too, where nothing
    // is: no worker runs here, so a job that was made up elsewhere would be waited for as long as there are requests.
    let (short_lived, _) = key(&db, db.team("globex").await, &Scope::ALL, None).await;
    let settings = [
        ("LONGSHORE_SECRETS__KEYS", "test=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ("LONGSHORE_API__REQUESTS_PER_SECOND", "1000000"),
        ("LONGSHORE_API__REQUESTS_AT_ONCE", "1000000"),
        ("LONGSHORE_LOG__LEVEL", "warn"),
    ];
    let api = ApiProcess::start(&db, &settings).await;
    let document: Value = serde_json::from_str(&openapi::document()).expect("JSON");
    let ids: Vec<String> =
        operations(&document).iter().map(|(_, _, one)| one["operationId"].as_str().expect("an id").to_owned()).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                  response_schema_conformance,unsupported_method,allow_header_conformance";
    let apart = ["listKeys", "createKey", "rotateKey", "revokeKey", "getJob", "followJob", "getBatch", "followBatch"];
    let (apart, others): (Vec<&String>, Vec<&String>) = ids.iter().partition(|id| apart.contains(&id.as_str()));
    assert_eq!(apart.len(), 8, "{apart:?}");
    let (one, other) = others.split_at(others.len() / 2);
    // What makes requests up is a program of one thread at a time, so it runs more than once.
    let runs: Vec<_> = [(one, &text), (other, &text), (&apart[..], &short_lived)]
        .into_iter()
        .enumerate()
        .map(|(at, (operations, text))| {
            let report = folder.path().join(format!("{at}.json"));
            // CPython 3.11 fails in its own parser where two threads change places in it ("AST constructor recursion depth
            // mismatch"): they change places where one waits for an answer, and not every five milliseconds.
            let patient = "import sys; sys.setswitchinterval(5); from schemathesis.cli import schemathesis; schemathesis()";
            let mut command = Command::new(program.with_file_name("python"));
            command
                .args(["-c", patient, "run"])
                .arg(format!("http://{}/openapi.json", api.api))
                .args(["-H", &format!("Authorization: Bearer {text}")])
                .args([
                    "--checks",
                    checks,
                    "--phases",
                    "examples,coverage,fuzzing",
                    "--seed",
                    "4",
                    "--workers",
                    "1",
                    "--no-shrink",
                ])
                .args(["--max-examples", &(CASES * 11 / 10 / ids.len()).to_string(), "--request-timeout", "45"])
                .args(["--continue-on-failure", "--suppress-health-check", "all", "--generation-database", "none"])
                .args(["--report", "json", "--report-json-path", &report.display().to_string()])
                .current_dir(folder.path())
                .stdin(Stdio::null());
            for id in operations {
                command.args(["--include-operation-id", id]);
            }
            (command.spawn().expect("schemathesis"), report)
        })
        .collect();
    let mut generated = 0;
    for (mut run, report) in runs {
        let status = run.wait().expect("its end");
        let judged = std::fs::read_to_string(report).expect("a report");
        let judged: Value = serde_json::from_str(&judged).expect("JSON");
        generated += judged["test_cases"]["generated"].as_u64().expect("a count");
        let printed = api.printed();
        assert!(status.success(), "it found something: {}\n{printed}", judged["failures"]);
        assert_eq!(judged["test_cases"]["errored"], 0, "{}", judged["errors"]);
    }
    let still = client().get(format!("http://{}/v1/jobs", api.api)).bearer_auth(&text).send().await.expect("an answer");
    assert_eq!(still.status(), 200, "its key was ended under way, and what came behind was not let in");
    eprintln!("{generated} requests of {} operations", ids.len());
    assert!(generated >= CASES as u64, "only {generated} requests were made");
}

const CASES: usize = 20_000;
