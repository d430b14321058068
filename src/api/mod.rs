//! The HTTP door: a caller's key becomes a team, a body becomes a job, and every refusal is problem+json.
//!
//! ```text
//! serve (headers in time, connections bounded)
//!   conventions (request id, deadline, panics, security headers, problem+json)
//!     auth (key -> team, scopes, rate) -> body (size, depth, storable text) -> jobs -> coalesce -> store
//! ```

pub mod approvals;
pub mod audit;
pub mod auth;
pub mod batches;
pub mod body;
pub mod campaigns;
pub mod coalesce;
pub mod content;
pub mod conventions;
pub mod cors;
pub mod dead;
pub mod docs;
pub mod error;
pub mod events;
pub mod extract;
pub mod health;
pub mod jobs;
pub mod json;
pub mod keys;
pub mod openapi;
pub mod people;
mod places;
pub mod polled;
pub mod queues;
pub mod rate;
pub mod recipients;
pub mod schedules;
pub mod serve;
pub mod settings;
mod steady;
pub mod twilio;
pub mod unsubscribe;
pub mod watch;
pub mod webhooks;

use std::sync::Arc;

use axum::{Router, middleware, routing::get};
use longshore_workers::{
    clock::{Clock, Random},
    db::{self, PoolSize},
    messages::content::Rules as ContentRules,
    registry::Registry,
    secrets::Keyring,
    vendors::receiver,
};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{queue::plan::Thresholds, tenancy::quotas::RequestLimits};
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
    /// What teams' secrets are sealed with.
    pub keyring: Keyring,
    /// Connections for what is never shed.
    pub reserve: PgPool,
    /// Which addresses a team's webhooks may have.
    pub webhooks: receiver::Rules,
    /// How many messages one approval may cover, and how often somebody may have a text written anew.
    pub content: ContentRules,
    keys: auth::KeyCache,
    coalescer: Arc<coalesce::Coalescer>,
    room: Arc<Semaphore>,
    reserved_room: Arc<Semaphore>,
    reserve_turn: Semaphore,
    batches: places::Places,
    parts: places::Places,
    watch: Arc<watch::Watch>,
    rates: rate::Rates,
    limits: RequestLimits,
    origins: cors::Origins,
}

/// What a configuration says of the door.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// What a key may ask for.
    pub quota: rate::Quota,
    /// Callers that wait for a change at once, in all.
    pub waiting: usize,
    /// Callers of one key that wait at once.
    pub waiting_per_key: usize,
    /// Pages of which origins may read answers.
    pub origins: cors::Origins,
    /// Connections for what is never shed.
    pub reserve: u32,
    /// What teams' secrets are sealed with.
    pub keyring: Keyring,
    /// Which addresses a team's webhooks may have.
    pub webhooks: receiver::Rules,
    /// What holds for those who approve messages.
    pub content: ContentRules,
}

impl Default for Tuning {
    fn default() -> Self {
        let quota = rate::Quota { per_second: 1000, burst: 2000 };
        let (origins, keyring, webhooks) = (cors::Origins::default(), Keyring::default(), receiver::Rules::default());
        let content = ContentRules::default();
        Self { quota, waiting: 2000, waiting_per_key: 1000, origins, reserve: 2, keyring, webhooks, content }
    }
}

/// Requests in hand at once; one more is told to come back. It bounds memory: a body is at most 272 KiB.
const REQUESTS: usize = 512;
/// Of them one team's: however slowly it sends, there is room for the others.
const REQUESTS_OF_A_TEAM: usize = REQUESTS / 2;
/// Beside them, so many of what is never shed.
const RESERVED: usize = 128;
/// Batches being read or decoded at once; theirs are up to 2 MiB.
const BATCHES: usize = 16;
/// Of them one team's: a body may take its time to come in, and the others' do not wait for it.
const BATCHES_OF_A_TEAM: usize = 4;

/// What a door of such a configuration gives every key.
pub fn limits(quota: rate::Quota, waiting_per_key: usize) -> RequestLimits {
    RequestLimits {
        per_second: quota.per_second,
        burst: quota.burst,
        waiting: waiting_per_key as u64,
        body_bytes: body::SINGLE_LIMIT as u64,
        batch_bytes: body::BATCH_LIMIT as u64,
        batch_jobs: jobs::batch::MOST as u64,
    }
}

