//! `longshore schedules`: jobs that come back by the clock.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{
    arguments,
    confirm::confirm,
    env::Env,
    output::{Column, Table, printable},
    problem::{Exit, Problem},
};
use crate::{
    scheduler::cron::{CronError, next_tick},
    store::schedules::{self, Wanted},
    workers,
};

/// What may be asked of schedules.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists schedules with their last and next tick
    List {
        /// Only this team's (name or id)
        #[arg(long)]
        team: Option<String>,
    },
    /// Creates a schedule, or changes the one of that name
    Put(Put),
    /// Stops a schedule
    Pause(Pause),
    /// Lets a schedule go on with its next tick from now; the ones in between are not made up for
    Resume(Named),
    /// Enqueues its job now, paused or not, and prints the job's id; its ticks come as they would have
    RunNow(RunNow),
    /// Takes a schedule away; the record of its ticks stays
    Delete(Delete),
}

/// A schedule to stop.
#[derive(Debug, Args)]
pub struct Pause {
    #[command(flatten)]
    named: Named,
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// A schedule to run.
#[derive(Debug, Args)]
pub struct RunNow {
    #[command(flatten)]
    named: Named,
    /// The same key gives the same job, for 30 days
    #[arg(long)]
    key: Option<String>,
}

/// A schedule to take away.
#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    named: Named,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// One schedule.
#[derive(Debug, Args)]
pub struct Named {
    /// Its name
    name: String,
    /// Its team (name or id)
    #[arg(long)]
    team: String,
}

/// A schedule to set.
#[derive(Debug, Args)]
pub struct Put {
    /// Its name: small letters, digits, and _ . -
    name: String,
    /// Its team (name or id)
    #[arg(long)]
    team: String,
    /// The kind of job it enqueues
    #[arg(long)]
    kind: String,
    /// When: minute hour day month weekday
    #[arg(long, value_name = "PATTERN")]
    cron: String,
    /// By which clocks: a name of the IANA database
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    zone: String,
    /// The job's payload: a JSON object, the name of a file that holds one, or - for standard input
    #[arg(long, default_value = "{}")]
    payload: String,
    /// What becomes of ticks that nobody was there to fire
    #[arg(long, value_enum, default_value = "run-once")]
    missed: Missed,
    /// With --missed catch-up: so many of the newest are made up for, the rest are skipped
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    catch_up_most: i32,
}

/// What becomes of ticks that nobody was there to fire.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Missed {
    /// They are skipped
    Skip,
    /// One job stands for all
    RunOnce,
    /// Each gets its job
    CatchUp,
}

impl Missed {
    const fn stored(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::RunOnce => "run_once",
            Self::CatchUp => "catch_up",
        }
    }
}

/// Runs `longshore schedules …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::List { team } => list(team.as_deref(), env).await,
        Command::Put(wanted) => put(&wanted, env).await,
        Command::Pause(wanted) => hold(&wanted.named, Some(wanted.reason.as_deref()), env).await,
        Command::Resume(named) => hold(&named, None, env).await,
        Command::RunNow(wanted) => run_now(&wanted, env).await,
        Command::Delete(wanted) => delete(&wanted, env).await,
    }
}

async fn list(team: Option<&str>, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team_if_named(team).await?;
    let all = schedules::list(&mut *db.begin().await?, team).await?;
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Text("SCHEDULE"),
        Column::Flexible("TEAM"),
        Column::Text("KIND"),
        Column::Text("PATTERN"),
        Column::Text("ZONE"),
        Column::Text("LAST"),
        Column::Text("NEXT"),
    ];
    let mut table = Table::new(columns);
    for one in &all {
        table.row([
            one.name.clone(),
            one.team.clone(),
            one.kind.clone(),
            one.cron.clone(),
            one.time_zone.clone(),
            env.out.time_or_dash(one.last_due_at),
            if one.paused_at.is_some() { "paused".into() } else { env.out.time(one.next_due_at) },
        ]);
    }
    if all.is_empty() {
        env.out.say("no schedules");
    } else {
        env.out.table(&table)?;
    }
    for one in &all {
        if let (Some(_), Some(reason)) = (one.paused_at, &one.paused_reason) {
            env.out.say(&printable(&format!("{} is paused: {reason}", one.name)));
        }
    }
    Ok(Exit::Done)
}

