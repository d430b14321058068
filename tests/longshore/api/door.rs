//! A door on a port of its own, with kinds for the tests, and a team with a key.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use longshore::{
    api::{self, ApiState, Tuning, serve::Bounds},
    queue::plan::Thresholds,
    store,
    tenancy::keys::{self, Scope},
    workers::{
        clock::{SystemRandom, TestClock},
        ctx::Ctx,
        db::{self, PoolSize},
        ids::TeamId,
        job::{Done, Invalid, Job, Outcome, Stop},
        registry::Registry,
    },
};
use reqwest::{Client, Method, RequestBuilder, Response};
use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{PgPool, Postgres, pool::PoolConnection};
use tokio_util::sync::CancellationToken;

use crate::support::{PATIENCE, TestDb, services};

/// Greets somebody, or does what its name says.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Greet {
    pub name: String,
    pub times: Option<u32>,
    pub tags: Option<Vec<String>>,
    pub extra: Option<Value>,
}

impl Job for Greet {
    const KIND: &'static str = "greet";
    const QUEUE: &'static str = "greetings";
    const ALIASES: &'static [&'static str] = &["say_hello"];

    fn check(&self) -> Result<(), Invalid> {
        match self.name.as_str() {
            "nobody" => Err(Invalid::new("name", "nobody can't be greeted")),
            "panic" => panic!("greeting a panic: canary-7431"),
            _ => Ok(()),
        }
    }

    async fn run(&self, ctx: &Ctx) -> Outcome {
        match self.name.as_str() {
            "retry" => Err(Stop::retry(anyhow::anyhow!("nobody opened"))),
            "dead" => Err(Stop::dead(anyhow::anyhow!("moved away"))),
            "park" => Err(Stop::park("credit: none left")),
            "progress" => {
                let mut tx = ctx.tx().await?;
                ctx.checkpoint(&mut tx, 3, Some(9), "here").await?;
                tx.commit().await?;
                Err(Stop::snooze(Duration::from_secs(60), "halfway"))
            }
            name => Done::with(serde_json::json!({ "said": format!("hello {name}") })),
        }
    }
}

/// Another kind in another queue.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    pub hands: i64,
}

impl Job for Wave {
    const KIND: &'static str = "wave";
    const QUEUE: &'static str = "gestures";

    async fn run(&self, _: &Ctx) -> Outcome {
        Ok(Done::NOTHING)
    }
}

pub fn registry() -> Registry {
    Registry::new().add::<Greet>().add::<Wave>()
}

pub struct Door {
    pub db: TestDb,
    pub team: TeamId,
    pub key: String,
    pub clock: TestClock,
    pub state: Arc<ApiState>,
    pub stop: CancellationToken,
    pub address: std::net::SocketAddr,
    pub served: tokio::task::JoinHandle<std::io::Result<()>>,
    client: Client,
}

impl Door {
    pub async fn open() -> Self {
        Self::open_with(|pool| pool, Bounds::default()).await
    }

    pub async fn open_with(pool: impl FnOnce(PgPool) -> PgPool, bounds: Bounds) -> Self {
        Self::open_tuned(pool, bounds, Tuning { webhooks: services::local(), ..Tuning::default() }).await
    }

    pub async fn open_tuned(pool: impl FnOnce(PgPool) -> PgPool, bounds: Bounds, tuning: Tuning) -> Self {
        Self::on(TestDb::new().await, pool, bounds, tuning).await
    }

    /// On a database of the test's choice.
    pub async fn on(db: TestDb, pool: impl FnOnce(PgPool) -> PgPool, bounds: Bounds, tuning: Tuning) -> Self {
        let team = db.team("acme").await;
        let key = key(&db, team, &Scope::STANDARD, None).await.0;
        let pool = pool(db.pool("api"));
        let mut conn = db.pool("api").acquire().await.expect("a connection");
        store::jobs::register(&mut conn, &registry()).await.expect("the kinds");
        drop(conn);
        // Near the database's own time, but standing still.
        let clock = TestClock::at(now(&db).await);
        let stop = CancellationToken::new();
        let bounds_of_one = Thresholds { approve_above_jobs: 3, approve_above_credits: 1000 };
        let (registry, ticks) = (Arc::new(registry()), Arc::new(clock.clone()));
        let tuning = Tuning { keyring: services::keyring("test"), ..tuning };
        let state = ApiState::new(pool, registry, ticks, Arc::new(SystemRandom), stop.clone(), bounds_of_one, tuning);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let served = tokio::spawn(api::serve::serve_within(bounds, listener, api::router(state.clone(), None), stop.clone()));
        Self { db, team, key, clock, state, stop, address, served, client: client() }
    }

