//! The SQL of the engine and of tenancy: one file a noun, one statement a file beside it.

pub mod batches;
pub mod buckets;
pub mod campaigns;
pub mod dead;
#[cfg(feature = "dev")]
pub mod demo;
pub mod depths;
pub mod doctor;
pub mod doors;
pub mod job_list;
pub mod job_view;
pub mod jobs;
pub mod lanes;
pub mod migrate;
pub mod operator;
pub mod plans;
pub mod processes;
pub mod queues;
pub mod schedules;
#[cfg(feature = "dev")]
pub mod stack;
pub mod ticks;
pub mod upkeep;
pub mod wall;
pub mod watch;
