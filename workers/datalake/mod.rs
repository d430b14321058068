//! Datalake: files in, rows out, each once.

pub mod object_store;
