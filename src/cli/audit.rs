//! `longshore audit`: who did what, and the proof that nobody rewrote it (docs/AUDIT.md).

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    arguments::Moment,
    env::Env,
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::tenancy::audit::{self, Filter, Line, Seen, proof::Proof};

/// What may be asked of the audit log.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists entries, the newest first
    List(List),
    /// Proves every chain, or one, from its entries; exit code 1 if one was changed, and where
    Verify {
        /// Only this team's (name or id)
        #[arg(long, conflicts_with = "file")]
        team: Option<String>,
        /// An export instead of the database
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Prints whole chains as JSON lines, which prove themselves
    Export {
        /// Only this team's (name or id)
        #[arg(long)]
        team: Option<String>,
        /// Into this file, which must not be there yet
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Which entries, and how many.
#[derive(Debug, Args)]
pub struct List {
    /// Only this team's (name or id); `longshore` is the house
    #[arg(long)]
    team: Option<String>,
    /// Only this action, or all of a noun: key.revoke, queue
    #[arg(long)]
    action: Option<String>,
    /// Only by this one: 'operator ada', 'key 0a1b2c3d4e5f'
    #[arg(long)]
    actor: Option<String>,
    /// Only from then on: a moment, a day, or a span back (2h)
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only before then: the last row's time gives the next page
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// Runs `longshore audit …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::List(wanted) => list(&wanted, env).await,
        Command::Verify { file: Some(file), .. } => told(&prove_file(&file)?, env),
        Command::Verify { team, file: None } => {
            let mut db = env.database().await?;
            let team = db.team_if_named(team.as_deref()).await?;
            let mut proof = Proof::default();
            let look = |line: Line| {
                proof.take(&line);
                Ok::<_, Problem>(())
            };
            audit::read(&mut *db.snapshot().await?, team, look).await?;
            told(&proof.finish(), env)
        }
        Command::Export { team, out } => {
            let mut db = env.database().await?;
            let team = db.team_if_named(team.as_deref()).await?;
            let mut sink = open(out.as_deref())?;
            let mut lines: u64 = 0;
            let write = |line: Line| {
                let text = serde_json::to_string(&line).map_err(|error| unwritable(&error.into()))?;
                lines += 1;
                writeln!(sink, "{text}").map_err(|error| unwritable(&error))
            };
            audit::read(&mut *db.snapshot().await?, team, write).await?;
            sink.flush().map_err(|error| unwritable(&error))?;
            if let Some(out) = out {
                env.out.say(&format!("{lines} lines in {}; longshore audit verify --file proves them", out.display()));
            }
            Ok(Exit::Done)
        }
    }
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

fn prove_file(path: &Path) -> Result<Proof, Problem> {
    let unreadable = |what: String| {
        Problem::usage(what).value(path.display().to_string()).remedy("pass a file that longshore audit export has written")
    };
    let file = File::open(path).map_err(|error| unreadable(format!("the export can't be read: {error}")))?;
    let mut proof = Proof::default();
    for (n, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| unreadable(format!("the export can't be read: {error}")))?;
        let line = serde_json::from_str(&line).map_err(|_| unreadable(format!("line {} is no line of an export", n + 1)))?;
        proof.take(&line);
    }
    Ok(proof.finish())
}

fn told(proof: &Proof, env: &Env) -> Result<Exit, Problem> {
    let Proof { sound, broken, entries, .. } = proof;
    if env.out.json {
        env.out.json(&json!({ "sound": broken.is_empty(), "entries": entries, "chains": sound, "broken": broken }))?;
    } else {
        let mut table = Table::new([Column::Text("CHAIN"), Column::Number("ENTRY"), Column::Flexible("FOUND")]);
        for chain in sound {
            table.row([chain.team_id.to_string(), chain.seq.to_string(), format!("sound, ends with {}", chain.hash)]);
        }
        for one in broken {
            table.row([one.team_id.to_string(), one.seq.to_string(), format!("BROKEN: {}", one.what)]);
        }
        if !(sound.is_empty() && broken.is_empty()) {
            env.out.table(&table)?;
        }
    }
    if broken.is_empty() {
        env.out.say(&format!("{entries} entries in {} chains are as they were written", sound.len()));
        return Ok(Exit::Done);
    }
    Err(Problem::new(Exit::Failed, format!("{} chains are not as they were written", broken.len()))
        .remedy("keep the database as it is, and compare with an export from before: docs/runbook/audit-broken.md"))
}

async fn list(wanted: &List, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let moment = |given: Option<Moment>| given.map(|moment| moment.back_from(env.out.now()));
    let filter = Filter {
        team: db.team_if_named(wanted.team.as_deref()).await?,
        action: wanted.action.clone(),
        actor: wanted.actor.clone(),
        since: moment(wanted.since),
        until: moment(wanted.until),
        below: None,
    };
    let found = audit::list(&mut *db.begin().await?, &filter, wanted.limit).await?;
    if env.out.json {
        env.out.json(&found)?;
    } else if found.is_empty() {
        env.out.say("no entry matches");
    } else {
        env.out.table(&as_table(&found, env))?;
    }
    if let Some(last) = found.last().filter(|_| found.len() as i64 == wanted.limit) {
        env.out.say(&format!("there may be more: --until {}", last.at.to_rfc3339()));
    }
    Ok(Exit::Done)
}

fn as_table(found: &[Seen], env: &Env) -> Table {
    let columns = [
        Column::Text("AT"),
        Column::Short("TEAM"),
        Column::Number("ENTRY"),
        Column::Text("ACTOR"),
        Column::Text("ACTION"),
        Column::Flexible("TARGET"),
        Column::Flexible("REASON"),
        Column::Flexible("AFTER"),
    ];
    let mut table = Table::new(columns);
    for one in found {
        table.row([
            env.out.time(one.at),
            one.team.clone().unwrap_or_else(|| one.team_id.to_string()),
            one.seq.to_string(),
            one.actor.clone(),
            one.action.clone(),
            one.target.clone(),
            one.reason.clone().unwrap_or_else(|| "-".into()),
            one.after.as_ref().map_or_else(|| "-".into(), ToString::to_string),
        ]);
    }
    table
}
