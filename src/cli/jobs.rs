//! `longshore jobs`: look for jobs, put one in, cancel some.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use super::{
    arguments::{self, Moment},
    env::{Database, Env},
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::{
    store::{
        doors,
        job_list::{self, Filter, Row, Wanted},
        job_view::{self, Attempt, Dropped, Gone, JobState, JobView},
    },
    tenancy::teams,
    workers::{
        self,
        ids::{JobId, TeamId},
    },
};

/// What may be asked of jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists jobs, the newest first
    List(List),
    /// Shows one job: where it is, why, and what happened to it
    Show {
        /// Its id: job_123 or 123
        job: JobId,
    },
    /// Cancels jobs; one that runs is told to stop within a heartbeat
    Cancel {
        /// Their ids
        #[arg(required = true)]
        jobs: Vec<JobId>,
    },
    /// Enqueues one job and prints its id
    Enqueue(Enqueue),
}

/// Which jobs, and how many.
#[derive(Debug, Args)]
pub struct List {
    /// Only jobs in this state
    #[arg(long)]
    state: Option<State>,
    /// Only this team's (name or id)
    #[arg(long)]
    team: Option<String>,
    /// Only of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Go on behind this job, the last of the page before
    #[arg(long, value_name = "JOB")]
    after: Option<JobId>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Waiting,
    Running,
    Done,
    Dead,
    Cancelled,
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Waiting => Self::Waiting,
            State::Running => Self::Running,
            State::Done => Self::Done,
            State::Dead => Self::Dead,
            State::Cancelled => Self::Cancelled,
        }
    }
}

/// A job to put in.
#[derive(Debug, Args)]
pub struct Enqueue {
    /// What it does; `longshore kinds` lists them
    kind: String,
    /// With what: a JSON object, the name of a file that holds one, or - for standard input
    payload: String,
    /// For which team (name or id)
    #[arg(long)]
    team: String,
    /// Idempotency key: the same key gives the same job
    #[arg(long)]
    key: Option<String>,
    /// Not before: a moment (2026-11-17T18:00:00Z) or a span from now (10m)
    #[arg(long, value_name = "TIME")]
    run_at: Option<Moment>,
    /// 0 first, 9 last; the kind's own if not given
    #[arg(long)]
    priority: Option<i16>,
    /// Ties the job to what caused it, in logs
    #[arg(long, value_name = "TEXT")]
    correlation: Option<String>,
}

/// Runs `longshore jobs …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::List(wanted) => list(&wanted, env).await,
        Command::Show { job } => show(job, env).await,
        Command::Cancel { jobs } => cancel(&jobs, env).await,
        Command::Enqueue(wanted) => enqueue(&wanted, env).await,
    }
}

async fn list(wanted: &List, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team_if_named(wanted.team.as_deref()).await?;
    let mut tx = db.begin().await?;
    let queue =
        match &wanted.queue {
            Some(name) => {
                let id = job_list::queue_id(&mut tx, name).await?;
                Some(id.ok_or_else(|| {
                    Problem::usage("there is no such queue").value(name).remedy("longshore queues list shows them")
                })?)
            }
            None => None,
        };
    let filter = Filter { state: wanted.state.map(Into::into), team, kind: wanted.kind.as_deref(), queue, after: wanted.after };
    let rows = job_list::list(&mut tx, &filter, wanted.limit).await?;
    if env.out.json {
        env.out.json(&rows)?;
    } else if rows.is_empty() {
        env.out.say("no jobs match");
    } else {
        env.out.table(&as_table(&rows, env))?;
    }
    if let Some(last) = rows.last().filter(|_| rows.len() as i64 == wanted.limit) {
        env.out.say(&format!("there may be more: --after {}", last.id));
    }
    Ok(Exit::Done)
}

