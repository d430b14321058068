//! `longshore lanes`: what is set for a team in a queue. It holds in every process from the next claim on.

use std::str::FromStr;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    arguments::Rate,
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::store::lanes::{self, Lane, Settings};

/// What may be asked of lanes.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists lanes for which something is set
    List,
    /// Sets some of a lane and leaves the rest; `none` takes a setting away
    Set(Set),
}

/// What to set.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("settings").required(true).multiple(true))]
pub struct Set {
    /// The queue
    #[arg(long)]
    pub(super) queue: String,
    /// The team (name or id); every team that has nothing of its own if not said
    #[arg(long)]
    pub(super) team: Option<String>,
    /// Its turn against other teams', 1 to 100; 1 where none is set
    #[arg(long, value_name = "N|none", group = "settings")]
    weight: Option<OrNone<i16>>,
    /// Jobs at once, in all processes
    #[arg(long, value_name = "N|none", group = "settings")]
    running: Option<OrNone<i32>>,
    /// Jobs that start, in a second, minute or hour: 50/s, 100/m, 2000/h
    #[arg(long, value_name = "RATE|none", group = "settings")]
    rate: Option<OrNone<Rate>>,
    /// With a rate: so many at once; a second's worth where none is set
    #[arg(long, value_name = "N|none", group = "settings")]
    burst: Option<OrNone<i32>>,
    /// Waiting and running jobs; one more is refused
    #[arg(long, value_name = "N|none", group = "settings")]
    unfinished: Option<OrNone<i64>>,
}

/// A value, or the word that takes it away.
#[derive(Debug, Clone, Copy, PartialEq)]
struct OrNone<T>(Option<T>);

impl<T: FromStr> FromStr for OrNone<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

/// Runs `longshore lanes …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::List => {
            let mut db = env.database().await?;
            let all = lanes::list(&mut *db.begin().await?).await?;
            list(&all, env)
        }
        Command::Set(wanted) => set(&wanted, env).await,
    }
}

async fn set(wanted: &Set, env: &Env) -> Result<Exit, Problem> {
    wanted.check()?;
    let mut db = env.database().await?;
    let team = db.team_if_named(wanted.team.as_deref()).await?;
    let mut tx = db.begin().await?;
    let settings = wanted.over(lanes::find(&mut tx, &wanted.queue, team).await?);
    if !lanes::set(&mut tx, &wanted.queue, team, settings).await? {
        let problem = Problem::new(Exit::NothingMatched, "there is no such queue");
        return Err(problem.value(&wanted.queue).remedy("longshore queues list shows them"));
    }
    tx.commit().await?;
    let whose = wanted.team.as_ref().map_or_else(|| "every team with nothing of its own".into(), |team| format!("team {team}"));
    let told = json!({ "queue": wanted.queue, "team_id": team, "settings": settings });
    env.out.told(&told, &format!("{}, {whose}: {}", wanted.queue, words(&settings)))?;
    Ok(Exit::Done)
}

impl Set {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let whole = [
            ("--weight", self.weight.and_then(|n| n.0).map(i64::from), 100),
            ("--running", self.running.and_then(|n| n.0).map(i64::from), i64::MAX),
            ("--burst", self.burst.and_then(|n| n.0).map(i64::from), i64::MAX),
            ("--unfinished", self.unfinished.and_then(|n| n.0), i64::MAX),
        ];
        match whole.into_iter().find_map(|(name, n, most)| n.filter(|n| !(1..=most).contains(n)).map(|n| (name, n, most))) {
            None => Ok(()),
            Some((name, n, most)) => {
                let remedy = if most < i64::MAX { format!("a number from 1 to {most}") } else { "at least 1, or none".into() };
                Err(Problem::usage(format!("{name} is out of range")).value(n.to_string()).remedy(remedy))
            }
        }
    }

    pub(super) fn over(&self, now: Settings) -> Settings {
        Settings {
            weight: self.weight.map_or(now.weight, |said| said.0),
            running_most: self.running.map_or(now.running_most, |said| said.0),
            per_second: self.rate.map_or(now.per_second, |said| said.0.map(|rate| rate.per_second)),
            burst: self.burst.map_or(now.burst, |said| said.0),
            unfinished_most: self.unfinished.map_or(now.unfinished_most, |said| said.0),
        }
    }
}

/// What is set, in words.
pub(super) fn words(settings: &Settings) -> String {
    let Settings { weight, running_most, per_second, burst, unfinished_most } = settings;
    let said = [
        weight.map(|n| format!("weight {n}")),
        running_most.map(|n| format!("{n} at once")),
        per_second.map(|per_second| Rate { per_second }.to_string()),
        burst.map(|n| format!("bursts of {n}")),
        unfinished_most.map(|n| format!("{n} unfinished")),
    ];
    let said: Vec<_> = said.into_iter().flatten().collect();
    if said.is_empty() { "nothing is set".into() } else { said.join(", ") }
}

fn list(all: &[Lane], env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        env.out.say("nothing is set for any lane");
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Text("QUEUE"),
        Column::Flexible("TEAM"),
        Column::Number("WEIGHT"),
        Column::Number("AT ONCE"),
        Column::Number("RATE"),
        Column::Number("BURST"),
        Column::Number("UNFINISHED"),
    ];
    let mut table = Table::new(columns);
    for Lane { queue, team_id, team, settings } in all {
        let team = team.clone().or_else(|| Some(team_id.as_ref()?.to_string())).unwrap_or_else(|| "(every other)".into());
        let or_dash = |said: Option<String>| said.unwrap_or_else(|| "-".into());
        table.row([
            queue.clone(),
            team,
            or_dash(settings.weight.map(|n| n.to_string())),
            or_dash(settings.running_most.map(|n| n.to_string())),
            or_dash(settings.per_second.map(|per_second| Rate { per_second }.to_string())),
            or_dash(settings.burst.map(|n| n.to_string())),
            or_dash(settings.unfinished_most.map(|n| n.to_string())),
        ]);
    }
    env.out.table(&table)?;
    Ok(Exit::Done)
}
