//! What is promised of messages: once at most, never past a gate, and an outcome that is always known in the end.

mod contract;
mod credits;
mod gates;
mod incoming;
mod once;
mod opt_out;
mod oracles;
mod races;
mod resend;
mod senders;
mod together;
mod unknown;
mod webhooks;
pub mod world;
