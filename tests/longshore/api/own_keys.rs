//! A team handles its own keys over HTTP; operators come with tokens that name them.

use std::time::Duration;

use chrono::TimeDelta;
use longshore::{
    api::{self, ApiState, Tuning},
    tenancy::keys::{self, CACHE_SECONDS, KeyError, Scope},
    workers::clock::SystemRandom,
};
use reqwest::{Method, Response};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::door::{Door, json, key, now, problem};

async fn ask(door: &Door, method: Method, path: &str, key: &str, body: Option<Value>) -> Response {
    let request = door.bare(method, path).bearer_auth(key);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    request.send().await.expect("an answer")
}

async fn gets_in(door: &Door, key: &str) -> bool {
    ask(door, Method::GET, "/v1/jobs/job_1", key, None).await.status() == 404
}

#[tokio::test]
async fn a_team_replaces_its_key_without_a_gap_and_two_live_at_most() {
    let door = Door::open().await;
    let (admin, first) = key(&door.db, door.team, &[Scope::Admin], None).await;
    let made = ask(&door, Method::POST, "/v1/keys", &admin, Some(json!({ "name": "crm", "scopes": ["read", "enqueue"] }))).await;
    assert_eq!(made.status(), 201);
    assert_eq!(made.headers()["cache-control"], "no-store");
    let made = json(made).await;
    let (id, old) = (made["id"].as_str().expect("an id").to_owned(), made["key"].as_str().expect("a key").to_owned());
    assert_eq!(made["scopes"], json!(["enqueue", "read"]));
    assert!(gets_in(&door, &old).await);

    let path = format!("/v1/keys/{id}/rotate");
    let replaced = json(ask(&door, Method::POST, &path, &admin, Some(json!({ "grace_seconds": 3600 }))).await).await;
    let (next, new) = (replaced["id"].as_str().expect("an id").to_owned(), replaced["key"].as_str().expect("a key").to_owned());
    assert_eq!((&replaced["name"], &replaced["scopes"]), (&json!("crm"), &json!(["enqueue", "read"])));
    assert!(gets_in(&door, &old).await && gets_in(&door, &new).await, "both live");
    for third in [&id, &next] {
        let refused = ask(&door, Method::POST, &format!("/v1/keys/{third}/rotate"), &admin, None).await;
        problem(refused, 409, "still_replacing").await;
    }
    // The door's clock stood still while the database's went on.
    door.clock.advance(TimeDelta::hours(2));
    assert!(!gets_in(&door, &old).await, "the old one outlived its grace");
    assert!(gets_in(&door, &new).await);

    let listed = json(ask(&door, Method::GET, "/v1/keys?limit=2", &admin, None).await).await;
    let ids: Vec<_> = listed["keys"].as_array().expect("keys").iter().map(|key| key["id"].clone()).collect();
    assert_eq!((ids, &listed["next"]), (vec![json!(next), json!(id)], &json!(id)), "newest first: {listed}");
    assert_eq!(listed["keys"][0]["lineage"], json!(id));
    let rest = json(ask(&door, Method::GET, &format!("/v1/keys?after={id}"), &admin, None).await).await;
    assert!(rest["keys"].as_array().is_some_and(|keys| keys.iter().any(|key| key["id"] == json!(first))), "{rest}");
    let secret = new.split('_').nth(3).expect("a secret");
    assert!(!listed.to_string().contains(secret) && !rest.to_string().contains("digest"));
}

