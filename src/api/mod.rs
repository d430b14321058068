//! The HTTP door: a caller's key becomes a team, a body becomes a job, and every refusal is problem+json.
//!
//! ```text
//! serve (headers in time, connections bounded)
//!   conventions (request id, deadline, panics, security headers, problem+json)
//!     auth (key -> team, scopes) -> body (size, depth, storable text) -> jobs -> coalesce -> store
//! ```

pub mod audit;
pub mod auth;
pub mod body;
pub mod coalesce;
pub mod conventions;
pub mod dead;
pub mod error;
pub mod health;
pub mod jobs;
pub mod json;
pub mod keys;
pub mod openapi;
pub mod schedules;
pub mod serve;
pub mod twilio;
pub mod webhooks;

use std::sync::Arc;

use axum::{Router, middleware, routing::get};
use longshore_workers::{clock::Clock, clock::Random, registry::Registry};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::queue::plan::Thresholds;
use error::{ApiError, Code};

/// What every request may reach.
pub struct ApiState {
    /// Connections as `longshore_api`, from `db::guarded_pool`.
    pub pool: PgPool,
    /// The kinds this build knows.
    pub registry: Arc<Registry>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes request and error ids.
    pub random: Arc<dyn Random>,
    /// Cancelled when this process has been told to stop: it answers what it has, and is no longer ready.
    pub draining: CancellationToken,
    /// Which plans for dead letters need a second person.
    pub thresholds: Thresholds,
    /// What setting a webhook endpoint takes.
    pub webhooks: webhooks::Webhooks,
    keys: auth::KeyCache,
    coalescer: Arc<coalesce::Coalescer>,
    room: Arc<Semaphore>,
    batches: Semaphore,
}

/// Requests in hand at once; one more is told to come back. It bounds memory: a body is at most 272 KiB.
const REQUESTS: usize = 512;
/// Batches being read or decoded at once; theirs are up to 2 MiB.
const BATCHES: usize = 16;

impl ApiState {
    /// Puts the door together.
    pub fn new(
        pool: PgPool,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        draining: CancellationToken,
        thresholds: Thresholds,
        webhooks: webhooks::Webhooks,
    ) -> Arc<Self> {
        Arc::new(Self {
            coalescer: coalesce::Coalescer::new(pool.clone()),
            pool,
            registry,
            clock,
            random,
            draining,
            thresholds,
            webhooks,
            keys: auth::KeyCache::default(),
            room: Arc::new(Semaphore::new(REQUESTS)),
            batches: Semaphore::new(BATCHES),
        })
    }

    /// Requests that have come in and are not answered yet.
    pub fn requests_in_hand(&self) -> usize {
        REQUESTS - self.room.available_permits()
    }

    /// Jobs of callers that wait for a place in a statement.
    pub fn jobs_waiting(&self) -> usize {
        self.coalescer.waiting()
    }
}

type Api = Arc<ApiState>;

fn documented() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(jobs::enqueue))
        .routes(routes!(jobs::batch::enqueue_batch))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::cancel))
        .routes(routes!(dead::list))
        .routes(routes!(dead::show))
        .routes(routes!(dead::replay))
        .routes(routes!(dead::discard))
        .routes(routes!(dead::plans::make))
        .routes(routes!(dead::plans::show))
        .routes(routes!(dead::plans::run))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::show, schedules::put, schedules::delete))
        .routes(routes!(schedules::pause))
        .routes(routes!(schedules::resume))
        .routes(routes!(schedules::run))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::revoke))
        .routes(routes!(audit::list))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::show, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::list_deliveries))
        .routes(routes!(webhooks::show_delivery))
        .routes(routes!(webhooks::replay))
}

/// The whole door. `hooks`: what Twilio's webhooks need, where texts can be sent at all.
pub fn router(state: Arc<ApiState>, hooks: Option<twilio::Hooks>) -> Router {
    let (routes, document) = documented().split_for_parts();
    let document = openapi::render(document);
    routes
        .route("/openapi.json", get(move || openapi::answer(document.clone())))
        .merge(health::routes())
        .merge(hooks.map(twilio::router::<Api>).unwrap_or_default())
        .fallback(|| async { ApiError::new(Code::NotFound, "Nothing answers at this address; /openapi.json lists what does.") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(Code::MethodNotAllowed, "The Allow header says which methods this address knows.")
        })
        .layer(middleware::from_fn_with_state(state.clone(), conventions::keep))
        .with_state(state)
}
