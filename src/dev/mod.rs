//! The local stack: everything a newcomer or a test needs that is not ours to ship.

pub mod postgres;
pub mod sandbox;
