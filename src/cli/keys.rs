//! `longshore keys`: what lets a team in over HTTP.

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{
    arguments::{Moment, Rate},
    confirm::confirm,
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::{
    tenancy::keys::{self, KeyView, NewKey, Scope},
    workers::clock::SystemRandom,
};

/// What may be asked of keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes a key and prints it: the only time it is seen
    Create(Create),
    /// Lists a team's keys, ended ones included
    List {
        /// The team (name or id)
        #[arg(long)]
        team: String,
    },
    /// Makes a key that takes another's place, and lets both live for a while
    Rotate {
        /// The old one's public id, the third part of the key
        key_id: String,
        /// Its team (name or id)
        #[arg(long)]
        team: String,
        /// How long the old one lives on: up to 30d
        #[arg(long, value_name = "SPAN", default_value = "24h")]
        grace: Moment,
    },
    /// Makes an operator's token: a key of some hours, under whose name all it does is recorded
    Token(Token),
    /// Ends a key; processes notice within seconds
    Revoke {
        /// Its public id, the third part of the key
        key_id: String,
        /// Its team (name or id)
        #[arg(long)]
        team: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

/// A key to make.
#[derive(Debug, Args)]
pub struct Create {
    /// What you call it, to know it again
    name: String,
    /// The team it speaks for (name or id)
    #[arg(long)]
    team: String,
    /// What it may do; enqueue, read and cancel if not said
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// When it ends by itself: a moment or a span from now (90d); never if not said
    #[arg(long, value_name = "TIME")]
    expires: Option<Moment>,
    /// Requests that it may make: 50/s; as every key, if not said, and never more
    #[arg(long, value_name = "N/s")]
    rate: Option<Rate>,
    /// Of which so many at once; twice a second's if not said
    #[arg(long, value_name = "N", requires = "rate")]
    burst: Option<i32>,
}

/// An operator's token to make.
#[derive(Debug, Args)]
pub struct Token {
    /// The team to act for (name or id)
    #[arg(long)]
    team: String,
    /// Who will act: one person
    #[arg(long = "for", value_name = "NAME")]
    person: String,
    /// What the token may do; read if not said
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// Its life, from 1 to 24 hours
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=24))]
    hours: u32,
}

/// Runs `longshore keys …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::Create(wanted) => create(&wanted, env).await,
        Command::List { team } => list(&team, env).await,
        Command::Rotate { key_id, team, grace } => rotate(&key_id, &team, grace, env).await,
        Command::Token(wanted) => token(&wanted, env).await,
        Command::Revoke { key_id, team, yes } => {
            let mut db = env.database().await?;
            let team = db.team(&team).await?;
            confirm(yes, &format!("Revoke key {key_id} of team {}? What uses it stops working.", team.name), 1)?;
            let mut tx = db.begin().await?;
            keys::revoke(&mut tx, team.team_id, &key_id).await?;
            tx.commit().await?;
            env.out.told(&json!({ "key_id": key_id, "revoked": true }), &format!("{key_id}: revoked"))?;
            Ok(Exit::Done)
        }
    }
}

/// A key's rate is counted in whole requests a second.
fn own_rate(wanted: &Create) -> Result<Option<keys::Rate>, Problem> {
    let per_second = wanted.rate.map(|rate| rate.per_second);
    if per_second.is_some_and(|rate| rate < 1.0 || rate.fract() != 0.0) {
        return Err(Problem::usage("a key's rate is a whole number of requests a second").remedy("write it as 50/s"));
    }
    Ok(keys::Rate::wanted(per_second.map(|rate| rate as i32), wanted.burst)?)
}

