//! Two teams: whatever a stranger asks about what is another's is answered as if it were not there.

use std::collections::BTreeMap;

use longshore::{
    api::openapi,
    tenancy::keys::Scope,
    workers::{
        dead::run_dead_plan::RunDeadPlan,
        enrollment::{enroll_batch::EnrollBatch, sync_campaign::SyncCampaign},
        webhooks::deliver_webhook::DeliverWebhook,
    },
};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::door::{self, Door, key, registry};
use crate::support::{Stepper, services};

/// Operations that name nothing in their address, and why a stranger learns nothing by them. Whoever adds an operation adds it
/// here, or gives [`named`] something of the other team's for it.
const NAMES_NOTHING: [&str; 30] = [
    "enqueueJob",
    "enqueueJobs",
    "listJobs",
    "listQueues",
    "listDead",
    "listSchedules",
    "makeDeadPlan",
    "listKeys",
    "createKey",
    "listAudit",
    "listWebhookEndpoints",
    "createWebhookEndpoint",
    // The caller's own people: the same telephone number is another person.
    "erasePerson",
    "exportPerson",
    // The caller's own list: the same number may be texted by another team.
    "suppressNumber",
    "recordConsent",
    // Its name is the caller's own: the same name is another schedule.
    "putSchedule",
    "listApprovals",
    // Messages that it names and the team does not have are none of those that it approves.
    "approveMany",
    "listApprovalDecisions",
    "listCampaigns",
    "createCampaign",
    "previewAudience",
    "listTags",
    "listSettings",
    "listFlags",
    "getQuotas",
    // Names out of a catalogue that is the same for every team: the caller's own setting of that name.
    "getSetting",
    "putSetting",
    "deleteSetting",
];

/// What was sent to the team's webhook endpoint.
const DELIVERY: &str = "dlv_1";

struct House {
    door: Door,
    stranger: String,
    /// By the beginning of an address: what the team has there, and the same of nobody.
    named: BTreeMap<&'static str, [String; 2]>,
}

async fn house() -> House {
    let mut door = Door::open().await;
    let (text, own_key) = key(&door.db, door.team, &Scope::ALL, None).await;
    door.key = text;
    let registry = registry().add::<RunDeadPlan>().add::<DeliverWebhook>().add::<EnrollBatch>().add::<SyncCampaign>();
    let stepper = Stepper::new(&door.db, registry, services(&door.db)).await;
    let dead = door.enqueue(&json!({ "kind": "greet", "payload": { "name": "dead" }, "idempotency_key": "secret-key" })).await;
    stepper.drain("greetings").await;
    let job = door.enqueue(&json!({ "kind": "greet", "payload": { "name": "Ada" } })).await;
    let plan =
        door::json(door.post("/v1/dead/plans", &json!({ "filter": {} })).await).await["id"].as_str().expect("a plan").to_owned();
    let batch = door.open_batch().await;
    door.set_schedule("nightly").await;
    let hook = json!({ "url": "https://example.com/hooks", "events": ["job.done"] });
    let hook = door::json(door.post("/v1/webhook-endpoints", &hook).await).await["endpoint"]["id"].clone();
    let hook = hook.as_str().expect("an endpoint").to_owned();
    let sent = door::json(door.post(&format!("/v1/webhook-endpoints/{hook}/test"), &json!({})).await).await;
    assert_eq!(sent["id"], DELIVERY);
    let lead = "insert into longshore.leads (team_id, phone, engagement) values ($1, '+12025550123', 'high')";
    sqlx::query(lead).bind(door.team.0).execute(&door.db.admin).await.expect("lead 1");
    let campaign = json!({
        "name": "Spring", "sender": "+12025550100", "engagement": ["high"], "steps": [{ "delay_minutes": 0, "template": "Hello" }],
    });
    let campaign = door::json(door.post("/v1/campaigns", &campaign).await).await["campaign"]["id"].to_string();
    let message = message(&door, &campaign).await;
    let other = door.db.team("stranger").await;
    let stranger = key(&door.db, other, &Scope::ALL, None).await.0;
    let absent = |prefix: &str| format!("{prefix}_424242");
    let named = BTreeMap::from([
        ("/v1/jobs/", [job, absent("job")]),
        ("/v1/dead/plans/", [plan, absent("plan")]),
        ("/v1/dead/", [dead, absent("job")]),
        ("/v1/batches/", [batch, absent("batch")]),
        ("/v1/schedules/", ["nightly".into(), "nowhere".into()]),
        ("/v1/keys/", [own_key, "000000000000".into()]),
        ("/v1/webhook-endpoints/", [hook, absent("ep")]),
        ("/v1/approvals/", [message, "424242".into()]),
        ("/v1/campaigns/", [campaign, "424242".into()]),
    ]);
    House { door, stranger, named }
}

