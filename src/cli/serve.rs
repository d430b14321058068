//! `longshore migrate|api|worker|scheduler`: the roles of the one binary.

use clap::{Args, Subcommand};
use serde_json::json;
use uuid::Uuid;

use super::{
    env::Env,
    problem::{self, Exit, Problem},
};
use crate::{
    config::Config,
    serve,
    store::{self, migrate::Standing},
    workers,
};

/// What this process is.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Brings the database to this build's schema and announces its kinds; safe beside running workers
    Migrate(Migrate),
    /// Serves HTTP
    Api,
    /// Claims and runs jobs
    Worker(Worker),
    /// Fires schedules, promotes due jobs, hands back those of lost workers
    Scheduler,
}

/// How to migrate.
#[derive(Debug, Args)]
pub struct Migrate {
    /// Only say what is pending; exit code 6 if anything is
    #[arg(long)]
    check: bool,
}

/// How to work.
#[derive(Debug, Args)]
pub struct Worker {
    /// Only these queues; all of this build's if not said
    #[arg(long, value_name = "QUEUE,…", value_delimiter = ',')]
    queues: Vec<String>,
    /// Jobs at once; worker.slots if not said
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    slots: Option<u32>,
    /// Runs jobs that are suspected of killing processes, alone, until standard input ends: what a worker starts for them
    #[arg(long, hide = true, value_name = "BOOT")]
    suspects: Option<Uuid>,
}

/// Runs one of the roles until it is told to stop.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    let ended = match command {
        Command::Migrate(wanted) => return migrate(&wanted, env).await,
        Command::Api => serve::api(env.config()?).await,
        Command::Scheduler => serve::scheduler(env.config()?).await,
        Command::Worker(wanted) => {
            let mut config = env.config()?;
            config.worker.slots = wanted.slots.unwrap_or(config.worker.slots);
            let queues = queues(&wanted.queues, &config)?;
            Box::pin(serve::worker(config, queues, wanted.suspects)).await
        }
    };
    ended.map(|()| Exit::Done).map_err(from_role)
}

/// The queues that were named, which this build must know.
fn queues(named: &[String], config: &Config) -> Result<Vec<String>, Problem> {
    let registry = workers::registry();
    let known = registry.queues();
    let wanted = if named.is_empty() { &config.worker.queues } else { named };
    match wanted.iter().find(|queue| !known.contains(&queue.as_str())) {
        None => Ok(wanted.to_vec()),
        Some(unknown) => Err(Problem::usage("this build has no kind that runs in that queue")
            .value(unknown)
            .remedy(format!("name some of: {}", known.join(", ")))),
    }
}

fn from_role(error: anyhow::Error) -> Problem {
    match error.downcast::<sqlx::Error>() {
        Ok(error) => error.into(),
        Err(error) => Problem::new(Exit::Failed, format!("{error:#}")),
    }
}

async fn migrate(wanted: &Migrate, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.session().await?;
    let conn = db.conn();
    let standing = store::migrate::standing(conn).await?;
    if let Standing::Differs { version } = standing {
        return Err(problem::differs(version));
    }
    let pending = standing.missing();
    if wanted.check {
        let words = match pending {
            0 => "the database is as new as this build".to_owned(),
            missing => problem::missing(missing).to_string(),
        };
        env.out.told(&json!({ "pending": pending }), &words)?;
        return Ok(if pending == 0 { Exit::Done } else { Exit::MigrationsPending });
    }
    store::migrate::run(conn).await?;
    let registry = workers::registry();
    store::jobs::register(conn, &registry).await?;
    let kinds = registry.iter().count();
    let words = format!("{pending} migrations applied, {kinds} kinds announced");
    env.out.told(&json!({ "applied": pending, "kinds": kinds }), &words)?;
    Ok(Exit::Done)
}