impl ApiState {
    /// Puts the door together.
    pub fn new(
        pool: PgPool,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        draining: CancellationToken,
        thresholds: Thresholds,
        tuning: Tuning,
    ) -> Arc<Self> {
        let patience = pool.options().get_acquire_timeout();
        let reserve = PoolSize { connections: tuning.reserve, acquire_timeout: patience };
        Arc::new(Self {
            reserve: db::guarded_pool((*pool.connect_options()).clone(), reserve),
            coalescer: coalesce::Coalescer::new(pool.clone()),
            watch: watch::Watch::new(pool.clone(), tuning.waiting, tuning.waiting_per_key),
            rates: rate::Rates::new(tuning.quota, pool.clone(), clock.now()),
            limits: limits(tuning.quota, tuning.waiting_per_key),
            origins: tuning.origins,
            reserved_room: Arc::new(Semaphore::new(RESERVED)),
            reserve_turn: Semaphore::new(1),
            pool,
            registry,
            clock,
            random,
            draining,
            thresholds,
            keyring: tuning.keyring,
            webhooks: tuning.webhooks,
            content: tuning.content,
            keys: auth::KeyCache::default(),
            room: Arc::new(Semaphore::new(REQUESTS)),
            batches: places::Places::new(BATCHES, BATCHES_OF_A_TEAM),
            parts: places::Places::new(REQUESTS, REQUESTS_OF_A_TEAM),
        })
    }

    /// Requests that have come in and are not answered yet.
    pub fn requests_in_hand(&self) -> usize {
        REQUESTS - self.room.available_permits()
    }

    /// Callers that wait for a change of a job or a batch.
    pub fn waiting(&self) -> usize {
        self.watch.waiting()
    }

    /// Questions that were asked for all who wait.
    pub fn looks(&self) -> u64 {
        self.watch.looks()
    }

    /// Jobs of callers that wait for a place in a statement.
    pub fn jobs_waiting(&self) -> usize {
        self.coalescer.waiting()
    }
}

type Api = Arc<ApiState>;

fn documented() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(jobs::enqueue, jobs::list::list))
        .routes(routes!(jobs::batch::enqueue_batch))
        .routes(routes!(jobs::look::show))
        .routes(routes!(jobs::cancel))
        .routes(routes!(events::of_job))
        .routes(routes!(batches::show))
        .routes(routes!(events::of_batch))
        .routes(routes!(queues::list))
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
        .routes(routes!(settings::list))
        .routes(routes!(settings::show, settings::put, settings::delete))
        .routes(routes!(settings::list_flags))
        .routes(routes!(settings::show_quotas))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::revoke))
        .routes(routes!(audit::list))
        .routes(routes!(campaigns::list, campaigns::create))
        .routes(routes!(campaigns::look::preview_audience))
        .routes(routes!(campaigns::show, campaigns::delete))
        .routes(routes!(campaigns::look::preview))
        .routes(routes!(campaigns::look::trail))
        .routes(routes!(campaigns::look::why))
        .routes(routes!(campaigns::look::analytics))
        .routes(routes!(campaigns::look::tags))
        .routes(routes!(campaigns::moves::schedule))
        .routes(routes!(campaigns::moves::activate))
        .routes(routes!(campaigns::moves::pause))
        .routes(routes!(campaigns::moves::resume))
        .routes(routes!(campaigns::moves::complete))
        .routes(routes!(campaigns::moves::stop))
        .routes(routes!(campaigns::moves::recall))
        .routes(routes!(campaigns::moves::clone))
        .routes(routes!(campaigns::moves::enroll))
        .routes(routes!(campaigns::moves::reenroll))
        .routes(routes!(recipients::suppress))
        .routes(routes!(recipients::consent))
        .routes(routes!(approvals::list, approvals::approve_many))
        .routes(routes!(approvals::show))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::reject))
        .routes(routes!(approvals::edit))
        .routes(routes!(approvals::rewrite))
        .routes(routes!(approvals::list_decisions))
        .routes(routes!(content::show, content::put))
        .routes(routes!(people::erase))
        .routes(routes!(people::export))
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
        .merge(docs::routes())
        .merge(unsubscribe::routes())
        .merge(hooks.map(twilio::router::<Api>).unwrap_or_default())
        .fallback(|| async { ApiError::new(Code::NotFound, "Nothing answers at this address; /openapi.json lists what does.") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(Code::MethodNotAllowed, "The Allow header says which methods this address knows.")
        })
        .layer(middleware::from_fn_with_state(state.clone(), conventions::keep))
        .with_state(state)
}
