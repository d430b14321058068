//! `longshore messages`: what nobody knows of a message, settled by somebody who finds out; and what people write to a team.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{
    arguments::Moment,
    confirm::confirm,
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::workers::messages::{
    Purpose,
    consents::{self, ConsentError, NewConsent},
    gates::Level,
    inbox,
    opt_out::{self, Reason},
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
    /// Keeps a number from getting any text of a team, and ends what waits for it
    Suppress(Suppress),
    /// Records that somebody agreed to be texted
    Consent(Consent),
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

/// A number that gets nothing.
#[derive(Args)]
pub struct Suppress {
    /// The number
    phone: String,
    /// The team (name or id)
    #[arg(long)]
    team: String,
    /// Why
    #[arg(long, value_enum, default_value = "dnc-request")]
    because: Because,
}

impl std::fmt::Debug for Suppress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suppress").field("team", &self.team).finish_non_exhaustive()
    }
}

/// Why a number gets nothing.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Because {
    /// Said stop
    OptOut,
    /// Asked us by another way
    DncRequest,
    /// Spoke of law
    LegalDnc,
    /// Belongs to somebody else
    WrongNumber,
    /// Takes no texts
    InvalidNumber,
}

/// A consent.
#[derive(Args)]
pub struct Consent {
    /// Whose: the number
    phone: String,
    /// The team (name or id)
    #[arg(long)]
    team: String,
    /// To what
    #[arg(long, value_enum, default_value = "marketing")]
    purpose: For,
    /// Agreed, or agreed in writing
    #[arg(long, value_enum, default_value = "express")]
    level: Agreed,
    /// By which way: web_form, paper
    #[arg(long)]
    method: String,
    /// What proves it
    #[arg(long)]
    evidence: Option<String>,
    /// When they agreed; now otherwise
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
    /// When it ends: a moment, a day, or a span from now (90d)
    #[arg(long, value_name = "TIME")]
    expires: Option<Moment>,
}

impl std::fmt::Debug for Consent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consent").field("team", &self.team).finish_non_exhaustive()
    }
}

/// What somebody agreed to.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum For {
    /// Marketing, and what they asked for
    Marketing,
    /// What they asked for
    Transactional,
}

/// How somebody agreed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Agreed {
    /// Agreed
    Express,
    /// In writing
    ExpressWritten,
}

/// Runs `longshore messages …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::Unknown(Unknown::List(wanted)) => list(&wanted, env).await,
        Command::Unknown(Unknown::Resolve(wanted)) => resolve(&wanted, env).await,
        Command::Inbox(wanted) => read_inbox(&wanted, env).await,
        Command::Suppress(wanted) => suppress(&wanted, env).await,
        Command::Consent(wanted) => consent(&wanted, env).await,
    }
}

async fn suppress(wanted: &Suppress, env: &Env) -> Result<Exit, Problem> {
    let phone = consents::number(&wanted.phone).map_err(|invalid| Problem::usage(invalid.reason).value(invalid.field))?;
    let reason = match wanted.because {
        Because::OptOut => Reason::OptOut,
        Because::DncRequest => Reason::DncRequest,
        Because::LegalDnc => Reason::LegalDnc,
        Because::WrongNumber => Reason::WrongNumber,
        Because::InvalidNumber => Reason::InvalidNumber,
    };
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let stopped = opt_out::suppress(&mut tx, team, &phone, reason, &format!("operator {}", env.actor)).await?;
    tx.commit().await?;
    let told = json!({ "reason": reason.as_str(), "enrollments": stopped.enrollments, "messages": stopped.messages });
    let words = format!(
        "the number gets no text of the team any more; ended: {} sequences, {} messages that waited",
        stopped.enrollments, stopped.messages
    );
    env.out.told(&told, &words)?;
    Ok(Exit::Done)
}

async fn consent(wanted: &Consent, env: &Env) -> Result<Exit, Problem> {
    let now = env.out.now();
    let new = NewConsent {
        phone: &wanted.phone,
        purpose: match wanted.purpose {
            For::Marketing => Purpose::Marketing,
            For::Transactional => Purpose::Transactional,
        },
        level: match wanted.level {
            Agreed::Express => Level::Express,
            Agreed::ExpressWritten => Level::ExpressWritten,
        },
        method: &wanted.method,
        evidence: wanted.evidence.as_deref(),
        captured_at: wanted.at.as_ref().map_or(now, |moment| moment.back_from(now)),
        expires_at: wanted.expires.as_ref().map(|moment| moment.ahead_of(now)),
    };
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let consent = consents::give(&mut tx, team, &new, now).await.map_err(|error| match error {
        ConsentError::Database(error) => error.into(),
        ConsentError::Invalid(invalid) => Problem::usage(invalid.reason).value(invalid.field),
    })?;
    tx.commit().await?;
    env.out.told(&json!({ "consent": consent }), &format!("consent {consent} is on record"))?;
    Ok(Exit::Done)
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