#[tokio::test]
async fn a_key_that_ends_is_replaced_by_one_of_the_same_life() {
    let door = Door::open().await;
    let start = now(&door.db).await;
    let (_, id) = key(&door.db, door.team, &Scope::STANDARD, Some(start + TimeDelta::days(90))).await;
    let pool = door.db.pool("operator");
    let mut tx = longshore::workers::db::begin(&pool).await.expect("a transaction");
    let new = keys::rotate(&mut tx, door.team, &id, Duration::from_secs(60), &SystemRandom).await.expect("a new one");
    tx.commit().await.expect("a commit");
    let life = new.expires_at.expect("an end") - start;
    assert!((TimeDelta::days(90)..TimeDelta::days(90) + TimeDelta::hours(1)).contains(&life), "{life}");
    assert!(new.old_expires_at - start < TimeDelta::hours(1), "{}", new.old_expires_at);

    // Whoever ends the new one may replace the old one while it lives; nobody replaces what has ended.
    let mut conn = pool.acquire().await.expect("a connection");
    let again = keys::rotate(&mut conn, door.team, &id, Duration::ZERO, &SystemRandom).await;
    assert!(matches!(again, Err(KeyError::TwoLive(_))), "{again:?}");
    keys::revoke(&mut conn, door.team, &new.key.key_id).await.expect("an end");
    let long = keys::rotate(&mut conn, door.team, &id, Duration::from_secs(31 * 86_400), &SystemRandom).await;
    assert!(matches!(long, Err(KeyError::OutOfRange { .. })), "{long:?}");
    let second = keys::rotate(&mut conn, door.team, &id, Duration::ZERO, &SystemRandom).await.expect("a new one");
    let third = keys::rotate(&mut conn, door.team, &id, Duration::ZERO, &SystemRandom).await;
    assert!(matches!(third, Err(KeyError::NotFound(_))), "it ended at once: {third:?}");
    assert!(keys::rotate(&mut conn, door.team, &second.key.key_id, Duration::ZERO, &SystemRandom).await.is_ok());
}