fn as_table(rows: &[Row], env: &Env) -> Table {
    let columns = [
        Column::Text("JOB"),
        Column::Text("KIND"),
        Column::Flexible("TEAM"),
        Column::Text("STATE"),
        Column::Number("TRY"),
        Column::Text("ACCEPTED"),
        Column::Text("DUE OR ENDED"),
    ];
    let mut table = Table::new(columns);
    for row in rows {
        // A waiting job is told by what it waits for.
        let state = row.reason.clone().unwrap_or_else(|| row.state.to_string());
        table.row([
            row.id.to_string(),
            row.kind.clone(),
            row.team.clone(),
            state,
            row.attempt.to_string(),
            env.out.time(row.created_at),
            env.out.time_or_dash(row.finished_at.or(row.run_at)),
        ]);
    }
    table
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    job: &'a JobView,
    attempts: &'a [Attempt],
}

async fn show(id: JobId, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let mut tx = db.begin().await?;
    let Some(job) = job_view::find(&mut tx, id).await? else {
        let left = job_view::gone(&mut tx, id).await?.ok_or_else(|| not_found(id))?;
        return show_gone(id, &left, &mut tx, env).await;
    };
    let attempts = job_view::attempts(&mut tx, id).await?;
    if env.out.json {
        env.out.json(&Shown { job: &job, attempts: &attempts })?;
        return Ok(Exit::Done);
    }
    let team = teams::find(&mut tx, &job.team.to_string()).await?;
    env.out.fields(&fields(&job, &team.name, env))?;
    if !attempts.is_empty() {
        let mut table =
            Table::new([Column::Number("ATTEMPT"), Column::Text("RESULT"), Column::Text("ENDED"), Column::Flexible("ERROR")]);
        for one in &attempts {
            let error = one.error.clone().unwrap_or_default();
            table.row([one.attempt.to_string(), one.result.clone(), env.out.time(one.ended_at), error]);
        }
        env.out.line("")?;
        env.out.table(&table)?;
    }
    Ok(Exit::Done)
}

/// What is left of a job whose history was dropped.
async fn show_gone(id: JobId, left: &Gone, conn: &mut PgConnection, env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        let among: Vec<_> = left.among.iter().map(|line| AmongTeam { team_id: line.team, line }).collect();
        env.out.json(&json!({ "id": id, "gone": { "dead_letter": left.dead_letter, "among": among } }))?;
        return Ok(Exit::Done);
    }
    env.out.say(&format!("{id}: its history was dropped; these are the jobs among which it was, if it ever was"));
    let mut table = Table::new([
        Column::Flexible("TEAM"),
        Column::Text("DAY"),
        Column::Text("KIND"),
        Column::Text("OUTCOME"),
        Column::Number("JOBS"),
        Column::Text("FROM"),
        Column::Text("TO"),
    ]);
    for line in &left.among {
        let team = teams::find(conn, &line.team.to_string()).await?.name;
        let (first, last) = (line.first_job.to_string(), line.last_job.to_string());
        table.row([team, line.day.to_string(), line.kind.clone(), line.outcome.clone(), line.jobs.to_string(), first, last]);
    }
    env.out.table(&table)?;
    if left.dead_letter {
        env.out.say(&format!("it ended dead, and its dead letter is kept: longshore dead show {id}"));
    }
    Ok(Exit::Done)
}

/// A line of what was dropped, with its team: an operator sees them all.
#[derive(Serialize)]
struct AmongTeam<'a> {
    team_id: TeamId,
    #[serde(flatten)]
    line: &'a Dropped,
}

