//! Webhook endpoints over HTTP, and what nobody is shown of them.

use std::collections::BTreeSet;

use longshore::{
    tenancy::keys::Scope,
    workers::{
        self,
        webhooks::events::{self, EVENTS},
    },
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::door::{self, Door, problem},
    support::{Stepper, services},
};

async fn open() -> Door {
    let mut door = Door::open().await;
    door.key = door::key(&door.db, door.team, &[Scope::Admin], None).await.0;
    door
}

fn wanted() -> Value {
    json!({ "url": "https://example.com/hooks?token=canary-5521", "events": ["job.done", "job.dead"], "kinds": ["greet"] })
}

const PLACE: &str = "/v1/webhook-endpoints";

#[tokio::test]
async fn an_endpoint_is_set_changed_given_a_new_secret_and_taken_away() {
    let door = open().await;
    let made = door.post(PLACE, &wanted()).await;
    assert_eq!(made.status(), 201);
    let place = made.headers()["location"].to_str().expect("a place").to_owned();
    let made = door::json(made).await;
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    assert!(
        secret.starts_with("whsec_") && place == format!("{PLACE}/{}", made["endpoint"]["id"].as_str().expect("an id")),
        "{made}"
    );

    let stands = door::json(door.get(&place).await).await;
    assert_eq!((&stands, &stands["enabled"], &stands["secrets"]), (&made["endpoint"], &json!(true), &json!(1)));
    let patch = async |body: Value| door.request(Method::PATCH, &place).json(&body).send().await.expect("an answer");
    let changed = door::json(patch(json!({ "events": ["batch.ended"], "kinds": [], "enabled": false })).await).await;
    assert_eq!(
        (&changed["events"], &changed["kinds"], &changed["enabled"]),
        (&json!(["batch.ended"]), &Value::Null, &json!(false))
    );
    assert_eq!(changed["url"], wanted()["url"], "what is left out stays");
    problem(door.post(&format!("{place}/test"), &json!({})).await, 409, "already_ended").await;

    let rotated = door::json(door.post(&format!("{place}/rotate"), &json!({ "keep_hours": 2 })).await).await;
    assert_ne!(rotated["secret"], secret);
    assert_eq!(rotated["endpoint"]["secrets"], 2);
    assert!(rotated["endpoint"]["old_secret_until"].is_string());
    problem(door.post(&format!("{place}/rotate"), &json!({ "keep_hours": 169 })).await, 422, "invalid_field").await;

    assert_eq!(door::json(door.get(PLACE).await).await["endpoints"].as_array().map(Vec::len), Some(1));
    assert_eq!(door.request(Method::DELETE, &place).send().await.expect("an answer").status(), 204);
    problem(door.get(&place).await, 404, "not_found").await;
    assert_eq!(door::json(door.get(PLACE).await).await, json!({ "endpoints": [] }));

    let log: Vec<(String, String, Value)> =
        sqlx::query_as("select action, actor, to_jsonb(l) from longshore.audit_log l where action like 'webhook.%' order by seq")
            .fetch_all(&door.db.admin)
            .await
            .expect("the log");
    let actions: Vec<_> = log.iter().map(|(action, ..)| action.as_str()).collect();
    assert_eq!(actions, ["webhook.create", "webhook.update", "webhook.rotate", "webhook.delete"]);
    for (_, actor, entry) in &log {
        assert!(actor.starts_with("key "), "{entry}");
        let text = entry.to_string();
        assert!(!text.contains("whsec_") && !text.contains("canary-5521"), "{text}");
    }
    assert_eq!(log[0].2["after"]["host"], "example.com");
}

#[tokio::test]
async fn a_secret_is_shown_once_and_stands_nowhere_in_the_open() {
    let door = open().await;
    let made = door::json(door.post(PLACE, &wanted()).await).await;
    let secret = made["secret"].as_str().expect("a secret").trim_start_matches("whsec_").to_owned();
    let place = format!("{PLACE}/{}", made["endpoint"]["id"].as_str().expect("an id"));
    for path in [PLACE.to_owned(), place.clone(), format!("{place}/deliveries"), "/v1/audit".to_owned()] {
        let answer = door.get(&path).await.text().await.expect("a text");
        assert!(!answer.contains(&secret) && !answer.contains("whsec_"), "{path}: {answer}");
    }
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('queue', 'longshore') and c.relkind = 'r'",
    )
    .fetch_all(&door.db.admin)
    .await
    .expect("the tables");
    for table in tables {
        let question = format!(
            "select count(*) from {table} t where strpos(t::text, $1) > 0 or strpos(t::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0"
        );
        let found: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(question)).bind(&secret).fetch_one(&door.db.admin).await.expect("a count");
        assert_eq!(found, 0, "{table} holds the secret in the open");
    }
}

#[tokio::test]
async fn what_could_never_work_is_refused_with_the_field_named() {
    let door = open().await;
    for (field, value, place) in [
        ("url", json!("https://example.com:22/"), "/url"),
        ("url", json!("https://user:secret@example.com/"), "/url"),
        ("url", json!("https://169.254.169.254/latest"), "/url"),
        ("url", json!("nonsense"), "/url"),
        ("events", json!([]), "/events"),
        ("events", json!(["job.started"]), "/events"),
        ("events", json!(["webhook.test"]), "/events"),
        ("kinds", json!(["no_such_kind"]), "/kinds"),
        ("description", json!("x".repeat(201)), "/description"),
        ("colour", json!("red"), "/colour"),
    ] {
        let mut body = wanted();
        body[field] = value;
        let refused = problem(door.post(PLACE, &body).await, 422, "invalid_field").await;
        assert_eq!(refused["errors"][0]["pointer"], place, "{refused}");
    }
    for _ in 0..20 {
        assert_eq!(door.post(PLACE, &wanted()).await.status(), 201);
    }
    problem(door.post(PLACE, &wanted()).await, 400, "invalid_request").await;
}