#[tokio::test]
async fn of_many_who_replace_a_key_at_once_one_does() {
    let door = Door::open().await;
    let (admin, _) = key(&door.db, door.team, &[Scope::Admin], None).await;
    let (_, id) = key(&door.db, door.team, &Scope::STANDARD, None).await;
    let path = format!("/v1/keys/{id}/rotate");
    let answers = futures_util::future::join_all((0..8).map(|_| ask(&door, Method::POST, &path, &admin, None))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn only_the_scope_admin_handles_keys_and_never_another_teams() {
    let door = Door::open().await;
    let (admin, own) = key(&door.db, door.team, &[Scope::Admin], None).await;
    let other_team = door.db.team("globex").await;
    let (theirs, their_id) = key(&door.db, other_team, &[Scope::Admin], None).await;
    for scope in Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin) {
        let (text, _) = key(&door.db, door.team, &[scope], None).await;
        for (method, path) in [
            (Method::GET, "/v1/keys".to_owned()),
            (Method::POST, "/v1/keys".to_owned()),
            (Method::POST, format!("/v1/keys/{own}/rotate")),
            (Method::DELETE, format!("/v1/keys/{own}")),
        ] {
            problem(ask(&door, method, &path, &text, Some(json!({ "name": "x" }))).await, 403, "missing_scope").await;
        }
    }
    // Another team's, an absent one and what is no id at all: one answer.
    let mut answers = Vec::new();
    for id in [their_id.as_str(), "000000000000", "nonsense", "%00"] {
        for (method, path) in [(Method::POST, format!("/v1/keys/{id}/rotate")), (Method::DELETE, format!("/v1/keys/{id}"))] {
            let mut refused = problem(ask(&door, method, &path, &admin, None).await, 404, "not_found").await;
            refused["error_id"] = json!(null);
            answers.push(refused.to_string());
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(gets_in(&door, &theirs).await);
    let listed = json(ask(&door, Method::GET, "/v1/keys", &admin, None).await).await;
    assert!(!listed.to_string().contains(&their_id), "{listed}");
    for (body, place) in [
        (json!({ "name": "" }), "/name"),
        (json!({ "name": "x", "scopes": [] }), "/scopes"),
        (json!({ "name": "x", "scopes": ["read", "fly"] }), "/scopes/1"),
        (json!({ "name": "x", "expires_at": "2001-01-01T00:00:00Z" }), "/expires_at"),
    ] {
        let refused = problem(ask(&door, Method::POST, "/v1/keys", &admin, Some(body)).await, 422, "invalid_field").await;
        assert_eq!(refused["errors"][0]["pointer"], place, "{refused}");
    }
    let refused =
        ask(&door, Method::POST, &format!("/v1/keys/{own}/rotate"), &admin, Some(json!({ "grace_seconds": 2_592_001 }))).await;
    problem(refused, 422, "invalid_field").await;
}

#[tokio::test]
async fn a_key_grants_nothing_that_it_lacks() {
    let door = Door::open().await;
    let mut conn = door.db.pool("operator").acquire().await.expect("a connection");
    let few = keys::create(&mut conn, door.team, "few", &[Scope::Read, Scope::Dead], None, &SystemRandom).await.expect("a key");
    let mut api = door.db.pool("api").acquire().await.expect("a connection");
    let who = keys::authenticate(&mut api, few.text.expose_secret(), now(&door.db).await).await.expect("somebody");
    assert!(who.may_grant(&[Scope::Read]) && who.may_grant(&[Scope::Dead, Scope::Read]));
    for more in [Scope::Enqueue, Scope::Cancel, Scope::Schedules, Scope::Campaigns, Scope::Lake, Scope::Admin] {
        assert!(!who.may_grant(&[Scope::Read, more]), "{more}");
    }
}

#[tokio::test]
async fn a_key_that_was_ended_at_one_process_is_refused_by_all_within_five_seconds() {
    let door = Door::open().await;
    let (admin, _) = key(&door.db, door.team, &[Scope::Admin], None).await;
    let (text, id) = key(&door.db, door.team, &Scope::STANDARD, None).await;
    // Another process of the fleet: memory of its own, the same database.
    let (state, stop) = (&door.state, door.stop.clone());
    let ours = |state: &ApiState| (state.registry.clone(), state.clock.clone(), state.random.clone());
    let (registry, clock, random) = ours(state);
    let other = ApiState::new(door.db.pool("api"), registry, clock, random, stop.clone(), state.thresholds, Tuning::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(api::serve::serve(listener, api::router(other, None), stop));
    let elsewhere = async || {
        let answer = super::door::client().get(format!("http://{address}/v1/jobs/job_1")).bearer_auth(&text).send().await;
        answer.expect("an answer").status().as_u16()
    };
    assert!(gets_in(&door, &text).await && elsewhere().await == 404, "both know it");
    assert_eq!(ask(&door, Method::DELETE, &format!("/v1/keys/{id}"), &admin, None).await.status(), 204);
    assert!(!gets_in(&door, &text).await, "where it was ended it is refused at once");
    door.clock.advance(TimeDelta::seconds(CACHE_SECONDS - 1));
    assert_eq!(elsewhere().await, 404, "the other process still believes what it has checked: else it asks each time");
    door.clock.advance(TimeDelta::seconds(1));
    assert_eq!(elsewhere().await, 401);
    const { assert!(CACHE_SECONDS <= 5) };
    let again = ask(&door, Method::DELETE, &format!("/v1/keys/{id}"), &admin, None).await;
    problem(again, 404, "not_found").await;
}

#[tokio::test]
async fn an_operators_token_names_its_person_and_ends_within_a_day() {
    let door = Door::open().await;
    let mut conn = door.db.pool("operator").acquire().await.expect("a connection");
    let scopes = [Scope::Read, Scope::Cancel, Scope::Admin];
    let (token, ends) = keys::token(&mut conn, door.team, "Ann Lee", &scopes, 24, &SystemRandom).await.expect("a token");
    let text = token.text.expose_secret().to_owned();
    assert!(text.starts_with("lsk_oper_"), "{}", &text[..9]);
    assert!(ends - now(&door.db).await <= TimeDelta::hours(24));
    for hours in [0, 25] {
        let refused = keys::token(&mut conn, door.team, "Ann Lee", &scopes, hours, &SystemRandom).await;
        assert!(matches!(refused, Err(KeyError::OutOfRange { .. })), "{hours} hours: {refused:?}");
    }
    assert!(matches!(keys::token(&mut conn, door.team, " ", &scopes, 1, &SystemRandom).await, Err(KeyError::InvalidName)));

    let job = door.enqueue(&json!({ "kind": "greet", "payload": { "name": "x" } })).await;
    let cancelled = ask(&door, Method::POST, &format!("/v1/jobs/{job}/cancel"), &text, None).await;
    assert!(cancelled.status().is_success(), "{}", cancelled.status());
    let by: Vec<String> =
        sqlx::query_scalar("select requested_by from queue.cancels").fetch_all(&door.db.admin).await.expect("who");
    assert!(by.is_empty() || by == ["operator Ann Lee"], "{by:?}");

    // It makes nothing that outlives it, is not replaced, and is seen and ended like any key.
    problem(ask(&door, Method::POST, "/v1/keys", &text, Some(json!({ "name": "x" }))).await, 403, "missing_scope").await;
    let (admin, own) = key(&door.db, door.team, &[Scope::Admin], None).await;
    problem(ask(&door, Method::POST, &format!("/v1/keys/{own}/rotate"), &text, None).await, 403, "missing_scope").await;
    let rotated = ask(&door, Method::POST, &format!("/v1/keys/{}/rotate", token.key_id), &admin, None).await;
    problem(rotated, 400, "invalid_request").await;
    let listed = json(ask(&door, Method::GET, "/v1/keys", &admin, None).await).await;
    let seen =
        listed["keys"].as_array().and_then(|keys| keys.iter().find(|key| key["id"] == json!(token.key_id))).expect("the token");
    assert_eq!(seen["operator"], "Ann Lee");
    assert_eq!(ask(&door, Method::DELETE, &format!("/v1/keys/{}", token.key_id), &admin, None).await.status(), 204);
    assert!(!gets_in(&door, &text).await);

    // The database keeps the bound too, and the API's role makes no tokens.
    let longer = sqlx::query("update longshore.api_keys set expires_at = now() + interval '2 days' where person is not null");
    let refused = longer.execute(&door.db.admin).await.expect_err("a refusal");
    assert!(refused.to_string().contains("api_keys_token_ends"), "{refused}");
    let mut tx = longshore::workers::db::begin_as(&door.db.pool("api"), door.team).await.expect("a transaction");
    let minted = keys::token(&mut tx, door.team, "Mallory", &[Scope::Read], 1, &SystemRandom).await.expect_err("a refusal");
    assert!(minted.to_string().contains("permission denied"), "{minted}");
}

#[tokio::test]
async fn what_is_done_to_keys_is_written_down_with_who_did_it() {
    let door = Door::open().await;
    let (admin, own) = key(&door.db, door.team, &[Scope::Admin], None).await;
    let made =
        json(ask(&door, Method::POST, "/v1/keys", &admin, Some(json!({ "name": "call Zebediah +13105550001" }))).await).await;
    let id = made["id"].as_str().expect("an id");
    let new = json(ask(&door, Method::POST, &format!("/v1/keys/{id}/rotate"), &admin, None).await).await;
    let next = new["id"].as_str().expect("an id");
    assert_eq!(ask(&door, Method::DELETE, &format!("/v1/keys/{next}"), &admin, None).await.status(), 204);
    assert_eq!(
        ask(&door, Method::DELETE, &format!("/v1/keys/{next}"), &admin, None).await.status(),
        404,
        "nothing more was done"
    );
    let written: Vec<(String, String, String)> =
        sqlx::query_as("select actor, action, target from longshore.audit_log where team_id = $1 order by seq")
            .bind(door.team.0)
            .fetch_all(&door.db.admin)
            .await
            .expect("the log");
    let by = format!("key {own}");
    let line = |actor: &str, action: &str, target: &str| (actor.to_owned(), action.to_owned(), format!("key {target}"));
    let ours = &written[written.len() - 3..];
    assert_eq!(ours, [line(&by, "key.create", id), line(&by, "key.rotate", id), line(&by, "key.revoke", next)]);
    let all: String = sqlx::query_scalar("select string_agg(l::text, ' ') from longshore.audit_log l")
        .fetch_one(&door.db.admin)
        .await
        .expect("the log");
    for secret in [&made, &new].map(|answer| answer["key"].as_str().and_then(|key| key.split('_').nth(3)).expect("a secret")) {
        assert!(!all.contains(secret));
    }
    assert!(!all.contains("Zebediah") && !all.contains("5550001"), "a key's name is anybody's words: {all}");
}

/// How many of ten requests at one moment get in.
async fn of_ten(door: &Door, key: &str) -> usize {
    let mut through = 0;
    for _ in 0..10 {
        let answer = ask(door, Method::GET, "/v1/jobs/job_1", key, None).await;
        through += usize::from(answer.status() == 404);
    }
    through
}

#[tokio::test]
async fn a_key_may_have_a_rate_of_its_own_which_nothing_it_makes_gets_around() {
    let door = Door::open().await;
    let (admin, _) = key(&door.db, door.team, &[Scope::Admin], None).await;
    let create = async |by: &str, body: Value| ask(&door, Method::POST, "/v1/keys", by, Some(body)).await;
    let slow = json(create(&admin, json!({ "name": "slow", "scopes": ["admin"], "per_second": 2, "burst": 4 })).await).await;
    let (slow_id, slow_key) = (slow["id"].as_str().expect("an id"), slow["key"].as_str().expect("a key"));
    assert_eq!(of_ten(&door, slow_key).await, 4, "its burst");
    assert_eq!(of_ten(&door, &admin).await, 10, "every key's");

    // Whoever is held to a rate gives no more, neither by a new key nor by a replaced one.
    door.clock.advance(TimeDelta::seconds(4));
    for more in [json!({ "name": "x", "per_second": 3, "burst": 4 }), json!({ "name": "x", "per_second": 2, "burst": 5 })] {
        problem(create(slow_key, more).await, 403, "missing_scope").await;
    }
    door.clock.advance(TimeDelta::seconds(4));
    let (_, free) = key(&door.db, door.team, &[Scope::Admin], None).await;
    problem(ask(&door, Method::POST, &format!("/v1/keys/{free}/rotate"), slow_key, None).await, 403, "missing_scope").await;
    let child = json(create(slow_key, json!({ "name": "child", "scopes": ["read"] })).await).await;
    assert_eq!(of_ten(&door, child["key"].as_str().expect("a key")).await, 4, "as its maker's: {child}");
    door.clock.advance(TimeDelta::seconds(4));
    let next = json(ask(&door, Method::POST, &format!("/v1/keys/{slow_id}/rotate"), slow_key, None).await).await;
    assert_eq!(of_ten(&door, next["key"].as_str().expect("a key")).await, 4, "a replacement keeps it: {next}");

    let listed = json(ask(&door, Method::GET, "/v1/keys", &admin, None).await).await;
    let shown = listed["keys"].as_array().expect("keys").iter().find(|one| one["id"] == slow_id).expect("it").clone();
    assert_eq!((&shown["per_second"], &shown["burst"]), (&json!(2), &json!(4)));
    for (body, place) in [
        (json!({ "name": "x", "per_second": 0 }), "/per_second"),
        (json!({ "name": "x", "burst": 5 }), "/per_second"),
        (json!({ "name": "x", "per_second": 1_000_000 }), "/per_second"),
        (json!({ "name": "x", "per_second": 5, "burst": 1_000_000 }), "/burst"),
    ] {
        let refused = problem(create(&admin, body).await, 422, "invalid_field").await;
        assert_eq!(refused["errors"][0]["pointer"], place, "{refused}");
    }
}
