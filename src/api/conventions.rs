//! What holds for every request: an id, a deadline, a bound on how many, and refusals of one form.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use longshore_workers::{clock::Random, ids::TeamId};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument as _, error, field, info, info_span, warn};

use super::{
    ApiState,
    cors::Origins,
    error::{ApiError, Code},
    jobs,
    rate::Seen,
};
use crate::telemetry;

/// No request takes longer.
const DEADLINE: Duration = Duration::from_secs(30);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request, and the jobs it causes, in every log line: the caller's own id where it sent one.
#[derive(Debug, Clone)]
pub struct RequestId(pub Arc<str>);

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| ApiError::internal("a request came past the conventions"))
    }
}

/// By which way a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lane {
    /// As most do: within its key's rate, and within the bound of requests in hand.
    #[default]
    Open,
    /// Past both, with places and connections of its own: what stops work and spending must get through when everything else
    /// is refused.
    Reserved,
    /// Health: it must be answered when nothing else is.
    Probe,
}

/// What is never shed: cancelling, and the texts people write to us, of which one may be STOP.
const RESERVED: [&str; 2] = ["/v1/jobs/{id}/cancel", super::twilio::INBOUND_PATH];

impl Lane {
    fn of(path: &str) -> Self {
        match path {
            path if RESERVED.contains(&path) => Self::Reserved,
            path if super::health::is_probe(path) => Self::Probe,
            _ => Self::Open,
        }
    }
}

/// A request's place among those in hand, and among its team's.
#[derive(Debug, Clone, Default)]
pub struct Place(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    of_all: Option<OwnedSemaphorePermit>,
    of_team: Option<OwnedSemaphorePermit>,
}

impl Place {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives it to somebody else, while this request only waits.
    pub fn give_back(&self) {
        *self.held() = Held::default();
    }

    /// Takes one again, as soon as there is one.
    pub async fn take(&self, api: &ApiState) {
        if let Ok(place) = api.room.clone().acquire_owned().await {
            self.held().of_all = Some(place);
        }
    }

    /// Counts the request among its team's; false where those are as many as one team's may be.
    pub(super) fn is_of(&self, api: &ApiState, team: TeamId) -> bool {
        let part = api.parts.try_part(team);
        let fits = part.is_some();
        self.held().of_team = part;
        fits
    }
}

impl<S: Sync> FromRequestParts<S> for Place {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Marks requests of a connection that came when there was room only for what is never shed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crowded;

/// Keeps the conventions around `next`.
pub async fn keep(State(api): State<Arc<ApiState>>, mut request: Request, next: Next) -> Response {
    let id = RequestId(request_id(request.headers(), api.random.as_ref()).into());
    request.extensions_mut().insert(id.clone());
    let path = request.extensions().get::<MatchedPath>().map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let route = path.clone();
    let lane = Lane::of(&route);
    let seen = Seen::default();
    request.extensions_mut().insert(lane);
    request.extensions_mut().insert(seen.clone());
    let origin = api.origins.of(request.headers());
    let span = info_span!("request", request.id = %id.0, method = %request.method(), path, team.id = field::Empty, key.id = field::Empty);
    async move {
        let started = api.clock.now();
        let mut response = match Origins::preflight(origin.as_ref(), &request) {
            Some(allowed) => allowed,
            None => within_bounds(&api, lane, request, next).await,
        };
        if response.status().is_client_error() || response.status().is_server_error() {
            response = refuse(&api, response);
        }
        dress(response.headers_mut(), &id);
        seen.dress(response.headers_mut());
        api.origins.dress(response.headers_mut(), origin);
        let took = (api.clock.now() - started).num_milliseconds();
        telemetry::http_request(&route, response.status().as_u16(), Duration::from_millis(took.unsigned_abs()));
        info!(status = response.status().as_u16(), took_ms = took, "answered");
        response
    }
    .instrument(span)
    .await
}

async fn within_bounds(api: &ApiState, lane: Lane, mut request: Request, next: Next) -> Response {
    let busy = || ApiError::new(Code::Busy, "Too many requests are in hand. Try again in a moment.").into_response();
    if lane == Lane::Open && request.extensions().get::<Crowded>().is_some() {
        let mut refused = busy();
        refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return refused;
    }
    let room = match lane {
        Lane::Probe => None,
        Lane::Open => Some(&api.room),
        Lane::Reserved => Some(&api.reserved_room),
    };
    let place = match room.map(|room| room.clone().try_acquire_owned()) {
        None => None,
        Some(Ok(place)) => Some(place),
        Some(Err(_)) => return busy(),
    };
    let place = Place(Arc::new(Mutex::new(Held { of_all: place, of_team: None })));
    request.extensions_mut().insert(place.clone());
    let deadline = if jobs::waits(&request) { DEADLINE + jobs::LONGEST_WAIT } else { DEADLINE };
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    let response = answered(deadline, run).await;
    place.give_back();
    response
}

async fn answered(deadline: Duration, run: impl Future<Output = std::thread::Result<Response>>) -> Response {
    match tokio::time::timeout(deadline, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            // What it said may hold a caller's data; where it was, the panic hook has logged.
            drop(panic);
            ApiError::internal("a handler panicked").into_response()
        }
        Err(_) => ApiError::new(
            Code::Busy,
            format!("No answer within {deadline:?}. A job may have been accepted: repeat with the same idempotency key."),
        )
        .into_response(),
    }
}

