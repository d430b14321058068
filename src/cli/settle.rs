//! `longshore dead replay|discard`: selects by a filter, shows what that means, asks, and works through it one by one.

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    arguments::{self, Rate},
    batch::{Batch, Step, Tally},
    confirm::confirm,
    dead::{Selection, not_dead},
    env::{Database, Env},
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::{
    queue::plan::Thresholds,
    store::dead::{self, Filter, Letter, Picked, Plan},
    tenancy::audit::{self, Deed},
    workers::{self, ids::JobId},
};

/// Picked at once; between two pages the database is free to forget us.
const PAGE: i64 = 500;
/// Told one by one; the rest is only counted.
const TOLD: usize = 1_000;

/// How a selection is worked through.
#[derive(Debug, Args)]
pub struct Manner {
    #[command(flatten)]
    selection: Selection,
    /// All of them: needed when nothing narrows the selection
    #[arg(long)]
    all: bool,
    /// Only look: shows what would happen
    #[arg(long)]
    dry_run: bool,
    /// The oldest so many of them
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    limit: Option<i64>,
    /// No faster than this: 50/s, 10/m
    #[arg(long, value_name = "N/s")]
    rate: Option<Rate>,
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

/// Dead letters to run again.
#[derive(Debug, Args)]
pub struct Replay {
    #[command(flatten)]
    manner: Manner,
    /// Another payload, for one dead letter named by id: JSON, the name of a file, or - for standard input
    #[arg(long)]
    payload: Option<String>,
}

/// Dead letters to give up.
#[derive(Debug, Args)]
pub struct Discard {
    #[command(flatten)]
    manner: Manner,
}

enum Action {
    Replay(Option<Value>),
    Discard,
}

impl Action {
    const fn verb(&self) -> &'static str {
        match self {
            Self::Replay(_) => "replay",
            Self::Discard => "discard",
        }
    }

    const fn past(&self) -> &'static str {
        match self {
            Self::Replay(_) => "replayed",
            Self::Discard => "discarded",
        }
    }
}

/// Runs `longshore dead replay`.
pub async fn replay(wanted: &Replay, env: &Env) -> Result<Exit, Problem> {
    let payload = match &wanted.payload {
        None => None,
        Some(_) if wanted.manner.selection.jobs().len() != 1 => {
            return Err(Problem::usage("--payload needs exactly one dead letter")
                .remedy("name it by its id: longshore dead replay job_123 --payload …"));
        }
        Some(text) => Some(arguments::payload(text)?),
    };
    settle(&Action::Replay(payload), &wanted.manner, env).await
}

/// Runs `longshore dead discard`.
pub async fn discard(wanted: &Discard, env: &Env) -> Result<Exit, Problem> {
    settle(&Action::Discard, &wanted.manner, env).await
}

async fn settle(action: &Action, manner: &Manner, env: &Env) -> Result<Exit, Problem> {
    if manner.selection.is_everything() && !manner.all {
        return Err(Problem::usage(format!("this would {} every dead letter of every team", action.verb()))
            .remedy("name some by id or by a filter (--team, --kind, --error, --since, --until), or say --all"));
    }
    let mut db = env.database().await?;
    let filter = manner.selection.filter(&mut db, env).await?;
    let refused = refuse_settled(&mut db, manner.selection.jobs(), action, env).await?;
    let mut tx = db.begin().await?;
    let plan = dead::plan(&mut tx, &filter, manner.limit).await?;
    let samples = dead::pick(&mut tx, &filter, plan.until, None, 3.min(plan.matched)).await?;
    drop(tx);

    if manner.dry_run {
        return dry_run(action, &plan, &samples, env);
    }
    let Thresholds { approve_above_jobs, approve_above_credits } = env.config()?.dead;
    if matches!(action, Action::Replay(_)) && (plan.matched > approve_above_jobs || plan.price > approve_above_credits) {
        let large = format!("{} dead letters and up to {} credits are too much for one person", plan.matched, plan.price);
        return Err(
            Problem::new(Exit::Refused, large).remedy("longshore dead plan with the same filter; somebody else approves it")
        );
    }
    if plan.matched == 0 && refused == 0 {
        env.out.told(&Settled::new(Tally::default(), &[]), "no open dead letter matches")?;
        return Ok(Exit::NothingMatched);
    }
    env.out.say(&told(action, &plan, env));
    for sample in &samples {
        env.out.say(&format!(
            "  {}  {}  {}  {}",
            sample.job,
            sample.kind,
            sample.team,
            super::output::printable(&shortened(&sample.error))
        ));
    }
    let letters = if plan.matched == 1 { "dead letter" } else { "dead letters" };
    confirm(manner.yes, &format!("{} {} {letters}?", capital(action.verb()), plan.matched), plan.matched)?;
    let (mut tally, pairs) = work(&mut db, action, &filter, &plan, manner.rate, env).await?;
    tally.matched += refused;
    tally.failed += refused;
    report(action, tally, &pairs, env)
}

