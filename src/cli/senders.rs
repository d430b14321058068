//! `longshore senders`: the numbers that a team texts from. Only an operator registers one: whoever could, could text in
//! anybody's name.

use std::str::FromStr;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    arguments::Rate,
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::workers::messages::senders::{self, Put, Sender, Settings};

/// What may be asked of numbers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists a team's numbers, and how each fares
    List {
        /// The team (name or id)
        #[arg(long)]
        team: String,
    },
    /// Registers a number for a team, or changes what is set for it
    Put(Register),
    /// Takes a number out of use; it still hears what people write
    Retire(Named),
    /// Lets a number that rests or is quarantined carry texts again
    Release(Named),
}

/// One number.
#[derive(Debug, Args)]
pub struct Named {
    /// The number, E.164 (+12125550199)
    phone: Number,
    /// Its team (name or id)
    #[arg(long)]
    team: String,
}

/// A number, and what to set for it.
#[derive(Debug, Args)]
pub struct Register {
    #[command(flatten)]
    named: Named,
    /// Numbers of one pool stand in for each other; "" takes it out of any
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// Segments that carriers take from it: 1/s, 75/s, 3/s; 1/s for a new one
    #[arg(long)]
    rate: Option<Rate>,
    /// Segments at once, after a quiet time; 1 for a new one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    burst: Option<i32>,
    /// Segments in a day as carriers count it (Los Angeles)
    #[arg(long, value_name = "N|none")]
    daily: Option<Daily>,
}

/// An E.164 number.
#[derive(Debug, Clone)]
struct Number(String);

impl FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let sound = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if sound { Ok(Self(text.to_owned())) } else { Err("a number as +12125550199".into()) }
    }
}

/// A cap, or none.
#[derive(Debug, Clone, Copy)]
struct Daily(Option<i32>);

impl FromStr for Daily {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            number => match number.parse() {
                Ok(n) if n > 0 => Ok(Self(Some(n))),
                _ => Err("a number from 1, or none".into()),
            },
        }
    }
}

/// Runs `longshore senders …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::List { team } => list(&team, env).await,
        Command::Put(wanted) => put(&wanted, env).await,
        Command::Retire(named) => {
            let mut db = env.database().await?;
            let team = db.team(&named.team).await?.team_id;
            let mut tx = db.begin_as(team).await?;
            let done = senders::retire(&mut tx, team, &named.phone.0).await?;
            tx.commit().await?;
            told(&named, done, "retired", "the team has no such number in use", env)
        }
        Command::Release(named) => {
            let mut db = env.database().await?;
            let team = db.team(&named.team).await?.team_id;
            let mut tx = db.begin_as(team).await?;
            let done = senders::release(&mut tx, team, &named.phone.0).await?;
            tx.commit().await?;
            told(&named, done, "carries texts again", "no such number of the team rests or is quarantined", env)
        }
    }
}

fn told(named: &Named, done: bool, what: &str, otherwise: &str, env: &Env) -> Result<Exit, Problem> {
    if !done {
        return Err(not_found(named, otherwise));
    }
    env.out.told(&json!({ "phone": named.phone.0, "done": what }), &format!("{}: {what}", named.phone.0))?;
    Ok(Exit::Done)
}

fn not_found(named: &Named, what: &str) -> Problem {
    Problem::new(Exit::NothingMatched, what.to_owned())
        .value(&named.phone.0)
        .remedy("longshore senders list --team TEAM shows them")
}

async fn put(wanted: &Register, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(&wanted.named.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let set = Settings {
        pool: wanted.pool.clone(),
        per_second: wanted.rate.map(|rate| rate.per_second),
        burst: wanted.burst,
        daily_segments: wanted.daily.map(|daily| daily.0),
    };
    let phone = &wanted.named.phone.0;
    let done = match senders::put(&mut tx, team, phone, &set).await? {
        Put::Added => "added",
        Put::Changed => "changed",
        Put::Taken => {
            return Err(Problem::new(Exit::Failed, "another team has that number")
                .value(phone)
                .remedy("a number belongs to one team: retire it there, or use another"));
        }
    };
    tx.commit().await?;
    env.out.told(&json!({ "phone": phone, "team_id": team, "done": done }), &format!("{phone}: {done}"))?;
    Ok(Exit::Done)
}

async fn list(team: &str, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(team).await?.team_id;
    let all = senders::list(&mut *db.begin_as(team).await?, team).await?;
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        env.out.say("the team has no number to text from");
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Text("NUMBER"),
        Column::Text("POOL"),
        Column::Number("RATE"),
        Column::Number("DAILY"),
        Column::Text("STATE"),
        Column::Number("SEGMENTS"),
        Column::Number("TEXTS"),
        Column::Number("FILTERED"),
        Column::Number("OPT-OUTS"),
        Column::Flexible("WHY"),
    ];
    let mut table = Table::new(columns);
    for one in &all {
        table.row([
            one.phone.clone(),
            if one.pool.is_empty() { "-".into() } else { one.pool.clone() },
            Rate { per_second: one.per_second }.to_string(),
            one.daily_segments.map_or_else(|| "-".into(), |most| most.to_string()),
            if one.retired_at.is_some() { "retired".into() } else { one.state.clone() },
            one.segments.to_string(),
            one.messages.to_string(),
            one.filtered.to_string(),
            one.opted_out.to_string(),
            why(one, env),
        ]);
    }
    env.out.table(&table)?;
    Ok(Exit::Done)
}

fn why(one: &Sender, env: &Env) -> String {
    match (&one.state_reason, one.rests_until) {
        (Some(reason), Some(until)) => format!("{reason}, until {}", env.out.time(until)),
        (Some(reason), None) => reason.clone(),
        _ => String::new(),
    }
}
