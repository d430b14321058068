//! `longshore config`: what is in force, and where it came from.

use std::io::Write;

use clap::Subcommand;
use serde_json::json;

use super::{
    env::Env,
    problem::{Exit, Problem},
};
use crate::config::{Config, ConfigError, Setting};

/// What may be asked of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Reads every source and says what is wrong with it; exit code 2 if anything is
    Check,
    /// Prints every value in force and where it came from; secrets are masked
    Show,
}

/// Runs `longshore config …`.
pub fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let mut text = Vec::new();
    let answered = answer(command, env.out.json, env.load_config(), &mut text);
    let code = answered.map_err(|error| Problem::new(Exit::Failed, error.to_string()))?;
    env.out.line(String::from_utf8_lossy(&text).trim_end())?;
    Ok(if code == 0 { Exit::Done } else { Exit::Usage })
}

/// Says what a load gave, and the exit code: 0, or 2 when something is wrong. Apart from the load, so that a test chooses
/// the environment.
pub fn answer(command: Command, json: bool, loaded: Result<Config, ConfigError>, out: &mut impl Write) -> std::io::Result<u8> {
    let config = match loaded {
        Ok(config) => config,
        Err(error) if json => {
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
        _ if json => writeln!(out, "{:#}", json!({ "ok": true, "settings": settings }))?,
        Command::Show => table(settings.iter(), out)?,
        Command::Check => {
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
