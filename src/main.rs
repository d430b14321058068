//! `longshore`: one binary, four roles, and the command line for those who look after them.

use std::process::ExitCode;

/// A worker allocates on one thread and frees on another all day, which the system's allocator pays for with locks
/// (measured: a third of a worker's time on small jobs).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    longshore::cli::main().await
}
