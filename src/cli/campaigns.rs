//! `longshore campaigns`: make a team's campaigns, look at them, and move them through their states.

mod look;
mod make;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    arguments::Moment,
    confirm::confirm,
    env::{Database, Env},
    output::{Column, Table},
    problem::{Exit, Problem},
};
use crate::workers::{
    enqueue::EnqueueError,
    enrollment::{
        campaigns::{self, Campaign, CampaignError},
        state::Move,
    },
    ids::{CampaignId, TeamId},
};

/// What may be asked of campaigns.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists a team's campaigns, the newest first
    List(List),
    /// Shows one campaign: its steps, and what became of its leads and messages
    Show(Named),
    /// Makes a draft of a JSON object and enrolls its leads
    Create(make::Create),
    /// Makes a draft after another campaign, under another name
    Clone(make::Clone),
    /// Says whom a campaign would reach, whom it would skip and why, and shows its texts
    Preview(look::Preview),
    /// Lets a draft begin at a set time
    Schedule(Schedule),
    /// Lets a draft begin: its steps fall due from now on
    Activate(Named),
    /// Holds a campaign: no message of it leaves, those already queued included
    Pause(Named),
    /// Lets a paused campaign go on; what fell due meanwhile is due at once
    Resume(Named),
    /// Ends a campaign whose leads are all through
    Complete(Named),
    /// Ends a campaign for good
    Stop(Final),
    /// Ends a campaign, cancels what waits, and says what had left
    Recall(Final),
    /// Deletes a campaign in which no lead was ever enrolled
    Delete(Final),
    /// Enrolls every lead that matches by now
    Enroll(Named),
    /// Enrolls the leads once more whose sends failed
    Reenroll(Named),
    /// Tells, for each lead and step, what was decided, by which rule, and what the vendor said
    Trail(look::Trail),
    /// Says why a lead is or is not in a campaign, and all that became of it there
    Why(look::Why),
    /// Shows a campaign's figures by step and variant
    Analytics(Named),
    /// Lists the tags that a team's leads carry, as they were counted last
    Tags(look::Tags),
}

/// Which campaigns, and how many.
#[derive(Debug, Args)]
pub struct List {
    /// The team (name or id)
    #[arg(long)]
    team: String,
    /// Go on behind this campaign, the last of the page before
    #[arg(long, value_name = "CAMPAIGN")]
    after: Option<i64>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// One campaign.
#[derive(Debug, Args)]
pub struct Named {
    /// Its number
    campaign: i64,
    /// Its team (name or id)
    #[arg(long)]
    team: String,
}

/// One campaign, and whether to ask first.
#[derive(Debug, Args)]
pub struct Final {
    #[command(flatten)]
    named: Named,
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

/// One campaign, and when it begins.
#[derive(Debug, Args)]
pub struct Schedule {
    #[command(flatten)]
    named: Named,
    /// When: a moment (2026-11-17T18:00:00Z), a day, or a span from now (2h)
    #[arg(long)]
    at: Moment,
}

/// Runs `longshore campaigns …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::List(wanted) => list(&wanted, env).await,
        Command::Show(named) => look::show(&named, env).await,
        Command::Create(wanted) => make::create(&wanted, env).await,
        Command::Clone(wanted) => make::clone(&wanted, env).await,
        Command::Preview(wanted) => look::preview(&wanted, env).await,
        Command::Schedule(wanted) => schedule(&wanted, env).await,
        Command::Activate(named) => shift(&named, Move::Activate, env).await,
        Command::Pause(named) => shift(&named, Move::Pause, env).await,
        Command::Resume(named) => shift(&named, Move::Resume, env).await,
        Command::Complete(named) => shift(&named, Move::Complete, env).await,
        Command::Stop(wanted) => {
            ask(&wanted, "Stop", "It can't be started again.", env).await?;
            shift(&wanted.named, Move::Stop, env).await
        }
        Command::Recall(wanted) => {
            ask(&wanted, "Recall", "What waits is cancelled, and it can't be started again.", env).await?;
            recall(&wanted.named, env).await
        }
        Command::Delete(wanted) => {
            ask(&wanted, "Delete", "It is gone then.", env).await?;
            make::delete(&wanted.named, env).await
        }
        Command::Enroll(named) => make::enroll(&named, false, env).await,
        Command::Reenroll(named) => make::enroll(&named, true, env).await,
        Command::Trail(wanted) => look::trail(&wanted, env).await,
        Command::Why(wanted) => look::why(&wanted, env).await,
        Command::Analytics(named) => look::analytics(&named, env).await,
        Command::Tags(wanted) => look::tags(&wanted, env).await,
    }
}

