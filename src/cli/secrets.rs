//! `longshore secrets`: the keys that teams' secrets are sealed with, and their rotation. No secret is ever shown.

use clap::Subcommand;
use serde_json::json;

use super::{
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::{
    tenancy::secrets::{self, KeyUse, State},
    workers::enqueue::EnqueueError,
};

/// What may be asked of the keyring.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows the keys of the keyring, what lies under each, and which are no longer needed
    Status,
    /// Lets the workers put everything under the current key
    Rotate,
}

/// Runs `longshore secrets …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let keyring = env.config()?.keyring();
    let mut db = env.database().await?;
    match command {
        Command::Status => {
            let mut tx = db.begin().await?;
            let all = secrets::status(&mut tx, &keyring).await?;
            status(&all, env)
        }
        Command::Rotate => {
            let current = keyring.current().ok_or_else(no_keyring)?;
            let mut tx = db.begin().await?;
            let job = secrets::rotate(&mut tx, current, &format!("operator {}", env.actor)).await.map_err(refused)?;
            tx.commit().await?;
            let words = if job.deduplicated { "the workers are at it already, as" } else { "the workers do it, as" };
            let told = json!({ "to": current, "job": job.job, "deduplicated": job.deduplicated });
            env.out
                .told(&told, &format!("{current}: {words} {}; longshore secrets status says when older keys may go", job.job))?;
            Ok(Exit::Done)
        }
    }
}

/// No keys were given to this process.
pub fn no_keyring() -> Problem {
    Problem::usage("no keyring is configured, so there are no keys to use")
        .remedy("set LONGSHORE_SECRETS__KEYS, or secrets.keys_file to a file with ID=KEY lines (docs/SETTINGS.md)")
}

fn refused(error: EnqueueError) -> Problem {
    match error {
        EnqueueError::Database(error) => error.into(),
        other => Problem::new(Exit::Failed, other.to_string()),
    }
}

fn status(all: &[KeyUse], env: &Env) -> Result<Exit, Problem> {
    let missing = all.iter().any(|one| one.state == State::Missing);
    let end = if missing { Exit::Failed } else { Exit::Done };
    if env.out.json {
        env.out.json(&all)?;
        return Ok(end);
    }
    if all.is_empty() {
        env.out.say("no keyring is configured, and no secret is stored");
        return Ok(end);
    }
    let mut table =
        Table::new([Column::Text("KEY"), Column::Text("STATE"), Column::Number("DATA KEYS"), Column::Number("TEAMS")]);
    for KeyUse { key, state, data_keys, teams } in all {
        let state = match state {
            State::Current => "current",
            State::Needed => "needed",
            State::NoLongerNeeded => "no longer needed",
            State::Missing => "MISSING",
        };
        table.row([key.clone(), state.into(), data_keys.to_string(), teams.to_string()]);
    }
    env.out.table(&table)?;
    for one in all {
        match one.state {
            State::Missing => env.out.say(&format!(
                "{} is not in secrets.keys: the secrets of {} teams can't be opened here; put it back",
                one.key, one.teams
            )),
            State::Needed => {
                env.out.say(&format!("longshore secrets rotate puts what is under {} under the current key", one.key))
            }
            State::NoLongerNeeded => env.out.say(&format!("{} may leave secrets.keys", one.key)),
            State::Current => {}
        }
    }
    Ok(end)
}