/// A message of the campaign that somebody has to look at.
async fn message(door: &Door, campaign: &str) -> String {
    let made = "with m as (
            insert into longshore.messages (team_id, campaign_id, lead_id, step, sender, recipient, body, approval)
            values ($1, $2::bigint, 1, 1, '+12025550100', '+12025550123', 'Hello', 'preview') returning message_id),
          t as (
            insert into longshore.message_texts (team_id, message_id, source, body, written_by)
            select $1, message_id, 'template', 'Hello', 'job 1' from m)
        select message_id::text from m";
    sqlx::query_scalar(made).bind(door.team.0).bind(campaign).fetch_one(&door.db.admin).await.expect("a message")
}

impl House {
    fn of(&self, path: &str) -> &[String; 2] {
        let fits =
            self.named.iter().filter(|(beginning, _)| path.starts_with(**beginning)).max_by_key(|(beginning, _)| beginning.len());
        fits.map(|(_, ids)| ids).unwrap_or_else(|| panic!("this test does not know what {path} names: tell it"))
    }

    async fn ask(&self, key: &str, method: &Method, address: &str, with: &With) -> Response {
        let mut ask = self.door.bare(method.clone(), address).bearer_auth(key).header("x-request-id", "the-same");
        for (name, value) in &with.headers {
            ask = ask.header(*name, *value);
        }
        if let Some(body) = &with.body {
            ask = ask.json(body);
        }
        ask.send().await.expect("an answer")
    }
}

/// What goes with a request beside its address.
#[derive(Debug, Clone, Default)]
struct With {
    query: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Option<Value>,
}

/// An answer, less what names this one answer and nothing else.
async fn essence(answer: Response) -> (u16, Vec<(String, String)>, String) {
    let status = answer.status().as_u16();
    let own = ["date", "ratelimit", "ratelimit-remaining", "ratelimit-reset"];
    let mut headers: Vec<_> = answer
        .headers()
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    headers.sort();
    let text = answer.text().await.expect("a body");
    let without_id = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(mut problem)) => problem.remove("error_id").and_then(|id| Some(text.replace(id.as_str()?, "err"))),
        _ => None,
    };
    (status, headers, without_id.unwrap_or(text))
}

#[tokio::test]
async fn another_teams_ids_are_answered_as_absent_ones_by_every_operation() {
    let house = house().await;
    let document: Value = serde_json::from_str(&openapi::document()).expect("JSON");
    let mut replayed = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id");
            if NAMES_NOTHING.contains(&id) {
                continue;
            }
            let method: Method = method.to_uppercase().parse().expect("a method");
            let [theirs, absent] = house.of(path);
            let address = |name: &str, with: &With| {
                let open = path.find('{').unwrap_or_else(|| panic!("{id} names nothing in its address: add it to NAMES_NOTHING"));
                let close = path.find('}').expect("an end");
                format!(
                    "{}{name}{}{}",
                    &path[..open],
                    path[close + 1..].replace("{delivery}", DELIVERY).replace("{lead}", "1"),
                    with.query
                )
            };
            let mut ways = vec![
                With::default(),
                With { body: Some(json!({})), ..With::default() },
                With { body: Some(json!({ "nonsense": 1 })), ..With::default() },
                With { headers: vec![("idempotency-key", "secret-key")], ..With::default() },
            ];
            if method == Method::GET {
                ways.push(With { headers: vec![("if-none-match", "*")], ..With::default() });
                ways.push(With {
                    headers: vec![("accept", "text/event-stream"), ("last-event-id", "waiting-ready~0")],
                    ..With::default()
                });
                ways.push(With { headers: vec![("accept", "image/png")], ..With::default() });
                ways.push(With { query: "?wait=10ms", ..With::default() });
                ways.push(With { query: "?nonsense=1", ..With::default() });
            }
            for with in &ways {
                let seen = essence(house.ask(&house.stranger, &method, &address(theirs, with), with).await).await;
                let expected = essence(house.ask(&house.stranger, &method, &address(absent, with), with).await).await;
                assert!(!(200..300).contains(&seen.0), "{id} answered a stranger: {seen:?}");
                assert_eq!(seen, expected, "{id} with {with:?} tells a stranger that it is there");
            }
            // The one it belongs to is answered: this test looks at what is there.
            if method == Method::GET && !path.ends_with("/events") {
                let own = house.ask(&house.door.key, &method, &address(theirs, &With::default()), &With::default()).await;
                assert_eq!(own.status(), 200, "{id} does not find the team's own {theirs}");
            }
            replayed += 1;
        }
    }
    let all = document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .map(|one| one.as_object().expect("operations").len())
        .sum::<usize>();
    assert_eq!(replayed + NAMES_NOTHING.len(), all, "an operation in NAMES_NOTHING is gone");
}