async fn create(wanted: &Create, env: &Env) -> Result<Exit, Problem> {
    let rate = own_rate(wanted)?;
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let expires_at = wanted.expires.map(|moment| moment.ahead_of(env.out.now()));
    let scopes = if wanted.scopes.is_empty() { Scope::STANDARD.to_vec() } else { wanted.scopes.clone() };
    let mut tx = db.begin().await?;
    let key = keys::create_with(&mut tx, team, &wanted.name, &scopes, (expires_at, rate), &SystemRandom).await?;
    tx.commit().await?;
    let told = json!({
        "team_id": team,
        "name": wanted.name,
        "scopes": scopes,
        "expires_at": expires_at,
        "per_second": rate.map(|rate| rate.per_second),
        "burst": rate.map(|rate| rate.burst),
    });
    show_once(&key, env, KEEP, told)
}

async fn rotate(key_id: &str, team: &str, grace: Moment, env: &Env) -> Result<Exit, Problem> {
    let Moment::Span(grace) = grace else {
        return Err(Problem::usage("the grace of an old key is a span").remedy("write it as 30m, 24h or 7d"));
    };
    let mut db = env.database().await?;
    let team = db.team(team).await?.team_id;
    let mut tx = db.begin().await?;
    let new = keys::rotate(&mut tx, team, key_id, grace.to_std().unwrap_or_default(), &SystemRandom).await?;
    tx.commit().await?;
    let words = format!("{KEEP}; {key_id} lives on until {}", env.out.time(new.old_expires_at));
    let told = json!({
        "team_id": team,
        "name": new.name,
        "scopes": new.scopes,
        "expires_at": new.expires_at,
        "replaces": key_id,
        "old_expires_at": new.old_expires_at,
    });
    show_once(&new.key, env, &words, told)
}

async fn token(wanted: &Token, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let scopes = if wanted.scopes.is_empty() { vec![Scope::Read] } else { wanted.scopes.clone() };
    let mut tx = db.begin().await?;
    let (key, ends) = keys::token(&mut tx, team, &wanted.person, &scopes, wanted.hours, &SystemRandom).await?;
    tx.commit().await?;
    let words = format!("{KEEP}; it ends {}", env.out.time(ends));
    show_once(&key, env, &words, json!({ "team_id": team, "operator": wanted.person, "scopes": scopes, "expires_at": ends }))
}

const KEEP: &str = "keep it now: it is not stored and can't be shown again";

fn show_once(key: &NewKey, env: &Env, words: &str, mut told: Value) -> Result<Exit, Problem> {
    env.out.say(words);
    if env.out.json {
        told["key_id"] = json!(key.key_id);
        told["key"] = json!(key.text.expose_secret());
        env.out.json(&told)?;
    } else {
        env.out.line(key.text.expose_secret())?;
    }
    Ok(Exit::Done)
}

async fn list(team: &str, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(team).await?.team_id;
    let all = keys::list(&mut *db.begin().await?, team).await?;
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Text("KEY"),
        Column::Flexible("NAME"),
        Column::Text("STATE"),
        Column::Flexible("SCOPES"),
        Column::Text("RATE"),
        Column::Text("CREATED"),
        Column::Text("LAST USED"),
    ];
    let mut table = Table::new(columns);
    for key in &all {
        table.row([
            key.key_id.clone(),
            key.name.clone(),
            state(key, env),
            key.scopes.join(" "),
            key.per_second.map_or_else(|| "-".into(), |rate| format!("{rate}/s")),
            env.out.time(key.created_at),
            key.last_used_on.map_or_else(|| "never".into(), |day| day.to_string()),
        ]);
    }
    if all.is_empty() {
        env.out.say("the team has no keys");
    } else {
        env.out.table(&table)?;
    }
    Ok(Exit::Done)
}

fn state(key: &KeyView, env: &Env) -> String {
    match key {
        KeyView { revoked_at: Some(_), .. } => "revoked".into(),
        KeyView { expires_at: Some(end), .. } if *end <= env.out.now() => "expired".into(),
        KeyView { expires_at: Some(end), .. } => format!("ends {}", env.out.time(*end)),
        _ => "live".into(),
    }
}
