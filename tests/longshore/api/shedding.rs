//! What is refused when there is too much of it, what never is, and who may call from where.

use std::time::Duration;

use longshore::{
    api::{Tuning, cors::Origins, rate::Quota, serve::Bounds},
    workers::db::{self, PoolSize},
};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::door::{Door, key, problem, until};
use longshore::tenancy::keys::Scope;

async fn with_quota(per_second: u32, burst: u32) -> Door {
    let tuning = Tuning { quota: Quota { per_second, burst }, ..Tuning::default() };
    Door::open_tuned(|pool| pool, Bounds::default(), tuning).await
}

fn number(answer: &Response, name: &str) -> i64 {
    let value = answer.headers().get(name).unwrap_or_else(|| panic!("no {name}"));
    value.to_str().expect("text").parse().expect("a number")
}

#[tokio::test]
async fn a_key_beyond_its_rate_is_told_when_to_come_back_and_others_are_not() {
    let mut door = with_quota(1, 3).await;
    for left in [2, 1, 0] {
        let answer = door.get("/v1/jobs").await;
        assert_eq!(answer.status(), 200);
        assert_eq!((number(&answer, "ratelimit-limit"), number(&answer, "ratelimit-remaining")), (3, left));
        assert_eq!(number(&answer, "ratelimit-reset"), 3 - left);
        assert_eq!(answer.headers()["ratelimit-policy"], "\"key\";q=3;w=3");
        assert_eq!(answer.headers()["ratelimit"], format!("\"key\";r={left};t={}", 3 - left));
    }
    let refused = door.get("/v1/jobs").await;
    assert_eq!((number(&refused, "retry-after"), number(&refused, "ratelimit-remaining")), (1, 0));
    problem(refused, 429, "rate_limited").await;
    let first = std::mem::take(&mut door.key);
    door.key = key(&door.db, door.team, &Scope::STANDARD, None).await.0;
    assert_eq!(door.get("/v1/jobs").await.status(), 200, "another key has its own");
    door.key = first;
    door.clock.advance(chrono::Duration::seconds(1));
    assert_eq!(door.get("/v1/jobs").await.status(), 200);
    problem(door.get("/v1/jobs").await, 429, "rate_limited").await;
    // Health and the document cost nothing.
    assert_eq!(door.get("/livez").await.status(), 200);
    assert!(!door.get("/openapi.json").await.headers().contains_key("ratelimit-limit"));
}

#[tokio::test]
async fn processes_share_a_rate_and_it_falls_open_when_their_number_is_not_known() {
    let door = with_quota(10, 10).await;
    let enter = "insert into queue.processes (boot_id, role, host, pid, build, queues, slots, expires_at)
        select gen_random_uuid(), 'api', 'h', n, 'b', '{}', 0, now() + '1 day' from generate_series(1, 5) n";
    sqlx::raw_sql(enter).execute(&door.db.admin).await.expect("five processes");
    assert_eq!(number(&door.get("/v1/jobs").await, "ratelimit-limit"), 10, "they are not known yet");
    door.clock.advance(chrono::Duration::seconds(6));
    until("the others are known", async || number(&door.get("/v1/queues").await, "ratelimit-limit") == 2).await;
    for _ in 0..3 {
        door.get("/v1/jobs").await;
    }
    problem(door.get("/v1/jobs").await, 429, "rate_limited").await;
    sqlx::raw_sql("revoke select on queue.processes from longshore_api").execute(&door.db.admin).await.expect("trouble");
    door.clock.advance(chrono::Duration::seconds(31));
    for _ in 0..20 {
        let answer = door.get("/v1/jobs").await;
        assert_eq!(answer.status(), 200, "a limit stopped work while its share was not known");
        assert!(!answer.headers().contains_key("ratelimit-limit"));
    }
}

