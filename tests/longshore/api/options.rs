//! What may be said of a job beside its payload: keys' scopes and policies, limits, chains, and the cap.

use reqwest::Method;
use serde_json::{Value, json};

use super::door::{self, Door, problem};

fn greet(name: &str, options: Value) -> Value {
    let mut body = json!({ "kind": "greet", "payload": { "name": name } });
    body.as_object_mut().expect("an object").extend(options.as_object().expect("options").clone());
    body
}

async fn ask(door: &Door, question: &'static str) -> Value {
    sqlx::query_scalar(question).fetch_one(&door.db.admin).await.expect("an answer")
}

#[tokio::test]
async fn a_key_may_replace_what_waits_and_end_with_its_job() {
    let door = Door::open().await;
    let options = json!({ "idempotency_key": "k", "key_scope": "unfinished", "on_conflict": "replace" });
    let first = door.enqueue(&greet("Ada", options.clone())).await;
    let second = door.enqueue(&greet("Grace", options)).await;
    assert_ne!(first, second);
    let job = door::json(door.get(&format!("/v1/jobs/{first}")).await).await;
    assert_eq!(job["state"], "cancelled");
    assert_eq!(ask(&door, "select to_jsonb(while_unfinished) from queue.keys").await, json!(true));
}

#[tokio::test]
async fn limits_and_chains_are_kept_with_the_job() {
    let door = Door::open().await;
    let chain = json!([{ "kind": "say_hello", "payload": { "name": "Grace" } }]);
    door.enqueue(&greet("Ada", json!({ "limit_key": "line", "limit_to": 3, "chain": chain }))).await;
    let kept =
        ask(&door, "select jsonb_build_array(limit_key, limit_to, chain #>> '{0,kind}', chain #> '{0,payload}') from queue.jobs")
            .await;
    assert_eq!(kept, json!(["line", 3, "greet", { "name": "Grace" }]), "an earlier name becomes the kind's own");
}

#[tokio::test]
async fn an_option_that_is_wrong_is_refused_with_its_place() {
    let door = Door::open().await;
    let link = |kind: &str, payload: Value| json!({ "kind": kind, "payload": payload });
    let many: Vec<Value> = (0..101).map(|_| link("greet", json!({ "name": "Ada" }))).collect();
    for (options, code, pointer) in [
        (json!({ "limit_key": "" }), "invalid_field", "/limit_key"),
        (json!({ "limit_key": "k".repeat(201) }), "invalid_field", "/limit_key"),
        (json!({ "limit_key": "k", "limit_to": 0 }), "invalid_field", "/limit_to"),
        (json!({ "limit_to": 2 }), "invalid_field", "/limit_to"),
        (json!({ "chain": [] }), "invalid_field", "/chain"),
        (json!({ "chain": many }), "invalid_field", "/chain"),
        (
            json!({ "chain": [link("greet", json!({ "name": "Ada" })), link("greet", json!({}))] }),
            "invalid_payload",
            "/chain/1/payload/name",
        ),
        (json!({ "chain": [link("nonsense", json!({}))] }), "unknown_kind", "/chain/0/kind"),
    ] {
        let answer = door.request(Method::POST, "/v1/jobs").json(&greet("Ada", options.clone())).send().await.expect("an answer");
        assert_eq!(answer.status(), 422, "{options}");
        let refusal = problem(answer, 422, code).await;
        assert_eq!(refusal["errors"][0]["pointer"], pointer, "{options}");
    }
}

#[tokio::test]
async fn a_team_at_its_cap_is_told_when_to_come_back() {
    let door = Door::open().await;
    door.enqueue(&greet("Ada", json!({}))).await;
    sqlx::raw_sql("select queue.set_lane('greetings', null, null, null, null, null, 1); select queue.measure()")
        .execute(&door.db.admin)
        .await
        .expect("a cap");
    let answer = door.request(Method::POST, "/v1/jobs").json(&greet("Grace", json!({}))).send().await.expect("an answer");
    assert_eq!(answer.headers()["retry-after"], "5");
    problem(answer, 429, "over_limit").await;
    let batch = json!({ "jobs": [greet("Grace", json!({}))] });
    let answer = door.request(Method::POST, "/v1/jobs/batch").json(&batch).send().await.expect("an answer");
    assert_eq!(door::json(answer).await["results"][0]["status"], 429);
}

#[tokio::test]
async fn a_batch_takes_limits_and_says_of_the_rest_where_it_belongs() {
    let door = Door::open().await;
    let jobs = [greet("Ada", json!({ "limit_key": "line" })), greet("Grace", json!({ "on_conflict": "replace" }))];
    let answer = door.request(Method::POST, "/v1/jobs/batch").json(&json!({ "jobs": jobs })).send().await.expect("an answer");
    let results = &door::json(answer).await["results"];
    assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!(202), &json!(422)));
    assert_eq!(results[1]["errors"][0]["pointer"], "/jobs/1/on_conflict");
    assert_eq!(ask(&door, "select jsonb_build_array(limit_key, limit_to) from queue.jobs").await, json!(["line", 1]));
}
