//! The HTTP door, over real HTTP.

mod batch;
mod conventions;
mod dead;
pub mod door;
mod input;
mod jobs;
mod keys;
mod options;
mod own_keys;
mod rate;
mod schedules;
