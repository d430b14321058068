//! The local stack: everything a newcomer or a test needs that is not ours to ship.

pub mod child;
pub mod database;
pub mod demo;
pub mod folder;
pub mod leads_csv;
pub mod postgres;
pub mod sandbox;
pub mod stack;
pub mod up;