/// Gives a refusal its id and its body, and the log what the caller may not know.
fn refuse(api: &ApiState, mut response: Response) -> Response {
    let status = response.status();
    let known = response.extensions_mut().remove::<ApiError>();
    let refusal = known.unwrap_or_else(|| {
        let said = status.canonical_reason().unwrap_or("refused");
        ApiError::new(Code::of_status(status), format!("{said}."))
    });
    let error_id = format!("err_{}", token(api.random.as_ref()));
    match refusal.for_the_log() {
        Some(cause) if refusal.code == Code::Busy => warn!(error_id, code = refusal.code.name(), "refused: {cause}"),
        Some(cause) => error!(error_id, code = refusal.code.name(), "failed: {cause}"),
        None => info!(error_id, code = refusal.code.name(), "refused"),
    }
    let mut problem = refusal.problem(error_id);
    problem.status = status.as_u16();
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut refused = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
    // What a refusal said in headers stays said (Allow of a 405).
    let keep = [header::ALLOW, header::CONNECTION];
    for name in keep {
        if let Some(value) = response.headers_mut().remove(&name) {
            refused.headers_mut().insert(name, value);
        }
    }
    if status == StatusCode::UNAUTHORIZED {
        refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"longshore\""));
    }
    if let Some(seconds) = refusal.retry_after() {
        refused.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    refused
}

/// Headers of every answer; what a handler has said itself stays. What a page of another origin may read, `cors.rs` says.
fn dress(headers: &mut HeaderMap, id: &RequestId) {
    const FIXED: [(HeaderName, &str); 7] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, value);
    }
}

/// The caller's `X-Request-Id`, or the trace it is in, or a new one.
fn request_id(headers: &HeaderMap, random: &dyn Random) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let plain =
        |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&b));
    let own = text("x-request-id").filter(plain).filter(|id| !is_personal(id));
    let trace = || {
        let id = text("traceparent")?.split('-').nth(1)?;
        let sound = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) && id.bytes().any(|b| b != b'0');
        sound.then_some(id)
    };
    own.or_else(trace).map_or_else(|| format!("req_{}", token(random)), str::to_owned)
}

/// Whether an id looks like somebody's phone number, e-mail or key: ids stand in every log line, and those may not.
pub(super) fn is_personal(id: &str) -> bool {
    let mut digits = 0;
    let number = id.bytes().all(|b| match b {
        b'0'..=b'9' => {
            digits += 1;
            true
        }
        b => b"+-.() /".contains(&b),
    });
    id.contains('@') || id.contains("lsk_") || number && (7..=15).contains(&digits)
}

fn token(random: &dyn Random) -> String {
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use longshore_workers::clock::SeededRandom;

    use super::*;

    fn id(pairs: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_str(value).expect("a header"));
        }
        request_id(&headers, &SeededRandom::new(1))
    }

    #[test]
    fn a_request_keeps_its_own_id_or_that_of_its_trace() {
        let trace = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert_eq!(id(&[("x-request-id", "abc-1"), trace]), "abc-1");
        assert_eq!(id(&[trace]), "4bf92f3577b34da6a3ce929d0e0e4736");
        for made in [
            id(&[]),
            id(&[("x-request-id", "ada@example.com")]),
            id(&[("x-request-id", "+15550142277")]),
            id(&[("x-request-id", "a b")]),
            id(&[("x-request-id", &"x".repeat(129))]),
            id(&[("traceparent", "00-0-0")]),
        ] {
            assert!(made.starts_with("req_"), "{made}");
        }
    }
}
