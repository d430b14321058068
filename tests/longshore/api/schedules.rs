//! A team's schedules over HTTP.

use longshore::{scheduler::due, tenancy::keys::Scope};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::door::{self, Door, problem};

async fn open() -> Door {
    let mut door = Door::open().await;
    door.key = door::key(&door.db, door.team, &[Scope::Schedules], None).await.0;
    door
}

impl Door {
    async fn put_schedule(&self, name: &str, body: Value) -> Response {
        self.request(Method::PUT, &format!("/v1/schedules/{name}")).json(&body).send().await.expect("an answer")
    }

    async fn on_schedule(&self, method: Method, path: &str) -> Response {
        self.request(method, &format!("/v1/schedules/{path}")).send().await.expect("an answer")
    }

    async fn make_due(&self) {
        let due = "update queue.schedules set next_due_at = date_trunc('minute', now())";
        sqlx::query(due).execute(&self.db.admin).await.expect("a due tick");
    }
}

fn nightly() -> Value {
    json!({ "kind": "greet", "payload": { "name": "Ada" }, "cron": "30 2 * * *", "time_zone": "America/New_York" })
}

#[tokio::test]
async fn a_schedule_is_set_looked_at_changed_and_taken_away() {
    let door = open().await;
    let made = door.put_schedule("nightly", nightly()).await;
    assert_eq!((made.status().as_u16(), made.headers()["location"].to_str().ok()), (201, Some("/v1/schedules/nightly")));
    let made = door::json(made).await;
    assert_eq!((&made["missed"], &made["declared"], &made["paused_at"]), (&json!("run_once"), &json!(false), &Value::Null));

    let again = door.put_schedule("nightly", nightly()).await;
    assert_eq!(again.status(), 200);
    assert_eq!(door::json(again).await, made, "whoever says the same again changes nothing");

    let mut other = nightly();
    other["cron"] = json!("0 4 * * MON");
    other["kind"] = json!("say_hello");
    let changed = door::json(door.put_schedule("nightly", other).await).await;
    assert_eq!((&changed["cron"], &changed["kind"]), (&json!("0 4 * * MON"), &json!("greet")), "an earlier name of the kind");
    assert_eq!(door::json(door.on_schedule(Method::GET, "nightly").await).await, changed);

    assert_eq!(door.on_schedule(Method::DELETE, "nightly").await.status(), 204);
    problem(door.on_schedule(Method::DELETE, "nightly").await, 404, "not_found").await;
    problem(door.on_schedule(Method::GET, "nightly").await, 404, "not_found").await;
}

