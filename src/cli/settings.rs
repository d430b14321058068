//! `longshore settings`: what a team has set. Secrets go in through standard input, and come out masked.

use std::io::Read as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    env::Env,
    output::{Column, Table, printable},
    problem::{Exit, Problem},
};
use crate::{
    tenancy::settings::{self, Change, Seen, SettingError, SettingView},
    workers::{
        clock::SystemRandom,
        messages::template,
        secrets::SecretError,
        settings::{
            Settings,
            catalogue::{self, Wrong},
        },
    },
};

/// What may be asked of settings.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists every setting, and what holds for the team
    List(Whose),
    /// Shows one setting; of a secret no more than its end
    Get {
        /// The setting
        name: String,
        #[command(flatten)]
        whose: Whose,
    },
    /// Sets one
    Set {
        /// The setting
        name: String,
        /// Its value; an array as JSON; - reads standard input, which a secret must come from
        value: String,
        #[command(flatten)]
        whose: Whose,
    },
    /// Shows a text with what the team has set of itself, as somebody whose every field is known would get it; sends nothing
    Preview {
        /// The text, with {{ first_name }} or {{ brand.company }} in it; - reads standard input
        text: String,
        #[command(flatten)]
        whose: Whose,
    },
    /// Takes one away, so that its default holds
    Unset {
        /// The setting
        name: String,
        #[command(flatten)]
        whose: Whose,
    },
}

/// Whose settings.
#[derive(Debug, Args)]
pub struct Whose {
    /// The team (name or id)
    #[arg(long)]
    team: String,
}

/// Runs `longshore settings …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let by = format!("operator {}", env.actor);
    let change = Change { by: &by, seen: Seen::Any };
    match command {
        Command::List(whose) => {
            let mut db = env.database().await?;
            let team = db.team(&whose.team).await?.team_id;
            let all = settings::list(&mut *db.begin_as(team).await?, team).await?;
            list(&all, env)
        }
        Command::Get { name, whose } => {
            let mut db = env.database().await?;
            let team = db.team(&whose.team).await?.team_id;
            let found = settings::find(&mut *db.begin_as(team).await?, team, &name).await?;
            match (env.out.json, &found.value) {
                (true, _) => env.out.json(&found)?,
                (false, None) => env.out.say("not set, and it has no default"),
                (false, Some(value)) => env.out.line(&printable(&words(value)))?,
            }
            Ok(Exit::Done)
        }
        Command::Set { name, value, whose } => {
            let known = catalogue::find(&name).map_err(SettingError::from)?;
            if settings::is_secret(known) && value != "-" {
                return Err(Problem::usage(
                    "a secret doesn't belong on a command line, which others can see and shells remember",
                )
                .remedy(format!("longshore settings set {name} - --team {} < FILE", whose.team)));
            }
            let value = if value == "-" { read_input()? } else { value };
            let wanted = known.read_word(&value).map_err(SettingError::from)?;
            let keyring = env.config()?.keyring();
            let mut db = env.database().await?;
            let team = db.team(&whose.team).await?.team_id;
            let mut tx = db.begin_as(team).await?;
            let set = settings::set(&mut tx, (&keyring, &SystemRandom), team, known, &wanted, change).await?;
            tx.commit().await?;
            let shown = set.value.as_ref().map(words).unwrap_or_default();
            env.out.told(&set, &printable(&format!("{name}: {shown}")))?;
            Ok(Exit::Done)
        }
        Command::Preview { text, whose } => {
            let text = if text == "-" { read_input()? } else { text };
            let mut db = env.database().await?;
            let team = db.team(&whose.team).await?.team_id;
            let stands = Settings::load(&mut *db.begin_as(team).await?, team).await?;
            let filled = template::preview(&text, &stands.brand()).map_err(|error| Problem::usage(error.to_string()))?;
            if env.out.json {
                env.out.json(&json!({ "text": filled, "characters": filled.chars().count() }))?;
            } else {
                env.out.line(&printable(&filled))?;
            }
            Ok(Exit::Done)
        }
        Command::Unset { name, whose } => {
            let mut db = env.database().await?;
            let team = db.team(&whose.team).await?.team_id;
            let mut tx = db.begin_as(team).await?;
            if !settings::unset(&mut tx, team, &name, change).await? {
                return Err(Problem::new(Exit::NothingMatched, "the team has not set it").value(name));
            }
            tx.commit().await?;
            env.out.told(&json!({ "name": name, "unset": true }), &format!("{name}: its default holds"))?;
            Ok(Exit::Done)
        }
    }
}

fn read_input() -> Result<String, Problem> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(64 * 1024).read_to_string(&mut text);
    read.map_err(|error| Problem::usage(format!("standard input can't be read: {error}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(all: &[SettingView], env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new([
        Column::Text("SETTING"),
        Column::Text("TYPE"),
        Column::Flexible("VALUE"),
        Column::Text("SET"),
        Column::Flexible("BY"),
    ]);
    for one in all {
        let value = one.value.as_ref().map_or_else(|| "-".into(), words);
        let by = one.updated_by.clone().unwrap_or_else(|| "-".into());
        table.row([one.name.into(), one.kind.into(), value, env.out.time_or_dash(one.updated_at), by]);
    }
    env.out.table(&table)?;
    Ok(Exit::Done)
}

impl From<SettingError> for Problem {
    fn from(error: SettingError) -> Self {
        match error {
            SettingError::Database(error) | SettingError::Secret(SecretError::Database(error)) => error.into(),
            SettingError::Secret(SecretError::NoKeyring) => super::secrets::no_keyring(),
            SettingError::Wrong(Wrong::Unknown(name)) => {
                Self::usage("there is no such setting").value(name).remedy("longshore settings list --team TEAM shows them")
            }
            SettingError::Wrong(wrong) => Self::usage(wrong.to_string()),
            other => Self::new(Exit::Failed, other.to_string()),
        }
    }
}
