//! What holds for every request.

use std::time::Duration;

use longshore::{
    api::{openapi, serve::Bounds},
    workers::db::{self, PoolSize},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::door::{self, Door, problem, until};

#[tokio::test]
async fn every_answer_has_an_id_and_closed_headers() {
    let door = Door::open().await;
    for path in ["/livez", "/readyz", "/openapi.json", "/v1/jobs/job_1", "/nowhere"] {
        let answer = door.request(Method::GET, path).header("origin", "https://evil.example").send().await.expect("an answer");
        let headers = answer.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert!(headers["content-security-policy"].to_str().expect("text").contains("default-src 'none'"), "{path}");
        assert!(headers.contains_key("x-request-id"), "{path}");
        assert!(!headers.contains_key("server"), "{path}");
        assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control")), "{path}");
    }
}

#[tokio::test]
async fn wrong_addresses_and_methods_are_problems_too() {
    let door = Door::open().await;
    problem(door.get("/nowhere").await, 404, "not_found").await;
    problem(door.get("/v1/jobs/a/b/c").await, 404, "not_found").await;
    for (method, path) in
        [(Method::PUT, "/v1/jobs"), (Method::DELETE, "/v1/jobs/job_1"), (Method::OPTIONS, "/v1/jobs"), (Method::PUT, "/livez")]
    {
        let answer = door.request(method.clone(), path).send().await.expect("an answer");
        assert!(answer.headers().contains_key("allow"), "{method} {path}");
        problem(answer, 405, "method_not_allowed").await;
    }
}

#[tokio::test]
async fn a_panic_is_a_problem_that_tells_nothing() {
    let door = Door::open().await;
    let body = json!({ "kind": "greet", "payload": { "name": "panic" } });
    let refused = problem(door.post("/v1/jobs", &body).await, 500, "internal").await;
    assert!(!refused.to_string().contains("canary-7431"), "{refused}");
    let fine = json!({ "kind": "greet", "payload": { "name": "Ada" } });
    assert_eq!(door.post("/v1/jobs", &fine).await.status(), 202, "the door stays open");
}

#[tokio::test]
async fn without_connections_to_spare_callers_are_told_to_come_back() {
    let door = Door::open_with(
        |pool| {
            let size = PoolSize { connections: 1, acquire_timeout: Duration::from_secs(2) };
            db::guarded_pool((*pool.connect_options()).clone(), size)
        },
        Bounds::default(),
    )
    .await;
    let body = json!({ "kind": "greet", "payload": { "name": "Ada" } });
    assert_eq!(door.post("/v1/jobs", &body).await.status(), 202);
    let held = door.state.pool.acquire().await.expect("the only connection");
    let answer = door.post("/v1/jobs", &body).await;
    assert_eq!(answer.headers()["retry-after"], "1");
    problem(answer, 503, "busy").await;
    problem(door.bare(Method::GET, "/readyz").send().await.expect("an answer"), 503, "not_ready").await;
    assert_eq!(door.bare(Method::GET, "/livez").send().await.expect("an answer").status(), 200);
    drop(held);
    assert_eq!(door.post("/v1/jobs", &body).await.status(), 202);
    assert_eq!(door.bare(Method::GET, "/readyz").send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_caller_that_never_ends_its_headers_is_hung_up_on() {
    let door = Door::open_with(|pool| pool, Bounds { headers_within: Duration::from_millis(200), ..Bounds::default() }).await;
    let mut stream = tokio::net::TcpStream::connect(door.address).await.expect("a connection");
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ").await.expect("bytes sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    read.expect("the connection stayed open").expect("an end");
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
}

#[tokio::test]
async fn a_stop_lets_answers_under_way_out() {
    let (door, connections) = Door::open_and_hold(1).await;
    let body = json!({ "kind": "greet", "payload": { "name": "Ada" } });
    let stopping = async {
        until("a request is under way", async || door.state.requests_in_hand() == 1).await;
        door.stop.cancel();
        drop(connections);
    };
    let (answer, ()) = tokio::join!(door.post("/v1/jobs", &body), stopping);
    assert_eq!(answer.status(), 202);
    drop(answer);
    door.served.await.expect("the server").expect("a good end");
    assert!(tokio::net::TcpStream::connect(door.address).await.is_err(), "the port is still open");
}

#[test]
fn the_openapi_document_is_as_agreed() {
    insta::assert_snapshot!("openapi", openapi::document());
}

#[tokio::test]
async fn every_documented_operation_asks_for_a_key() {
    let door = Door::open().await;
    let document: Value = door::json(door.bare(Method::GET, "/openapi.json").send().await.expect("an answer")).await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document, serde_json::from_str::<Value>(&openapi::document()).expect("JSON"));
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let answer = door
                .bare(method, &path.replace("{id}", "job_1").replace("{delivery}", "dlv_1").replace("{lead}", "1"))
                .send()
                .await
                .expect("an answer");
            problem(answer, 401, "unauthenticated").await;
            for status in ["401", "403", "500", "503"] {
                assert!(operation["responses"][status]["content"]["application/problem+json"].is_object(), "{path} {status}");
            }
            asked += 1;
        }
    }
    assert_eq!(asked, 78);
}
