//! Waiting without polling: for a job's change, and for a stream of them.

use std::time::Duration;

use futures_util::future::join_all;
use longshore::{
    api::{Tuning, serve::Bounds},
    tenancy::keys::{self, Scope},
    workers::{db, ids::JobId},
};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;

use super::door::{self, Door, key, problem, registry, until};
use crate::support::{PATIENCE, Stepper, pgbouncer::PgBouncer, services};

fn greet(name: &str) -> Value {
    json!({ "kind": "greet", "payload": { "name": name } })
}

async fn cancel(door: &Door, job: &str) {
    let answer = door.request(Method::POST, &format!("/v1/jobs/{job}/cancel")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
}

async fn events(door: &Door, path: &str, last: Option<&str>) -> Response {
    let mut request = door.request(Method::GET, path).header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.send().await.expect("an answer")
}

/// An open stream of events, read one by one.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    async fn open(door: &Door, path: &str, last: Option<&str>) -> Self {
        let response = events(door, path, last).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event or comment; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((one, rest)) = self.text.split_once("\n\n") {
                let (one, rest) = (one.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(one);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("an event in time");
            self.text.push_str(std::str::from_utf8(&chunk.expect("bytes")?).expect("UTF-8"));
        }
    }

    /// The next `state`: its id and what it carries.
    async fn state(&mut self) -> (String, Value) {
        loop {
            let event = self.next().await.expect("a state before the end");
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
            if field("event: ") == "state" {
                return (field("id: "), serde_json::from_str(&field("data: ")).expect("JSON"));
            }
        }
    }
}

#[tokio::test]
async fn a_wait_is_answered_when_the_job_changes_and_at_once_when_it_has_ended() {
    let door = Door::open().await;
    let job = door.enqueue(&greet("Ada")).await;
    let path = format!("/v1/jobs/{job}?wait=30s");
    let waiting = async {
        until("somebody waits", async || door.state.waiting() == 1).await;
        assert_eq!(door.state.requests_in_hand(), 0, "a waiter holds a place");
        cancel(&door, &job).await;
    };
    let (answer, ()) = tokio::join!(door.get(&path), waiting);
    let tag = answer.headers()["etag"].to_str().expect("text").to_owned();
    assert_eq!(door::json(answer).await["state"], "cancelled");
    assert_eq!(door.state.waiting(), 0);
    // An ended job keeps nobody, whatever the caller knows.
    assert_eq!(door.get(&path).await.status(), 200);
    let known = door.request(Method::GET, &path).header("if-none-match", &tag).send().await.expect("an answer");
    assert_eq!(known.status(), 304);
    problem(door.get("/v1/jobs/job_999?wait=30s").await, 404, "not_found").await;
}

