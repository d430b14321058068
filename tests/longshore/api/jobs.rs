//! Put a job in, look at it, cancel it.

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use longshore::{tenancy::keys::Scope, workers::ids::JobId};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::door::{self, Door, problem, registry, until};
use crate::support::{Stepper, services};

fn greet(name: &str) -> Value {
    json!({ "kind": "greet", "payload": { "name": name } })
}

#[tokio::test]
async fn an_accepted_job_is_found_again() {
    let door = Door::open().await;
    let answer = door.request(Method::POST, "/v1/jobs").header("x-request-id", "from-the-caller").json(&greet("Ada"));
    let answer = answer.send().await.expect("an answer");
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.headers()["x-request-id"], "from-the-caller");
    let location = answer.headers()["location"].to_str().expect("text").to_owned();
    let accepted = door::json(answer).await;
    assert_eq!(location, format!("/v1/jobs/{}", accepted["id"].as_str().expect("an id")));
    assert_eq!((&accepted["state"], &accepted["deduplicated"]), (&json!("waiting"), &json!(false)));

    let job = door::json(door.get(&location).await).await;
    assert_eq!(job["id"], accepted["id"]);
    assert_eq!(
        (&job["kind"], &job["queue"], &job["state"], &job["reason"], &job["attempt"], &job["max_attempts"], &job["priority"]),
        (&json!("greet"), &json!("greetings"), &json!("waiting"), &json!("ready"), &json!(0), &json!(10), &json!(5))
    );
    assert_eq!(job["correlation_id"], "from-the-caller");
    assert_eq!(job["attempts"], json!([]));
}

#[tokio::test]
async fn what_the_caller_says_of_a_job_is_kept() {
    let door = Door::open().await;
    let at: DateTime<Utc> = door::now(&door.db).await + chrono::Duration::hours(2);
    let mut body = greet("Ada");
    body["kind"] = json!("say_hello");
    body["run_at"] = json!(at);
    body["priority"] = json!(2);
    body["correlation_id"] = json!("order 7");
    let id = door.enqueue(&body).await;
    let job = door::json(door.get(&format!("/v1/jobs/{id}")).await).await;
    assert_eq!((&job["kind"], &job["reason"], &job["priority"]), (&json!("greet"), &json!("delayed"), &json!(2)));
    assert_eq!(job["correlation_id"], "order 7");
    let seen: DateTime<Utc> = serde_json::from_value(job["run_at"].clone()).expect("a moment");
    assert_eq!(seen.timestamp_micros(), at.timestamp_micros());
}

#[tokio::test]
async fn a_request_without_an_id_takes_its_trace_or_gets_one() {
    let door = Door::open().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let answer = door.request(Method::POST, "/v1/jobs").header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let id = door::json(answer.json(&greet("Ada")).send().await.expect("an answer")).await;
    let job = door::json(door.get(&format!("/v1/jobs/{}", id["id"].as_str().expect("an id"))).await).await;
    assert_eq!(job["correlation_id"], trace);
    let made = door.post("/v1/jobs", &greet("Ada")).await;
    assert!(made.headers()["x-request-id"].to_str().expect("text").starts_with("req_"));
}

#[tokio::test]
async fn a_duplicate_answers_with_the_first_job_and_another_body_is_refused() {
    let door = Door::open().await;
    let send = |body: &Value| door.request(Method::POST, "/v1/jobs").header("idempotency-key", "order-1").json(body).send();
    let first = send(&greet("Ada")).await.expect("an answer");
    assert_eq!(first.status(), 202);
    assert!(!first.headers().contains_key("idempotency-replayed"));
    let first = door::json(first).await;

    let again = send(&greet("Ada")).await.expect("an answer");
    assert_eq!(again.status(), 200);
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(
        again.headers()["location"].to_str().ok(),
        Some(format!("/v1/jobs/{}", first["id"].as_str().expect("an id")).as_str())
    );
    let again = door::json(again).await;
    assert_eq!((&again["id"], &again["state"], &again["deduplicated"]), (&first["id"], &json!("waiting"), &json!(true)));

    let other = send(&greet("Bob")).await.expect("an answer");
    let other = problem(other, 422, "idempotency_key_reused").await;
    assert_eq!(other["errors"][0]["pointer"], "/idempotency_key");
    assert_eq!(door.accepted().await, 1);
}

