//! Campaigns over HTTP: made, looked at, moved, taken away.

use longshore::{
    tenancy::keys::Scope,
    workers::{self, clock::Clock as _},
};
use serde_json::{Value, json};

use super::door::{self, Door, key, problem};
use crate::support::{Stepper, services};

/// A door with a key for campaigns, twenty leads tagged `vip`, and a worker that knows every kind.
async fn open() -> (Door, Stepper) {
    let mut door = Door::open().await;
    door.key = key(&door.db, door.team, &[Scope::Campaigns], None).await.0;
    door.db.sender(door.team, "+15005550006", "").await;
    let mut services = services(&door.db);
    services.clock = std::sync::Arc::new(door.clock.clone());
    let stepper = Stepper::new(&door.db, workers::registry(), services).await;
    let leads = "insert into longshore.leads (team_id, phone, first_name, tags, engagement)
        select $1, '+1212' || (5550000 + n), 'Ada', '{vip}', 'high' from generate_series(1, 20) n";
    sqlx::query(leads).bind(door.team.0).execute(&door.db.admin).await.expect("leads");
    (door, stepper)
}

fn spring() -> Value {
    json!({
        "name": "Spring", "sender": "+15005550006", "target_tags": ["vip"], "engagement": ["Green"],
        "steps": [
            { "delay_minutes": 0, "template": "Hello {{ first_name }}", "variants": [{ "template": "Hi {{ first_name }}" }] },
            { "delay_minutes": 60, "template": "Still there?" },
        ],
    })
}

#[tokio::test]
async fn a_campaign_is_created_with_its_jobs_and_once_for_a_key() {
    let (door, _) = open().await;
    let ask = |body: Value| {
        door.request(reqwest::Method::POST, "/v1/campaigns").header("idempotency-key", "spring-1").json(&body).send()
    };
    let first = ask(spring()).await.expect("an answer");
    assert_eq!(first.status(), 201);
    assert_eq!(first.headers()["location"], "/v1/campaigns/1");
    let made = door::json(first).await;
    assert_eq!((&made["campaign"]["state"], &made["campaign"]["engagement"]), (&json!("draft"), &json!(["high"])));
    assert!(made["job"].as_str().is_some_and(|job| job.starts_with("job_")), "{made}");
    assert_eq!(door.accepted().await, 2, "its sync and its enrollment");

    assert_eq!((&made["campaign"]["purpose"], &made["campaign"]["state_reason"]), (&json!("marketing"), &Value::Null));
    let again = ask(spring()).await.expect("an answer");
    assert_eq!((again.status().as_u16(), again.headers()["idempotency-replayed"].to_str().ok()), (200, Some("true")));
    let again = door::json(again).await;
    assert_eq!((&again["campaign"]["id"], &again["job"]), (&made["campaign"]["id"], &Value::Null));
    let mut other = spring();
    other["name"] = "Autumn".into();
    problem(ask(other).await.expect("an answer"), 422, "idempotency_key_reused").await;
    problem(door.post("/v1/campaigns", &spring()).await, 409, "name_taken").await;
    assert_eq!(door.accepted().await, 2);
}

