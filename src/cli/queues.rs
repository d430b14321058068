//! `longshore queues`: how deep they are, the pause, and how long their history is kept.

use std::fmt;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::{
    env::Env,
    output::{Column, Table, printable, span},
    problem::{Exit, Problem},
};
use crate::store::queues::{self, Pause, Queue, Scope};

/// What may be asked of queues.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists queues with their depths, as the scheduler measured them last
    List,
    /// Stops claiming from a queue, of a team, of a kind, or where they meet, in every process at once; what runs goes on
    Pause {
        #[command(flatten)]
        what: What,
        /// Why, for whoever finds it paused
        #[arg(long)]
        reason: Option<String>,
    },
    /// Takes back a pause: the same words that set it
    Resume {
        #[command(flatten)]
        what: What,
    },
    /// Says for how many days finished jobs are kept, from those enqueued from now on
    Keep {
        /// The queue
        queue: String,
        /// Days
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..=3650))]
        days: i16,
    },
}

/// What a pause takes hold of.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct What {
    /// The queue; every queue if not said
    queue: Option<String>,
    /// Only this team's jobs (name or id)
    #[arg(long)]
    team: Option<String>,
    /// Only jobs of this kind
    #[arg(long)]
    kind: Option<String>,
}

/// Runs `longshore queues …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let (what, reason, pause) = match &command {
        Command::List => {
            let mut tx = db.begin().await?;
            let (all, pauses) = (queues::list(&mut tx).await?, queues::pauses(&mut tx).await?);
            return list(&all, &pauses, env);
        }
        Command::Keep { queue, days } => {
            let mut tx = db.begin().await?;
            if !queues::keep(&mut tx, queue, *days).await? {
                let problem = Problem::new(Exit::NothingMatched, "there is no such queue");
                return Err(problem.value(queue).remedy("longshore queues list shows them"));
            }
            tx.commit().await?;
            let told = json!({ "queue": queue, "history_days": days });
            env.out.told(&told, &format!("{queue}: what is enqueued from now on is kept for {days} days after its end"))?;
            return Ok(Exit::Done);
        }
        Command::Pause { what, reason } => (what, reason.as_deref(), true),
        Command::Resume { what } => (what, None, false),
    };
    let team = db.team_if_named(what.team.as_deref()).await?;
    let scope = Scope { queue: what.queue.as_deref(), team, kind: what.kind.as_deref() };
    let mut tx = db.begin().await?;
    let found = match pause {
        true => queues::pause(&mut tx, scope, &env.actor, reason).await?,
        false => queues::resume(&mut tx, scope).await?,
    };
    let named = what.to_string();
    if !found {
        let (problem, remedy) = match pause {
            true => ("there is no such queue or kind", "longshore queues list and longshore kinds show them"),
            false => {
                ("nothing is paused by these words", "longshore queues list shows what is; resume it by the words that paused it")
            }
        };
        return Err(Problem::new(Exit::NothingMatched, problem).value(&named).remedy(remedy));
    }
    tx.commit().await?;
    let words = if pause { "paused; what runs goes on, nothing new is claimed" } else { "claiming goes on" };
    let told = json!({ "queue": scope.queue, "team_id": scope.team, "kind": scope.kind, "paused": pause });
    env.out.told(&told, &format!("{named}: {words}"))?;
    Ok(Exit::Done)
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("", &self.queue), ("team ", &self.team), ("kind ", &self.kind)];
        let named: Vec<_> = parts.iter().filter_map(|(word, name)| Some(format!("{word}{}", name.as_ref()?))).collect();
        f.write_str(&named.join(", "))
    }
}

/// A queue with the pauses of teams and kinds that hold in it.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    queue: &'a Queue,
    pauses: Vec<&'a Pause>,
}

fn list(all: &[Queue], pauses: &[Pause], env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        let holds_in = |queue: &Queue, pause: &&Pause| pause.queue.as_ref().is_none_or(|name| *name == queue.name);
        let listed = |queue| Listed { queue, pauses: pauses.iter().filter(|pause| holds_in(queue, pause)).collect() };
        env.out.json(&all.iter().map(listed).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Flexible("QUEUE"),
        Column::Number("READY"),
        Column::Text("OLDEST"),
        Column::Number("BLOCKED"),
        Column::Number("SCHEDULED"),
        Column::Number("PARKED"),
        Column::Number("RUNNING"),
        Column::Number("DEAD"),
        Column::Text("PAUSED"),
    ];
    let mut table = Table::new(columns);
    let count = |jobs: Option<i64>| jobs.map_or_else(|| "-".into(), |jobs| jobs.to_string());
    for queue in all {
        table.row([
            queue.name.clone(),
            count(queue.ready),
            env.out.time_or_dash(queue.oldest_ready_at),
            count(queue.blocked),
            count(queue.scheduled),
            count(queue.parked),
            count(queue.running),
            count(queue.dead),
            env.out.time_or_dash(queue.paused_at),
        ]);
    }
    if all.is_empty() {
        env.out.say("no queues yet; longshore migrate makes those of this build's kinds");
        return Ok(Exit::Done);
    }
    env.out.table(&table)?;
    for queue in all.iter().filter(|queue| queue.paused_at.is_some()) {
        let by = queue.paused_by.as_deref().unwrap_or("somebody");
        let reason = queue.paused_reason.as_deref().unwrap_or("no reason given");
        env.out.say(&printable(&format!("{} is paused by {by}: {reason}", queue.name)));
    }
    for pause in pauses {
        let what = What { queue: pause.queue.clone(), team: pause.team.clone(), kind: pause.kind.clone() };
        let by = pause.paused_by.as_deref().unwrap_or("somebody");
        let reason = pause.reason.as_deref().unwrap_or("no reason given");
        env.out.say(&printable(&format!("{what} is paused by {by}: {reason}")));
    }
    match all.iter().filter_map(|queue| queue.measured_at).min() {
        Some(at) => env.out.say(&format!("measured {} ago", span((env.out.now() - at).num_seconds().max(0)))),
        None => env.out.say("never measured: a scheduler does it every few seconds, and none has run yet"),
    }
    Ok(Exit::Done)
}
