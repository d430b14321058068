//! `longshore config`: what is in force, and where it came from.

use std::{io::Write, path::Path};

use clap::Subcommand;
use serde_json::json;

use crate::config::{Config, ConfigError, Setting};

/// What may be asked of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Reads every source and says what is wrong with it; exit code 2 if anything is
    Check {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Prints every value in force and where it came from; secrets are masked
    Show {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    /// Whether the answer is wanted as JSON.
    pub fn json(self) -> bool {
        match self {
            Self::Check { json } | Self::Show { json } => json,
        }
    }
}

/// Runs `longshore config …`. `file` is what `--config` named. Returns the exit code: 0, or 2 when something is wrong.
pub fn run(command: Command, file: Option<&Path>, out: &mut impl Write) -> std::io::Result<u8> {
    answer(command, Config::load(file), out)
}

/// Says what a load gave; apart from the load, so that a test chooses the environment.
pub fn answer(command: Command, loaded: Result<Config, ConfigError>, out: &mut impl Write) -> std::io::Result<u8> {
    let config = match loaded {
        Ok(config) => config,
        Err(error) if command.json() => {
            writeln!(out, "{}", json!({ "ok": false, "problems": error.0 }))?;
            return Ok(2);
        }
        Err(error) => {
            writeln!(out, "{error}")?;
            return Ok(2);
        }
    };
    let settings = config.settings();
    match command {
        Command::Check { json: true } | Command::Show { json: true } => {
            writeln!(out, "{}", json!({ "ok": true, "settings": settings }))?;
        }
        Command::Show { json: false } => table(settings.iter(), out)?,
        Command::Check { json: false } => {
            let changed: Vec<_> = settings.iter().filter(|setting| setting.source != "default").collect();
            writeln!(out, "The configuration is sound: {} settings, {} not at their defaults.", settings.len(), changed.len())?;
            table(changed.into_iter(), out)?;
        }
    }
    Ok(0)
}

fn table<'a>(settings: impl Iterator<Item = &'a Setting> + Clone, out: &mut impl Write) -> std::io::Result<()> {
    let width = |text: fn(&Setting) -> &str| settings.clone().map(|setting| text(setting).chars().count()).max().unwrap_or(0);
    let (keys, values) = (width(|setting| &setting.key), width(|setting| &setting.value).min(60));
    for Setting { key, value, source } in settings {
        writeln!(out, "{key:keys$}  {value:values$}  {source}")?;
    }
    Ok(())
}
