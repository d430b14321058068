//! Keys: who gets in, and to what.

use chrono::Duration;
use longshore::tenancy::{
    keys::{self, AuthError, CACHE_SECONDS, KeyError, Scope},
    teams::{self, TeamError},
};
use longshore::workers::clock::SystemRandom;
use reqwest::Method;
use serde_json::json;

use super::door::{Door, key, now, problem};
use crate::support::TestDb;

async fn status(door: &Door, key: &str) -> u16 {
    let ask = door.bare(Method::GET, "/v1/jobs/job_1").bearer_auth(key).send().await.expect("an answer");
    ask.status().as_u16()
}

#[tokio::test]
async fn only_a_sound_live_key_gets_in() {
    let door = Door::open().await;
    let good = door.key.clone();
    assert_eq!(status(&door, &good).await, 404, "the key gets as far as the job");
    let mut mistyped = good.clone().into_bytes();
    mistyped[30] = if mistyped[30] == b'x' { b'y' } else { b'x' };
    let mistyped = String::from_utf8(mistyped).expect("text");
    // A sound key of nobody, and the id of a live key with the secret of another.
    let (stranger, _) = {
        let elsewhere = TestDb::new().await;
        let team = elsewhere.team("elsewhere").await;
        key(&elsewhere, team, &Scope::ALL, None).await
    };
    for (wrong, why) in [
        ("", "empty"),
        ("nonsense", "no key"),
        (&good[..good.len() - 1], "cut off"),
        (mistyped.as_str(), "mistyped"),
        (stranger.as_str(), "not known here"),
        (&good.to_uppercase(), "shouted"),
    ] {
        let answer = door.bare(Method::GET, "/v1/jobs/job_1").bearer_auth(wrong).send().await.expect("an answer");
        assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"longshore\"", "{why}");
        problem(answer, 401, "unauthenticated").await;
    }
    for header in ["Basic dXNlcjpwYXNz", "Bearer", "lsk_live_x"] {
        let answer = door.bare(Method::GET, "/v1/jobs/job_1").header("authorization", header).send().await.expect("an answer");
        problem(answer, 401, "unauthenticated").await;
    }
    problem(door.bare(Method::GET, "/v1/jobs/job_1").send().await.expect("an answer"), 401, "unauthenticated").await;
}

#[tokio::test]
async fn a_revoked_key_is_felt_within_five_seconds_and_an_expired_one_at_once() {
    let door = Door::open().await;
    let (short, _) = key(&door.db, door.team, &Scope::STANDARD, Some(now(&door.db).await + Duration::seconds(3))).await;
    let (text, id) = key(&door.db, door.team, &Scope::STANDARD, None).await;
    assert_eq!((status(&door, &text).await, status(&door, &short).await), (404, 404));

    let pool = door.db.pool("operator");
    let mut conn = pool.acquire().await.expect("a connection");
    keys::revoke(&mut conn, door.team, &id).await.expect("an end");
    assert!(matches!(keys::revoke(&mut conn, door.team, &id).await, Err(KeyError::NotFound(_))), "a key ends once");
    door.clock.advance(Duration::seconds(4));
    assert_eq!(status(&door, &short).await, 401, "an expired key was let in from memory");
    door.clock.advance(Duration::seconds(CACHE_SECONDS - 4));
    let ask = door.bare(Method::GET, "/v1/jobs/job_1").bearer_auth(&text).send().await.expect("an answer");
    let refused = problem(ask, 401, "unauthenticated").await;
    assert!(refused["detail"].as_str().is_some_and(|why| why.contains("revoked")), "{refused}");
    assert_eq!(status(&door, &door.key).await, 404, "the other key lives");
}

