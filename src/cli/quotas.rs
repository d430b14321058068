//! `longshore quotas`: what a team may have waiting, running and starting, beside what it has.

use clap::Subcommand;
use serde_json::json;

use super::{
    arguments::Rate,
    env::Env,
    lanes,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::{
    api::limits,
    store::lanes::{find, set},
    tenancy::quotas::{self, Quotas},
};

/// What may be asked of quotas.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows a team's limits in each queue, its rates, and what it uses as last measured
    Show {
        /// The team (name or id)
        #[arg(long)]
        team: String,
    },
    /// Sets some of a team's limits in a queue and leaves the rest; `none` takes its own away
    Set(lanes::Set),
}

/// Runs `longshore quotas …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::Show { team } => {
            let api = env.config()?.api;
            let every_key = limits(api.quota(), api.waiting_per_key as usize);
            let mut db = env.database().await?;
            let team = db.team(&team).await?.team_id;
            let all = quotas::show(&mut *db.begin().await?, team, every_key).await?;
            show(&all, env)
        }
        Command::Set(wanted) => {
            wanted.check()?;
            let name = wanted.team.as_deref().ok_or_else(|| {
                Problem::usage("a quota is a team's: say --team").remedy("longshore lanes set is for every team at once")
            })?;
            let mut db = env.database().await?;
            let team = db.team(name).await?.team_id;
            let mut tx = db.begin().await?;
            let settings = wanted.over(find(&mut tx, &wanted.queue, Some(team)).await?);
            if !set(&mut tx, &wanted.queue, Some(team), settings).await? {
                let problem = Problem::new(Exit::NothingMatched, "there is no such queue");
                return Err(problem.value(&wanted.queue).remedy("longshore queues list shows them"));
            }
            tx.commit().await?;
            let told = json!({ "queue": wanted.queue, "team_id": team, "settings": settings });
            env.out.told(&told, &format!("{}, team {name}: {}", wanted.queue, lanes::words(&settings)))?;
            Ok(Exit::Done)
        }
    }
}

fn show(all: &Quotas, env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        env.out.json(all)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Flexible("QUEUE"),
        Column::Number("UNFINISHED"),
        Column::Number("MOST"),
        Column::Number("RUNNING MOST"),
        Column::Number("RATE"),
        Column::Number("BURST"),
        Column::Number("WEIGHT"),
        Column::Text("SET FOR"),
    ];
    let mut table = Table::new(columns);
    let dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    for one in &all.queues {
        table.row([
            one.queue.clone(),
            dash(one.unfinished.map(|n| n.to_string())),
            dash(one.unfinished_most.map(|n| n.to_string())),
            dash(one.running_most.map(|n| n.to_string())),
            dash(one.per_second.map(|per_second| Rate { per_second }.to_string())),
            dash(one.burst.map(|n| n.to_string())),
            one.weight.to_string(),
            if one.own { "this team" } else { "every team" }.into(),
        ]);
    }
    env.out.table(&table)?;
    for rate in &all.rates {
        let each = Rate { per_second: rate.per_second };
        env.out.say(&format!("rate {}: {each}, bursts of {}", rate.name, rate.burst));
    }
    let every = &all.requests;
    env.out.say(&format!(
        "requests of a key: {}/s, bursts of {}, {} that wait; a body of {} KiB, a batch of {} jobs and {} KiB",
        every.per_second,
        every.burst,
        every.waiting,
        every.body_bytes / 1024,
        every.batch_jobs,
        every.batch_bytes / 1024
    ));
    for key in &all.requests.keys {
        env.out.say(&format!("key {}: {}/s, bursts of {}", key.key, key.per_second, key.burst));
    }
    Ok(Exit::Done)
}
