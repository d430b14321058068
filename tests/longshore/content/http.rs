//! The same over HTTP: who may, what is answered, and the way out that needs no key.

use longshore::{
    tenancy::keys::Scope,
    workers::{
        db,
        messages::{content::Rules, send_email::SendEmail, send_sms::SendSms, write_text::WriteText},
    },
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::door::{self, Door, key, problem, registry},
    support::{Stepper, services},
};

/// A door with a key for campaigns, the kinds that it enqueues, and an active campaign whose model writes what somebody looks at.
async fn open() -> (Door, i64) {
    let mut door = Door::open().await;
    let kinds = registry().add::<SendSms>().add::<SendEmail>().add::<WriteText>();
    Stepper::new(&door.db, kinds, services(&door.db)).await;
    door.key = key(&door.db, door.team, &[Scope::Campaigns], None).await.0;
    let campaign = campaign(&door, "active").await;
    let content = "insert into longshore.step_contents (team_id, campaign_id, step, prompt, approval, changed_by) values ($1, $2, 1, 'Be kind.', true, 'test')";
    sqlx::query(content).bind(door.team.0).bind(campaign).execute(&door.db.admin).await.expect("a content");
    (door, campaign)
}

async fn campaign(door: &Door, state: &str) -> i64 {
    let insert = "insert into longshore.campaigns (team_id, name, state, sender, engagement, activated_at, opens_at)
        values ($1, gen_random_uuid()::text, $2, '+12125550199', '{high}', now(), now()) returning campaign_id";
    let made = sqlx::query_scalar(insert).bind(door.team.0).bind(state).fetch_one(&door.db.admin).await.expect("a campaign");
    let step = "insert into longshore.campaign_steps (team_id, campaign_id, step, delay_minutes, template) values ($1, $2, 1, 0, 'Hello')";
    sqlx::query(step).bind(door.team.0).bind(made).execute(&door.db.admin).await.expect("a step");
    made
}

/// A message in preview, and its wording.
async fn message(door: &Door, campaign: i64) -> (i64, i64) {
    let insert = "with l as (
            insert into longshore.leads (team_id, phone, email) select $1, '+1212' || (5551000 + count(*)), 'ada@example.com' from longshore.leads
            returning lead_id, phone),
          m as (
            insert into longshore.messages (team_id, campaign_id, lead_id, step, sender, recipient, body, approval)
            select $1, $2, lead_id, 1, '+12125550199', phone, 'Hello', 'preview' from l returning message_id)
        select message_id from m";
    let message: i64 =
        sqlx::query_scalar(insert).bind(door.team.0).bind(campaign).fetch_one(&door.db.admin).await.expect("a message");
    let text = "insert into longshore.message_texts (team_id, message_id, source, body, written_by) values ($1, $2, 'template', 'Hello', 'job 1')
        returning text_id";
    let text = sqlx::query_scalar(text).bind(door.team.0).bind(message).fetch_one(&door.db.admin).await.expect("a text");
    (message, text)
}

async fn put(door: &Door, path: &str, body: &Value) -> reqwest::Response {
    door.request(Method::PUT, path).json(body).send().await.expect("an answer")
}