async fn list(wanted: &List, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let all = campaigns::list(&mut tx, team, wanted.after.map(CampaignId), wanted.limit).await?;
    if env.out.json {
        env.out.json(&all)?;
    } else if all.is_empty() {
        env.out.say("the team has no campaigns");
    } else {
        let columns = [
            Column::Number("CAMPAIGN"),
            Column::Flexible("NAME"),
            Column::Text("STATE"),
            Column::Flexible("TAGS"),
            Column::Text("CREATED"),
            Column::Text("CHANGED"),
        ];
        let mut table = Table::new(columns);
        for one in &all {
            let tags = if one.target_tags.is_empty() { "all leads".into() } else { one.target_tags.join(" ") };
            table.row([
                one.id.0.to_string(),
                one.name.clone(),
                one.state.to_string(),
                tags,
                env.out.time(one.created_at),
                env.out.time(one.changed_at),
            ]);
        }
        env.out.table(&table)?;
    }
    if let Some(last) = all.last().filter(|_| all.len() as i64 == wanted.limit) {
        env.out.say(&format!("there may be more: --after {}", last.id.0));
    }
    Ok(Exit::Done)
}

/// The team and the campaign that are meant.
async fn of(named: &Named, db: &mut Database) -> Result<(TeamId, CampaignId), Problem> {
    Ok((db.team(&named.team).await?.team_id, CampaignId(named.campaign)))
}

async fn ask(wanted: &Final, what: &str, then: &str, env: &Env) -> Result<(), Problem> {
    if wanted.yes {
        return Ok(());
    }
    let mut db = env.database().await?;
    let (team, id) = of(&wanted.named, &mut db).await?;
    let found = find(&mut *db.begin_as(team).await?, team, id).await?;
    confirm(false, &format!("{what} campaign {} ({})? {then}", id.0, found.name), 1)
}

async fn shift(named: &Named, by: Move, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let (team, id) = of(named, &mut db).await?;
    let mut tx = db.begin_as(team).await?;
    let now = env.out.now();
    match by {
        Move::Activate | Move::Schedule => campaigns::activate(&mut tx, team, id, now).await,
        Move::Pause => campaigns::pause(&mut tx, team, id, now).await,
        Move::Resume => campaigns::resume(&mut tx, team, id, now).await,
        Move::Complete => campaigns::complete(&mut tx, team, id, now).await,
        Move::Stop => campaigns::stop(&mut tx, team, id, now).await,
    }?;
    let state = find(&mut tx, team, id).await?.state;
    tx.commit().await?;
    env.out.told(&json!({ "campaign": id.0, "state": state }), &format!("campaign {}: {state}", id.0))?;
    Ok(Exit::Done)
}

async fn schedule(wanted: &Schedule, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let (team, id) = of(&wanted.named, &mut db).await?;
    let now = env.out.now();
    let at = wanted.at.ahead_of(now);
    let mut tx = db.begin_as(team).await?;
    campaigns::schedule(&mut tx, team, id, at, now).await?;
    tx.commit().await?;
    let said = json!({ "campaign": id.0, "state": "scheduled", "activate_at": at });
    env.out.told(&said, &format!("campaign {}: scheduled, begins {}", id.0, env.out.time(at)))?;
    Ok(Exit::Done)
}

async fn recall(named: &Named, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let (team, id) = of(named, &mut db).await?;
    let mut tx = db.begin_as(team).await?;
    let recalled = campaigns::recall(&mut tx, team, id, env.out.now()).await?;
    tx.commit().await?;
    let campaigns::Recalled { state, left, waiting, running, job } = recalled;
    let said = json!({ "campaign": id.0, "state": state, "left": left, "waiting": waiting, "running": running, "job": job });
    let words = format!(
        "campaign {}: {state}, nothing leaves any more\n\
         had left: {} accepted ({} delivered), {} failed, {} on their way, {} unknown\n\
         cancelled by {job}: {waiting} messages that waited, {running} leads in the sequence",
        id.0, left.accepted, left.delivered, left.failed, left.dispatching, left.unknown
    );
    env.out.told(&said, &words)?;
    Ok(Exit::Done)
}

async fn find(conn: &mut sqlx::PgConnection, team: TeamId, id: CampaignId) -> Result<Campaign, Problem> {
    campaigns::find(conn, team, id).await?.ok_or_else(|| not_found(id))
}

fn not_found(id: CampaignId) -> Problem {
    Problem::new(Exit::NothingMatched, "the team has no such campaign")
        .value(id.0.to_string())
        .remedy("longshore campaigns list --team TEAM shows them")
}

impl From<CampaignError> for Problem {
    fn from(error: CampaignError) -> Self {
        match error {
            CampaignError::Database(error) | CampaignError::Enqueue(EnqueueError::Database(error)) => error.into(),
            CampaignError::NotFound(id) => not_found(id),
            CampaignError::Invalid(invalid) => Self::usage(invalid.reason).value(invalid.field),
            other => Self::new(Exit::Failed, other.to_string()).remedy("longshore campaigns show says how it stands"),
        }
    }
}
