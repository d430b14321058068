//! The command line: one file a noun.

pub mod config;
