//! `longshore approvals`: messages that a person looks at first.

use std::{
    fs::File,
    io::{self, BufWriter, Read as _, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    env::Env,
    output::{Column, Table, printable},
    problem::{Exit, Problem},
};
use crate::workers::{
    enqueue::EnqueueError,
    messages::approval::{self, ApprovalError, By, Filter, Many, Seen, Waiting, decisions},
};

/// What may be asked of approvals.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists messages that wait for somebody, the oldest first
    List(List),
    /// Shows one: where it stands and how it came there, every wording, every decision
    Show(Named),
    /// Lets messages leave: those that are named, or the oldest of a campaign
    Approve(Approve),
    /// Keeps a message from leaving, for good
    Reject(Decide),
    /// Puts another wording in place of the one there is; it still has to be approved
    Edit {
        #[command(flatten)]
        decide: Decide,
        /// The new wording; - reads standard input
        body: String,
        /// The new subject of a mail
        #[arg(long)]
        subject: Option<String>,
    },
    /// Has a model write a message anew
    Rewrite(Decide),
    /// Writes decisions as JSON lines, the oldest first, each with the wordings that it was about
    Export {
        /// The team (name or id)
        #[arg(long)]
        team: String,
        /// Only those behind this decision: the last one of the export before
        #[arg(long)]
        after: Option<i64>,
        /// Into this new file, not to standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Which messages.
#[derive(Debug, Args)]
pub struct List {
    /// The team (name or id)
    #[arg(long)]
    team: String,
    /// Only of this campaign
    #[arg(long)]
    campaign: Option<i64>,
    /// Those whose text is still being written
    #[arg(long)]
    drafts: bool,
    /// Go on behind this message, the last of the page before
    #[arg(long, value_name = "MESSAGE")]
    after: Option<i64>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// One message.
#[derive(Debug, Args)]
pub struct Named {
    /// Its number
    message: i64,
    /// Its team (name or id)
    #[arg(long)]
    team: String,
}

/// One message, as somebody saw it.
#[derive(Debug, Args)]
pub struct Decide {
    #[command(flatten)]
    named: Named,
    /// The wording that you looked at: refused when it says something else now
    #[arg(long, value_name = "TEXT")]
    text: Option<i64>,
}

/// Messages to approve.
#[derive(Debug, Args)]
pub struct Approve {
    /// Their numbers
    #[arg(required_unless_present = "campaign", conflicts_with = "campaign")]
    messages: Vec<i64>,
    /// Their team (name or id)
    #[arg(long)]
    team: String,
    /// The oldest that wait in this campaign
    #[arg(long)]
    campaign: Option<i64>,
    /// At most so many of them
    #[arg(long, default_value_t = 100)]
    at_most: i64,
    /// Only those whose wording is this one or an older one
    #[arg(long, value_name = "TEXT")]
    up_to_text: Option<i64>,
}

/// Runs `longshore approvals …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let who = format!("operator {}", env.actor);
    let reason = Some(env.reason.as_str()).filter(|reason| !reason.is_empty());
    match command {
        Command::List(wanted) => list(&wanted, env).await,
        Command::Show(named) => {
            let mut db = env.database().await?;
            let team = db.team(&named.team).await?.team_id;
            let seen = approval::find(&mut *db.begin_as(team).await?, team, named.message).await?;
            show(&seen, env)
        }
        Command::Approve(wanted) => approve(&wanted, &who, reason, env).await,
        Command::Reject(Decide { named, text }) => {
            let mut db = env.database().await?;
            let team = db.team(&named.team).await?.team_id;
            let mut tx = db.begin_as(team).await?;
            approval::reject(&mut tx, team, named.message, By { who: &who, reason, seen: text }).await?;
            tx.commit().await?;
            env.out.told(&json!({ "message": named.message, "stage": "rejected" }), "rejected: it never leaves")?;
            Ok(Exit::Done)
        }
        Command::Edit { decide: Decide { named, text }, body, subject } => {
            let body = if body == "-" { read_input()? } else { body };
            let mut db = env.database().await?;
            let team = db.team(&named.team).await?.team_id;
            let mut tx = db.begin_as(team).await?;
            let by = By { who: &who, reason, seen: text };
            let new = approval::edit(&mut tx, team, named.message, (subject.as_deref(), &body), by).await?;
            tx.commit().await?;
            let words = format!("wording {new} is in its place, and has to be approved");
            env.out.told(&json!({ "message": named.message, "text": new }), &words)?;
            Ok(Exit::Done)
        }
        Command::Rewrite(Decide { named, text }) => {
            let rules = env.config()?.rules.content;
            let mut db = env.database().await?;
            let team = db.team(&named.team).await?.team_id;
            let mut tx = db.begin_as(team).await?;
            approval::rewrite(&mut tx, team, named.message, &rules, By { who: &who, reason, seen: text }).await?;
            tx.commit().await?;
            env.out.told(&json!({ "message": named.message, "stage": "draft" }), "a model is at it")?;
            Ok(Exit::Done)
        }
        Command::Export { team, after, out } => export(&team, after, out.as_deref(), env).await,
    }
}

async fn list(wanted: &List, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let filter = Filter { campaign: wanted.campaign, drafts: wanted.drafts, after: wanted.after };
    let found = approval::list(&mut *db.begin_as(team).await?, team, filter, wanted.limit).await?;
    if env.out.json {
        env.out.json(&found)?;
    } else if found.is_empty() {
        env.out.say("nothing waits");
    } else {
        env.out.table(&as_table(&found, env))?;
    }
    if let Some(last) = found.last().filter(|_| found.len() as i64 == wanted.limit) {
        env.out.say(&format!("there may be more: --after {}", last.message));
    }
    Ok(Exit::Done)
}

fn as_table(found: &[Waiting], env: &Env) -> Table {
    let columns = [
        Column::Number("MESSAGE"),
        Column::Number("CAMPAIGN"),
        Column::Number("STEP"),
        Column::Text("CHANNEL"),
        Column::Number("TEXT"),
        Column::Text("PLANNED"),
        Column::Flexible("SAYS"),
    ];
    let mut table = Table::new(columns);
    for one in found {
        let says = one.subject.as_deref().map_or_else(|| one.body.clone(), |subject| format!("{subject} · {}", one.body));
        table.row([
            one.message.to_string(),
            one.campaign.to_string(),
            one.step.to_string(),
            one.channel.as_str().to_owned(),
            one.text.to_string(),
            env.out.time(one.planned_at),
            printable(&says),
        ]);
    }
    table
}

fn show(seen: &Seen, env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        env.out.json(seen)?;
        return Ok(Exit::Done);
    }
    env.out.fields(&[
        ("message", seen.message.to_string()),
        ("campaign", format!("{}, step {}", seen.campaign, seen.step)),
        ("channel", seen.channel.as_str().to_owned()),
        ("stage", seen.stage.to_string()),
        ("because", seen.ended_because.clone().unwrap_or_else(|| "-".into())),
    ])?;
    let mut moments = Table::new([Column::Text("AT"), Column::Text("CAME TO"), Column::Flexible("BY")]);
    for one in &seen.moments {
        moments.row([env.out.time(one.at), one.stage.to_string(), one.by.clone().unwrap_or_else(|| "-".into())]);
    }
    let mut texts = Table::new([Column::Number("TEXT"), Column::Text("SOURCE"), Column::Text("NOTE"), Column::Flexible("SAYS")]);
    for one in &seen.texts {
        let says = one.subject.as_deref().map_or_else(|| one.body.clone(), |subject| format!("{subject} · {}", one.body));
        let note = one.note.clone().unwrap_or_else(|| "-".into());
        texts.row([one.text.to_string(), one.source.clone(), note, printable(&says)]);
    }
    for table in [&moments, &texts] {
        env.out.line("")?;
        env.out.table(table)?;
    }
    if !seen.decisions.is_empty() {
        let columns =
            [Column::Text("AT"), Column::Text("DECIDED"), Column::Number("TEXT"), Column::Text("BY"), Column::Flexible("WHY")];
        let mut decisions = Table::new(columns);
        for one in &seen.decisions {
            let why = one.reason.as_deref().map_or_else(|| "-".into(), printable);
            let cells = [env.out.time(one.decided_at), one.verdict.clone(), one.text.to_string(), one.decided_by.clone(), why];
            decisions.row(cells);
        }
        env.out.line("")?;
        env.out.table(&decisions)?;
    }
    Ok(Exit::Done)
}

async fn approve(wanted: &Approve, who: &str, reason: Option<&str>, env: &Env) -> Result<Exit, Problem> {
    let rules = env.config()?.rules.content;
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let by = By { who, reason, seen: None };
    let named = (!wanted.messages.is_empty()).then_some(wanted.messages.as_slice());
    let many = Many {
        messages: named,
        campaign: wanted.campaign,
        up_to_text: wanted.up_to_text,
        at_most: named.map_or(wanted.at_most, |messages| messages.len() as i64),
    };
    let done = approval::approve_many(&mut tx, team, many, &rules, by).await?;
    tx.commit().await?;
    let more = if done.more { "; others like them still wait" } else { "" };
    env.out.told(&done, &format!("{} approved{more}", done.approved))?;
    match named {
        _ if done.approved == 0 => Ok(Exit::NothingMatched),
        Some(messages) if done.approved < messages.len() as i64 => {
            env.out.say("the others do not wait: longshore approvals show says where each stands");
            Ok(Exit::PartlyDone)
        }
        _ => Ok(Exit::Done),
    }
}

async fn export(team: &str, after: Option<i64>, out: Option<&Path>, env: &Env) -> Result<Exit, Problem> {
    const PAGE: i64 = 1000;
    let mut db = env.database().await?;
    let team = db.team(team).await?.team_id;
    let mut sink = open(out)?;
    let (mut last, mut lines) = (after, 0_u64);
    loop {
        let page = decisions::page(&mut *db.begin_as(team).await?, team, last, PAGE).await?;
        for one in &page {
            let text = serde_json::to_string(one).map_err(|error| unwritable(&error.into()))?;
            writeln!(sink, "{text}").map_err(|error| unwritable(&error))?;
        }
        lines += page.len() as u64;
        last = page.last().map(|one| one.decision).or(last);
        if (page.len() as i64) < PAGE {
            break;
        }
    }
    sink.flush().map_err(|error| unwritable(&error))?;
    if let Some(last) = last {
        env.out.say(&format!("{lines} decisions; what comes later: --after {last}"));
    }
    Ok(Exit::Done)
}

fn open(out: Option<&Path>) -> Result<Box<dyn Write>, Problem> {
    Ok(match out {
        Some(path) => Box::new(BufWriter::new(File::create_new(path).map_err(|error| unwritable(&error))?)),
        None => Box::new(BufWriter::new(io::stdout())),
    })
}

fn unwritable(error: &io::Error) -> Problem {
    Problem::new(Exit::Failed, format!("the export can't be written: {error}"))
        .remedy("name a new file with --out, where there is room")
}

fn read_input() -> Result<String, Problem> {
    let mut text = String::new();
    let read = io::stdin().lock().take(64 * 1024).read_to_string(&mut text);
    read.map_err(|error| Problem::usage(format!("standard input can't be read: {error}")))?;
    Ok(text)
}

impl From<ApprovalError> for Problem {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Database(error) | ApprovalError::Enqueue(EnqueueError::Database(error)) => error.into(),
            ApprovalError::Invalid(invalid) => Self::usage(invalid.reason).value(invalid.field),
            ApprovalError::NotFound(message) => Self::new(Exit::NothingMatched, "the team has no such message to look at")
                .value(message.to_string())
                .remedy("longshore approvals list --team TEAM shows those that wait"),
            other => Self::new(Exit::Failed, other.to_string()).remedy("longshore approvals show says how it stands"),
        }
    }
}
