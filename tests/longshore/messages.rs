//! What is promised of messages: once at most, never past a gate, and an outcome that is always known in the end.

mod gates;
mod once;
mod opt_out;
mod webhooks;
pub mod world;