#[tokio::test]
async fn a_message_is_looked_at_edited_and_approved() {
    let (door, campaign) = open().await;
    let (message, text) = message(&door, campaign).await;
    let list = door::json(door.get(&format!("/v1/approvals?campaign={campaign}")).await).await;
    assert_eq!((&list["approvals"][0]["message"], &list["approvals"][0]["text"]), (&json!(message), &json!(text)));
    assert_eq!(list["approvals"][0]["stage"], "preview");
    let at = |deed: &str| format!("/v1/approvals/{message}/{deed}");
    let edit = json!({ "body": "Dear Ada", "text": text, "reason": "kinder" });
    let edited = door::json(door.post(&at("edit"), &edit).await).await["text"].clone();
    problem(door.post(&at("approve"), &json!({ "text": text })).await, 412, "precondition_failed").await;
    let approved = door::json(door.post(&at("approve"), &json!({ "text": edited })).await).await;
    assert_eq!((&approved["stage"], &approved["texts"][1]["body"]), (&json!("pending"), &json!("Dear Ada")));
    assert_eq!(approved["decisions"].as_array().map(Vec::len), Some(2));
    for deed in ["approve", "reject", "rewrite"] {
        problem(door.request(Method::POST, &at(deed)).send().await.expect("an answer"), 409, "wrong_state").await;
    }
    let decisions = door::json(door.get("/v1/approval-decisions?limit=1").await).await;
    assert_eq!(
        (&decisions["decisions"][0]["verdict"], &decisions["decisions"][0]["new_body"]),
        (&json!("edit"), &json!("Dear Ada"))
    );
    let rest = door::json(door.get(&format!("/v1/approval-decisions?after={}", decisions["next"])).await).await;
    assert_eq!(rest["decisions"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_is_wrong_is_named_and_what_is_absent_is_not_there() {
    let (mut door, campaign) = open().await;
    let (message, _) = message(&door, campaign).await;
    let at = |deed: &str| format!("/v1/approvals/{message}/{deed}");
    problem(door.post(&at("edit"), &json!({ "body": "Hi {{ first_name }}" })).await, 422, "invalid_field").await;
    problem(door.post(&at("edit"), &json!({ "body": "Hi", "subject": "Hi" })).await, 422, "invalid_field").await;
    problem(door.post(&at("reject"), &json!({ "reason": " " })).await, 422, "invalid_field").await;
    problem(door.post("/v1/approvals", &json!({ "at_most": 501 })).await, 422, "invalid_field").await;
    for absent in ["/v1/approvals/424242", "/v1/approvals/nobody", "/v1/campaigns/424242/content"] {
        problem(door.get(absent).await, 404, "not_found").await;
    }
    door.key = key(&door.db, door.team, &[Scope::Read], None).await.0;
    problem(door.get("/v1/approvals").await, 403, "missing_scope").await;
    problem(door.post(&at("approve"), &json!({})).await, 403, "missing_scope").await;
}

#[tokio::test]
async fn many_are_approved_at_once_and_said_how_many_are_left() {
    let (door, campaign) = open().await;
    for _ in 0..5 {
        message(&door, campaign).await;
    }
    let done = door::json(door.post("/v1/approvals", &json!({ "campaign": campaign, "at_most": 3 })).await).await;
    assert_eq!(done, json!({ "approved": 3, "more": true }));
    let done = door::json(door.post("/v1/approvals", &json!({ "at_most": 100 })).await).await;
    assert_eq!(done, json!({ "approved": 2, "more": false }));
    let page = door::json(door.get("/v1/approvals").await).await;
    assert_eq!(page["approvals"], json!([]));
}

#[tokio::test]
async fn the_eleventh_text_of_an_hour_is_refused_with_the_time_of_the_next() {
    let (door, campaign) = open().await;
    let limit = Rules::default().rewrites_per_hour;
    for _ in 0..limit {
        let (message, _) = message(&door, campaign).await;
        let answer = door.request(Method::POST, &format!("/v1/approvals/{message}/rewrite")).send().await.expect("an answer");
        assert_eq!(answer.status(), 202);
        assert_eq!(door::json(answer).await["stage"], "draft");
    }
    let (message, _) = message(&door, campaign).await;
    let answer = door.request(Method::POST, &format!("/v1/approvals/{message}/rewrite")).send().await.expect("an answer");
    let wait: u32 = answer.headers()["retry-after"].to_str().expect("a header").parse().expect("a number");
    assert!((1..=3600).contains(&wait), "{wait}");
    problem(answer, 429, "rate_limited").await;
}

#[tokio::test]
async fn what_a_campaigns_steps_are_is_said_until_it_begins() {
    let (door, begun) = open().await;
    let draft = campaign(&door, "draft").await;
    let path = format!("/v1/campaigns/{draft}/content");
    let content = json!({ "steps": [{ "step": 1, "prompt": "Be kind.", "approval": true }] });
    let set = door::json(put(&door, &path, &content).await).await;
    assert_eq!(set["steps"][0]["channel"], "sms");
    assert_eq!(door::json(door.get(&path).await).await, set);
    for (step, pointer) in [
        (json!({ "step": 1, "channel": "voice" }), "/steps/0/channel"),
        (json!({ "step": 1, "channel": "pigeon" }), "/steps/0/channel"),
        (json!({ "step": 1, "channel": "email" }), "/steps/0/subject"),
        (json!({ "step": 2 }), "/steps/0/step"),
        (json!({ "step": 1, "channel": "email", "subject": "Hi" }), "/steps"),
    ] {
        let refused = problem(put(&door, &path, &json!({ "steps": [step] })).await, 422, "invalid_field").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    assert_eq!(door::json(put(&door, &path, &json!({ "steps": [] })).await).await["steps"], json!([]));
    problem(put(&door, &format!("/v1/campaigns/{begun}/content"), &content).await, 409, "wrong_state").await;
}

#[tokio::test]
async fn one_click_leaves_and_a_look_does_not() {
    let (door, campaign) = open().await;
    let (message, _) = message(&door, campaign).await;
    let mail = "update longshore.messages set channel = 'email', subject = 'Hi', sender = 'hello@acme.example.com', recipient = 'ada@example.com'
        where message_id = $1";
    sqlx::query(mail).bind(message).execute(&door.db.admin).await.expect("a mail");
    let token = [7_u8; 16];
    let link = "insert into longshore.unsubscribe_links (team_id, message_id, digest) values ($1, $2, sha256($3))";
    sqlx::query(link).bind(door.team.0).bind(message).bind(&token[..]).execute(&door.db.admin).await.expect("a link");
    let path = format!("/v1/unsubscribe/{}", "07".repeat(16));

    let look = door.bare(Method::GET, &path).send().await.expect("an answer");
    assert_eq!((look.status().as_u16(), look.headers()["content-type"].to_str().ok()), (200, Some("text/html; charset=utf-8")));
    assert!(look.text().await.expect("a page").contains("method=\"post\""));
    let mut tx = db::begin_as(&door.db.pool("api"), door.team).await.expect("a transaction");
    let stopped = "select count(*) from longshore.leads where stopped_at is not null";
    assert_eq!(sqlx::query_scalar::<_, i64>(stopped).fetch_one(&mut *tx).await.expect("a count"), 0);
    for _ in 0..2 {
        let click = door.bare(Method::POST, &path).form(&[("List-Unsubscribe", "One-Click")]).send().await.expect("an answer");
        assert_eq!(click.status(), 200);
    }
    assert_eq!(sqlx::query_scalar::<_, i64>(stopped).fetch_one(&mut *tx).await.expect("a count"), 1);
    let suppressed = "select count(*) from longshore.email_suppressions where email = 'ada@example.com' and reason = 'OPT_OUT'";
    assert_eq!(sqlx::query_scalar::<_, i64>(suppressed).fetch_one(&mut *tx).await.expect("a count"), 1);
    for wrong in ["08".repeat(16), "07".into(), "x".into()] {
        let path = format!("/v1/unsubscribe/{wrong}");
        problem(door.bare(Method::POST, &path).send().await.expect("an answer"), 404, "not_found").await;
        problem(door.bare(Method::GET, &path).send().await.expect("an answer"), 404, "not_found").await;
    }
}
