//! `longshore keys`: what lets a team in over HTTP.

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{
    arguments::Moment,
    confirm::confirm,
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::{
    tenancy::keys::{self, KeyView, Scope},
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
}

/// Runs `longshore keys …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::Create(wanted) => create(&wanted, env).await,
        Command::List { team } => list(&team, env).await,
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

async fn create(wanted: &Create, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let expires_at = wanted.expires.map(|moment| moment.ahead_of(env.out.now()));
    let scopes = if wanted.scopes.is_empty() { Scope::STANDARD.to_vec() } else { wanted.scopes.clone() };
    let mut tx = db.begin().await?;
    let key = keys::create(&mut tx, team, &wanted.name, &scopes, expires_at, &SystemRandom).await?;
    tx.commit().await?;
    env.out.say("keep it now: it is not stored and can't be shown again");
    if env.out.json {
        env.out.json(&json!({
            "key_id": key.key_id,
            "key": key.text.expose_secret(),
            "team_id": team,
            "name": wanted.name,
            "scopes": scopes,
            "expires_at": expires_at,
        }))?;
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
