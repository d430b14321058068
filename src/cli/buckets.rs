//! `longshore buckets`: rates that jobs ask for by name before they call somebody who counts, shared by all processes.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    arguments::Rate,
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::store::buckets::{self, Bucket};

/// What may be asked of named rates.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists named rates
    List,
    /// Sets a named rate
    Set(Set),
    /// Takes a named rate away: from then on nobody waits for it
    Remove(Named),
}

/// One named rate.
#[derive(Debug, Args)]
pub struct Named {
    /// Its name, as the jobs say it (twilio:+1555…)
    name: String,
    /// Whose it is (name or id); if not said, one that every team shares
    #[arg(long)]
    team: Option<String>,
}

/// A rate to set.
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    bucket: Named,
    /// How many, in a second, minute or hour: 50/s, 100/m, 2000/h
    #[arg(long)]
    rate: Rate,
    /// So many at once; a second's worth if not said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    burst: Option<i32>,
}

/// Runs `longshore buckets …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    match command {
        Command::List => {
            let all = buckets::list(&mut *db.begin().await?).await?;
            list(&all, env)
        }
        Command::Set(Set { bucket: Named { name, team }, rate, burst }) => {
            let team_id = db.team_if_named(team.as_deref()).await?;
            let mut tx = db.begin().await?;
            buckets::set(&mut tx, team_id, &name, rate.per_second, burst).await?;
            tx.commit().await?;
            let told = json!({ "bucket": name, "team_id": team_id, "per_second": rate.per_second, "burst": burst });
            env.out.told(&told, &format!("{name}: {rate}"))?;
            Ok(Exit::Done)
        }
        Command::Remove(Named { name, team }) => {
            let team_id = db.team_if_named(team.as_deref()).await?;
            let mut tx = db.begin().await?;
            if !buckets::remove(&mut tx, team_id, &name).await? {
                let problem = Problem::new(Exit::NothingMatched, "there is no such rate");
                return Err(problem.value(&name).remedy("longshore buckets list shows them, and whose they are"));
            }
            tx.commit().await?;
            env.out.told(&json!({ "bucket": name, "team_id": team_id, "removed": true }), &format!("{name}: removed"))?;
            Ok(Exit::Done)
        }
    }
}

fn list(all: &[Bucket], env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        env.out.say("no rate has a name yet");
        return Ok(Exit::Done);
    }
    let columns = [Column::Flexible("NAME"), Column::Text("TEAM"), Column::Number("RATE"), Column::Number("BURST")];
    let mut table = Table::new(columns);
    for Bucket { name, team_id, team, per_second, burst } in all {
        let team = team.clone().or_else(|| Some(team_id.as_ref()?.to_string())).unwrap_or_else(|| "(shared)".into());
        table.row([name.clone(), team, Rate { per_second: *per_second }.to_string(), burst.to_string()]);
    }
    env.out.table(&table)?;
    Ok(Exit::Done)
}
