//! Settings of a team: typed, masked, on record, and not overwritten unseen; and what jobs make of them.

use chrono::TimeDelta;
use longshore::{
    tenancy::{
        keys::Scope,
        settings::{self, Change, Seen},
    },
    workers::{
        clock::{Clock as _, SeededRandom},
        db,
        ids::TeamId,
        messages::{Rules, gates::Level, quiet_hours::Hours},
        settings::{Lately, Settings, catalogue},
    },
};
use reqwest::{Method, Response};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{
    api::door::{self, Door, problem},
    support::{TestDb, services::keyring},
};

async fn open() -> Door {
    let mut door = Door::open().await;
    door.key = door::key(&door.db, door.team, &[Scope::Admin], None).await.0;
    door
}

impl Door {
    async fn put_setting(&self, name: &str, value: Value, seen: &str) -> Response {
        let request = self.request(Method::PUT, &format!("/v1/settings/{name}")).header("if-match", seen);
        request.json(&json!({ "value": value })).send().await.expect("an answer")
    }

    async fn delete_setting(&self, name: &str, seen: &str) -> Response {
        self.request(Method::DELETE, &format!("/v1/settings/{name}")).header("if-match", seen).send().await.expect("an answer")
    }
}

fn tag(response: &Response) -> String {
    response.headers()["etag"].to_str().expect("a tag").to_owned()
}

#[tokio::test]
async fn two_editors_do_not_overwrite_each_other() {
    let door = open().await;
    let seen = door.get("/v1/settings/brand.company").await;
    assert_eq!(tag(&seen), "\"0\"");
    assert_eq!(door::json(seen).await["is_set"], false);
    let first = door.put_setting("brand.company", json!("Acme"), "\"0\"").await;
    assert_eq!(first.status(), 200);
    let acme = tag(&first);
    assert_eq!(door::json(first).await["value"], "Acme");
    problem(door.put_setting("brand.company", json!("Globex"), "\"0\"").await, 412, "precondition_failed").await;
    let second = door.put_setting("brand.company", json!("Acme Inc"), &acme).await;
    assert_eq!(second.status(), 200);
    let inc = tag(&second);
    problem(door.delete_setting("brand.company", &acme).await, 412, "precondition_failed").await;
    assert_eq!(door.delete_setting("brand.company", &inc).await.status(), 204);
    // Taken away and set again: what was seen before is not what stands.
    let again = door.put_setting("brand.company", json!("Acme"), "*").await;
    assert_eq!(again.status(), 200);
    for old in [&acme, &inc, &"\"0\"".to_owned(), &"nonsense".to_owned()] {
        problem(door.put_setting("brand.company", json!("x"), old).await, 412, "precondition_failed").await;
    }
    let bare = door.request(Method::PUT, "/v1/settings/brand.company").json(&json!({ "value": "x" })).send().await.unwrap();
    problem(bare, 428, "precondition_required").await;
}

#[tokio::test]
async fn a_wrong_name_or_type_is_refused_with_both_named() {
    let door = open().await;
    let other = door.db.team("globex").await;
    let (of_other, _) = door::key(&door.db, other, &[Scope::Admin], None).await;
    assert_eq!(door.put_setting("brand.company", json!("Acme"), "*").await.status(), 200);
    let own = door.bare(Method::GET, "/v1/settings/brand.company").bearer_auth(of_other).send().await.unwrap();
    assert_eq!(door::json(own).await["value"], Value::Null, "another team's");
    problem(door.get("/v1/settings/brand.colour").await, 404, "not_found").await;
    let wrong = problem(door.put_setting("messages.daily_limit", json!("three"), "*").await, 422, "invalid_field").await;
    assert_eq!(wrong["detail"], "messages.daily_limit is of type number, not text");
    assert_eq!(wrong["errors"][0]["pointer"], "/value");
    let host = problem(door.put_setting("brand.link_domain", json!("https://x.com"), "*").await, 422, "invalid_field").await;
    assert!(host["detail"].as_str().unwrap().contains("host name"), "{host}");
    let (read_only, _) = door::key(&door.db, door.team, &[Scope::Read], None).await;
    let refused = door.bare(Method::GET, "/v1/settings").bearer_auth(read_only).send().await.unwrap();
    problem(refused, 403, "missing_scope").await;
}