#[tokio::test]
async fn fifty_callers_with_one_key_get_one_job() {
    let door = Door::open().await;
    let one = || async {
        let answer = door.request(Method::POST, "/v1/jobs").header("idempotency-key", "same").json(&greet("Ada")).send().await;
        let answer = answer.expect("an answer");
        let status = answer.status().as_u16();
        (status, door::json(answer).await["id"].clone())
    };
    let answers = join_all((0..50).map(|_| one())).await;
    let first = answers.iter().filter(|(status, _)| *status == 202).count();
    let replayed = answers.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!((first, replayed), (1, 49));
    assert!(answers.iter().all(|(_, id)| *id == answers[0].1), "{answers:?}");
    assert_eq!(door.accepted().await, 1);
}

#[tokio::test]
async fn another_teams_job_looks_like_an_absent_one() {
    let door = Door::open().await;
    let id = door.enqueue(&greet("Ada")).await;
    let other = door.db.team("other").await;
    let (key, _) = door::key(&door.db, other, &[Scope::Admin], None).await;
    for (method, tail) in [(Method::GET, ""), (Method::POST, "/cancel")] {
        let mut seen = Vec::new();
        for job in [id.as_str(), "job_999999999", "nonsense", "job_99999999999999999999", "%ff"] {
            let ask = door.bare(method.clone(), &format!("/v1/jobs/{job}{tail}")).bearer_auth(&key);
            let mut problem = problem(ask.send().await.expect("an answer"), 404, "not_found").await;
            problem["error_id"].take();
            seen.push(problem);
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
    }
    // The same key of another team is another key.
    let mut body = greet("Ada");
    body["idempotency_key"] = json!("shared");
    door.enqueue(&body).await;
    let theirs = door.bare(Method::POST, "/v1/jobs").bearer_auth(&key).json(&body).send().await.expect("an answer");
    assert_eq!(theirs.status(), 202);
    assert_eq!(door::json(door.get(&format!("/v1/jobs/{id}")).await).await["state"], "waiting", "the other team cancelled it");
}

#[tokio::test]
async fn a_job_is_seen_at_each_turn_of_its_life() {
    let door = Door::open().await;
    let stepper = Stepper::new(&door.db, registry(), services(&door.db)).await;
    let look = async |id: &str| door::json(door.get(&format!("/v1/jobs/{id}")).await).await;

    let id = door.enqueue(&greet("Ada")).await;
    let claimed = stepper.claim("greetings", 1).await.pop().expect("a job");
    let running = look(&id).await;
    assert_eq!((&running["state"], &running["attempt"]), (&json!("running"), &json!(1)));
    assert!(running["started_at"].is_string());
    let verdict = stepper.run(claimed.clone()).await;
    stepper.settle(&claimed, verdict).await;
    let done = look(&id).await;
    assert_eq!((&done["state"], &done["output"], &done["attempt"]), (&json!("done"), &json!({ "said": "hello Ada" }), &json!(1)));
    assert!(done["finished_at"].is_string());

    for (name, state, reason, detail) in [
        ("retry", "waiting", json!("retry"), "nobody opened"),
        ("park", "waiting", json!("parked"), "credit: none left"),
        ("progress", "waiting", json!("snoozed"), "halfway"),
        ("dead", "dead", json!(null), "moved away"),
    ] {
        let id = door.enqueue(&greet(name)).await;
        stepper.next("greetings").await.expect("a job");
        let job = look(&id).await;
        assert_eq!((&job["state"], &job["reason"]), (&json!(state), &reason), "{job}");
        assert_eq!(job["detail"], detail, "{job}");
        let burned = matches!(name, "retry" | "dead");
        assert_eq!(job["attempt"], i32::from(burned), "{job}");
        assert_eq!(job["attempts"].as_array().map(Vec::len), Some(usize::from(burned)), "{job}");
        if burned {
            assert_eq!((&job["attempts"][0]["result"], &job["attempts"][0]["error"]), (&json!(name), &json!(detail)));
        }
        if name == "progress" {
            assert_eq!(job["progress"], json!({ "done": 3, "total": 9 }));
        }
        assert_eq!(job["run_at"].is_string(), matches!(name, "retry" | "progress"), "{job}");
        if name == "dead" {
            let dead: JobId = id.parse().expect("an id");
            let again: i64 = sqlx::query_scalar("select queue.replay($1, $2, 'test')")
                .bind(door.team.0)
                .bind(dead.0)
                .fetch_one(&door.db.admin)
                .await
                .expect("a replay");
            assert_eq!(look(&id).await["replayed_as"], JobId(again).to_string());
            assert_eq!(look(&JobId(again).to_string()).await["replay_of"], id);
        }
    }
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_a_running_one_is_told_and_an_ended_one_is_left() {
    let door = Door::open().await;
    let stepper = Stepper::new(&door.db, registry(), services(&door.db)).await;
    let cancel = async |id: &str| door.request(Method::POST, &format!("/v1/jobs/{id}/cancel")).send().await.expect("an answer");

    let id = door.enqueue(&greet("Ada")).await;
    let answer = cancel(&id).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(door::json(answer).await, json!({ "id": id, "state": "cancelled" }));
    assert_eq!(cancel(&id).await.status(), 200, "to ask twice is no mistake");
    let job = door::json(door.get(&format!("/v1/jobs/{id}")).await).await;
    assert_eq!(job["state"], "cancelled");
    assert!(job["attempts"][0]["error"].as_str().is_some_and(|by| by.contains("key ")), "{job}");
    assert!(stepper.next("greetings").await.is_none(), "a cancelled job ran");

    let id = door.enqueue(&greet("Bob")).await;
    let claimed = stepper.claim("greetings", 1).await.pop().expect("a job");
    let answer = cancel(&id).await;
    assert_eq!(answer.status(), 202);
    assert_eq!(door::json(answer).await["state"], "running");
    let job = door::json(door.get(&format!("/v1/jobs/{id}")).await).await;
    assert_eq!((&job["state"], &job["reason"]), (&json!("running"), &json!("cancelling")));
    let verdict = stepper.run(claimed.clone()).await;
    stepper.settle(&claimed, verdict).await;
    problem(cancel(&id).await, 409, "already_ended").await;
}

#[tokio::test]
async fn callers_that_hang_up_leave_no_transaction_open_and_lose_no_acknowledged_job() {
    let door = Door::open().await;
    let body = greet("Ada").to_string();
    // Half of them never wait for the answer, at ever later moments; the other half does.
    let leavers = (0..200_usize).map(|n| {
        let (address, key, body) = (door.address, door.key.clone(), body.clone());
        async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
            let whole = raw_post(&key, &body);
            // Some go in the middle of the request, some behind it.
            let sent = if n % 4 == 0 { whole.len() * (n + 1) / 201 } else { whole.len() };
            stream.write_all(&whole.as_bytes()[..sent]).await.expect("bytes sent");
            for _ in 0..n % 40 {
                tokio::task::yield_now().await;
            }
        }
    });
    let stayers = (0..200).map(|_| door.enqueue_unchecked(&body));
    let (_, answers) = tokio::join!(join_all(leavers), join_all(stayers));
    let acknowledged: Vec<i64> = answers.into_iter().map(|id| id.parse::<JobId>().expect("an id").0).collect();
    assert_eq!(acknowledged.len(), 200);

    let mut distinct = acknowledged.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 200, "two callers were given one job");
    // What the leavers began ends by itself.
    until_quiet(&door).await;
    let kept: i64 = sqlx::query_scalar("select count(*) from queue.jobs where id = any ($1)")
        .bind(&acknowledged)
        .fetch_one(&door.db.admin)
        .await
        .expect("a count");
    assert_eq!(kept, 200, "an acknowledged job is gone");
    let (jobs, lost): (i64, i64) =
        sqlx::query_as("select accepted, lost + doubled from queue.census()").fetch_one(&door.db.admin).await.expect("a census");
    assert!((200..=400).contains(&jobs), "{jobs} jobs");
    assert_eq!(lost, 0);
}