/// Ids that were named must be open dead letters. The only one named is an error; of many, they count as failed.
async fn refuse_settled(db: &mut Database, jobs: &[JobId], action: &Action, env: &Env) -> Result<i64, Problem> {
    let mut refused = 0;
    for job in jobs {
        let found = dead::find(&mut *db.begin().await?, *job).await?;
        let problem = match &found {
            None => Some(not_dead(*job)),
            Some(letter) => why_not(letter, action),
        };
        match problem {
            Some(problem) if jobs.len() == 1 => return Err(problem),
            Some(problem) => {
                env.out.say(&problem.to_string());
                refused += 1;
            }
            None => {}
        }
    }
    Ok(refused)
}

fn why_not(letter: &Letter, action: &Action) -> Option<Problem> {
    let by = letter.settled_by.as_deref().unwrap_or("somebody");
    if let Some(newer) = letter.replayed_as {
        let problem = Problem::new(Exit::Failed, format!("this dead letter was replayed already, by {by}, as {newer}"));
        return Some(problem.value(letter.job.to_string()).remedy(format!("follow {newer}; if that dies, replay it")));
    }
    if letter.discarded_at.is_some() {
        let problem = Problem::new(Exit::Failed, format!("this dead letter was discarded, by {by}"));
        return Some(problem.value(letter.job.to_string()).remedy("enqueue its payload anew: longshore dead show prints it"));
    }
    let Action::Replay(Some(payload)) = action else { return None };
    workers::registry().get(&letter.kind).and_then(|kind| kind.check(payload.clone()).err()).map(Into::into)
}

async fn work(
    db: &mut Database,
    action: &Action,
    filter: &Filter,
    plan: &Plan,
    rate: Option<Rate>,
    env: &Env,
) -> Result<(Tally, Vec<Pair>), Problem> {
    let deed = if plan.matched == 1 { None } else { Some(write_down(db, action, filter, plan).await?) };
    let mut batch = Batch::start(plan.matched, rate)?;
    let mut pairs = Vec::new();
    let mut last: Option<Picked> = None;
    let mut left = plan.matched;
    'all: while left > 0 {
        let page = dead::pick(&mut *db.begin().await?, filter, plan.until, last.as_ref(), PAGE.min(left)).await;
        let page = page.map_err(|error| stopped(&batch, action, error.into()))?;
        if page.is_empty() {
            break;
        }
        left -= page.len() as i64;
        last = page.last().cloned();
        for letter in &page {
            if !batch.may_go_on().await {
                break 'all;
            }
            let (step, newer) =
                one(db, action, letter, deed, &batch, env).await.map_err(|problem| stopped(&batch, action, problem))?;
            batch.count(step);
            if step == Step::Done && pairs.len() < TOLD {
                pairs.push(Pair { job: letter.job, replayed_as: newer });
            }
        }
    }
    Ok((batch.finish(), pairs))
}

/// One entry in the audit log for many letters, before the first of them is touched: each of their transactions names it.
async fn write_down(db: &mut Database, action: &Action, filter: &Filter, plan: &Plan) -> Result<i64, Problem> {
    let mut tx = db.begin().await?;
    let name = format!("dead.{}", action.verb());
    let target = format!("{} dead letters", plan.matched);
    let after = json!({ "filter": filter.summary(), "matched": plan.matched, "kinds": plan.kinds, "until": plan.until });
    let deed = Deed { action: &name, target: &target, after: Some(after), ..Deed::default() };
    let seq = audit::record(&mut tx, filter.team, &deed).await?;
    tx.commit().await?;
    Ok(seq)
}

