//! The server each role runs on its admin address: alive (`/livez`), ready (`/readyz`), seen (`/metrics`).
//!
//! It shows nothing of any team; bind it to loopback or a private network, and give `/metrics` a token where that is not
//! enough. Beside `api/` and the sandbox this is the only file that names axum.

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use longshore_workers::{datalake::object_store::ObjectStore, db};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sqlx::PgPool;
use subtle::ConstantTimeEq as _;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    store::migrate::{self, Standing},
    telemetry::{self, Metrics},
};

/// Shows that a role's loop turns. The loop calls [`Pulse::beat`]; `/livez` fails when it has not for too long.
#[derive(Debug, Clone)]
pub struct Pulse {
    started: Instant,
    last: Arc<AtomicU64>,
    limit: Duration,
}

impl Pulse {
    /// A loop that should beat at least every `limit`.
    pub fn new(limit: Duration) -> Self {
        Self { started: Instant::now(), last: Arc::default(), limit }
    }

    /// The loop has come round.
    pub fn beat(&self) {
        self.last.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// How long it has not.
    pub fn silence(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }

    fn stopped(&self) -> bool {
        self.silence() > self.limit
    }
}

/// What a process is asked about.
#[derive(Clone)]
pub struct Checks {
    /// `api`, `worker`, `scheduler`.
    pub role: &'static str,
    /// The role's loop.
    pub pulse: Pulse,
    /// The database, through a pool that the role's work uses too.
    pub database: PgPool,
    /// The object store, where the role uses one.
    pub objects: Option<Arc<dyn ObjectStore>>,
    /// Cancelled when the process stops taking work.
    pub draining: CancellationToken,
    /// How a worker learns of work.
    pub waking: Option<String>,
    /// How long one check may take.
    pub deadline: Duration,
    /// Pools whose connections `/metrics` shows, by name.
    pub pools: Vec<(&'static str, PgPool)>,
    /// What `/metrics` answers.
    pub metrics: Metrics,
    /// Demanded by `/metrics` as a bearer token, when set.
    pub token: Option<SecretString>,
}

/// Serves until the returned task is aborted: also while the process drains, so that it is seen to. `addr` may name port 0;
/// the answer names the port that was chosen.
pub async fn serve(addr: SocketAddr, checks: Checks) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(addr)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("can't listen on the admin address {addr}: {error}")))?;
    let addr = listener.local_addr()?;
    telemetry::build_info(checks.role);
    let keep_up = checks.metrics.clone().keep_up(CancellationToken::new());
    let routes = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(checks));
    let server = tokio::spawn(async move {
        tokio::select! {
            _ = axum::serve(listener, routes) => {}
            () = keep_up => {}
        }
    });
    Ok((addr, server))
}

#[derive(Serialize)]
struct Answer {
    role: &'static str,
    ok: bool,
    checks: BTreeMap<&'static str, Check>,
}

#[derive(Serialize)]
struct Check {
    ok: bool,
    detail: String,
    milliseconds: u64,
}

impl Answer {
    fn of(role: &'static str, checks: impl IntoIterator<Item = (&'static str, Check)>) -> (StatusCode, Json<Self>) {
        let checks: BTreeMap<_, _> = checks.into_iter().collect();
        let ok = checks.values().all(|check| check.ok);
        (if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(Self { role, ok, checks }))
    }
}

async fn livez(State(checks): State<Arc<Checks>>) -> impl IntoResponse {
    Answer::of(checks.role, [("loop", turning(&checks.pulse))])
}

async fn readyz(State(checks): State<Arc<Checks>>) -> impl IntoResponse {
    let (database, objects) = tokio::join!(
        within(checks.deadline, database(&checks.database)),
        within(checks.deadline, objects(checks.objects.as_deref())),
    );
    let serving = match checks.draining.is_cancelled() {
        true => Check { ok: false, detail: "draining: this process is stopping".into(), milliseconds: 0 },
        false => Check { ok: true, detail: "taking work".into(), milliseconds: 0 },
    };
    let waking = checks.waking.clone().map(|detail| ("waking", Check { ok: true, detail, milliseconds: 0 }));
    let asked = [("database", database), ("objects", objects), ("loop", turning(&checks.pulse)), ("serving", serving)];
    Answer::of(checks.role, asked.into_iter().chain(waking))
}

async fn metrics(State(checks): State<Arc<Checks>>, headers: HeaderMap) -> Response {
    if !admitted(checks.token.as_ref(), &headers) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "a bearer token is needed\n").into_response();
    }
    for (name, pool) in &checks.pools {
        telemetry::pool(name, pool.num_idle(), pool.size() as usize);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], checks.metrics.render()).into_response()
}

fn admitted(token: Option<&SecretString>, headers: &HeaderMap) -> bool {
    let Some(token) = token else { return true };
    let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
    let given = given.strip_prefix(b"Bearer ").unwrap_or_default();
    // In constant time: how long a refusal takes tells nothing of the token.
    given.ct_eq(token.expose_secret().as_bytes()).into()
}

fn turning(pulse: &Pulse) -> Check {
    let (silence, limit) = (pulse.silence(), pulse.limit);
    Check {
        ok: !pulse.stopped(),
        detail: format!("last turn {:.1} s ago, at most {:.1} s allowed", silence.as_secs_f64(), limit.as_secs_f64()),
        milliseconds: 0,
    }
}

async fn database(pool: &PgPool) -> Result<String, String> {
    let mut work = db::work(pool).await.map_err(|error| error.to_string())?;
    match migrate::standing(&mut work).await.map_err(|error| error.to_string())? {
        Standing::Fits { newer: 0 } => Ok("reachable, migrations equal to this build".into()),
        Standing::Fits { newer } => Ok(format!("reachable, {newer} migrations ahead of this build")),
        Standing::Behind { missing } => Err(format!("{missing} migrations are missing: run longshore migrate")),
        Standing::Differs { version } => {
            Err(format!("migration {version} is not the one of this build: it was changed after it had been applied"))
        }
    }
}

async fn objects(store: Option<&dyn ObjectStore>) -> Result<String, String> {
    match store {
        None => Ok("not used by this role".into()),
        Some(store) => store.ping().await.map(|()| "reachable".into()).map_err(|error| error.to_string()),
    }
}

async fn within(deadline: Duration, check: impl Future<Output = Result<String, String>>) -> Check {
    let started = Instant::now();
    let answer = tokio::time::timeout(deadline, check)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {:.1} s", deadline.as_secs_f64())));
    let milliseconds = started.elapsed().as_millis() as u64;
    match answer {
        Ok(detail) => Check { ok: true, detail, milliseconds },
        Err(detail) => Check { ok: false, detail, milliseconds },
    }
}
