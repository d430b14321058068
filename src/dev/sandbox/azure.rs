//! Azure OpenAI as it answers over HTTP: a deployment with limits of requests and tokens a minute, a content filter, and a model
//! that writes the same text for the same question.
//!
//! Instructions that hold `[filter]` are refused by the filter (400); with `[filter-answer]` the answer is; `[long]` is cut off;
//! `[gap]` leaves a placeholder. It misbehaves in the next requests, in order.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream;
use longshore_workers::clock::Clock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 429 with `retry-after`; no token is used.
    RateLimit,
    /// 500; no token is used.
    Error,
    /// Uses its tokens, then says nothing.
    HangAfter,
    /// Uses its tokens, then breaks the connection off.
    ResetAfter,
}

/// How it behaves. `PUT /_sandbox/azure` takes this as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Tokens a minute: the question's and `max_tokens`, counted when a request comes.
    pub tokens_per_minute: u64,
    /// Requests a minute.
    pub requests_per_minute: u64,
    /// What the next requests meet, in order; `null` is none.
    pub next: VecDeque<Option<Fault>>,
    /// What `retry-after` says where a fault asks for it.
    pub retry_after_seconds: u64,
    /// How long it says nothing.
    pub hang_seconds: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            tokens_per_minute: 1_000_000,
            requests_per_minute: 6000,
            next: VecDeque::new(),
            retry_after_seconds: 1,
            hang_seconds: 3600,
        }
    }
}

/// One request that it understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Counted from 1.
    pub request: u64,
    /// Which deployment.
    pub deployment: String,
    /// What it was told.
    pub system: String,
    /// What it was given.
    pub user: String,
    /// What it used, question and answer.
    pub tokens: u64,
    /// What it wrote; empty where it wrote nothing.
    pub text: String,
    /// What the caller got.
    pub status: u16,
}

/// Azure's side: how it behaves, and what it was asked.
#[derive(Clone)]
pub struct Azure(Arc<Mutex<Inner>>);

struct Inner {
    key: String,
    clock: Arc<dyn Clock>,
    behaviour: Behaviour,
    asked: Vec<Asked>,
    /// When requests came, and what each was counted as.
    lately: VecDeque<(DateTime<Utc>, u64)>,
}

#[derive(Deserialize)]
struct Question {
    messages: Vec<Message>,
    #[serde(default = "most")]
    max_tokens: u64,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
}

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "api-version")]
    api_version: Option<String>,
}

const fn most() -> u64 {
    16
}