#[tokio::test]
async fn a_flood_that_takes_every_connection_and_every_place_does_not_shed_a_cancel() {
    let (door, held) = Door::open_and_hold(1).await;
    sqlx::raw_sql("select 1").execute(&door.db.admin).await.expect("an arrangement");
    let job: i64 = sqlx::query_scalar("select job_id from queue.enqueue($1, 'greet', '{\"name\":\"Ada\"}')")
        .bind(door.team.0)
        .fetch_one(&door.db.admin)
        .await
        .expect("a job");
    let body = json!({ "kind": "greet", "payload": { "name": "Ada" } });
    // 512 places, all taken by two teams' enqueues that wait for the one connection.
    let others = door.db.team("globex").await;
    let (theirs, _) = key(&door.db, others, &Scope::STANDARD, None).await;
    let flood: Vec<_> = (0..512)
        .map(|n| {
            let whose = if n % 2 == 0 { &door.key } else { &theirs };
            let ask = door.bare(Method::POST, "/v1/jobs").bearer_auth(whose);
            tokio::spawn(ask.json(&body).timeout(Duration::from_secs(120)).send())
        })
        .collect();
    until("every place is taken", async || door.state.requests_in_hand() == 512).await;
    let shed = door.post("/v1/jobs", &body).await;
    assert_eq!(number(&shed, "retry-after"), 1);
    problem(shed, 503, "busy").await;
    // The key has to be asked for again, too.
    door.clock.advance(chrono::Duration::seconds(6));
    let cancelled = door.request(Method::POST, &format!("/v1/jobs/job_{job}/cancel")).send().await.expect("an answer");
    assert_eq!(cancelled.status(), 200);
    assert_eq!(door.state.requests_in_hand(), 512, "the flood was over before the cancel came");
    drop(held);
    for one in flood {
        assert_eq!(one.await.expect("a task").expect("an answer").status(), 202);
    }
}

