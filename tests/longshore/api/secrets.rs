//! What callers send stays where it belongs: not in logs, not in metrics, not in another team's answers, not in panics.

use std::time::Duration;

use longshore::{api::openapi, tenancy::keys::Scope};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::door::{client, key};
use crate::support::{ApiProcess, TestDb, http};

const CANARIES: [(&str, &str); 4] = [
    ("phone", "+15550142277"),
    ("e-mail", "canary.7431@example.test"),
    ("text", "canary words of a message 9f31"),
    ("key", "lsk_live_abcdefghijkl_CANARYsecretCANARYsecretCANARYsecretCANARYs_000000"),
];

/// A value for a schema, with the canary wherever a text may stand.
fn filled(document: &Value, schema: &Value, canary: &str, depth: usize) -> Value {
    if let Some(place) = schema["$ref"].as_str() {
        let named = document.pointer(place.trim_start_matches('#')).unwrap_or(&Value::Null);
        return filled(document, named, canary, depth);
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(last) = schema[choice].as_array().and_then(|all| all.iter().rfind(|one| one["type"] != "null")) {
            return filled(document, last, canary, depth);
        }
    }
    let kind = schema["type"]
        .as_str()
        .or_else(|| schema["type"].as_array()?.iter().filter_map(Value::as_str).find(|kind| *kind != "null"));
    match kind {
        Some("object") if depth < 4 => {
            let mut fields = Map::new();
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                fields.insert(name.clone(), filled(document, field, canary, depth + 1));
            }
            if fields.is_empty() {
                fields.extend([("name".to_owned(), json!(canary)), (canary.to_owned(), json!([canary]))]);
            }
            Value::Object(fields)
        }
        Some("array") => json!([filled(document, &schema["items"], canary, depth + 1)]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        _ => json!(canary),
    }
}

fn encoded(text: &str) -> String {
    http::encoded(text)
}

