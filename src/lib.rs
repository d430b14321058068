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

pub use longshore_workers as workers;