#[tokio::test]
async fn a_field_that_is_wrong_is_named_and_nothing_is_written() {
    let (door, _) = open().await;
    for (pointer, value) in [
        ("/name", json!(" ")),
        ("/sender", json!("5005550006")),
        ("/sender", json!("+12025550123")),
        ("/purpose", json!("fun")),
        ("/engagement", json!([])),
        ("/engagement/0", json!(["warm"])),
        ("/steps", json!([])),
        ("/steps/0/delay_minutes", json!([{ "delay_minutes": -1, "template": "x" }])),
        ("/steps/0/template", json!([{ "delay_minutes": 0, "template": "{{ fristname }}" }])),
        (
            "/steps/0/variants/0/weight",
            json!([{ "delay_minutes": 0, "template": "x", "variants": [{ "template": "y", "weight": 0 }] }]),
        ),
    ] {
        let mut body = spring();
        let field = pointer.split('/').nth(1).expect("a field");
        body[field] = value;
        let refused = problem(door.post("/v1/campaigns", &body).await, 422, "invalid_field").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    assert_eq!(door.accepted().await, 0);
}

#[tokio::test]
async fn a_campaign_goes_through_its_life_over_http() {
    let (door, stepper) = open().await;
    assert_eq!(door.post("/v1/campaigns", &spring()).await.status(), 201);
    stepper.drain("enrollment").await;
    let act = async |what: &str| door.post(&format!("/v1/campaigns/1/{what}"), &json!({})).await;
    problem(act("pause").await, 409, "wrong_state").await;
    let ahead = door.clock.now() + chrono::TimeDelta::hours(1);
    let scheduled = door.post("/v1/campaigns/1/schedule", &json!({ "activate_at": ahead })).await;
    assert_eq!(door::json(scheduled).await["state"], "scheduled");
    let past = door.post("/v1/campaigns/1/schedule", &json!({ "activate_at": "2020-01-01T00:00:00Z" })).await;
    assert_eq!(problem(past, 422, "invalid_field").await["errors"][0]["pointer"], "/activate_at");
    assert_eq!(door::json(act("activate").await).await, json!({ "id": 1, "state": "active" }));
    stepper.drain("enrollment").await;
    assert_eq!(door::json(act("pause").await).await["state"], "paused");
    assert_eq!(door::json(act("resume").await).await["state"], "active");
    problem(act("complete").await, 409, "wrong_state").await;

    let shown = door::json(door.get("/v1/campaigns/1").await).await;
    assert_eq!((&shown["enrollments"]["running"], &shown["messages"]["waiting"]), (&json!(20), &json!(20)), "{shown}");
    assert_eq!(shown["steps"][0]["variants"][1]["variant"], "b");
    let figures = door::json(door.get("/v1/campaigns/1/analytics").await).await;
    assert_eq!(figures["totals"]["planned"], 20);
    let planned: i64 =
        figures["variants"].as_array().expect("variants").iter().filter_map(|one| one["figures"]["planned"].as_i64()).sum();
    assert_eq!(planned, 20);

    let mut leads = Vec::new();
    let mut after = String::new();
    loop {
        let page = door::json(door.get(&format!("/v1/campaigns/1/trail?limit=7{after}")).await).await;
        leads.extend(page["entries"].as_array().expect("entries").iter().map(|one| one["lead_id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(leads, (1..=20).map(Value::from).collect::<Vec<_>>());
    let why = door::json(door.get("/v1/campaigns/1/leads/3").await).await;
    assert_eq!((&why["answer"], &why["enrollment"]["next_step"]), (&json!("enrolled_running"), &json!(2)));
    problem(door.get("/v1/campaigns/1/leads/4711").await, 404, "not_found").await;
    problem(door.get("/v1/campaigns/1/trail?after=x").await, 400, "invalid_request").await;

    let recalled = act("recall").await;
    assert_eq!(recalled.status(), 202);
    let recalled = door::json(recalled).await;
    assert_eq!(
        (&recalled["state"], &recalled["waiting"], &recalled["left"]["accepted"]),
        (&json!("stopped"), &json!(20), &json!(0))
    );
    stepper.drain("enrollment").await;
    let after = door::json(door.get("/v1/campaigns/1/analytics").await).await;
    assert_eq!(after["totals"]["suppressed_by_rule"]["campaign_recalled"], 20, "{after}");
    problem(act("enroll").await, 409, "wrong_state").await;
    problem(door.request(reqwest::Method::DELETE, "/v1/campaigns/1").send().await.expect("an answer"), 409, "wrong_state").await;
}

#[tokio::test]
async fn a_preview_counts_and_shows_without_numbers() {
    let (door, _) = open().await;
    assert_eq!(door.post("/v1/campaigns", &spring()).await.status(), 201);
    let audience = json!({ "target_tags": ["vip"], "engagement": ["high"], "limit": 2, "offset": 1 });
    let seen = door.post("/v1/campaigns/preview", &audience).await;
    assert_eq!(seen.status(), 200);
    let seen = door::json(seen).await;
    assert_eq!((&seen["total"], &seen["free"], &seen["skipped"]["no_phone"]), (&json!(20), &json!(20), &json!(0)), "{seen}");
    let leads: Vec<_> = seen["sample"].as_array().expect("a sample").iter().map(|one| one["lead_id"].clone()).collect();
    assert_eq!(leads, [2, 3].map(Value::from));
    let of_campaign = door::json(door.get("/v1/campaigns/1/preview?limit=1").await).await;
    let texts: Vec<_> = of_campaign["texts"].as_array().expect("texts").iter().map(|one| one["text"].clone()).collect();
    assert_eq!(texts, ["Hello [first_name]", "Hi [first_name]", "Still there?"].map(Value::from));
    assert_eq!((&of_campaign["texts"][0]["encoding"], &of_campaign["texts"][0]["segments"]), (&json!("GSM-7"), &json!(1)));
    for seen in [seen, of_campaign] {
        assert!(!seen.to_string().contains("+1212"), "no number: {seen}");
    }
    for (wrong, pointer) in
        [(json!({ "engagement": [] }), "/engagement"), (json!({ "engagement": ["high"], "limit": 101 }), "/limit")]
    {
        let refused = problem(door.post("/v1/campaigns/preview", &wrong).await, 422, "invalid_field").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    problem(door.get("/v1/campaigns/1/preview?limit=101").await, 400, "invalid_request").await;
    problem(door.get("/v1/campaigns/1/preview?offset=10001").await, 400, "invalid_request").await;
}

#[tokio::test]
async fn a_key_without_the_scope_is_told_so_before_anything_is_looked_at() {
    let (mut door, _) = open().await;
    door.key = key(&door.db, door.team, &Scope::STANDARD, None).await.0;
    problem(door.get("/v1/campaigns").await, 403, "missing_scope").await;
    problem(door.get("/v1/campaigns/4711").await, 403, "missing_scope").await;
    problem(door.post("/v1/campaigns", &json!({ "nonsense": 1 })).await, 403, "missing_scope").await;
    problem(door.post("/v1/campaigns/preview", &json!({ "nonsense": 1 })).await, 403, "missing_scope").await;
}

#[tokio::test]
async fn what_people_say_by_other_ways_is_put_on_record_by_hand() {
    let (door, stepper) = open().await;
    assert_eq!(door.post("/v1/campaigns", &spring()).await.status(), 201);
    stepper.drain("enrollment").await;
    assert_eq!(door.post("/v1/campaigns/1/activate", &json!({})).await.status(), 200);
    stepper.drain("enrollment").await;
    let suppress = json!({ "phone": "(212) 555-0003", "reason": "LEGAL_DNC" });
    for stopped in [1, 0] {
        let answer = door::json(door.post("/v1/suppressions", &suppress).await).await;
        assert_eq!(answer, json!({ "reason": "LEGAL_DNC", "enrollments": stopped, "messages": stopped }));
    }
    let why = door::json(door.get("/v1/campaigns/1/leads/3").await).await;
    assert_eq!((&why["answer"], &why["trail"][0]["state"]), (&json!("enrolled_stopped"), &json!("suppressed")), "{why}");

    let consent = json!({
        "phone": "+12125550004", "purpose": "transactional", "level": "express", "method": "paper", "evidence": "form 12",
        "captured_at": "2026-01-31T12:00:00Z", "expires_at": "2027-01-31T12:00:00Z",
    });
    let given = door.post("/v1/consents", &consent).await;
    assert_eq!(given.status(), 201);
    assert_eq!(door::json(given).await, json!({ "consent": 1 }));
    let kept: String = sqlx::query_scalar(
        "select concat_ws(' ', phone, purpose, level, method, evidence, captured_at::date, expires_at::date) from longshore.consents",
    )
    .fetch_one(&door.db.admin)
    .await
    .expect("a consent");
    assert_eq!(kept, "+12125550004 transactional express paper form 12 2026-01-31 2027-01-31");
    for (pointer, value) in [
        ("/phone", json!("5550004")),
        ("/purpose", json!("fun")),
        ("/level", json!("spoken")),
        ("/method", json!("file")),
        ("/captured_at", json!("2126-01-31T12:00:00Z")),
        ("/expires_at", json!("2026-01-31T11:00:00Z")),
    ] {
        let mut wrong = consent.clone();
        wrong[&pointer[1..]] = value;
        let refused = problem(door.post("/v1/consents", &wrong).await, 422, "invalid_field").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    let purposes = door::json(
        door.post("/v1/campaigns", &{
            let mut receipts = spring();
            (receipts["name"], receipts["purpose"]) = ("Receipts".into(), "transactional".into());
            receipts
        })
        .await,
    )
    .await;
    assert_eq!(purposes["campaign"]["purpose"], "transactional");
}
