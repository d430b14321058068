//! `longshore export`: what other programs build against. Needs no database.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    env::Env,
    problem::{Exit, Problem},
};
use crate::{api::openapi, typescript, workers};

/// What may be exported.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The TypeScript client: one file, with the payloads of this build's kinds
    Ts(Target),
    /// The OpenAPI document of the HTTP API
    Openapi(Target),
}

/// Where it goes.
#[derive(Debug, Args)]
pub struct Target {
    /// Write to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs `longshore export …`.
pub fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let (text, target) = match command {
        Command::Ts(target) => (typescript::client(&workers::registry()), target),
        Command::Openapi(target) => (openapi::document(), target),
    };
    match target.out {
        None => env.out.line(text.trim_end())?,
        Some(file) => std::fs::write(&file, format!("{}\n", text.trim_end())).map_err(|error| {
            Problem::new(Exit::Failed, error.to_string())
                .value(file.display().to_string())
                .remedy("name a file in a folder that is there and may be written")
        })?,
    }
    Ok(Exit::Done)
}
