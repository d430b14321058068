//! `longshore teams`: who the fleet works for.

use clap::Subcommand;

use super::{
    confirm::confirm,
    env::Env,
    output::{Column, Table},
    people::told,
    problem::{Exit, Problem},
};
use crate::{
    tenancy::teams,
    workers::people::requests::{self, Wish},
};

/// What may be asked of teams.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Creates a team and prints its id
    Create {
        /// Its name, unique in the house
        name: String,
    },
    /// Lists teams, the house's own first
    List,
    /// Writes everything of a team into the object store, as a job
    Export {
        /// The team (name or id)
        team: String,
    },
    /// Erases a team, its keys included, as a job; it is paused at once and for good
    Erase {
        /// The team (name or id)
        team: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

/// Runs `longshore teams …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let wish = match &command {
        Command::Export { team } => Some((team, Wish::Export)),
        Command::Erase { team, .. } => Some((team, Wish::Erase)),
        Command::Create { .. } | Command::List => None,
    };
    if let Some((name, wish)) = wish {
        let team = db.team(name).await?;
        if let Command::Erase { yes, .. } = command {
            confirm(yes, &format!("Erase team {}, its data and its keys? Nothing brings them back.", team.name), 1)?;
        }
        let mut tx = db.begin().await?;
        let asked = requests::ask_for_team(&mut tx, team.team_id, wish, &env.actor, None).await?;
        tx.commit().await?;
        let whose = if wish == Wish::Erase { "longshore" } else { &team.name };
        return told(&asked, whose, env);
    }
    let mut tx = db.begin().await?;
    match command {
        Command::Create { name } => {
            let id = teams::create(&mut tx, &name).await?;
            let team = teams::find(&mut tx, &id.to_string()).await?;
            tx.commit().await?;
            if env.out.json { env.out.json(&team)? } else { env.out.line(&id.to_string())? }
        }
        // Asked for above.
        Command::Export { .. } | Command::Erase { .. } => {}
        Command::List => {
            let all = teams::list(&mut tx).await?;
            if env.out.json {
                env.out.json(&all)?;
                return Ok(Exit::Done);
            }
            let mut table = Table::new([Column::Text("ID"), Column::Flexible("NAME"), Column::Text("CREATED")]);
            for team in &all {
                table.row([team.team_id.to_string(), team.name.clone(), env.out.time(team.created_at)]);
            }
            env.out.table(&table)?;
        }
    }
    Ok(Exit::Done)
}