#[tokio::test]
async fn endpoints_are_for_keys_of_scope_admin_and_another_teams_are_not_there() {
    let mut door = open().await;
    Stepper::new(&door.db, workers::registry(), services(&door.db)).await;
    let made = door::json(door.post(PLACE, &wanted()).await).await;
    let id = made["endpoint"]["id"].as_str().expect("an id").to_owned();
    let delivery = door::json(door.post(&format!("{PLACE}/{id}/test"), &json!({})).await).await["id"].clone();
    let delivery = delivery.as_str().expect("a delivery").to_owned();
    let operations = |id: &str, delivery: &str| {
        vec![
            (Method::GET, format!("{PLACE}/{id}"), None),
            (Method::PATCH, format!("{PLACE}/{id}"), Some(json!({ "enabled": false }))),
            (Method::POST, format!("{PLACE}/{id}/rotate"), Some(json!({}))),
            (Method::POST, format!("{PLACE}/{id}/test"), None),
            (Method::GET, format!("{PLACE}/{id}/deliveries"), None),
            (Method::GET, format!("{PLACE}/{id}/deliveries/{delivery}"), None),
            (Method::POST, format!("{PLACE}/{id}/deliveries/{delivery}/replay"), None),
            (Method::DELETE, format!("{PLACE}/{id}"), None),
        ]
    };
    let ask = async |door: &Door, method: Method, path: &str, body: Option<Value>| {
        let request = door.request(method, path);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let mut body = door::json(answer).await;
        body["error_id"] = Value::Null;
        (status, body)
    };
    let own = door.key.clone();
    door.key = door::key(&door.db, door.team, &[Scope::Enqueue, Scope::Read, Scope::Dead], None).await.0;
    for (method, path, body) in operations(&id, &delivery) {
        assert_eq!(ask(&door, method.clone(), &path, body).await.0, 403, "{method} {path}");
    }
    let other = door.db.team("umbrella").await;
    door.key = door::key(&door.db, other, &[Scope::Admin], None).await.0;
    let foreign = operations(&id, &delivery);
    let absent = operations("ep_999999", "dlv_999999");
    for ((method, path, body), (_, nowhere, _)) in foreign.into_iter().zip(absent) {
        let answered = ask(&door, method.clone(), &path, body.clone()).await;
        assert_eq!(answered.0, 404, "{method} {path}");
        assert_eq!(answered, ask(&door, method, &nowhere, body).await, "another team's is as absent as one that never was");
    }
    assert_eq!(door::json(door.get(PLACE).await).await, json!({ "endpoints": [] }));
    door.key = own;
    let listed = door::json(door.get(&format!("{PLACE}/{id}/deliveries?state=waiting&limit=1")).await).await;
    assert_eq!((&listed["deliveries"][0]["id"], &listed["deliveries"][0]["event"]), (&json!(delivery), &json!("webhook.test")));
    problem(door.post(&format!("{PLACE}/{id}/deliveries/{delivery}/replay"), &json!({})).await, 409, "already_settled").await;
}

#[tokio::test]
async fn the_document_for_receivers_shows_every_event_as_it_is() {
    const WEBHOOKS: &str = include_str!("../../../docs/WEBHOOKS.md");
    let mut shown = BTreeSet::new();
    for part in WEBHOOKS.split("\n### `").skip(1) {
        let (name, rest) = part.split_once('`').expect("a name");
        let sample = rest.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a sample");
        let sample: Value = serde_json::from_str(sample).unwrap_or_else(|error| panic!("{name}: {error}"));
        let event = events::find(name).unwrap_or_else(|| panic!("there is no event {name}"));
        assert_eq!(sample["data"], (event.sample)(), "{name}");
        assert_eq!(sample["type"], name);
        assert!(rest.contains(event.when), "{name}: its sentence is {:?}", event.when);
        shown.insert(name);
    }
    let all: BTreeSet<_> = EVENTS.iter().map(|event| event.name).chain(["webhook.test"]).collect();
    assert_eq!(shown, all);
}

#[tokio::test]
async fn of_many_endpoints_made_at_once_no_more_come_to_be_than_a_team_may_have() {
    let door = open().await;
    let body = wanted();
    let answers = futures_util::future::join_all((0..40).map(|_| door.post(PLACE, &body))).await;
    let made = answers.iter().filter(|answer| answer.status() == 201).count();
    assert_eq!(made, 20);
}

#[tokio::test]
async fn where_no_secret_can_be_kept_a_caller_hears_so_and_nothing_of_the_keys() {
    let door = open().await;
    let made = door.post(PLACE, &wanted()).await;
    assert_eq!(made.status(), 201);
    // What was put under a key that this process is not given any more.
    let order = "update longshore.data_keys set master_key = 'another-2025'";
    sqlx::raw_sql(order).execute(&door.db.admin).await.expect("another key");
    let refused = problem(door.post(PLACE, &wanted()).await, 503, "no_keyring").await;
    assert!(!refused.to_string().contains("another-2025") && !refused.to_string().contains("longshore secrets"), "{refused}");
}