#[tokio::test]
async fn operations_that_name_nothing_tell_a_stranger_nothing() {
    let house = house().await;
    let [dead, _] = house.of("/v1/dead/");
    for (path, field) in [
        ("/v1/jobs", "jobs"),
        ("/v1/dead?all=true", "letters"),
        ("/v1/schedules", "schedules"),
        ("/v1/campaigns", "campaigns"),
        ("/v1/tags", "tags"),
    ] {
        let page = door::json(house.ask(&house.stranger, &Method::GET, path, &With::default()).await).await;
        assert_eq!(page[field], json!([]), "{path}");
    }
    let queues = door::json(house.ask(&house.stranger, &Method::GET, "/v1/queues", &With::default()).await).await;
    let figures = ["ready", "blocked", "scheduled", "parked", "running", "dead"];
    assert!(
        queues["queues"].as_array().expect("queues").iter().all(|row| figures.iter().all(|figure| row[figure] == 0)),
        "{queues}"
    );
    let audit = house.ask(&house.stranger, &Method::GET, "/v1/audit", &With::default()).await.text().await.expect("a body");
    let [own_key, _] = house.of("/v1/keys/");
    assert!(audit.contains("key.create") && !audit.contains(own_key.as_str()), "{audit}");
    // Cursors and filters that name what is another's, and the same of nobody.
    for [theirs, absent] in
        [["/v1/jobs?after=", "/v1/jobs?after="].map(str::to_owned), ["/v1/dead?after=", "/v1/dead?after="].map(str::to_owned)]
    {
        let seen = essence(house.ask(&house.stranger, &Method::GET, &format!("{theirs}{dead}"), &With::default()).await).await;
        let expected =
            essence(house.ask(&house.stranger, &Method::GET, &format!("{absent}job_424242"), &With::default()).await).await;
        assert_eq!(seen, expected);
    }
    let plan = |job: &str| With { body: Some(json!({ "filter": { "jobs": [job] } })), ..With::default() };
    let seen = essence(house.ask(&house.stranger, &Method::POST, "/v1/dead/plans", &plan(dead)).await).await;
    let expected = essence(house.ask(&house.stranger, &Method::POST, "/v1/dead/plans", &plan("job_424242")).await).await;
    assert_eq!((seen.0, &seen), (422, &expected));
    // The same idempotency key is another key, and the same name another schedule.
    let job = With {
        body: Some(json!({ "kind": "greet", "payload": { "name": "Grace" }, "idempotency_key": "secret-key" })),
        ..With::default()
    };
    assert_eq!(house.ask(&house.stranger, &Method::POST, "/v1/jobs", &job).await.status(), 202);
    let batch = With {
        body: Some(json!({ "jobs": [{ "kind": "greet", "payload": { "name": "Joan" }, "idempotency_key": "secret-key" }] })),
        ..With::default()
    };
    let answer = door::json(house.ask(&house.stranger, &Method::POST, "/v1/jobs/batch", &batch).await).await;
    assert_eq!(answer["results"][0]["code"], "idempotency_key_reused", "its own, of a moment ago: {answer}");
    let schedule =
        With { body: Some(json!({ "kind": "wave", "payload": { "hands": 2 }, "cron": "0 4 * * *" })), ..With::default() };
    let mut put = Vec::new();
    for name in ["nightly", "nowhere"] {
        let (status, headers, body) =
            essence(house.ask(&house.stranger, &Method::PUT, &format!("/v1/schedules/{name}"), &schedule).await).await;
        let hidden = |text: &str| text.replace(name, "NAME");
        put.push((status, headers.iter().map(|(k, v)| (k.clone(), hidden(v))).collect::<Vec<_>>(), hidden(&body)));
    }
    assert_eq!((put[0].0, &put[0]), (201, &put[1]));
    let own = door::json(house.door.get("/v1/schedules/nightly").await).await;
    assert_eq!(own["cron"], "0 3 * * *", "a stranger changed it");
}
