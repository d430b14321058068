//! Longshore: a durable job-queue worker fleet on Postgres for multi-tenant sales outreach.
//!
//! `workers/` (the crate `longshore-workers`) says what each job does; this crate decides when, where and for whom it
//! runs. `docs/ARCHITECTURE.md` has the map.

pub mod admin;
pub mod api;
#[cfg(feature = "dev")]
pub mod bench;
pub mod cli;
pub mod config;
#[cfg(feature = "dev")]
pub mod dev;
pub mod queue;
pub mod scheduler;
pub mod serve;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod tenancy;
pub mod typescript;

pub use longshore_workers as workers;
// What a producer uses: the same names as in a build without handlers, where `longshore` is the workers' crate itself.
pub use longshore_workers::{
    BatchId, EnqueueError, Enqueued, JobId, Options, TeamId, act_as, begin_as, enqueue, enqueue_many, enqueue_many_with,
    enqueue_with, jobs, sqlx,
};
