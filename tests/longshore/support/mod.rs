//! What the tests share: a cluster of our own, a database a test, and a way to run one job at a time.

#![allow(dead_code, unused_imports, reason = "each test uses its own part")]

pub mod api_process;
pub mod database;
pub mod fleet;
pub mod http;
pub mod kinds;
pub mod load;
pub mod node;
pub mod pgbouncer;
pub mod process;
pub mod programs;
pub mod prometheus;
pub mod promises;
pub mod proxy;
pub mod role;
pub mod seaweed;
pub mod services;
pub mod stepper;

pub use api_process::ApiProcess;
pub use database::TestDb;
pub use fleet::Fleet;
pub use load::Load;
pub use proxy::Proxy;
pub use services::services;
pub use stepper::Stepper;

/// How long a test waits for what must come, on a machine that has next to no time for it: only a failure takes as long.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(180);
