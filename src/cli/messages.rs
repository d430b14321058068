//! `longshore messages`: what nobody knows of a message, settled by somebody who finds out; and what people write to a team.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{
    confirm::confirm,
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::workers::messages::{
    inbox,
    unknown::{self, Finding},
};

/// What may be asked of messages.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Messages of which nobody knows whether they left: list, resolve
    #[command(subcommand)]
    Unknown(Unknown),
    /// Lists what people wrote to a team, the newest first
    Inbox(Inbox),
}

/// What may be asked of messages of unknown outcome.
#[derive(Debug, Subcommand)]
pub enum Unknown {
    /// Lists them, the oldest first
    List(List),
    /// Says what became of one; its job goes on with that
    Resolve(Resolve),
}

/// Which, and how many.
#[derive(Debug, Args)]
pub struct List {
    /// The team (name or id); every team if not said
    #[arg(long)]
    team: Option<String>,
    /// Go on behind this message, the last of the page before
    #[arg(long, value_name = "MESSAGE")]
    after: Option<i64>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// Which one, and what became of it.
#[derive(Debug, Args)]
pub struct Resolve {
    /// Its number
    message: i64,
    /// Its team (name or id)
    #[arg(long)]
    team: String,
    /// What you found out
    #[arg(long, value_enum)]
    outcome: Found,
    /// With sent: the vendor's id of it (SM…)
    #[arg(long, value_name = "ID")]
    vendor_id: Option<String>,
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

/// What somebody found out.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Found {
    /// The vendor has it
    Sent,
    /// The vendor has not got it: it goes through every gate again, and is sent
    NotSent,
    /// Nobody will ever know: it ends here
    GivenUp,
}

/// Whose inbox, and how much of it.
#[derive(Debug, Args)]
pub struct Inbox {
    /// The team (name or id)
    #[arg(long)]
    team: String,
    /// Go on behind this text, the last of the page before
    #[arg(long, value_name = "TEXT")]
    after: Option<i64>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// Runs `longshore messages …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::Unknown(Unknown::List(wanted)) => list(&wanted, env).await,
        Command::Unknown(Unknown::Resolve(wanted)) => resolve(&wanted, env).await,
        Command::Inbox(wanted) => read_inbox(&wanted, env).await,
    }
}

async fn list(wanted: &List, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team_if_named(wanted.team.as_deref()).await?;
    let all = unknown::list(&mut *db.begin().await?, team, wanted.after, wanted.limit).await?;
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        env.out.say("of every message it is known what became of it");
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Number("MESSAGE"),
        Column::Text("TEAM"),
        Column::Number("CAMPAIGN"),
        Column::Number("LEAD"),
        Column::Text("PURPOSE"),
        Column::Text("FROM"),
        Column::Text("TO"),
        Column::Text("HANDED OVER"),
        Column::Number("LOOKS"),
        Column::Flexible("WHY"),
    ];
    let mut table = Table::new(columns);
    for one in &all {
        table.row([
            one.message_id.to_string(),
            one.team_id.to_string(),
            one.campaign_id.to_string(),
            one.lead_id.to_string(),
            one.purpose.clone(),
            one.sender.clone(),
            format!("…{}", one.recipient_ends),
            env.out.time_or_dash(one.attempted_at),
            one.looks.to_string(),
            one.state_reason.clone().unwrap_or_default(),
        ]);
    }
    env.out.table(&table)?;
    if let Some(last) = all.last().filter(|_| all.len() as i64 == wanted.limit) {
        env.out.say(&format!("there may be more: --after {}", last.message_id));
    }
    Ok(Exit::Done)
}

async fn resolve(wanted: &Resolve, env: &Env) -> Result<Exit, Problem> {
    let finding = match wanted.outcome {
        Found::Sent => Finding::Sent,
        Found::NotSent => Finding::NotSent,
        Found::GivenUp => Finding::GivenUp,
    };
    if wanted.vendor_id.is_some() && finding != Finding::Sent {
        return Err(Problem::usage("--vendor-id belongs to --outcome sent").remedy("what was not sent has no id at the vendor"));
    }
    if finding == Finding::NotSent {
        confirm(wanted.yes, &format!("Send message {} again? Make sure that the vendor has not got it.", wanted.message), 1)?;
    }
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let resolved = unknown::resolve(&mut tx, team, wanted.message, finding, wanted.vendor_id.as_deref()).await?;
    let Some(resolved) = resolved else {
        return Err(Problem::new(Exit::NothingMatched, "the team has no such message")
            .value(wanted.message.to_string())
            .remedy("longshore messages unknown list shows them"));
    };
    if !resolved.done {
        return Err(Problem::new(Exit::Failed, format!("its outcome is known by now: {}", resolved.state))
            .value(wanted.message.to_string())
            .remedy("nothing is left to say about it"));
    }
    tx.commit().await?;
    let told = json!({ "message": wanted.message, "team_id": team, "state": resolved.state });
    env.out.told(&told, &format!("message {}: {}", wanted.message, resolved.state))?;
    Ok(Exit::Done)
}

async fn read_inbox(wanted: &Inbox, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let all = inbox::list(&mut *db.begin_as(team).await?, team, wanted.after, wanted.limit).await?;
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    if all.is_empty() {
        env.out.say("nobody has written");
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Number("TEXT"),
        Column::Text("CAME"),
        Column::Text("FROM"),
        Column::Text("TO"),
        Column::Text("MEANING"),
        Column::Flexible("WORDS"),
    ];
    let mut table = Table::new(columns);
    for one in &all {
        table.row([
            one.inbound_id.to_string(),
            env.out.time(one.received_at),
            one.sender.clone(),
            one.recipient.clone(),
            one.meaning.clone(),
            one.body.clone(),
        ]);
    }
    env.out.table(&table)?;
    if let Some(last) = all.last().filter(|_| all.len() as i64 == wanted.limit) {
        env.out.say(&format!("there may be more: --after {}", last.inbound_id));
    }
    Ok(Exit::Done)
}