impl Azure {
    /// A resource with this key.
    pub fn new(key: &str, clock: Arc<dyn Clock>) -> Self {
        let inner =
            Inner { key: key.to_owned(), clock, behaviour: Behaviour::default(), asked: Vec::new(), lately: VecDeque::new() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Behaves so from now on; what it was asked stays on record.
    pub fn behave(&self, behaviour: Behaviour) {
        self.inner().behaviour = behaviour;
    }

    /// Misbehaves in the next requests, in order.
    pub fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.inner().behaviour.next.extend(faults.into_iter().map(Some));
    }

    /// What it was asked, request by request.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner().asked.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its routes: chat completions, `GET /_sandbox/texts`, `PUT /_sandbox/azure`.
pub fn router(azure: Azure) -> Router {
    Router::new()
        .route("/openai/deployments/{deployment}/chat/completions", post(complete))
        .route("/_sandbox/texts", get(texts))
        .route("/_sandbox/azure", put(behave))
        .with_state(azure)
}

async fn texts(State(azure): State<Azure>) -> Json<Value> {
    let asked = azure.asked();
    let tokens: u64 = asked.iter().map(|one| one.tokens).sum();
    Json(json!({ "requests": asked.len(), "tokens": tokens, "asked": asked }))
}

async fn behave(State(azure): State<Azure>, Json(behaviour): Json<Behaviour>) -> StatusCode {
    azure.behave(behaviour);
    StatusCode::NO_CONTENT
}

/// What a request comes to.
enum Answer {
    Say(StatusCode, Value, Option<u64>),
    Hang(u64),
    Reset,
}

async fn complete(
    State(azure): State<Azure>,
    Path(deployment): Path<String>,
    Query(version): Query<Version>,
    headers: HeaderMap,
    Json(question): Json<Question>,
) -> Response {
    let key = headers.get("api-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    let answer = azure.inner().take(key, &deployment, version.api_version.as_deref(), &question);
    match answer {
        Answer::Say(status, body, None) => (status, Json(body)).into_response(),
        Answer::Say(status, body, Some(wait)) => (status, [("retry-after", wait.to_string())], Json(body)).into_response(),
        Answer::Hang(seconds) => {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        Answer::Reset => {
            let cut = stream::once(async { Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset)) });
            Body::from_stream(cut).into_response()
        }
    }
}

fn error(status: StatusCode, code: &str, message: &str) -> (StatusCode, Value) {
    (status, json!({ "error": { "code": code, "message": message, "status": status.as_u16() } }))
}

/// Some four characters are a token.
fn tokens_of(text: &str) -> u64 {
    text.chars().count() as u64 / 4 + 1
}

impl Inner {
    fn take(&mut self, key: &str, deployment: &str, version: Option<&str>, question: &Question) -> Answer {
        let say = |(status, body): (StatusCode, Value)| Answer::Say(status, body, None);
        if key != self.key {
            return say(error(StatusCode::UNAUTHORIZED, "401", "Access denied due to invalid subscription key."));
        }
        if deployment == "absent" {
            return say(error(
                StatusCode::NOT_FOUND,
                "DeploymentNotFound",
                "The API deployment for this resource does not exist.",
            ));
        }
        if version.is_none() {
            return say(error(StatusCode::NOT_FOUND, "404", "Resource not found"));
        }
        let of = |role: &str| {
            let texts = question.messages.iter().filter(|message| message.role == role).map(|message| message.content.as_str());
            texts.collect::<Vec<_>>().join("\n")
        };
        let (system, user) = (of("system"), of("user"));
        let asked = tokens_of(&system) + tokens_of(&user);
        let fault = self.behaviour.next.pop_front().flatten();
        if let Some(wait) = self.over_limit(asked + question.max_tokens) {
            return self.refuse_for_now(deployment, (system, user), wait);
        }
        match fault {
            Some(Fault::RateLimit) => {
                let wait = self.behaviour.retry_after_seconds;
                return self.refuse_for_now(deployment, (system, user), wait);
            }
            Some(Fault::Error) => {
                let answer = error(StatusCode::INTERNAL_SERVER_ERROR, "500", "The server had an error.");
                self.record(deployment, system, user, 0, String::new(), 500);
                return say(answer);
            }
            _ => {}
        }
        if system.contains("[filter]") {
            let (status, mut body) = error(StatusCode::BAD_REQUEST, "content_filter", "The prompt triggered the content policy.");
            body["error"]["param"] = json!("prompt");
            body["error"]["innererror"] = json!({ "code": "ResponsibleAIPolicyViolation" });
            self.record(deployment, system, user, 0, String::new(), 400);
            return say((status, body));
        }
        let (text, finish) = write(&system, &user, question.max_tokens);
        let written = tokens_of(&text);
        self.record(deployment, system, user, asked + written, text.clone(), 200);
        match fault {
            Some(Fault::HangAfter) => Answer::Hang(self.behaviour.hang_seconds),
            Some(Fault::ResetAfter) => Answer::Reset,
            _ => say((
                StatusCode::OK,
                json!({
                    "id": format!("chatcmpl-{}", self.asked.len()),
                    "object": "chat.completion",
                    "created": self.clock.now().timestamp(),
                    "model": "sandbox-mini",
                    "choices": [{
                        "index": 0,
                        "finish_reason": finish,
                        "message": { "role": "assistant", "content": (finish != "content_filter").then_some(text) },
                    }],
                    "usage": { "prompt_tokens": asked, "completion_tokens": written, "total_tokens": asked + written },
                }),
            )),
        }
    }

    /// In how many seconds a request of so many tokens has room, where it has none now.
    fn over_limit(&mut self, tokens: u64) -> Option<u64> {
        let now = self.clock.now();
        while self.lately.front().is_some_and(|(at, _)| now - *at >= TimeDelta::minutes(1)) {
            self.lately.pop_front();
        }
        let used: u64 = self.lately.iter().map(|(_, tokens)| tokens).sum();
        let full =
            self.lately.len() as u64 >= self.behaviour.requests_per_minute || used + tokens > self.behaviour.tokens_per_minute;
        if full {
            let oldest = self.lately.front().map_or(now, |(at, _)| *at);
            let wait = (oldest + TimeDelta::minutes(1) - now).num_seconds().clamp(1, 60);
            return Some(wait.unsigned_abs());
        }
        self.lately.push_back((now, tokens));
        None
    }

    fn refuse_for_now(&mut self, deployment: &str, (system, user): (String, String), wait: u64) -> Answer {
        let (status, body) =
            error(StatusCode::TOO_MANY_REQUESTS, "429", &format!("Rate limit exceeded. Please retry after {wait} seconds."));
        self.record(deployment, system, user, 0, String::new(), 429);
        Answer::Say(status, body, Some(wait))
    }

    fn record(&mut self, deployment: &str, system: String, user: String, tokens: u64, text: String, status: u16) {
        let request = self.asked.len() as u64 + 1;
        self.asked.push(Asked { request, deployment: deployment.to_owned(), system, user, tokens, text, status });
    }
}

/// What it writes, and how that ends.
fn write(system: &str, user: &str, max_tokens: u64) -> (String, &'static str) {
    let given: Value = serde_json::from_str(user).unwrap_or_default();
    let name = given["recipient"]["first_name"].as_str().unwrap_or("there");
    let example = given["example"].as_str().unwrap_or_default();
    let example: String = example.chars().take(120).collect();
    if system.contains("[filter-answer]") {
        return (String::new(), "content_filter");
    }
    if system.contains("[gap]") {
        return ("Hi [first name], shall we talk?".to_owned(), "stop");
    }
    let text = format!("Hi {name}, this is written for you. {example}");
    if system.contains("[long]") || tokens_of(&text) > max_tokens {
        return (text.chars().take(20).collect(), "length");
    }
    (text, "stop")
}
