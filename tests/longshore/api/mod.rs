//! The HTTP door, over real HTTP.

mod batch;
mod campaigns;
mod conventions;
mod dead;
mod documents;
pub mod door;
mod hostile;
mod input;
mod jobs;
mod keys;
mod options;
mod own_keys;
mod polling;
mod rate;
mod schedules;
mod secrets;
mod shedding;
mod strangers;
mod waiting;