#[tokio::test]
async fn a_key_does_only_what_its_scopes_say() {
    let door = Door::open().await;
    let body = json!({ "kind": "greet", "payload": { "name": "x" } });
    let id = door.enqueue(&body).await;
    let calls = [
        (Scope::Enqueue, Method::POST, "/v1/jobs".to_owned()),
        (Scope::Enqueue, Method::POST, "/v1/jobs/batch".to_owned()),
        (Scope::Read, Method::GET, format!("/v1/jobs/{id}")),
        (Scope::Cancel, Method::POST, format!("/v1/jobs/{id}/cancel")),
    ];
    for scope in Scope::ALL {
        let (text, _) = key(&door.db, door.team, &[scope], None).await;
        for (needed, method, path) in &calls {
            let answer = door.bare(method.clone(), path).bearer_auth(&text).json(&json!({})).send().await.expect("an answer");
            if scope == *needed || scope == Scope::Admin {
                assert_ne!(answer.status(), 403, "{scope} on {path}");
            } else {
                let refused = problem(answer, 403, "missing_scope").await;
                assert!(refused["detail"].as_str().is_some_and(|why| why.contains(needed.name())), "{refused}");
            }
        }
    }
}

#[tokio::test]
async fn a_stored_key_opens_nothing_and_its_day_of_use_is_noted() {
    let door = Door::open().await;
    assert_eq!(status(&door, &door.key).await, 404);
    let stored: String = sqlx::query_scalar("select string_agg(k::text, ' ') from longshore.api_keys k")
        .fetch_one(&door.db.admin)
        .await
        .expect("the rows");
    let secret = door.key.split('_').nth(3).expect("a secret");
    assert!(!stored.contains(secret));
    let pool = door.db.pool("operator");
    let mut conn = pool.acquire().await.expect("a connection");
    let listed = keys::list(&mut conn, door.team).await.expect("the keys");
    assert_eq!(listed.len(), 1);
    assert!(listed[0].last_used_on.is_some(), "{listed:?}");
    assert_eq!(listed[0].scopes, ["cancel", "enqueue", "read"]);
}

#[tokio::test]
async fn keys_and_teams_that_make_no_sense_are_refused() {
    let db = TestDb::new().await;
    let pool = db.pool("operator");
    let mut conn = pool.acquire().await.expect("a connection");
    let team = teams::create(&mut conn, "  Acme ").await.expect("a team");
    assert!(matches!(teams::create(&mut conn, "Acme").await, Err(TeamError::Taken(_))));
    assert_eq!(teams::find(&mut conn, " Acme").await.expect("a team").team_id, team);
    assert_eq!(teams::find(&mut conn, &team.to_string()).await.expect("a team").name, "Acme");
    assert!(matches!(teams::find(&mut conn, "a\0b").await, Err(TeamError::NotFound(_))));
    assert_eq!(teams::list(&mut conn).await.expect("the teams").len(), 2, "the house's own team is one");

    let past = now(&db).await - Duration::seconds(1);
    let born_dead = keys::create(&mut conn, team, "k", &Scope::STANDARD, Some(past), &SystemRandom).await;
    assert!(matches!(born_dead, Err(KeyError::Expired(_))));
    assert!(matches!(
        keys::create(&mut conn, team, " ", &Scope::STANDARD, None, &SystemRandom).await,
        Err(KeyError::InvalidName)
    ));
    assert!(matches!(keys::create(&mut conn, team, "k", &[], None, &SystemRandom).await, Err(KeyError::NoScope)));

    // The api's role finds a key by its id, and can't list or change any.
    let api = db.pool("api");
    let mut api = api.acquire().await.expect("a connection");
    let seen: i64 = sqlx::query_scalar("select count(*) from longshore.api_keys").fetch_one(&mut *api).await.expect("a count");
    assert_eq!(seen, 0);
    assert!(keys::create(&mut api, team, "k", &Scope::STANDARD, None, &SystemRandom).await.is_err());
    let unknown = keys::authenticate(&mut api, "lsk_live_x", past).await;
    assert!(matches!(unknown, Err(AuthError::Malformed(_))));
}
