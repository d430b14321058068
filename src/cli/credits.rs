//! `longshore credits`: what a team may spend, and the proof of its books.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::{
    store::operator,
    workers::credits::{self, Balance},
};

/// What may be asked of credits.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Gives a team credits, and wakes its jobs that wait for them
    Grant(Grant),
    /// Shows what a team has, holds and has spent
    Balance {
        /// The team (name or id)
        team: String,
    },
    /// Proves every team's books from their entries; exit code 1 if they are wrong anywhere
    Verify,
}

/// Credits to give.
#[derive(Debug, Args)]
pub struct Grant {
    /// The team (name or id)
    team: String,
    /// How many
    #[arg(value_parser = clap::value_parser!(i64).range(1..=1_000_000_000_000))]
    amount: i64,
}

/// Runs `longshore credits …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::Grant(wanted) => grant(&wanted, env).await,
        Command::Balance { team } => {
            let mut db = env.database().await?;
            let team = db.team(&team).await?;
            let balance = credits::balance(&mut *db.begin().await?, team.team_id).await?;
            if env.out.json {
                env.out.json(&balance)?;
            } else {
                env.out.fields(&fields(&balance))?;
            }
            Ok(Exit::Done)
        }
        Command::Verify => verify(env).await,
    }
}

async fn grant(wanted: &Grant, env: &Env) -> Result<Exit, Problem> {
    if env.reason.is_empty() {
        return Err(Problem::usage("credits are granted for a reason").remedy("say it, for the ledger: --reason 'invoice 7'"));
    }
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?;
    let mut tx = db.begin_as(team.team_id).await?;
    credits::grant(&mut tx, team.team_id, wanted.amount, &format!("{} ({})", env.reason, env.actor)).await?;
    let balance = credits::balance(&mut tx, team.team_id).await?;
    tx.commit().await?;
    let words = format!("{}: {} credits granted, {} available", team.name, wanted.amount, balance.available);
    env.out.told(&balance, &words)?;
    Ok(Exit::Done)
}

fn fields(balance: &Balance) -> [(&'static str, String); 5] {
    let Balance { available, held, spent, owed, granted } = balance;
    [("available", available), ("held", held), ("spent", spent), ("owed", owed), ("granted", granted)]
        .map(|(name, credits)| (name, credits.to_string()))
}

async fn verify(env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let mut tx = db.begin().await?;
    operator::be_patient(&mut tx).await?;
    let wrong = credits::verify(&mut tx).await?;
    if env.out.json {
        env.out.json(&json!({ "sound": wrong.is_empty(), "discrepancies": wrong }))?;
    } else if !wrong.is_empty() {
        let mut table = Table::new([Column::Text("TEAM"), Column::Flexible("WHAT IS WRONG")]);
        for one in &wrong {
            table.row([one.team_id.to_string(), one.what.clone()]);
        }
        env.out.table(&table)?;
    }
    if wrong.is_empty() {
        env.out.say("the books are sound");
        return Ok(Exit::Done);
    }
    Err(Problem::new(Exit::Failed, format!("the books are wrong in {} places", wrong.len()))
        .remedy("spend nothing more for these teams until the cause is known: docs/RUNBOOK.md"))
}