const CANARY: &str = "canary-token-0123456789-wxyz";

#[tokio::test]
async fn a_secret_is_used_and_never_read_back() {
    let door = open().await;
    let set = door.put_setting("integrations.token", json!(CANARY), "*").await;
    assert_eq!(set.status(), 200);
    let shown = door::json(set).await;
    assert_eq!(shown["value"], "••••wxyz");
    for path in ["/v1/settings", "/v1/settings/integrations.token"] {
        let text = door.get(path).await.text().await.unwrap();
        assert!(!text.contains("canary") && text.contains("••••wxyz"), "{text}");
    }
    let stored: String = sqlx::query_scalar(
        "select string_agg(s::text, ' ') || (select string_agg(a::text, ' ') from longshore.audit_log a) from longshore.team_settings s",
    )
    .fetch_one(&door.db.admin)
    .await
    .unwrap();
    assert!(!stored.contains("canary") && !stored.contains(&hex::encode("canary")), "{stored}");
    // A worker opens it, in the team's transaction, and in no other team's.
    let worker = door.db.pool("worker");
    let mut tx = db::begin_as(&worker, door.team).await.unwrap();
    let ring = keyring("test");
    let opened = longshore::workers::settings::secret(&mut tx, &ring, door.team, catalogue::INTEGRATION_TOKEN).await.unwrap();
    assert_eq!(opened.expect("a secret").expose_secret(), CANARY);
    drop(tx);
    let other = door.db.team("globex").await;
    let mut tx = db::begin_as(&worker, other).await.unwrap();
    for team in [other, door.team] {
        assert!(longshore::workers::settings::secret(&mut tx, &ring, team, "integrations.token").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn every_change_is_on_record_with_who_and_what() {
    let door = open().await;
    door.put_setting("messages.daily_limit", json!(2), "*").await;
    door.put_setting("messages.daily_limit", json!(1), "*").await;
    door.delete_setting("messages.daily_limit", "*").await;
    door.delete_setting("messages.daily_limit", "*").await;
    let deeds: Vec<(String, Option<i64>, Option<i64>, bool)> = sqlx::query_as(
        "select action, (before->>'value')::bigint, (after->>'value')::bigint, target = 'messages.daily_limit' and actor like 'key %'
         from longshore.audit_log where team_id = $1 and action like 'setting.%' order by seq",
    )
    .bind(door.team.0)
    .fetch_all(&door.db.admin)
    .await
    .unwrap();
    let told: Vec<_> = deeds.iter().map(|(action, before, after, named)| (action.as_str(), *before, *after, *named)).collect();
    let expected =
        [("setting.set", None, Some(2), true), ("setting.set", Some(2), Some(1), true), ("setting.unset", Some(1), None, true)];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_team_sees_its_own_flags_and_quotas() {
    let door = open().await;
    let tell = "select longshore.set_flag('new_way', 'A new way', false, 0::smallint, null, 'x');
        select longshore.set_flag('all_have_it', 'For all', true, null, null, 'x');
        select queue.set_lane('greetings', null, null, 9, null, null, 70)";
    sqlx::raw_sql(tell).execute(&door.db.admin).await.unwrap();
    let flags = door::json(door.get("/v1/flags").await).await;
    let told: Vec<_> = flags["flags"].as_array().unwrap().iter().map(|one| (one["name"].clone(), one["on"].clone())).collect();
    assert_eq!(told, [(json!("all_have_it"), json!(true)), (json!("new_way"), json!(false))]);
    let own =
        "select longshore.override_flag('new_way', $1, true, 'x'), queue.set_lane('greetings', $1, null, null, null, null, 5)";
    sqlx::query(own).bind(door.team.0).execute(&door.db.admin).await.unwrap();
    assert_eq!(door::json(door.get("/v1/flags").await).await["flags"][1]["on"], true);
    let quotas = door::json(door.get("/v1/quotas").await).await;
    let greetings = quotas["queues"].as_array().unwrap().iter().find(|one| one["queue"] == "greetings").unwrap().clone();
    assert_eq!(
        (&greetings["unfinished_most"], &greetings["running_most"], &greetings["own"]),
        (&json!(5), &json!(9), &json!(true))
    );
    // What its keys may ask for, and which of them have less.
    let requests = &quotas["requests"];
    assert_eq!((&requests["per_second"], &requests["burst"], &requests["keys"]), (&json!(1000), &json!(2000), &json!([])));
    assert_eq!((&requests["batch_jobs"], &requests["body_bytes"]), (&json!(1000), &json!(272 * 1024)));
    let slow = json!({ "name": "slow", "per_second": 5 });
    let (admin, _) = door::key(&door.db, door.team, &[Scope::Admin], None).await;
    let made = door::json(door.bare(Method::POST, "/v1/keys").bearer_auth(&admin).json(&slow).send().await.unwrap()).await;
    let quotas = door::json(door.get("/v1/quotas").await).await;
    assert_eq!(quotas["requests"]["keys"], json!([{ "key": made["id"], "per_second": 5, "burst": 10 }]), "{made}");
    let (reader, _) = door::key(&door.db, door.team, &[Scope::Read], None).await;
    for (who, shown) in [(reader.as_str(), 0), (made["key"].as_str().unwrap(), 1)] {
        let told = door::json(door.bare(Method::GET, "/v1/quotas").bearer_auth(who).send().await.unwrap()).await;
        assert_eq!(told["requests"]["keys"].as_array().map(Vec::len), Some(shown), "a key sees its own rate alone: {told}");
    }
}

async fn set(db: &TestDb, team: TeamId, name: &str, value: Value) {
    let known = catalogue::find(name).unwrap();
    let mut tx = db::begin_as(&db.pool("operator"), team).await.unwrap();
    let change = Change { by: "operator ada", seen: Seen::Any };
    let sealing = (&keyring("test"), &SeededRandom::new(3) as &dyn longshore::workers::clock::Random);
    settings::set(&mut tx, sealing, team, known, &known.read(&value).unwrap(), change).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_team_narrows_the_houses_rules_and_never_widens_them() {
    let db = TestDb::new().await;
    let team = db.team("acme").await;
    let worker = db.pool("worker");
    let house = Rules { hours: Hours(9, 20), consent: Level::Express, daily_limit: 3, ..Rules::default() };
    let narrowed = async || house.narrowed(&Settings::load(&mut db::begin_as(&worker, team).await.unwrap(), team).await.unwrap());
    assert_eq!(narrowed().await, house);
    set(&db, team, "messages.daily_limit", json!(20)).await;
    set(&db, team, "messages.hours", json!([8, 21])).await;
    set(&db, team, "messages.written_consent_only", json!(false)).await;
    assert_eq!(narrowed().await, house, "asked for more");
    set(&db, team, "messages.daily_limit", json!(1)).await;
    set(&db, team, "messages.hours", json!([10, 18])).await;
    set(&db, team, "messages.written_consent_only", json!(true)).await;
    let less = narrowed().await;
    assert_eq!((less.hours, less.consent, less.daily_limit), (Hours(10, 18), Level::ExpressWritten, 1));
}

#[tokio::test]
async fn what_was_read_a_moment_ago_is_believed_for_three_seconds() {
    let db = TestDb::new().await;
    let team = db.team("acme").await;
    let (worker, lately) = (db.pool("worker"), Lately::default());
    let now = longshore::workers::clock::SystemClock.now();
    let company = async |at: i64| {
        let mut tx = db::begin_as(&worker, team).await.unwrap();
        let read = lately.settings(&mut tx, team, now + TimeDelta::milliseconds(at)).await.unwrap();
        read.brand().get("company").cloned()
    };
    assert_eq!(company(0).await, None);
    set(&db, team, "brand.company", json!("Acme")).await;
    assert_eq!(company(2_999).await, None);
    assert_eq!(company(3_000).await.as_deref(), Some("Acme"));
}