/// Settles one dead letter. Only a database that is gone is an error; a refusal is a step that failed.
async fn one(
    db: &mut Database,
    action: &Action,
    letter: &Picked,
    deed: Option<i64>,
    batch: &Batch,
    env: &Env,
) -> Result<(Step, Option<JobId>), Problem> {
    let mut tx = db.begin().await?;
    let result = match action {
        Action::Replay(payload) => dead::replay(&mut tx, letter.team_id, letter.job, &env.actor, payload.as_ref(), deed)
            .await
            .map(|job| (Step::Done, Some(job))),
        Action::Discard => dead::discard(&mut tx, letter.team_id, letter.job, &env.actor, deed)
            .await
            .map(|open| (if open { Step::Done } else { Step::Skipped }, None)),
    };
    let error = match result {
        Ok(answer) => {
            tx.commit().await?;
            return Ok(answer);
        }
        Err(error) => error,
    };
    match error.as_database_error().and_then(|e| e.code()).as_deref() {
        // Somebody else settled it while we were at it.
        Some("LS012" | "LS013") => Ok((Step::Skipped, None)),
        Some(code) if code.starts_with("LS") => {
            batch.say(&format!("{}: {error}", letter.job));
            Ok((Step::Failed, None))
        }
        _ => Err(error.into()),
    }
}

/// Says how far it came before it had to stop.
fn stopped(batch: &Batch, action: &Action, problem: Problem) -> Problem {
    let Tally { done, matched, .. } = batch.tally();
    batch.say(&format!("stopped: {} {done} of {matched}; the same command goes on with the rest", action.past()));
    problem
}

#[derive(Serialize)]
struct Pair {
    job: JobId,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed_as: Option<JobId>,
}

#[derive(Serialize)]
struct Settled<'a> {
    #[serde(flatten)]
    tally: Tally,
    jobs: &'a [Pair],
}

impl<'a> Settled<'a> {
    fn new(tally: Tally, jobs: &'a [Pair]) -> Self {
        Self { tally, jobs }
    }
}

fn report(action: &Action, tally: Tally, pairs: &[Pair], env: &Env) -> Result<Exit, Problem> {
    if env.out.json {
        env.out.json(&Settled::new(tally, pairs))?;
    } else {
        for pair in pairs {
            match pair.replayed_as {
                Some(newer) => env.out.line(&format!("{} replayed as {newer}", pair.job))?,
                None => env.out.line(&format!("{} {}", pair.job, action.past()))?,
            }
        }
    }
    let Tally { matched, done, skipped, failed, interrupted } = tally;
    let mut words = format!("{} {done} of {matched}", action.past());
    if skipped > 0 {
        words.push_str(&format!(", {skipped} settled by others meanwhile"));
    }
    if failed > 0 {
        words.push_str(&format!(", {failed} refused"));
    }
    if interrupted {
        words.push_str("; interrupted: the same command goes on with the rest");
    }
    env.out.say(&words);
    Ok(tally.exit())
}

fn dry_run(action: &Action, plan: &Plan, samples: &[Picked], env: &Env) -> Result<Exit, Problem> {
    let exit = if plan.matched == 0 { Exit::NothingMatched } else { Exit::Done };
    if env.out.json {
        let Plan { matched, oldest, newest, kinds, price, .. } = plan;
        env.out.json(&json!({
            "dry_run": true, "matched": matched, "oldest": oldest, "newest": newest, "kinds": kinds, "price": price, "samples": samples,
        }))?;
        return Ok(exit);
    }
    env.out.say(&told(action, plan, env));
    if !samples.is_empty() {
        let columns =
            [Column::Text("JOB"), Column::Text("KIND"), Column::Short("TEAM"), Column::Text("DIED"), Column::Flexible("ERROR")];
        let mut table = Table::new(columns);
        for one in samples {
            table.row([one.job.to_string(), one.kind.clone(), one.team.clone(), env.out.time(one.died_at), one.error.clone()]);
        }
        env.out.table(&table)?;
    }
    env.out.say("dry run: nothing was changed");
    Ok(exit)
}

fn told(action: &Action, plan: &Plan, env: &Env) -> String {
    let (Some(oldest), Some(newest)) = (plan.oldest, plan.newest) else { return "no open dead letter matches".into() };
    let kinds: Vec<String> = plan.kinds.as_object().into_iter().flatten().map(|(kind, jobs)| format!("{jobs} {kind}")).collect();
    let kinds = kinds.join(", ");
    let mut words = match plan.matched {
        1 => format!("1 open dead letter matches ({kinds}), died {}", env.out.time(oldest)),
        many => {
            format!("{many} open dead letters match ({kinds}), died from {} to {}", env.out.time(oldest), env.out.time(newest))
        }
    };
    if plan.price > 0 && matches!(action, Action::Replay(_)) {
        words.push_str(&format!("; running again may cost up to {} credits", plan.price));
    }
    words
}

fn shortened(error: &str) -> String {
    error.chars().take(100).collect()
}

fn capital(verb: &str) -> String {
    let mut letters = verb.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
