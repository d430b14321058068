//! `longshore queues`: how deep they are, and the pause.

use clap::Subcommand;
use serde_json::json;

use super::{
    env::Env,
    output::{Column, Table, printable, span},
    problem::{Exit, Problem},
};
use crate::store::queues::{self, Queue};

/// What may be asked of queues.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists queues with their depths, as the scheduler measured them last
    List,
    /// Stops claiming from a queue in every process at once; what runs goes on
    Pause {
        /// Its name
        queue: String,
        /// Why, for whoever finds it paused
        #[arg(long)]
        reason: Option<String>,
    },
    /// Lets claiming from a queue go on
    Resume {
        /// Its name
        queue: String,
    },
}

/// Runs `longshore queues …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let mut tx = db.begin().await?;
    let (queue, found, paused) = match &command {
        Command::List => {
            let all = queues::list(&mut tx).await?;
            return list(&all, env);
        }
        Command::Pause { queue, reason } => (queue, queues::pause(&mut tx, queue, &env.actor, reason.as_deref()).await?, true),
        Command::Resume { queue } => (queue, queues::resume(&mut tx, queue).await?, false),
    };
    if !found {
        return Err(Problem::new(Exit::NothingMatched, "there is no such queue")
            .value(queue)
            .remedy("longshore queues list shows them"));
    }
    tx.commit().await?;
    let words = if paused { "paused; what runs goes on, nothing new is claimed" } else { "claiming goes on" };
    env.out.told(&json!({ "queue": queue, "paused": paused }), &format!("{queue}: {words}"))?;
    Ok(Exit::Done)
}

fn list(all: &[Queue], env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Flexible("QUEUE"),
        Column::Number("READY"),
        Column::Text("OLDEST"),
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
    match all.iter().filter_map(|queue| queue.measured_at).min() {
        Some(at) => env.out.say(&format!("measured {} ago", span((env.out.now() - at).num_seconds().max(0)))),
        None => env.out.say("never measured: a scheduler does it every few seconds, and none has run yet"),
    }
    Ok(Exit::Done)
}