#[tokio::test]
async fn each_step_of_a_job_ends_a_wait_and_news_are_told_at_once() {
    let door = Door::open().await;
    let stepper = Stepper::new(&door.db, registry(), services(&door.db)).await;
    let job = door.enqueue(&greet("Ada")).await;
    let path = format!("/v1/jobs/{job}?wait=30s");
    let (answer, claimed) = tokio::join!(door.get(&path), async {
        until("somebody waits", async || door.state.waiting() == 1).await;
        stepper.claim("greetings", 1).await
    });
    let tag = answer.headers()["etag"].to_str().expect("text").to_owned();
    assert_eq!(door::json(answer).await["state"], "running");
    let (answer, done) = tokio::join!(door.get(&path), async {
        until("somebody waits", async || door.state.waiting() == 1).await;
        stepper.finish(&claimed[0]).await
    });
    assert!(done);
    assert_eq!(door::json(answer).await["state"], "done");
    // A caller that has an older look is not kept waiting.
    let other = door.enqueue(&greet("Grace")).await;
    let stale = door.request(Method::GET, &format!("/v1/jobs/{other}?wait=30s")).header("if-none-match", tag);
    assert_eq!(door::json(stale.send().await.expect("an answer")).await["state"], "waiting");
    // And a wait that sees no change answers with what is, or with 304.
    let path = format!("/v1/jobs/{other}?wait=50ms");
    let first = door.get(&path).await;
    let tag = first.headers()["etag"].clone();
    assert_eq!(door::json(first).await["state"], "waiting");
    assert_eq!(door.request(Method::GET, &path).header("if-none-match", tag).send().await.expect("an answer").status(), 304);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_waiters_share_one_look_and_hold_neither_places_nor_connections() {
    const WAITERS: usize = 1000;
    let door = Door::open().await;
    let body = json!({ "jobs": vec![greet("Ada"); 100] });
    let batch = door::json(door.post("/v1/jobs/batch", &body).await).await;
    let ids: Vec<String> =
        batch["results"].as_array().expect("results").iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect();
    let waiters = join_all((0..WAITERS).map(|n| {
        let path = format!("/v1/jobs/{}?wait=30s", ids[n % ids.len()]);
        let door = &door;
        async move {
            // Each looks once before it waits, and more looks than places at one moment would be shed.
            until("the ones before wait", async || door.state.waiting() + 100 > n).await;
            door::json(door.get(&path).await).await["state"].clone()
        }
    }));
    let ending = async {
        until("all wait", async || door.state.waiting() == WAITERS).await;
        assert_eq!(door.state.requests_in_hand(), 0);
        // One more may wait from another key only: this one has as many as it may.
        problem(door.get(&format!("/v1/jobs/{}?wait=30s", ids[0])).await, 429, "over_limit").await;
        // Others are answered as ever, and beside the look no connection is in use.
        assert_eq!(door.post("/v1/jobs", &greet("Grace")).await.status(), 202);
        until("the connections are free", async || door.state.pool.num_idle() == door.state.pool.size() as usize).await;
        let many: Vec<i64> = ids.iter().map(|id| id.parse::<JobId>().expect("an id").0).collect();
        sqlx::query("select queue.cancel($1, job, 'test') from unnest($2::bigint[]) job")
            .bind(door.team.0)
            .bind(many)
            .execute(&door.db.admin)
            .await
            .expect("their end");
    };
    let (states, ()) = tokio::join!(waiters, ending);
    assert!(states.iter().all(|state| state == "cancelled"), "somebody was answered before the end");
    assert_eq!(door.state.waiting(), 0);
    let looks = door.state.looks();
    assert!(looks < 200, "{WAITERS} waiters asked {looks} questions");
}

#[tokio::test]
async fn waiting_works_through_a_pooler() {
    let Some((door, _pooler)) = through_a_pooler().await else { return };
    let job = door.enqueue(&greet("Ada")).await;
    let path = format!("/v1/jobs/{job}?wait=30s");
    let (answer, ()) = tokio::join!(door.get(&path), async {
        until("somebody waits", async || door.state.waiting() == 1).await;
        cancel(&door, &job).await;
    });
    assert_eq!(door::json(answer).await["state"], "cancelled");
}

async fn through_a_pooler() -> Option<(Door, PgBouncer)> {
    let db = crate::support::TestDb::new().await;
    let pooler = PgBouncer::before(&db).await?;
    let options: PgConnectOptions = pooler.url(&db, "api").parse().expect("an address");
    let size = db::PoolSize { connections: 10, acquire_timeout: Duration::from_secs(20) };
    let pool = db::guarded_pool(db::through_a_pooler(options.application_name("a test")), size);
    let door = Door::on(db, |_| pool, Bounds::default(), Tuning::default()).await;
    Some((door, pooler))
}

#[tokio::test]
async fn a_stream_tells_each_state_and_ends_with_the_job() {
    let door = Door::open().await;
    let stepper = Stepper::new(&door.db, registry(), services(&door.db)).await;
    let job = door.enqueue(&greet("Ada")).await;
    let path = format!("/v1/jobs/{job}/events");
    let mut stream = Events::open(&door, &path, None).await;
    let (waiting, seen) = stream.state().await;
    assert_eq!((seen["id"].as_str(), seen["state"].as_str()), (Some(job.as_str()), Some("waiting")));
    let claimed = stepper.claim("greetings", 1).await;
    let (running, seen) = stream.state().await;
    assert_eq!(seen["state"], "running");
    // Somebody who comes back with that event hears nothing twice.
    let mut resumed = Events::open(&door, &path, Some(&running)).await;
    let mut behind = Events::open(&door, &path, Some(&waiting)).await;
    assert_eq!(behind.state().await.1["state"], "running", "what was missed is told at once");
    assert!(stepper.finish(&claimed[0]).await);
    for stream in [&mut stream, &mut resumed, &mut behind] {
        let (last, seen) = stream.state().await;
        assert_eq!(seen["state"], "done");
        assert!(stream.next().await.is_some_and(|event| event.starts_with("event: end")));
        assert_eq!(stream.next().await, None, "the stream goes on behind the end");
        assert_eq!(events(&door, &path, Some(&last)).await.status(), 204, "a browser would come back for ever");
    }
    until("nobody waits", async || door.state.waiting() == 0).await;
}

#[tokio::test]
async fn a_batch_is_followed_too() {
    let door = Door::open().await;
    let batch = door.open_batch().await;
    let (team, number) = (door.team, batch.trim_start_matches("batch_").to_owned());
    let tell = async |order: String| sqlx::raw_sql(sqlx::AssertSqlSafe(order)).execute(&door.db.admin).await.expect("an order");
    let mut stream = Events::open(&door, &format!("/v1/batches/{batch}/events"), None).await;
    assert_eq!(stream.state().await.1["state"], "open");
    tell(format!(
        "insert into queue.batch_moves (team_id, batch_id, jobs) values ('{team}', {number}, 2); select queue.fold_batches()"
    ))
    .await;
    assert_eq!(stream.state().await.1["jobs"], 2);
    tell(format!("insert into queue.batch_moves (team_id, batch_id, done) values ('{team}', {number}, 2); select queue.seal_batch('{team}', {number}); select queue.fold_batches()")).await;
    assert_eq!(stream.state().await.1["state"], "ended");
    assert!(stream.next().await.is_some_and(|event| event.starts_with("event: end")));
}

#[tokio::test]
async fn a_stop_ends_streams_and_waits_and_says_when_to_come_back() {
    let door = Door::open().await;
    let job = door.enqueue(&greet("Ada")).await;
    let mut stream = Events::open(&door, &format!("/v1/jobs/{job}/events"), None).await;
    stream.state().await;
    let path = format!("/v1/jobs/{job}?wait=30s");
    let (answer, ()) = tokio::join!(door.get(&path), async {
        until("both wait", async || door.state.waiting() == 2).await;
        door.stop.cancel();
    });
    assert_eq!(door::json(answer).await["state"], "waiting");
    let last = stream.next().await.expect("a hint");
    assert!(last.starts_with("retry: ") && last.contains("stopping"), "{last}");
    assert_eq!(stream.next().await, None);
    tokio::time::timeout(Duration::from_secs(10), door.served)
        .await
        .expect("a prompt end")
        .expect("the server")
        .expect("a good end");
}

#[tokio::test]
async fn a_stream_ends_with_its_key() {
    let mut door = Door::open().await;
    let job = door.enqueue(&greet("Ada")).await;
    let (text, id) = key(&door.db, door.team, &[Scope::Read], None).await;
    door.key = text;
    let mut stream = Events::open(&door, &format!("/v1/jobs/{job}/events"), None).await;
    stream.state().await;
    let pool = door.db.pool("operator");
    keys::revoke(&mut pool.acquire().await.expect("a connection"), door.team, &id).await.expect("an end");
    door.clock.advance(chrono::Duration::seconds(keys::CACHE_SECONDS));
    assert!(stream.next().await.is_some_and(|last| last.contains("key")));
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_team_of_many_keys_leaves_places_for_others_who_wait() {
    let tuning = Tuning { waiting: 4, waiting_per_key: 2, ..Tuning::default() };
    let mut door = Door::open_tuned(|pool| pool, Bounds::default(), tuning).await;
    let job = door.enqueue(&greet("Ada")).await;
    let path = format!("/v1/jobs/{job}/events");
    let first = [Events::open(&door, &path, None).await, Events::open(&door, &path, None).await];
    door.key = key(&door.db, door.team, &Scope::STANDARD, None).await.0;
    let third = Events::open(&door, &path, None).await;
    problem(events(&door, &path, None).await, 503, "busy").await;
    let others = door.db.team("globex").await;
    door.key = key(&door.db, others, &Scope::STANDARD, None).await.0;
    let job = door.enqueue(&greet("Bob")).await;
    let fourth = Events::open(&door, &format!("/v1/jobs/{job}/events"), None).await;
    drop((first, third, fourth));
}

#[tokio::test]
async fn streams_are_bounded_by_key_and_by_process_and_want_to_be_accepted() {
    let tuning = Tuning { waiting: 3, waiting_per_key: 2, ..Tuning::default() };
    let mut door = Door::open_tuned(|pool| pool, Bounds::default(), tuning).await;
    let job = door.enqueue(&greet("Ada")).await;
    let path = format!("/v1/jobs/{job}/events");
    let first = [Events::open(&door, &path, None).await, Events::open(&door, &path, None).await];
    problem(events(&door, &path, None).await, 429, "over_limit").await;
    door.key = key(&door.db, door.team, &Scope::STANDARD, None).await.0;
    let third = Events::open(&door, &path, None).await;
    let refused = events(&door, &path, None).await;
    assert!(refused.headers().contains_key("retry-after"));
    problem(refused, 503, "busy").await;
    drop((first, third));
    until("their places are free", async || door.state.waiting() == 0).await;
    let json_only = door.request(Method::GET, &path).header("accept", "application/json").send().await.expect("an answer");
    problem(json_only, 406, "not_acceptable").await;
    for sound in ["text/event-stream", "text/html, text/event-stream;q=0.9", "*/*"] {
        assert_eq!(door.request(Method::GET, &path).header("accept", sound).send().await.expect("an answer").status(), 200);
    }
}
