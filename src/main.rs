//! `longshore`: one binary, four roles, and the command line for those who look after them.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    longshore::cli::main().await
}