#[tokio::test]
async fn schedules_are_listed_page_by_page() {
    let door = open().await;
    for name in ["b", "a.1", "a_2", "c"] {
        assert_eq!(door.put_schedule(name, nightly()).await.status(), 201);
    }
    let names =
        |page: &Value| page["schedules"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
    let first = door::json(door.get("/v1/schedules?limit=3").await).await;
    assert_eq!(names(&first), ["a.1", "a_2", "b"]);
    let rest =
        door::json(door.get(&format!("/v1/schedules?limit=3&after={}", first["next"].as_str().expect("more"))).await).await;
    assert_eq!((names(&rest), &rest["next"]), (vec![json!("c")], &Value::Null));
    for wrong in ["limit=0", "limit=1001", "colour=red"] {
        problem(door.get(&format!("/v1/schedules?{wrong}")).await, 400, "invalid_request").await;
    }
}

#[tokio::test]
async fn what_could_never_fire_is_refused_with_the_field_named() {
    let door = open().await;
    for (field, value, code, pointer) in [
        ("cron", json!("every day"), "invalid_field", "/cron"),
        ("cron", json!("0 0 31 2 *"), "invalid_field", "/cron"),
        ("time_zone", json!("Mars/Base"), "invalid_field", "/time_zone"),
        ("kind", json!("fly_kite"), "unknown_kind", "/kind"),
        ("payload", json!({ "name": "nobody" }), "invalid_payload", "/payload/name"),
        ("missed", json!("shrug"), "invalid_field", "/missed"),
        ("catch_up_most", json!(0), "invalid_field", "/catch_up_most"),
        ("team", json!("other"), "invalid_field", "/team"),
    ] {
        let mut body = nightly();
        body[field] = value;
        let refused = problem(door.put_schedule("nightly", body).await, 422, code).await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    problem(door.put_schedule("Nightly", nightly()).await, 422, "invalid_field").await;
    problem(door.on_schedule(Method::GET, "Nightly").await, 404, "not_found").await;
    assert_eq!(door::json(door.get("/v1/schedules").await).await["schedules"], json!([]));
}

#[tokio::test]
async fn a_schedule_is_paused_with_a_reason_and_goes_on_from_now() {
    let door = open().await;
    door.put_schedule("hourly", json!({ "kind": "greet", "payload": { "name": "Ada" }, "cron": "0 * * * *" })).await;
    let pause = door.request(Method::POST, "/v1/schedules/hourly/pause").json(&json!({ "reason": "the vendor is down" }));
    let paused = door::json(pause.send().await.expect("an answer")).await;
    assert!(paused["paused_at"].is_string() && paused["paused_reason"] == "the vendor is down", "{paused}");
    door.make_due().await;
    due::fire_due(&door.db.pool("scheduler")).await.expect("a look at what is due");
    assert_eq!(door.accepted().await, 0, "a paused schedule fired");

    let changed = door.put_schedule("hourly", nightly()).await;
    assert!(door::json(changed).await["paused_at"].is_string(), "a change must not end a pause");

    let resumed = door::json(door.on_schedule(Method::POST, "hourly/resume").await).await;
    assert_eq!((&resumed["paused_at"], &resumed["paused_reason"]), (&Value::Null, &Value::Null));
    due::fire_due(&door.db.pool("scheduler")).await.expect("a look at what is due");
    assert_eq!(door.accepted().await, 0, "what a pause passed over is not made up for");
    problem(door.on_schedule(Method::POST, "other/pause").await, 404, "not_found").await;
    problem(door.on_schedule(Method::POST, "other/resume").await, 404, "not_found").await;
}

#[tokio::test]
async fn a_schedule_runs_now_once_for_each_key_and_its_ticks_come_as_before() {
    let door = open().await;
    door.put_schedule("nightly", nightly()).await;
    let before = door::json(door.on_schedule(Method::GET, "nightly").await).await;
    let run = async |key: &str| {
        let request = door.request(Method::POST, "/v1/schedules/nightly/run").header("Idempotency-Key", key);
        request.send().await.expect("an answer")
    };
    let first = run("monday").await;
    assert_eq!(first.status(), 202);
    let first = door::json(first).await;
    let again = run("monday").await;
    assert_eq!((again.status().as_u16(), again.headers()["idempotency-replayed"].to_str().ok()), (200, Some("true")));
    assert_eq!(door::json(again).await["id"], first["id"]);
    assert_ne!(door::json(run("tuesday").await).await["id"], first["id"]);
    for _ in 0..2 {
        assert_eq!(door.on_schedule(Method::POST, "nightly/run").await.status(), 202, "without a key each call is a job");
    }
    assert_eq!(door.accepted().await, 4);
    let marked =
        "select count(*) from queue.jobs where correlation_id = 'schedule:nightly:now' and payload = '{\"name\": \"Ada\"}'";
    assert_eq!(sqlx::query_scalar::<_, i64>(marked).fetch_one(&door.db.admin).await.expect("a count"), 4);
    assert_eq!(door::json(door.on_schedule(Method::GET, "nightly").await).await, before, "no tick was touched");

    door.make_due().await;
    due::fire_due(&door.db.pool("scheduler")).await.expect("a look at what is due");
    assert_eq!(door.accepted().await, 5, "the tick fired as well");
    problem(run(&"x".repeat(141)).await, 422, "invalid_idempotency_key").await;
    problem(door.on_schedule(Method::POST, "other/run").await, 404, "not_found").await;
}

#[tokio::test]
async fn one_teams_schedules_are_nobody_elses() {
    let mut door = open().await;
    door.put_schedule("nightly", nightly()).await;
    let mine = door.key.clone();
    let other = door.db.team("other").await;
    door.key = door::key(&door.db, other, &[Scope::Schedules], None).await.0;
    assert_eq!(door::json(door.get("/v1/schedules").await).await["schedules"], json!([]));
    for (method, path) in [
        (Method::GET, "nightly"),
        (Method::DELETE, "nightly"),
        (Method::POST, "nightly/pause"),
        (Method::POST, "nightly/resume"),
        (Method::POST, "nightly/run"),
    ] {
        problem(door.on_schedule(method, path).await, 404, "not_found").await;
    }
    let mut own = nightly();
    own["cron"] = json!("1 1 1 1 *");
    assert_eq!(door.put_schedule("nightly", own).await.status(), 201, "a name is a team's own");
    door.key = mine;
    assert_eq!(door::json(door.on_schedule(Method::GET, "nightly").await).await["cron"], "30 2 * * *");

    door.key = door::key(&door.db, door.team, &Scope::STANDARD, None).await.0;
    problem(door.get("/v1/schedules").await, 403, "missing_scope").await;
    problem(door.put_schedule("nightly", nightly()).await, 403, "missing_scope").await;
}

#[tokio::test]
async fn a_team_sets_a_thousand_schedules_and_not_one_more() {
    let door = open().await;
    let fill = "insert into queue.schedules (name, team_id, kind, payload, cron, next_due_at)
        select 'n' || n, $1, 'greet', '{\"name\": \"Ada\"}', '0 4 * * *', now() + interval '1 day' from generate_series(1, 999) n";
    sqlx::query(fill).bind(door.team.0).execute(&door.db.admin).await.expect("schedules");
    assert_eq!(door.put_schedule("last", nightly()).await.status(), 201);
    problem(door.put_schedule("more", nightly()).await, 400, "invalid_request").await;
    problem(door.on_schedule(Method::GET, "more").await, 404, "not_found").await;
    let mut other = nightly();
    other["cron"] = json!("0 5 * * *");
    assert_eq!(door.put_schedule("last", other).await.status(), 200, "what is there can be changed");
}