async fn put(wanted: &Put, env: &Env) -> Result<Exit, Problem> {
    let next_due_at = next_tick(&wanted.cron, &wanted.zone, env.out.now()).map_err(wrong_pattern)?;
    let payload = arguments::payload(&wanted.payload)?;
    if let Some(kind) = workers::registry().get(&wanted.kind) {
        kind.check(payload.clone())?;
    }
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let schedule = Wanted {
        name: &wanted.name,
        kind: &wanted.kind,
        payload: &payload,
        cron: &wanted.cron,
        time_zone: &wanted.zone,
        missed: wanted.missed.stored(),
        catch_up_most: wanted.catch_up_most,
        next_due_at,
        declared: false,
    };
    if !schedules::is_name(&wanted.name) {
        return Err(Problem::usage("this can't be a schedule's name")
            .value(&wanted.name)
            .remedy("start with a small letter and go on with small letters, digits, and _ . - (100 at most)"));
    }
    schedules::put(&mut tx, team, &schedule).await?;
    tx.commit().await?;
    let words = format!("{}: next tick {}", wanted.name, env.out.time(next_due_at));
    env.out.told(&json!({ "schedule": wanted.name, "team_id": team, "next_due_at": next_due_at }), &words)?;
    Ok(Exit::Done)
}

/// Stops a schedule where `pause` is given, with the reason in it; else lets it go on.
async fn hold(named: &Named, pause: Option<Option<&str>>, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(&named.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let missing = || missing(&named.name);
    let (cron, zone) = schedules::pattern(&mut tx, team, &named.name).await?.ok_or_else(missing)?;
    let (next, found) = match pause {
        Some(reason) => (None, schedules::hold(&mut tx, team, &named.name, reason).await?),
        None => {
            let next = next_tick(&cron, &zone, env.out.now()).map_err(wrong_pattern)?;
            (Some(next), schedules::go_on(&mut tx, team, &named.name, next).await?)
        }
    };
    if !found {
        return Err(missing());
    }
    tx.commit().await?;
    let words = next.map_or_else(|| "paused".into(), |next| format!("goes on, next tick {}", env.out.time(next)));
    let told = json!({ "schedule": named.name, "team_id": team, "paused": pause.is_some() });
    env.out.told(&told, &format!("{}: {words}", named.name))?;
    Ok(Exit::Done)
}

async fn run_now(wanted: &RunNow, env: &Env) -> Result<Exit, Problem> {
    let named = &wanted.named;
    let mut db = env.database().await?;
    let team = db.team(&named.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let ran = schedules::run(&mut tx, team, &named.name, wanted.key.as_deref()).await?.ok_or_else(|| missing(&named.name))?;
    tx.commit().await?;
    if env.out.json {
        let told = json!({ "schedule": named.name, "team_id": team, "job": ran.job, "deduplicated": ran.deduplicated });
        env.out.json(&told)?;
    } else {
        env.out.line(&ran.job.to_string())?;
        if ran.deduplicated {
            env.out.say("this key had run it before: nothing new was enqueued");
        }
    }
    Ok(Exit::Done)
}

async fn delete(wanted: &Delete, env: &Env) -> Result<Exit, Problem> {
    let named = &wanted.named;
    let mut db = env.database().await?;
    let team = db.team(&named.team).await?.team_id;
    let schedule = schedules::find(&mut *db.begin_as(team).await?, team, &named.name).await?;
    let schedule = schedule.ok_or_else(|| missing(&named.name))?;
    confirm(wanted.yes, &format!("Take schedule {} away?", named.name), 1)?;
    let mut tx = db.begin_as(team).await?;
    schedules::delete(&mut tx, team, &named.name).await?;
    tx.commit().await?;
    if schedule.declared {
        env.out.say("a configuration declares it: it comes back when a scheduler starts with that");
    }
    let told = json!({ "schedule": named.name, "team_id": team, "deleted": true });
    env.out.told(&told, &format!("{}: taken away", named.name))?;
    Ok(Exit::Done)
}

fn missing(name: &str) -> Problem {
    Problem::new(Exit::NothingMatched, "the team has no such schedule").value(name).remedy("longshore schedules list shows them")
}

fn wrong_pattern(error: CronError) -> Problem {
    let (what, value, remedy) = match error {
        CronError::Pattern { pattern, reason } => (
            format!("this is no cron pattern: {reason}"),
            pattern,
            "write five fields: minute hour day month weekday, as in '0 9 * * MON-FRI'",
        ),
        CronError::Zone(zone) => {
            ("there is no such time zone".into(), zone, "write a name of the IANA database, as America/New_York or UTC")
        }
        CronError::Never(pattern) => {
            ("this pattern never fires".into(), pattern, "no day matches it: correct the day or the month")
        }
    };
    Problem::usage(what).value(value).remedy(remedy)
}
