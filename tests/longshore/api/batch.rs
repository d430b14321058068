//! Many jobs in one request: one transaction, one answer for each.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::door::{self, Door, problem};

#[tokio::test]
async fn each_item_is_answered_for_itself() {
    let door = Door::open().await;
    let greet = json!({ "kind": "greet", "payload": { "name": "Ada" } });
    let keyed = |name: &str, key: &str| json!({ "kind": "greet", "payload": { "name": name }, "idempotency_key": key });
    let before = door.enqueue(&keyed("Old", "old")).await;
    let items = [
        greet.clone(),
        json!({ "kind": "wave", "payload": { "hands": 2 }, "correlation_id": "mine" }),
        json!({ "kind": "nonsense", "payload": {} }),
        json!({ "kind": "greet", "payload": { "name": "nobody" } }),
        keyed("New", "new"),
        keyed("New", "new"),
        keyed("Other", "new"),
        keyed("Old", "old"),
        json!({ "kind": "greet", "payload": { "name": "x" }, "queue": "fast" }),
        json!({ "kind": "greet", "payload": { "name": "x" }, "run_at": "9999-01-01T00:00:00Z" }),
        json!(7),
        json!({ "kind": "wave", "payload": { "hands": "two" } }),
        greet.clone(),
    ];
    let mut text = json!({ "jobs": items }).to_string();
    // And three that no serializer writes.
    text.truncate(text.len() - 2);
    text.push_str(r#",{"kind":"greet","payload":{"name":"a\u0000b"}},{"kind":"greet","payload":{"name":"\ud800"}},"#);
    text.push_str(&format!(r#"{{"kind":"greet","payload":{{"name":"x","extra":{}1{}}}}}]}}"#, "[".repeat(40), "]".repeat(40)));
    let answer =
        door.request(Method::POST, "/v1/jobs/batch").header("content-type", "application/json").header("x-request-id", "r1");
    let answer = answer.body(text).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let batch = door::json(answer).await;
    let seen: Vec<(u64, &str, &str)> = batch["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|item| {
            let text = |value: &'_ Value| -> &str { Box::leak(value.as_str().unwrap_or_default().to_owned().into_boxed_str()) };
            (item["status"].as_u64().expect("a status"), text(&item["code"]), text(&item["errors"][0]["pointer"]))
        })
        .collect();
    assert_eq!(
        seen[..15],
        [
            (202, "", ""),
            (202, "", ""),
            (422, "unknown_kind", "/jobs/2/kind"),
            (422, "invalid_payload", "/jobs/3/payload/name"),
            (202, "", ""),
            (200, "", ""),
            (422, "idempotency_key_reused", "/jobs/6/idempotency_key"),
            (200, "", ""),
            (422, "invalid_field", "/jobs/8/queue"),
            (422, "invalid_run_at", "/jobs/9/run_at"),
            (422, "invalid_field", "/jobs/10"),
            (422, "invalid_payload", "/jobs/11/payload/hands"),
            (202, "", ""),
            (422, "invalid_field", "/jobs/13/payload/name"),
            (422, "invalid_field", "/jobs/14/payload/name"),
        ]
    );
    assert_eq!((seen[15].0, seen[15].1), (422, "invalid_field"));
    assert_eq!((&batch["accepted"], &batch["deduplicated"], &batch["refused"]), (&json!(4), &json!(2), &json!(10)));
    assert_eq!(batch["results"][7]["id"], before);
    assert_eq!(batch["results"][4]["id"], batch["results"][5]["id"]);
    assert_eq!(door.accepted().await, 5);
    for (index, correlation) in [(0, "r1"), (1, "mine")] {
        let id = batch["results"][index]["id"].as_str().expect("an id").to_owned();
        assert_eq!(door::json(door.get(&format!("/v1/jobs/{id}")).await).await["correlation_id"], correlation);
    }
    let (lost, doubled): (i64, i64) =
        sqlx::query_as("select lost, doubled from queue.census()").fetch_one(&door.db.admin).await.expect("a census");
    assert_eq!((lost, doubled), (0, 0));
}

#[tokio::test]
async fn a_batch_has_one_to_a_thousand_jobs() {
    let door = Door::open().await;
    let batch = |count: usize| json!({ "jobs": vec![json!({ "kind": "wave", "payload": { "hands": 1 } }); count] });
    for wrong in [batch(0), batch(1001), json!({}), json!({ "jobs": {} }), json!({ "jobs": [], "more": 1 }), json!([])] {
        let refused = problem(door.post("/v1/jobs/batch", &wrong).await, 422, "invalid_field").await;
        assert!(refused["errors"][0]["pointer"].is_string(), "{refused}");
    }
    problem(door.post_text("/v1/jobs/batch", "[".repeat(100_000)).await, 422, "invalid_field").await;
    let deep = format!(r#"{{"jobs":[{}"#, "[".repeat(100_000));
    problem(door.post_text("/v1/jobs/batch", deep).await, 400, "invalid_json").await;
    problem(door.post_text("/v1/jobs/batch", "x".repeat(3 * 1024 * 1024)).await, 413, "too_large").await;
    let header = door.request(Method::POST, "/v1/jobs/batch").header("idempotency-key", "one").json(&batch(1));
    problem(header.send().await.expect("an answer"), 422, "invalid_idempotency_key").await;
    assert_eq!(door.rows().await, 0);

    let answer = door::json(door.post("/v1/jobs/batch", &batch(1000)).await).await;
    assert_eq!(answer["accepted"], 1000);
    assert_eq!(door.accepted().await, 1000);
    let chunks: i64 = sqlx::query_scalar("select count(*) from queue.ready").fetch_one(&door.db.admin).await.expect("a count");
    assert_eq!(chunks, 5, "a thousand jobs are five rows to claim");
}

#[tokio::test]
async fn batches_that_share_keys_wait_for_each_other_and_agree() {
    let door = Door::open().await;
    let batch = |reverse: bool| {
        let mut jobs: Vec<Value> = (0..100)
            .map(|n| json!({ "kind": "greet", "payload": { "name": format!("n{n}") }, "idempotency_key": format!("k{n}") }))
            .collect();
        if reverse {
            jobs.reverse();
        }
        json!({ "jobs": jobs })
    };
    let answers = join_all((0..8).map(|n| {
        let body = batch(n % 2 == 1);
        let door = &door;
        async move { door::json(door.post("/v1/jobs/batch", &body).await).await }
    }))
    .await;
    let accepted: u64 = answers.iter().map(|answer| answer["accepted"].as_u64().expect("a count")).sum();
    let refused: u64 = answers.iter().map(|answer| answer["refused"].as_u64().expect("a count")).sum();
    assert_eq!((accepted, refused), (100, 0));
    assert_eq!(door.accepted().await, 100);
}
