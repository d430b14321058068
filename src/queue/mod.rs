//! The life of a job: claim, execute, settle, renew, reap. What is durable about it is SQL (`migrations/000*_queue_*`);
//! what stands here is how one process takes part.
//!
//! A worker process lives through *incarnations*. Each enters the fleet under a new boot id, claims in [`claim`], runs in
//! [`execute`] (on apalis, through [`backend`]), records in [`finish`], and renews all its leases with one heartbeat in
//! [`lease`]. When the heartbeat is lost, its handlers are stopped, nothing of theirs is recorded, and the next incarnation
//! begins. [`worker`] puts these together.

pub mod backend;
pub mod backoff;
pub mod bell;
pub mod claim;
mod edit;
pub mod execute;
pub mod finish;
pub mod lease;
mod marks;
pub mod plan;
pub mod promoter;
pub mod quarantine;
pub mod reaper;
pub mod running;
pub mod settle;
pub mod worker;
