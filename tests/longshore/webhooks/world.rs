//! A team with endpoints, receivers that answer as a test says, and a worker driven by hand.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::HeaderMap,
    response::Response,
};
use longshore::{
    queue::settle::Verdict,
    workers::{
        self,
        clock::SystemRandom,
        ctx::Services,
        db,
        ids::{DeliveryId, EndpointId, JobId, TeamId},
        job::Job,
        registry::Registry,
        webhooks::{
            deliveries::{self, Delivery},
            endpoints::{self, Endpoint, EndpointError, Wanted},
        },
    },
};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Stepper, TestDb, kinds, services, services::keyring};

/// What a receiver answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Say {
    Status(u16),
    With(u16, &'static str, String),
    /// With a body of so many bytes.
    Long(u16, usize),
    /// Waits so long before it answers.
    Late(Duration, u16),
}

/// What a receiver got.
#[derive(Debug, Clone)]
pub struct Got {
    pub headers: HeaderMap,
    pub body: String,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub fn event(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }
}

#[derive(Default)]
struct Desk {
    got: Mutex<Vec<Got>>,
    script: Mutex<VecDeque<Say>>,
}

/// A customer's server. What the script does not say it answers with 200.
pub struct Receiver {
    pub port: u16,
    desk: Arc<Desk>,
    served: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub async fn open() -> Self {
        let desk = Arc::new(Desk::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let router = Router::new().fallback(answer).with_state(desk.clone());
        let served = tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        Self { port, desk, served }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks?of=acme", self.port)
    }

    pub fn will(&self, say: impl IntoIterator<Item = Say>) {
        self.desk.script.lock().expect("a script").extend(say);
    }

    pub fn got(&self) -> Vec<Got> {
        self.desk.got.lock().expect("a list").clone()
    }

    pub fn events(&self) -> Vec<String> {
        let mut events: Vec<_> = self.got().iter().map(Got::event).collect();
        events.sort();
        events
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.served.abort();
    }
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(to_bytes(body, 1 << 20).await.expect("a body").to_vec()).expect("a text");
    desk.got.lock().expect("a list").push(Got { headers: parts.headers, body });
    let say = desk.script.lock().expect("a script").pop_front().unwrap_or(Say::Status(200));
    // Each request has a connection of its own, so that each is resolved anew.
    let response = Response::builder().header("connection", "close");
    let response = match say {
        Say::Status(status) => response.status(status).body(Body::empty()),
        Say::With(status, name, value) => response.status(status).header(name, value).body(Body::empty()),
        Say::Long(status, bytes) => response.status(status).body(Body::from(vec![b'x'; bytes])),
        Say::Late(wait, status) => {
            tokio::time::sleep(wait).await;
            response.status(status).body(Body::empty())
        }
    };
    response.expect("an answer")
}

pub struct World {
    pub db: TestDb,
    pub team: TeamId,
    pub worker: Stepper,
    pub api: PgPool,
}

pub fn registry() -> Registry {
    workers::registry().add::<kinds::Scripted>()
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub async fn with(change: impl FnOnce(&mut Services)) -> Self {
        let db = TestDb::new().await;
        sqlx::raw_sql(kinds::TABLES).execute(&db.admin).await.expect("the scripts' tables");
        let team = db.team("acme").await;
        let mut services = services(&db);
        change(&mut services);
        let worker = Stepper::new(&db, registry(), services).await;
        let api = db.pool("api");
        Self { db, team, worker, api }
    }

    pub async fn endpoint(&self, url: &str, events: &[&str]) -> (EndpointId, SecretString) {
        self.endpoint_of(self.team, url, events, &[]).await
    }

    pub async fn endpoint_of(&self, team: TeamId, url: &str, events: &[&str], kinds: &[&str]) -> (EndpointId, SecretString) {
        let wanted = Wanted {
            url: Some(url.to_owned()),
            events: Some(events.iter().map(|&event| event.to_owned()).collect()),
            kinds: Some(kinds.iter().map(|&kind| kind.to_owned()).collect()),
            ..Wanted::default()
        };
        wanted.check(&services::local(), |kind| registry().get(kind).is_some()).expect("a sound endpoint");
        let mut tx = db::begin_by(&self.api, team, "key test").await.expect("a transaction");
        let (endpoint, secret) =
            endpoints::create(&mut tx, &keyring("test"), &SystemRandom, team, &wanted).await.expect("an endpoint");
        tx.commit().await.expect("a commit");
        (endpoint.id, secret)
    }

    pub async fn update(&self, id: EndpointId, wanted: Wanted) -> Endpoint {
        let mut tx = db::begin_by(&self.api, self.team, "key test").await.expect("a transaction");
        let stands = endpoints::update(&mut tx, self.team, id, &wanted).await.expect("a change");
        tx.commit().await.expect("a commit");
        stands
    }

    pub async fn rotate(&self, id: EndpointId, keep_hours: i32) -> SecretString {
        let mut tx = db::begin_by(&self.api, self.team, "key test").await.expect("a transaction");
        let (_, secret) =
            endpoints::rotate(&mut tx, &keyring("test"), &SystemRandom, self.team, id, keep_hours).await.expect("a rotation");
        tx.commit().await.expect("a commit");
        secret
    }

    pub async fn delete(&self, id: EndpointId) {
        let mut tx = db::begin_by(&self.api, self.team, "key test").await.expect("a transaction");
        endpoints::delete(&mut tx, self.team, id).await.expect("an end");
        tx.commit().await.expect("a commit");
    }

    pub async fn find(&self, id: EndpointId) -> Result<Endpoint, EndpointError> {
        let mut tx = db::begin_as(&self.api, self.team).await.expect("a transaction");
        endpoints::find(&mut tx, self.team, id).await
    }

    /// Deliveries to an endpoint, the oldest first.
    pub async fn deliveries(&self, id: EndpointId) -> Vec<Delivery> {
        let mut tx = db::begin_as(&self.api, self.team).await.expect("a transaction");
        let mut all = deliveries::page(&mut tx, self.team, id, None, None, 1000).await.expect("a page");
        all.reverse();
        all
    }

    pub async fn delivery(&self, id: EndpointId) -> Delivery {
        let mut all = self.deliveries(id).await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub async fn replay(&self, id: EndpointId, delivery: DeliveryId) -> Result<JobId, deliveries::ReplayError> {
        let mut tx = db::begin_by(&self.api, self.team, "key test").await.expect("a transaction");
        let job = deliveries::replay(&mut tx, self.team, id, delivery).await?;
        tx.commit().await.expect("a commit");
        Ok(job)
    }

    pub async fn test(&self, id: EndpointId) -> Option<DeliveryId> {
        let mut tx = db::begin_by(&self.api, self.team, "key test").await.expect("a transaction");
        let sent = deliveries::test(&mut tx, self.team, id).await.expect("an answer");
        tx.commit().await.expect("a commit");
        sent
    }

    /// A job that is done, which is told.
    pub async fn one_done(&self) -> JobId {
        let job = self.worker.enqueue(self.team, &kinds::Scripted::new("nothing")).await;
        self.worker.drain(kinds::Scripted::QUEUE).await;
        job
    }

    /// Delivers what is ready or due, and says what became of each try.
    pub async fn deliver(&self) -> Vec<Verdict> {
        self.worker.drain("webhooks").await.into_iter().map(|(_, verdict)| verdict).collect()
    }

    /// The same when every waiting job's time has come.
    pub async fn deliver_later(&self) -> Vec<Verdict> {
        self.worker.let_time_pass(&self.db).await;
        self.deliver().await
    }

    pub async fn tell(&self, order: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(order.to_owned())).execute(&self.db.admin).await.expect("an order carried out");
    }

    pub async fn ask<T>(&self, question: &str) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        sqlx::query_scalar(sqlx::AssertSqlSafe(question.to_owned())).fetch_one(&self.db.admin).await.expect("an answer")
    }
}