fn fields(job: &JobView, team: &str, env: &Env) -> Vec<(&'static str, String)> {
    let state = match &job.reason {
        Some(reason) => format!("{}: {reason}", job.state),
        None => job.state.to_string(),
    };
    let mut fields = vec![
        ("job", job.id.to_string()),
        ("team", format!("{team} ({})", job.team)),
        ("kind", format!("{} (version {})", job.kind, job.version)),
        ("queue", format!("{}, priority {}", job.queue, job.priority)),
        ("state", state),
    ];
    let mut add = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    add("because", job.detail.clone());
    add("attempt", Some(format!("{} of {}", job.attempt, job.max_attempts)));
    add("accepted", Some(env.out.time(job.created_at)));
    add("runs", job.run_at.map(|at| env.out.time(at)));
    add("started", job.started_at.map(|at| env.out.time(at)));
    add("ended", job.finished_at.map(|at| env.out.time(at)));
    add("process", job.process.map(|boot| boot.to_string()));
    add("progress", job.progress_done.map(|done| progress(done, job.progress_total)));
    add("parent", job.parent.map(|job| job.to_string()));
    add("replay of", job.replay_of.map(|job| job.to_string()));
    add("replayed as", job.replayed_as.map(|job| job.to_string()));
    add("correlation", job.correlation_id.clone());
    add("payload", Some(format!("{:#}", job.payload)));
    add("output", job.output.as_ref().map(|output| format!("{output:#}")));
    fields
}

fn progress(done: i64, total: Option<i64>) -> String {
    total.map_or_else(|| done.to_string(), |total| format!("{done} of {total}"))
}

#[derive(Serialize)]
struct Answer {
    job: JobId,
    answer: String,
}

async fn cancel(jobs: &[JobId], env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let mut answers = Vec::new();
    for id in jobs {
        let answer = cancel_one(&mut db, *id, &env.actor).await?;
        answers.push(Answer { job: *id, answer: answer.unwrap_or_else(|| "not found".into()) });
    }
    if env.out.json {
        env.out.json(&answers)?;
    } else {
        for Answer { job, answer } in &answers {
            env.out.line(&match answer.as_str() {
                "cancelled" => format!("{job}  cancelled; it will not run"),
                "cancelling" => format!("{job}  running; it was told to stop"),
                "not found" => format!("{job}  not found"),
                ended => format!("{job}  had ended already: {ended}"),
            })?;
        }
    }
    let stopped = answers.iter().filter(|one| one.answer.starts_with("cancell")).count();
    Ok(match stopped {
        all if all == answers.len() => Exit::Done,
        0 if answers.iter().all(|one| one.answer == "not found") => Exit::NothingMatched,
        0 => Exit::Failed,
        _ => Exit::PartlyDone,
    })
}

async fn cancel_one(db: &mut Database, id: JobId, by: &str) -> Result<Option<String>, Problem> {
    let mut tx = db.begin().await?;
    let Some(team) = job_list::team_of(&mut tx, id).await? else { return Ok(None) };
    let answer = doors::cancel(&mut tx, team, id, by).await?;
    tx.commit().await?;
    Ok(answer)
}

#[derive(Serialize)]
struct Enqueued {
    job: JobId,
    deduplicated: bool,
}

async fn enqueue(wanted: &Enqueue, env: &Env) -> Result<Exit, Problem> {
    let payload = arguments::payload(&wanted.payload)?;
    // A kind that this build does not know may be one of a newer build: the database decides.
    if let Some(kind) = workers::registry().get(&wanted.kind) {
        kind.check(payload.clone())?;
    }
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let job = Wanted {
        kind: &wanted.kind,
        payload: &payload,
        key: wanted.key.as_deref(),
        run_at: wanted.run_at.map(|moment| moment.ahead_of(env.out.now())),
        priority: wanted.priority,
        correlation: wanted.correlation.as_deref(),
    };
    let (job, deduplicated) = job_list::enqueue(&mut tx, team, &job).await?;
    tx.commit().await?;
    if env.out.json {
        env.out.json(&Enqueued { job, deduplicated })?;
    } else {
        if deduplicated {
            env.out.say("the key was known: this is the job it names");
        }
        env.out.line(&job.to_string())?;
    }
    Ok(Exit::Done)
}

fn not_found(job: JobId) -> Problem {
    Problem::new(Exit::NothingMatched, "there is no such job")
        .value(job.to_string())
        .remedy("longshore jobs list shows the newest")
}
