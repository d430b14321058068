//! `longshore teams`: who the fleet works for.

use clap::Subcommand;

use super::{
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::tenancy::teams;

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
}

/// Runs `longshore teams …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let mut tx = db.begin().await?;
    match command {
        Command::Create { name } => {
            let id = teams::create(&mut tx, &name).await?;
            let team = teams::find(&mut tx, &id.to_string()).await?;
            tx.commit().await?;
            if env.out.json { env.out.json(&team)? } else { env.out.line(&id.to_string())? }
        }
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
