//! `longshore dead plan|run|stop|approve|report|plans`: dead letters run again as a plan that is looked at first, approved
//! where it is large, paced, stopped and gone on with.

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{
    arguments::{self, Rate},
    batch::{Batch, Step as Did, Tally},
    dead::Selection,
    env::{Database, Env},
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::{
    queue::plan::{self, Edit, Wanted},
    store::plans::{self, Group, Plan, Reason, State, View},
    workers::{
        self,
        dead::{Step, step},
        ids::{PlanId, TeamId},
    },
};

/// Dead letters to plan for.
#[derive(Debug, Args)]
pub struct Make {
    #[command(flatten)]
    selection: Selection,
    /// All of them: needed when nothing narrows the selection
    #[arg(long)]
    all: bool,
    /// Edit each payload by a JSON patch (RFC 6902): JSON, the name of a file, or - for standard input
    #[arg(long, value_name = "PATCH")]
    edit: Option<String>,
    /// Replay no faster than this: 50/s, 10/m
    #[arg(long, value_name = "N/s")]
    rate: Option<Rate>,
    /// The oldest so many of them
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    limit: Option<i64>,
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// A page of plans.
#[derive(Debug, Args)]
pub struct List {
    /// Go on behind this one, the last of the page before
    #[arg(long, value_name = "PLAN")]
    after: Option<PlanId>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// Runs `longshore dead plan`.
pub async fn make(wanted: &Make, env: &Env) -> Result<Exit, Problem> {
    if wanted.selection.is_everything() && !wanted.all {
        return Err(Problem::usage("this would plan for every dead letter of every team")
            .remedy("name some by id or by a filter (--team, --kind, --error, --since, --until), or say --all"));
    }
    let edit = wanted.edit.as_deref().map(read_edit).transpose()?;
    let thresholds = env.config()?.dead;
    let mut db = env.database().await?;
    let wanted = Wanted {
        filter: wanted.selection.filter(&mut db, env).await?,
        edit,
        per_second: wanted.rate.map(|rate| rate.per_second),
        limit: wanted.limit,
        note: wanted.note.clone(),
    };
    let mut tx = db.begin().await?;
    let made = plan::make(&mut tx, &workers::registry(), (TeamId::HOUSE, &env.actor), &wanted, thresholds).await?;
    let Some(plan) = made else {
        env.out.say("no open dead letter matches");
        return Ok(Exit::NothingMatched);
    };
    let view = plans::view(&mut tx, plan).await?.ok_or_else(|| no_such(plan))?;
    tx.commit().await?;
    if env.out.json {
        env.out.json(&view)?;
        return Ok(Exit::Done);
    }
    show(&view, env)?;
    env.out.say(&next(&view.plan));
    Ok(Exit::Done)
}

fn read_edit(text: &str) -> Result<Edit, Problem> {
    Edit::read(arguments::payload(text)?).map_err(|why| {
        Problem::usage(format!("the edit is no JSON patch: {why}"))
            .remedy(r#"write one as RFC 6902 does: '[{"op": "replace", "path": "/phone", "value": "+15550100"}]'"#)
    })
}

/// Runs `longshore dead run`.
pub async fn run(id: PlanId, detach: bool, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let mut tx = db.begin().await?;
    let plan = plans::find(&mut tx, id).await?.ok_or_else(|| no_such(id))?;
    if plan.state() == State::Ended {
        env.out.say(&format!("{id} has ended: longshore dead report {id} says what became of it"));
        return Ok(Exit::NothingMatched);
    }
    plans::start(&mut tx, &plan, &env.actor).await?;
    if detach {
        let job = plans::enqueue_run(&mut tx, &plan, &env.actor).await?;
        tx.commit().await?;
        env.out.told(&json!({ "plan": id, "job": job }), &format!("{id} is run by the workers, as {job}"))?;
        return Ok(Exit::Done);
    }
    tx.commit().await?;
    let mut batch = Batch::start(plan.left().into(), None)?;
    let end = work(&mut db, &plan, &mut batch).await;
    let tally = batch.finish();
    let end = end.inspect_err(|_| env.out.say(&format!("cut off behind {} letters; the same command goes on", tally.done)))?;
    let Tally { done, skipped, failed, interrupted, matched } = tally;
    let left = matched - done - skipped - failed;
    let mut words = format!("{id}: {done} replayed, {failed} refused, {skipped} settled by others, {left} left");
    match end {
        _ if interrupted => words.push_str("; interrupted: the same command goes on with the rest"),
        Step::Stopped => words.push_str("; somebody stopped it: the same command goes on with the rest"),
        _ => {}
    }
    env.out.told(&Ran { plan: id, replayed: done, refused: failed, settled: skipped, left, interrupted }, &words)?;
    Ok(if end == Step::Stopped && !interrupted { Exit::PartlyDone } else { tally.exit() })
}

#[derive(Serialize)]
struct Ran {
    plan: PlanId,
    replayed: i64,
    refused: i64,
    settled: i64,
    left: i64,
    interrupted: bool,
}

/// Steps through the plan until it ends, or somebody stops it here or elsewhere.
async fn work(db: &mut Database, plan: &Plan, batch: &mut Batch) -> Result<Step, Problem> {
    while batch.may_go_on().await {
        let mut tx = db.begin().await?;
        let did = step(&mut tx, plan.team, plan.plan, None).await?;
        tx.commit().await?;
        match did {
            Step::Replayed { .. } => batch.count(Did::Done),
            Step::Refused { job, reason } => {
                batch.say(&format!("{job}: {reason}"));
                batch.count(Did::Failed);
            }
            Step::Settled { .. } => batch.count(Did::Skipped),
            Step::Waits(wait) => batch.pause(wait).await,
            end @ (Step::Stopped | Step::Ended) => return Ok(end),
        }
    }
    Ok(Step::Stopped)
}

/// Runs `longshore dead stop`.
pub async fn stop(id: PlanId, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let mut tx = db.begin().await?;
    let plan = plans::find(&mut tx, id).await?.ok_or_else(|| no_such(id))?;
    let stopped = plans::stop(&mut tx, &plan, &env.actor).await?;
    tx.commit().await?;
    if !stopped {
        env.out.say(&format!("{id} does not run: it is {}", plan.state().name()));
        return Ok(Exit::NothingMatched);
    }
    env.out.say(&format!("{id} is stopped; longshore dead run {id} goes on with it"));
    Ok(Exit::Done)
}

/// Runs `longshore dead approve`.
pub async fn approve(id: PlanId, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let mut tx = db.begin().await?;
    let plan = plans::find(&mut tx, id).await?.ok_or_else(|| no_such(id))?;
    plans::approve(&mut tx, &plan, &env.actor).await?;
    tx.commit().await?;
    env.out.say(&format!("{id} is approved; longshore dead run {id} runs it"));
    Ok(Exit::Done)
}

/// Runs `longshore dead report`.
pub async fn report(id: PlanId, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let view = plans::view(&mut *db.begin().await?, id).await?.ok_or_else(|| no_such(id))?;
    if env.out.json {
        env.out.json(&view)?;
    } else {
        show(&view, env)?;
    }
    Ok(Exit::Done)
}

/// Runs `longshore dead plans`.
pub async fn list(wanted: &List, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let all = plans::list(&mut *db.begin().await?, wanted.after, wanted.limit).await?;
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Text("PLAN"),
        Column::Text("STATE"),
        Column::Text("BY"),
        Column::Text("MADE"),
        Column::Number("LETTERS"),
        Column::Number("REPLAYED"),
        Column::Number("LEFT"),
        Column::Flexible("NOTE"),
    ];
    let mut table = Table::new(columns);
    for plan in &all {
        table.row([
            plan.plan.to_string(),
            plan.state().name().into(),
            plan.made_by.clone(),
            env.out.time(plan.made_at),
            plan.letters.to_string(),
            plan.replayed.to_string(),
            plan.left().to_string(),
            plan.note.clone().unwrap_or_default(),
        ]);
    }
    env.out.table(&table)?;
    if let Some(last) = all.last().filter(|_| all.len() as i64 == wanted.limit) {
        env.out.say(&format!("there may be more: --after {}", last.plan));
    }
    Ok(Exit::Done)
}

fn show(view: &View, env: &Env) -> Result<(), Problem> {
    env.out.fields(&fields(view, env))?;
    env.out.line("")?;
    env.out.table(&groups(&view.groups))?;
    let ran = view.groups.iter().any(|group| group.replayed > 0);
    if ran {
        env.out.line("")?;
        env.out.table(&replays(&view.groups))?;
    }
    for (what, reasons) in [("THEY DIED OF", &view.reasons), ("REFUSED BECAUSE", &view.refusals)] {
        if !reasons.is_empty() {
            env.out.line("")?;
            env.out.table(&reasons_table(what, reasons))?;
        }
    }
    if !view.credit.is_empty() {
        let columns = [Column::Text("TEAM"), Column::Number("MAY COST"), Column::Number("AVAILABLE"), Column::Text("NOW")];
        let mut table = Table::new(columns);
        for one in &view.credit {
            let verdict =
                if one.needs <= one.available { "enough" } else { "too little: the rest parks until credits are granted" };
            table.row([one.team.clone(), one.needs.to_string(), one.available.to_string(), verdict.into()]);
        }
        env.out.line("")?;
        env.out.table(&table)?;
    }
    Ok(())
}

fn fields(view: &View, env: &Env) -> Vec<(&'static str, String)> {
    let plan = &view.plan;
    let by = |who: &Option<String>, at| format!("{} by {}", env.out.time(at), who.as_deref().unwrap_or("somebody"));
    let mut fields = vec![
        ("plan", plan.plan.to_string()),
        ("state", view.state.name().into()),
        ("letters", format!("{}, of which {} are left", plan.letters, plan.left())),
        ("credits", format!("up to {}", plan.credits)),
        ("made", by(&Some(plan.made_by.clone()), plan.made_at)),
    ];
    let mut add = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    add("filter", Some(plan.filter.to_string()));
    add("edit", plan.patch.as_ref().map(ToString::to_string));
    add(
        "rate",
        plan.per_second.map(|rate| if rate >= 1.0 { format!("{rate}/s") } else { format!("one in {:.0} s", 1.0 / rate) }),
    );
    add("note", plan.note.clone());
    add("approved", plan.approved_at.map(|at| by(&plan.approved_by, at)));
    add("started", plan.started_at.map(|at| by(&plan.started_by, at)));
    add("stopped", plan.stopped_at.map(|at| by(&plan.stopped_by, at)));
    add("ended", plan.ended_at.map(|at| env.out.time(at)));
    fields
}

fn groups(groups: &[Group]) -> Table {
    let columns = [
        Column::Short("TEAM"),
        Column::Text("KIND"),
        Column::Number("LETTERS"),
        Column::Number("REPLAYED"),
        Column::Number("REFUSED"),
        Column::Number("BY OTHERS"),
        Column::Number("LEFT"),
        Column::Number("MAY COST"),
    ];
    let mut table = Table::new(columns);
    for one in groups {
        let numbers = [one.letters, one.replayed, one.refused, one.settled, one.left, one.credits].map(|n| n.to_string());
        table.row([vec![one.team.clone(), one.kind.clone()], numbers.to_vec()].concat());
    }
    table
}

fn replays(groups: &[Group]) -> Table {
    let columns = [
        Column::Short("TEAM"),
        Column::Text("REPLAYED"),
        Column::Number("DONE"),
        Column::Number("DEAD AGAIN"),
        Column::Number("CANCELLED"),
        Column::Number("UNFINISHED"),
        Column::Number("FORGOTTEN"),
    ];
    let mut table = Table::new(columns);
    for one in groups.iter().filter(|one| one.replayed > 0) {
        let numbers = [one.done, one.dead, one.cancelled, one.unfinished, one.forgotten].map(|n| n.to_string());
        table.row([vec![one.team.clone(), one.kind.clone()], numbers.to_vec()].concat());
    }
    table
}

fn reasons_table(what: &'static str, reasons: &[Reason]) -> Table {
    let mut table = Table::new([Column::Number("LETTERS"), Column::Text("FOR EXAMPLE"), Column::Flexible(what)]);
    for one in reasons {
        table.row([one.letters.to_string(), one.example.to_string(), one.reason.clone()]);
    }
    table
}

/// What its reader may do now.
fn next(plan: &Plan) -> String {
    let id = plan.plan;
    let gates = "consent, suppression, send keys and credit are looked at again when each job runs";
    match plan.state() {
        State::Unapproved => {
            format!("it is large: somebody other than {} approves it first: longshore dead approve {id}; {gates}", plan.made_by)
        }
        _ => format!("nothing runs yet: longshore dead run {id}; {gates}"),
    }
}

fn no_such(plan: PlanId) -> Problem {
    Problem::new(Exit::NothingMatched, "there is no such plan").value(plan.to_string()).remedy("longshore dead plans lists them")
}
