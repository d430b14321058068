//! Messages: what may be sent, to whom, when; sent at most once.

pub mod gateway;