#[tokio::test]
async fn a_team_that_sends_slowly_leaves_room_for_the_others() {
    let door = Door::open().await;
    let others = door.db.team("globex").await;
    let (theirs, _) = key(&door.db, others, &Scope::STANDARD, None).await;
    let body = json!({ "kind": "greet", "payload": { "name": "Ada" } });
    assert_eq!(door.post("/v1/jobs", &body).await.status(), 202);
    // Bodies that never come, in as many requests as one team may have in hand; and then one more.
    let slow = |path: &str| {
        let ask = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{{",
            door.key
        );
        let address = door.address;
        async move {
            let mut stream = TcpStream::connect(address).await.expect("a connection");
            stream.write_all(ask.as_bytes()).await.expect("bytes sent");
            stream
        }
    };
    let mut held = futures_util::future::join_all((0..240).map(|_| slow("/v1/jobs"))).await;
    held.extend(futures_util::future::join_all((0..16).map(|_| slow("/v1/jobs/batch"))).await);
    until("all of them are in hand", async || door.state.requests_in_hand() == 256).await;
    problem(door.post("/v1/jobs", &body).await, 503, "busy").await;
    let ask = |path: &str, body: &Value| door.bare(Method::POST, path).bearer_auth(&theirs).json(body).send();
    assert_eq!(ask("/v1/jobs", &body).await.expect("an answer").status(), 202, "another team's job");
    let batch = json!({ "jobs": [body] });
    let taken = tokio::time::timeout(Duration::from_secs(5), ask("/v1/jobs/batch", &batch)).await;
    assert_eq!(taken.expect("it waits behind another team's").expect("an answer").status(), 200, "and its batch");
    drop(held);
}

#[tokio::test]
async fn keys_that_are_still_looked_up_leave_a_connection_to_a_cancel() {
    let door = Door::open().await;
    let body = json!({ "kind": "greet", "payload": { "name": "Ada" } });
    let job = door.enqueue(&body).await;
    let mut others = Vec::new();
    for _ in 0..6 {
        others.push(key(&door.db, door.team, &Scope::STANDARD, None).await.0);
    }
    // Nobody learns anything of a key any more.
    let mut held = door.db.admin.acquire().await.expect("a connection");
    let lock = "begin; lock table longshore.api_keys in access exclusive mode";
    sqlx::raw_sql(lock).execute(&mut *held).await.expect("a lock");
    let path = format!("/v1/jobs/{job}/cancel");
    let flood: Vec<_> =
        others.iter().map(|other| tokio::spawn(door.bare(Method::POST, &path).bearer_auth(other).send())).collect();
    let waiting = "select count(*) from pg_locks where not granted and relation = 'longshore.api_keys'::regclass";
    let mut look = door.db.admin.acquire().await.expect("a connection");
    until("the flood is there", async || {
        let asking: i64 = sqlx::query_scalar(waiting).fetch_one(&mut *look).await.expect("a count");
        asking > 0
    })
    .await;
    let cancelled = tokio::time::timeout(Duration::from_secs(10), door.request(Method::POST, &path).send()).await;
    assert_eq!(cancelled.expect("it waits behind keys that nobody knows").expect("an answer").status(), 200);
    sqlx::raw_sql("rollback").execute(&mut *held).await.expect("an end");
    for one in flood {
        let status = one.await.expect("a task").expect("an answer").status().as_u16();
        assert!([200, 409].contains(&status), "{status}");
    }
}

#[tokio::test]
async fn a_cancel_takes_nothing_from_the_rate() {
    let door = with_quota(1, 1).await;
    assert_eq!(door.get("/v1/jobs").await.status(), 200);
    problem(door.get("/v1/jobs").await, 429, "rate_limited").await;
    let job: i64 = sqlx::query_scalar("select job_id from queue.enqueue($1, 'greet', '{\"name\":\"Ada\"}')")
        .bind(door.team.0)
        .fetch_one(&door.db.admin)
        .await
        .expect("a job");
    let answer = door.request(Method::POST, &format!("/v1/jobs/job_{job}/cancel")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn connections_beyond_the_bound_are_kept_for_what_is_never_shed() {
    let bounds = Bounds { connections: 2, reserve: 2, ..Bounds::default() };
    let door = Door::open_with(|pool| pool, bounds).await;
    let idle = [
        TcpStream::connect(door.address).await.expect("a connection"),
        TcpStream::connect(door.address).await.expect("a connection"),
    ];
    // Both are accepted when they have answered something.
    let mut held = Vec::new();
    for mut stream in idle {
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("a request");
        let mut some = [0; 16];
        stream.read_exact(&mut some).await.expect("an answer");
        held.push(stream);
    }
    problem(door.get("/v1/jobs").await, 503, "busy").await;
    problem(door.request(Method::POST, "/v1/jobs/job_1/cancel").send().await.expect("an answer"), 404, "not_found").await;
    drop(held);
    until("there is room again", async || door.get("/v1/jobs").await.status() == 200).await;
}

#[tokio::test]
async fn without_connections_to_spare_a_text_that_comes_in_has_its_own() {
    // The webhook's own connections, as `serve` gives them to it: the state's reserve is another pool than its own.
    let few = |pool: sqlx::PgPool| {
        let size = PoolSize { connections: 1, acquire_timeout: Duration::from_millis(300) };
        db::guarded_pool((*pool.connect_options()).clone(), size)
    };
    let door = Door::open_with(few, Bounds::default()).await;
    let _held = door.state.pool.acquire().await.expect("the only one");
    assert!(door.state.pool.acquire().await.is_err());
    assert!(door.state.reserve.acquire().await.is_ok());
}

#[tokio::test]
async fn a_caller_that_does_not_read_is_hung_up_on() {
    let bounds = Bounds { reads_within: Duration::from_millis(500), ..Bounds::default() };
    let door = Door::open_with(|pool| pool, bounds).await;
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = socket.connect(door.address).await.expect("a connection");
    let ask = b"GET /docs/swagger-ui.js HTTP/1.1\r\nhost: x\r\n\r\n".repeat(40);
    stream.write_all(&ask).await.expect("requests");
    // Some 18 MB wait to be read, far more than the system keeps for us, and nobody reads.
    until("it hangs up", async || {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(b"\r\n").await.is_err()
    })
    .await;
}

#[tokio::test]
async fn only_pages_of_named_origins_may_call_and_never_with_cookies() {
    let ours = "https://app.example.com";
    let tuning = Tuning { origins: Origins::new(&[ours.into()]), ..Tuning::default() };
    let door = Door::open_tuned(|pool| pool, Bounds::default(), tuning).await;
    let preflight = async |origin: &str| {
        let ask = door.bare(Method::OPTIONS, "/v1/jobs").header("origin", origin).header("access-control-request-method", "POST");
        ask.send().await.expect("an answer")
    };
    let allowed = preflight(ours).await;
    assert_eq!(allowed.status(), 204);
    assert_eq!(allowed.headers()["access-control-allow-origin"], ours);
    // Every method that an operation has, and every header that one asks for.
    let methods = allowed.headers()["access-control-allow-methods"].to_str().expect("text");
    let document: Value = door.get("/openapi.json").await.json().await.expect("the document");
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys().filter(|name| *name != "parameters") {
            let named = methods.split(", ").any(|one| one.eq_ignore_ascii_case(method));
            assert!(named, "a page may not {method} {path}");
        }
    }
    let headers = allowed.headers()["access-control-allow-headers"].to_str().expect("text");
    assert!(["idempotency-key", "if-match"].iter().all(|name| headers.split(", ").any(|one| one == *name)), "{headers}");
    assert!(!allowed.headers().contains_key("access-control-allow-credentials"));
    for origin in ["https://evil.example", "null", "https://app.example.com.evil.example", "http://app.example.com"] {
        let refused = preflight(origin).await;
        assert!(!refused.headers().keys().any(|name| name.as_str().starts_with("access-control")), "{origin}");
        problem(refused, 405, "method_not_allowed").await;
        let read = door.request(Method::GET, "/v1/jobs").header("origin", origin).send().await.expect("an answer");
        assert!(!read.headers().keys().any(|name| name.as_str().starts_with("access-control")), "{origin}");
        assert_eq!(read.headers().get_all("vary").iter().filter(|value| *value == "origin").count(), 1);
    }
    // A refusal may be read too, so that a page can say why.
    for path in ["/v1/jobs", "/v1/jobs/job_9"] {
        let read = door.request(Method::GET, path).header("origin", ours).send().await.expect("an answer");
        assert_eq!(read.headers()["access-control-allow-origin"], ours, "{path}");
        assert!(read.headers()["access-control-expose-headers"].to_str().expect("text").contains("retry-after"));
    }
}

#[tokio::test]
async fn the_documentation_page_needs_nothing_from_elsewhere() {
    let door = Door::open().await;
    let page = door.bare(Method::GET, "/docs").send().await.expect("an answer");
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let page = page.text().await.expect("a page");
    assert!(
        !page.contains("http:") && !page.contains("https:") && !page.contains("<script>") && !page.contains("style="),
        "{page}"
    );
    for named in page.split('"').filter(|text| text.starts_with("/docs/") || text.starts_with("/openapi")) {
        let answer = door.bare(Method::GET, named).header("accept-encoding", "gzip").send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{named}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
    let script = door.bare(Method::GET, "/docs/start.js").send().await.expect("an answer").text().await.expect("a script");
    assert!(script.contains("/openapi.json") && !script.contains("://"), "{script}");
    let plain =
        door.bare(Method::GET, "/docs/swagger-ui.js").header("accept-encoding", "identity").send().await.expect("an answer");
    problem(plain, 406, "not_acceptable").await;
    assert_eq!(door.bare(Method::HEAD, "/docs").send().await.expect("an answer").status(), 200);
}
