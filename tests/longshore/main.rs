//! The one test binary: a promise a test, against real Postgres.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test says what it expects")]

mod child;
mod config;
mod credits;
mod database;
mod doors;
mod engine;
mod faults;
mod folder;
mod documents;
mod new_kind;
mod observability;
mod stack_database;
mod enrollment;
mod enrichment;
mod support;