/// Waits until no connection of the api is busy or in a transaction.
async fn until_quiet(door: &Door) {
    let busy = "select count(*) from pg_stat_activity where datname = current_database() and usename = 'longshore_api' and state <> 'idle'";
    let left = async || sqlx::query_scalar::<_, i64>(busy).fetch_one(&door.db.admin).await.expect("a count");
    until("the api's connections are idle", async || left().await == 0).await;
}

impl Door {
    async fn enqueue_unchecked(&self, body: &str) -> String {
        let answer = self.post_text("/v1/jobs", body.to_owned()).await;
        assert_eq!(answer.status(), 202);
        door::json(answer).await["id"].as_str().expect("an id").to_owned()
    }
}

#[tokio::test]
async fn a_key_held_by_an_open_transaction_fails_only_its_own_caller() {
    let (door, connections) = Door::open_and_hold(2).await;
    let mut keyed = greet("Ada");
    keyed["idempotency_key"] = json!("held");
    let mut holder = door.db.admin.acquire().await.expect("a connection");
    sqlx::raw_sql("begin").execute(&mut *holder).await.expect("a transaction");
    let job = sqlx::query("select queue.enqueue($1, 'greet', '{\"name\": \"Ada\"}', 'held')").bind(door.team.0);
    job.execute(&mut *holder).await.expect("a job in an open transaction");
    // Two statements wait for connections; what comes then boards the next one together, the held key among it.
    let first = join_all((0..2).map(|_| door.status_of(greet("First"))));
    let names: Vec<String> = (0..20).map(|n| format!("n{n}")).collect();
    let then = async {
        until("two statements are under way", async || door.state.requests_in_hand() == 2).await;
        let others = join_all(names.iter().map(|name| door.status_of(greet(name))));
        let go = async {
            until("the others wait", async || door.state.jobs_waiting() == 21).await;
            drop(connections);
        };
        tokio::join!(others, door.post("/v1/jobs", &keyed), go)
    };
    let (first, (others, held, ())) = tokio::join!(first, then);
    problem(held, 409, "key_in_use").await;
    assert!(first.iter().chain(&others).all(|status| *status == 202), "{others:?}");
    sqlx::raw_sql("rollback").execute(&mut *holder).await.expect("a rollback");
    assert_eq!(door.status_of(keyed).await, 202, "the key was never used, so it is free");
}