#[tokio::test]
async fn what_callers_send_is_in_no_log_no_metric_and_no_strangers_answer() {
    let db = TestDb::new().await;
    let (team, other) = (db.team("acme").await, db.team("other").await);
    let (own, _) = key(&db, team, &Scope::ALL, None).await;
    let (strangers, _) = key(&db, other, &Scope::ALL, None).await;
    let settings = [
        ("LONGSHORE_LOG__LEVEL", "debug"),
        ("LONGSHORE_API__REQUESTS_PER_SECOND", "1000000"),
        ("LONGSHORE_API__REQUESTS_AT_ONCE", "1000000"),
    ];
    let api = ApiProcess::start(&db, &settings).await;
    let client = client();
    let url = |path: &str| format!("http://{}{path}", api.api);
    let document: Value = serde_json::from_str(&openapi::document()).expect("JSON");
    let mut sent = 0;
    for (what, canary) in CANARIES {
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for (method, operation) in operations.as_object().expect("operations") {
                let method: Method = method.to_uppercase().parse().expect("a method");
                let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
                let resolved = parameters.iter().map(|one| match one["$ref"].as_str() {
                    Some(place) => document.pointer(place.trim_start_matches('#')).expect("a parameter"),
                    None => one,
                });
                let resolved: Vec<&Value> = resolved.collect();
                let named = |place: &str| {
                    resolved
                        .iter()
                        .filter(|one| one["in"] == place)
                        .map(|one| one["name"].as_str().expect("a name"))
                        .collect::<Vec<_>>()
                };
                let (queries, headers) = (named("query"), named("header"));
                let plain = path
                    .replace("{id}", "job_1")
                    .replace("{name}", "nightly")
                    .replace("{delivery}", "dlv_1")
                    .replace("{lead}", "1");
                let in_path = path
                    .replace("{id}", &encoded(canary))
                    .replace("{name}", &encoded(canary))
                    .replace("{delivery}", &encoded(canary))
                    .replace("{lead}", &encoded(canary));
                let body = operation["requestBody"]["content"]["application/json"]["schema"].clone();
                let mut asks = vec![client.request(method.clone(), url(&in_path)).bearer_auth(&own)];
                for query in queries.iter().chain(&["unknown", "unknown"]) {
                    asks.push(
                        client.request(method.clone(), url(&format!("{plain}?{query}={}", encoded(canary)))).bearer_auth(&own),
                    );
                }
                asks.push(client.request(method.clone(), url(&format!("{plain}?{}=1", encoded(canary)))).bearer_auth(&own));
                for header in headers.iter().chain(&[
                    "X-Unknown",
                    "Accept",
                    "Content-Type",
                    "User-Agent",
                    "Referer",
                    "Cookie",
                    "Traceparent",
                    "Origin",
                ]) {
                    asks.push(client.request(method.clone(), url(&plain)).bearer_auth(&own).header(*header, canary));
                }
                asks.push(client.request(method.clone(), url(&plain)).bearer_auth(canary));
                asks.push(client.request(method.clone(), url(&plain)).header("authorization", canary));
                if !body.is_null() {
                    let whole = filled(&document, &body, canary, 0);
                    asks.push(client.request(method.clone(), url(&plain)).bearer_auth(&own).json(&whole));
                    // Each field for itself, beside sound ones: as far in as it gets.
                    for name in whole.as_object().into_iter().flatten().map(|(name, _)| name) {
                        let mut one = json!({ "kind": "enrich_person", "payload": { "lead_id": 1 }, "cron": "0 3 * * *", "filter": {}, "jobs": [] });
                        one.as_object_mut().expect("an object").retain(|known, _| whole.get(known).is_some());
                        one[name] = whole[name].clone();
                        asks.push(client.request(method.clone(), url(&plain)).bearer_auth(&own).json(&one));
                    }
                    asks.push(
                        client
                            .request(method.clone(), url(&plain))
                            .bearer_auth(&own)
                            .header("content-type", "application/json")
                            .body(format!("{{\"{canary}")),
                    );
                    asks.push(
                        client
                            .request(method.clone(), url(&plain))
                            .bearer_auth(&own)
                            .header("content-type", "application/json")
                            .body(canary),
                    );
                }
                for ask in asks {
                    let answer = ask.timeout(Duration::from_secs(60)).send().await.expect("an answer");
                    assert!(answer.status().as_u16() < 500, "{what} in {method} {path}: {}", answer.status());
                    drop(answer);
                    sent += 1;
                }
            }
        }
        // Accepted, with the canary in it: a job, its key, a schedule, a note.
        let accepted = [
            (
                Method::POST,
                "/v1/jobs",
                json!({ "kind": "enrich_person", "payload": { "lead_id": 7 }, "idempotency_key": format!("mine {canary}"), "limit_key": canary }),
            ),
            (Method::PUT, "/v1/schedules/nightly", json!({ "kind": "refresh_tags", "payload": {}, "cron": "0 3 * * *" })),
            (Method::POST, "/v1/schedules/nightly/pause", json!({ "reason": canary })),
        ];
        for (method, path, body) in accepted {
            let answer = client.request(method, url(path)).bearer_auth(&own).json(&body).send().await.expect("an answer");
            assert!(answer.status().is_success(), "{what}: {path} {}", answer.text().await.unwrap_or_default());
        }
        // What a stranger asks for afterwards.
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for method in operations.as_object().expect("operations").keys() {
                let method: Method = method.to_uppercase().parse().expect("a method");
                let plain = path
                    .replace("{id}", "job_1")
                    .replace("{name}", "nightly")
                    .replace("{delivery}", "dlv_1")
                    .replace("{lead}", "1");
                let ask = client
                    .request(method, url(&plain))
                    .bearer_auth(&strangers)
                    .json(&json!({ "kind": "enrich_person", "idempotency_key": "k" }));
                let answer = ask.send().await.expect("an answer");
                let headers = format!("{:?}", answer.headers());
                let shown = format!("{headers} {}", answer.text().await.expect("a body"));
                assert!(!shown.contains(canary), "a stranger was shown a {what}: {shown}");
            }
        }
    }
    let (status, metrics) = http::get(api.admin, "/metrics").await.expect("the metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("longshore_http_requests_total"), "the metrics are those of this door");
    let printed = api.printed();
    assert!(printed.lines().count() > sent, "the log has a line for each of {sent} requests");
    let secret = own.split('_').nth(3).expect("a secret").to_owned();
    for (what, canary) in CANARIES.iter().copied().chain([("secret of a key in use", secret.as_str())]) {
        for canary in [canary.to_owned(), encoded(canary), canary.trim_start_matches('+').to_owned()] {
            if let Some(line) = printed.lines().find(|line| line.contains(&canary)) {
                panic!("a {what} is in the log: {line}");
            }
            assert!(!metrics.contains(&canary), "a {what} is in the metrics");
        }
    }
    eprintln!("{sent} requests with canaries, {} lines of log", printed.lines().count());
}
