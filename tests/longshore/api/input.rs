//! Bad input: a clear 4xx that names the field, and nothing half applied.

use reqwest::Method;
use serde_json::{Value, json};

use super::door::{Door, problem};

fn nested(depth: usize) -> String {
    // The payload is the first level.
    format!(r#"{{"kind":"greet","payload":{{"name":"x","extra":{}1{}}}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1))
}

#[tokio::test]
async fn bad_input_is_named_and_leaves_nothing_behind() {
    let door = Door::open().await;
    let greet = |more: Value| {
        let mut body = json!({ "kind": "greet", "payload": { "name": "Ada" } });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body.to_string()
    };
    let payload = |payload: Value| json!({ "kind": "greet", "payload": payload }).to_string();
    let mut cases: Vec<(String, u16, &str, &str)> = vec![
        // The kind.
        (json!({ "kind": "nonsense", "payload": {} }).to_string(), 422, "unknown_kind", "/kind"),
        (json!({ "kind": "x|y'z", "payload": {} }).to_string(), 422, "unknown_kind", "/kind"),
        (json!({ "payload": {} }).to_string(), 422, "invalid_field", "/kind"),
        (json!({ "kind": 7, "payload": {} }).to_string(), 422, "invalid_field", "/kind"),
        // The payload.
        (json!({ "kind": "greet" }).to_string(), 422, "invalid_field", "/payload"),
        (payload(json!({})), 422, "invalid_payload", "/payload/name"),
        (payload(json!({ "name": 1 })), 422, "invalid_payload", "/payload/name"),
        (payload(json!({ "name": "x", "times": -1 })), 422, "invalid_payload", "/payload/times"),
        (payload(json!({ "name": "x", "tags": ["a", 2] })), 422, "invalid_payload", "/payload/tags/1"),
        (payload(json!({ "name": "x", "phone": "y" })), 422, "invalid_payload", "/payload/phone"),
        (payload(json!({ "name": "nobody" })), 422, "invalid_payload", "/payload/name"),
        (payload(json!(["x", 1, null, null])), 422, "invalid_payload", "/payload"),
        (payload(json!(null)), 422, "invalid_payload", "/payload"),
        (payload(json!("text")), 422, "invalid_payload", "/payload"),
        // What can't be stored.
        (r#"{"kind":"greet","payload":{"name":"a\u0000b"}}"#.into(), 422, "invalid_field", "/payload/name"),
        (r#"{"kind":"greet","payload":{"name":"\ud800"}}"#.into(), 422, "invalid_field", "/payload/name"),
        (r#"{"kind":"greet","payload":{"name":"\udc00\ud800"}}"#.into(), 422, "invalid_field", "/payload/name"),
        (r#"{"kind":"greet","payload":{"name":"x","tags":["\ud83d"]}}"#.into(), 422, "invalid_field", "/payload/tags/0"),
        (r#"{"kind":"gr\u0000eet","payload":{"name":"x"}}"#.into(), 422, "invalid_field", "/kind"),
        (
            r#"{"kind":"greet","payload":{"name":"x"},"idempotency_key":"\u0000"}"#.into(),
            422,
            "invalid_field",
            "/idempotency_key",
        ),
        (r#"{"kind":"greet","payload":{"name":"x","name":"y"}}"#.into(), 422, "invalid_field", "/payload/name"),
        (r#"{"kind":"greet","kind":"wave","payload":{"name":"x"}}"#.into(), 422, "invalid_field", "/kind"),
        // Depth, also where it would be ignored.
        (nested(33), 422, "invalid_field", ""),
        (nested(40), 422, "invalid_field", ""),
        (nested(60_000), 422, "invalid_field", ""),
        (format!(r#"{{"nothing":{}"#, "[".repeat(100_000)), 422, "invalid_field", ""),
        // Numbers.
        (r#"{"kind":"greet","payload":{"name":"x","extra":1e400000}}"#.into(), 400, "invalid_json", "/payload/extra"),
        // The envelope.
        (greet(json!({ "queue": "fast" })), 422, "invalid_field", "/queue"),
        (greet(json!({ "team_id": "x" })), 422, "invalid_field", "/team_id"),
        (greet(json!({ "idempotency_key": "" })), 422, "invalid_idempotency_key", "/idempotency_key"),
        (greet(json!({ "idempotency_key": "k".repeat(256) })), 422, "invalid_idempotency_key", "/idempotency_key"),
        (greet(json!({ "idempotency_key": "é".repeat(128) })), 422, "invalid_idempotency_key", "/idempotency_key"),
        (greet(json!({ "run_at": "9999-01-01T00:00:00Z" })), 422, "invalid_run_at", "/run_at"),
        (greet(json!({ "run_at": "1999-01-01T00:00:00Z" })), 422, "invalid_run_at", "/run_at"),
        (greet(json!({ "run_at": "+262000-01-01T00:00:00Z" })), 422, "invalid_run_at", "/run_at"),
        (greet(json!({ "run_at": "-262000-01-01T00:00:00Z" })), 422, "invalid_run_at", "/run_at"),
        (greet(json!({ "run_at": "tomorrow" })), 422, "invalid_field", "/run_at"),
        (greet(json!({ "priority": 10 })), 422, "invalid_priority", "/priority"),
        (greet(json!({ "priority": -1 })), 422, "invalid_priority", "/priority"),
        (greet(json!({ "priority": 70000 })), 422, "invalid_field", "/priority"),
        (greet(json!({ "priority": 1.5 })), 422, "invalid_field", "/priority"),
        (greet(json!({ "correlation_id": "c".repeat(129) })), 422, "invalid_field", "/correlation_id"),
        (greet(json!({ "correlation_id": "a\nb" })), 422, "invalid_field", "/correlation_id"),
        (json!([{ "kind": "greet" }]).to_string(), 422, "invalid_field", ""),
    ];
    for text in ["", "{", "nonsense", "{\"kind\":\"greet\",}", "{\"kind\":\"greet\",\"payload\":{\"name\":\"x\"}} {}"] {
        cases.push((text.into(), 400, "invalid_json", "-"));
    }
    for (body, status, code, pointer) in cases {
        let answer = door.post_text("/v1/jobs", body.clone()).await;
        let shown: String = body.chars().take(120).collect();
        println!("{shown}");
        let problem = problem(answer, status, code).await;
        match pointer {
            // The place of the depth is long.
            "" => assert!(problem["errors"][0]["pointer"].is_string(), "{shown}: {problem}"),
            "-" => {}
            pointer => assert_eq!(problem["errors"][0]["pointer"], pointer, "{shown}: {problem}"),
        }
    }
    assert_eq!(door.rows().await, 0, "a refused request left something behind");
}

#[tokio::test]
async fn a_body_is_too_large_before_it_is_read_as_json() {
    let door = Door::open().await;
    for size in [300 * 1024, 3 * 1024 * 1024] {
        // Not JSON at all: the size must decide first.
        problem(door.post_text("/v1/jobs", "x".repeat(size)).await, 413, "too_large").await;
        let pieces = futures_util::stream::iter((0..=size / 65536).map(|_| Ok::<_, std::io::Error>("x".repeat(65536))));
        let unannounced = reqwest::Body::wrap_stream(pieces);
        problem(door.post_text("/v1/jobs", unannounced).await, 413, "too_large").await;
    }
    // Small enough for the door, too large for a job.
    let numbers = vec![1; 60_000];
    let body = json!({ "kind": "greet", "payload": { "name": "x", "extra": numbers } });
    problem(door.post("/v1/jobs", &body).await, 413, "too_large").await;
    assert_eq!(door.rows().await, 0);
    // A payload of almost 256 KiB goes through.
    let body = json!({ "kind": "greet", "payload": { "name": "x".repeat(255 * 1024) } });
    assert_eq!(door.post("/v1/jobs", &body).await.status(), 202);
}

#[tokio::test]
async fn thirty_two_levels_are_deep_enough() {
    let door = Door::open().await;
    assert_eq!(door.post_text("/v1/jobs", nested(32)).await.status(), 202);
}

#[tokio::test]
async fn only_plain_json_is_read() {
    let door = Door::open().await;
    let body = r#"{"kind":"greet","payload":{"name":"x"}}"#;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data; boundary=x"] {
        let answer =
            door.request(Method::POST, "/v1/jobs").header("content-type", kind).body(body).send().await.expect("an answer");
        problem(answer, 415, "unsupported_media_type").await;
    }
    let answer = door.request(Method::POST, "/v1/jobs").body(body).send().await.expect("an answer");
    problem(answer, 415, "unsupported_media_type").await;
    let zipped =
        door.request(Method::POST, "/v1/jobs").header("content-type", "application/json").header("content-encoding", "gzip");
    problem(zipped.body(body).send().await.expect("an answer"), 415, "unsupported_media_type").await;
    let answer = door.post_text("/v1/jobs", b"{\"kind\":\"\xff\"}".to_vec()).await;
    problem(answer, 400, "invalid_json").await;
    let with_charset =
        door.request(Method::POST, "/v1/jobs").header("content-type", "application/json; charset=utf-8").body(body);
    assert_eq!(with_charset.send().await.expect("an answer").status(), 202);
}

#[tokio::test]
async fn wrong_headers_are_named() {
    let door = Door::open().await;
    let body = json!({ "kind": "greet", "payload": { "name": "x" }, "idempotency_key": "one" });
    let send = |key: &'static str| door.request(Method::POST, "/v1/jobs").header("idempotency-key", key).json(&body);
    let differs = problem(send("two").send().await.expect("an answer"), 422, "invalid_idempotency_key").await;
    assert_eq!(differs["errors"][0]["pointer"], "/idempotency_key");
    let twice = send("one").header("idempotency-key", "one").send().await.expect("an answer");
    let twice = problem(twice, 422, "invalid_idempotency_key").await;
    assert_eq!(twice["errors"][0]["header"], "Idempotency-Key");
    problem(send("\"\"").send().await.expect("an answer"), 422, "invalid_idempotency_key").await;
    assert_eq!(door.rows().await, 0);
    assert_eq!(send("\"one\"").send().await.expect("an answer").status(), 202);
    assert_eq!(send("one").send().await.expect("an answer").status(), 200);
}