#[tokio::test]
async fn callers_that_hang_up_spoil_nothing_for_those_behind_them() {
    let (door, connections) = Door::open_and_hold(2).await;
    let mut leavers = Vec::new();
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(door.address).await.expect("a connection");
        stream.write_all(raw_post(&door.key, &greet("Ada").to_string()).as_bytes()).await.expect("bytes sent");
        leavers.push(stream);
    }
    until("two statements are under way", async || door.state.requests_in_hand() == 2).await;
    let hang_up = async {
        until("the others wait", async || door.state.jobs_waiting() == 20).await;
        drop(leavers);
        until("the two are gone", async || door.state.requests_in_hand() == 20).await;
        drop(connections);
    };
    let (behind, ()) = tokio::join!(join_all((0..20).map(|_| door.status_of(greet("Bob")))), hang_up);
    assert!(behind.iter().all(|status| *status == 202), "{behind:?}");
    until_quiet(&door).await;
    assert_eq!(door.accepted().await, 22, "who hangs up without an answer has asked all the same");
}

fn raw_post(key: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

impl Door {
    async fn status_of(&self, body: Value) -> u16 {
        self.post("/v1/jobs", &body).await.status().as_u16()
    }
}

#[tokio::test]
async fn the_answer_comes_after_the_commit() {
    let door = Door::open().await;
    for n in 0..30 {
        let id = door.enqueue(&greet(&format!("n{n}"))).await;
        let found: bool = sqlx::query_scalar("select exists (select from queue.jobs where id = $1)")
            .bind(id.parse::<JobId>().expect("an id").0)
            .fetch_one(&door.db.admin)
            .await
            .expect("an answer");
        assert!(found, "{id} was answered, but another connection does not see it");
    }
}

#[tokio::test]
async fn a_job_whose_history_was_dropped_is_gone_and_what_is_left_is_said() {
    let door = Door::open().await;
    let jobs = [door.enqueue(&greet("Ada")).await, door.enqueue(&greet("Grace")).await];
    let stepper = Stepper::new(&door.db, registry(), services(&door.db)).await;
    stepper.drain("greetings").await;
    let drop = "update queue.jobs set created_at = now() - interval '40 days';
        update queue.outcomes set finished_at = now() - interval '40 days';
        select queue.turn_page()";
    sqlx::raw_sql(drop).execute(&door.db.admin).await.expect("a page turned");
    sqlx::raw_sql("select queue.drop_history()").execute(&door.db.admin).await.expect("history dropped");
    for job in &jobs {
        let gone = problem(door.get(&format!("/v1/jobs/{job}")).await, 410, "gone").await;
        let among = &gone["gone"]["among"];
        assert_eq!(
            (&among[0]["outcome"], &among[0]["jobs"], &among[0]["kind"]),
            (&json!("done"), &json!(2), &json!("greet")),
            "{gone}"
        );
        assert_eq!((&among[0]["first_job"], &among[0]["last_job"]), (&json!(jobs[0]), &json!(jobs[1])));
        assert!(among[0].get("team").is_none() && gone["gone"]["dead_letter"] == false, "{gone}");
    }
    problem(door.get("/v1/jobs/job_900").await, 404, "not_found").await;
    let mut other = door;
    let team = other.db.team("other").await;
    other.key = door::key(&other.db, team, &Scope::STANDARD, None).await.0;
    problem(other.get(&format!("/v1/jobs/{}", jobs[0])).await, 404, "not_found").await;
}