    /// A door with few connections, all of them in the test's hands: what comes in waits until they are let go.
    pub async fn open_and_hold(connections: u32) -> (Self, Vec<PoolConnection<Postgres>>) {
        let few = |pool: PgPool| {
            let size = PoolSize { connections, acquire_timeout: Duration::from_secs(60) };
            db::guarded_pool((*pool.connect_options()).clone(), size)
        };
        let door = Self::open_with(few, Bounds::default()).await;
        // The key is known from now on, so that nobody needs a connection to come in.
        assert_eq!(door.get("/v1/jobs/nonsense").await.status(), 404);
        let mut held = Vec::new();
        for _ in 0..connections {
            held.push(door.state.pool.acquire().await.expect("a connection"));
        }
        (door, held)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address)).bearer_auth(&self.key)
    }

    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.expect("an answer")
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await.expect("an answer")
    }

    /// Posts a text that need not be JSON.
    pub async fn post_text(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        let request = self.request(Method::POST, path).header("content-type", "application/json").body(body);
        request.send().await.expect("an answer")
    }

    /// Enqueues a job and returns its id.
    pub async fn enqueue(&self, body: &Value) -> String {
        let answer = self.post("/v1/jobs", body).await;
        assert_eq!(answer.status(), 202);
        json(answer).await["id"].as_str().expect("an id").to_owned()
    }

    /// Rows in every table that an enqueue writes.
    pub async fn rows(&self) -> i64 {
        let count = "select (select count(*) from queue.jobs) + (select count(*) from queue.keys)
            + (select count(*) from queue.ready) + (select count(*) from queue.scheduled)";
        sqlx::query_scalar(count).fetch_one(&self.db.admin).await.expect("a count")
    }

    /// Jobs accepted, counted as the operator counts them.
    pub async fn accepted(&self) -> i64 {
        sqlx::query_scalar("select count(*) from queue.jobs").fetch_one(&self.db.admin).await.expect("a count")
    }
}

pub async fn now(db: &TestDb) -> DateTime<Utc> {
    sqlx::query_scalar("select now()").fetch_one(&db.admin).await.expect("a moment")
}

/// Makes a key as the operator does: its text and its id.
pub async fn key(db: &TestDb, team: TeamId, scopes: &[Scope], ends: Option<DateTime<Utc>>) -> (String, String) {
    let pool = db.pool("operator");
    let mut conn = pool.acquire().await.expect("a connection");
    let made = keys::create(&mut conn, team, "test", scopes, ends, &SystemRandom).await.expect("a key");
    (made.text.expose_secret().to_owned(), made.key_id)
}

/// Looks until it is so.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}

pub fn client() -> Client {
    // Another test may have chosen it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().expect("a client")
}

pub async fn json(response: Response) -> Value {
    response.json().await.expect("JSON")
}

/// Checks that an answer is a whole problem, and returns it.
pub async fn problem(response: Response, status: u16, code: &str) -> Value {
    let seen = response.status().as_u16();
    let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let text = response.text().await.expect("a body");
    assert_eq!(seen, status, "{text}");
    assert_eq!(kind, "application/problem+json", "{text}");
    let problem: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(problem["status"], status, "{text}");
    assert_eq!(problem["code"], code, "{text}");
    assert_eq!(problem["type"], format!("urn:longshore:problem:{code}"));
    assert!(problem["error_id"].as_str().is_some_and(|id| id.starts_with("err_")), "{text}");
    assert!(!problem["detail"].as_str().unwrap_or_default().is_empty(), "{text}");
    problem
}
