//! The one test binary: a promise a test, against real Postgres.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test says what it expects")]

mod api;
mod audit;
mod bench;
mod child;
mod cli;
mod config;
mod connections;
mod credits;
mod dashboards;
mod database;
mod datalake;
mod documents;
mod doors;
mod engine;
mod engine_batches;
mod engine_history;
mod engine_keys;
mod engine_limits;
mod engine_pinned;
mod engine_rates;
mod enrichment;
mod enrollment;
mod faults;
mod folder;
mod messages;
mod model;
mod new_kind;
mod object_store;
mod observability;
mod older_builds;
mod pains;
mod pgbouncer;
mod producers;
mod scale;
mod scheduler;
mod secrets;
mod stack;
mod stack_database;
mod support;
mod typescript;
mod wall;
mod webhooks;
