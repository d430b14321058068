//! The contract when processes are killed or stopped, answers get lost, and Postgres goes away under them. Where a case
//! needs a failpoint, `workers/failpoints.rs` has it; whatever happened, `Fleet::promises_hold` is asked behind it.

mod answers;
mod crossed;
mod disk;
mod failpoints;
mod fences;
mod killed;
mod postgres;
mod schedulers;
mod times;
