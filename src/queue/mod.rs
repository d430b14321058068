//! The life of a job: claim, execute, settle, renew, reap. What is durable about it is SQL (`migrations/000*_queue_*`);
//! what stands here is how one process takes part.

pub mod backoff;
pub mod execute;
pub mod settle;
