//! `longshore dead`: dead letters, looked at; replayed or discarded by `settle.rs`, planned for by `plans.rs`.

use clap::{Args, Subcommand};

use super::{
    arguments::Moment,
    env::{Database, Env},
    output::{Column, Table},
    plans,
    problem::{Exit, Problem},
    settle,
};
use crate::{
    store::dead::{self, Filter, Letter, Row},
    workers::ids::{JobId, PlanId},
};

/// What may be asked of dead letters.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists dead letters, the newest first
    List(List),
    /// Shows one dead letter, whole
    Show {
        /// Its id: job_123 or 123
        job: JobId,
    },
    /// Runs dead letters again, as new jobs under the same rules; each once
    Replay(settle::Replay),
    /// Gives dead letters up; they stay on record
    Discard(settle::Discard),
    /// Plans a replay: shows what it holds, what would be refused and what it may cost
    Plan(plans::Make),
    /// Runs a plan, or goes on with it
    Run {
        /// Its id: plan_7 or 7
        plan: PlanId,
        /// Let the workers do it, and return at once
        #[arg(long)]
        detach: bool,
    },
    /// Stops a plan between two letters
    Stop {
        /// Its id: plan_7 or 7
        plan: PlanId,
    },
    /// Approves a plan that somebody else made
    Approve {
        /// Its id: plan_7 or 7
        plan: PlanId,
    },
    /// Says what became of a plan and of the jobs it replayed
    Report {
        /// Its id: plan_7 or 7
        plan: PlanId,
    },
    /// Lists plans, the newest first
    Plans(plans::List),
}

/// Which dead letters.
#[derive(Debug, Args)]
pub struct Selection {
    /// These, by id
    jobs: Vec<JobId>,
    /// Only this team's (name or id)
    #[arg(long)]
    team: Option<String>,
    /// Only of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only with this text in the last error, in any case
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only those that died then or later: a moment, a day, or a span back (2h)
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only those that died then or earlier
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

impl Selection {
    /// The ids that were named.
    pub fn jobs(&self) -> &[JobId] {
        &self.jobs
    }

    /// Whether nothing narrows it.
    pub fn is_everything(&self) -> bool {
        let Self { jobs, team, kind, error, since, until } = self;
        jobs.is_empty() && team.is_none() && kind.is_none() && error.is_none() && since.is_none() && until.is_none()
    }

    /// With the team found and spans turned into moments.
    pub async fn filter(&self, db: &mut Database, env: &Env) -> Result<Filter, Problem> {
        let moment = |given: Option<Moment>| given.map(|moment| moment.back_from(env.out.now()));
        Ok(Filter {
            jobs: (!self.jobs.is_empty()).then(|| self.jobs.clone()),
            team: db.team_if_named(self.team.as_deref()).await?,
            kind: self.kind.clone(),
            error: self.error.clone(),
            since: moment(self.since),
            until: moment(self.until),
        })
    }
}

/// Which dead letters, and how many.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    selection: Selection,
    /// Also those that were replayed or discarded
    #[arg(long)]
    all: bool,
    /// Go on behind this one, the last of the page before
    #[arg(long, value_name = "JOB")]
    after: Option<JobId>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// Runs `longshore dead …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::List(wanted) => list(&wanted, env).await,
        Command::Show { job } => show(job, env).await,
        Command::Replay(wanted) => settle::replay(&wanted, env).await,
        Command::Discard(wanted) => settle::discard(&wanted, env).await,
        Command::Plan(wanted) => plans::make(&wanted, env).await,
        Command::Run { plan, detach } => plans::run(plan, detach, env).await,
        Command::Stop { plan } => plans::stop(plan, env).await,
        Command::Approve { plan } => plans::approve(plan, env).await,
        Command::Report { plan } => plans::report(plan, env).await,
        Command::Plans(wanted) => plans::list(&wanted, env).await,
    }
}

async fn list(wanted: &List, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let filter = wanted.selection.filter(&mut db, env).await?;
    let rows = dead::list(&mut *db.begin().await?, &filter, wanted.all, wanted.after, wanted.limit).await?;
    if env.out.json {
        env.out.json(&rows)?;
    } else if rows.is_empty() {
        env.out.say("no dead letters match");
    } else {
        env.out.table(&as_table(&rows, wanted.all, env))?;
    }
    if let Some(last) = rows.last().filter(|_| rows.len() as i64 == wanted.limit) {
        env.out.say(&format!("there may be more: --after {}", last.job));
    }
    Ok(Exit::Done)
}

fn as_table(rows: &[Row], all: bool, env: &Env) -> Table {
    let mut columns =
        vec![Column::Text("JOB"), Column::Text("KIND"), Column::Short("TEAM"), Column::Text("DIED"), Column::Number("TRIES")];
    if all {
        columns.push(Column::Text("SETTLED"));
    }
    columns.push(Column::Flexible("ERROR"));
    let mut table = Table::new(columns);
    for row in rows {
        let mut cells =
            vec![row.job.to_string(), row.kind.clone(), row.team.clone(), env.out.time(row.died_at), row.attempts.to_string()];
        if all {
            cells.push(match (row.replayed_as, row.discarded_at) {
                (Some(job), _) => format!("as {job}"),
                (None, Some(_)) => "discarded".into(),
                (None, None) => "-".into(),
            });
        }
        cells.push(row.error.clone());
        table.row(cells);
    }
    table
}

async fn show(id: JobId, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let letter = dead::find(&mut *db.begin().await?, id).await?.ok_or_else(|| not_dead(id))?;
    if env.out.json {
        env.out.json(&letter)?;
        return Ok(Exit::Done);
    }
    env.out.fields(&fields(&letter, env))?;
    let mut table =
        Table::new([Column::Number("ATTEMPT"), Column::Text("RESULT"), Column::Text("ENDED"), Column::Flexible("ERROR")]);
    for one in letter.errors.as_array().into_iter().flatten() {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let ended = text("ended_at").parse().map_or_else(|_| text("ended_at"), |at| env.out.time(at));
        table.row([one["attempt"].to_string(), text("result"), ended, text("error")]);
    }
    env.out.line("")?;
    env.out.table(&table)?;
    Ok(Exit::Done)
}

fn fields(letter: &Letter, env: &Env) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("job", letter.job.to_string()),
        ("team", format!("{} ({})", letter.team, letter.team_id)),
        ("kind", format!("{} (version {})", letter.kind, letter.version)),
        ("error", letter.error.clone()),
        ("attempts", format!("{} of {}", letter.attempts, letter.max_attempts)),
        ("accepted", env.out.time(letter.created_at)),
        ("died", env.out.time(letter.died_at)),
    ];
    let mut add = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    let by = letter.settled_by.as_deref().unwrap_or("somebody");
    add("replayed", letter.replayed_at.map(|at| format!("{} by {by}", env.out.time(at))));
    add("replayed as", letter.replayed_as.map(|job| job.to_string()));
    add("discarded", letter.discarded_at.map(|at| format!("{} by {by}", env.out.time(at))));
    add("replay of", letter.replay_of.map(|job| job.to_string()));
    add("first job", letter.root.map(|job| job.to_string()));
    add("correlation", letter.correlation_id.clone());
    add("payload", Some(format!("{:#}", letter.payload)));
    fields
}

/// No dead letter goes by that id.
pub fn not_dead(job: JobId) -> Problem {
    Problem::new(Exit::NothingMatched, "there is no such dead letter")
        .value(job.to_string())
        .remedy("longshore dead list shows them, longshore jobs show says where the job is")
}
