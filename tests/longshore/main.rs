//! The one test binary: a promise a test, against real Postgres.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test says what it expects")]

mod cli;
mod config;
mod database;
mod support;
