//! `longshore campaigns`: look at a team's campaigns, and move them through their states.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::{
    confirm::confirm,
    env::Env,
    output::{Column, Table, span},
    problem::{Exit, Problem},
};
use crate::workers::{
    enqueue::EnqueueError,
    enrollment::{
        campaigns::{self, Campaign, CampaignError, Step},
        report::{self, CampaignReport},
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
    /// Lets a draft begin: its steps fall due from now on
    Activate(Named),
    /// Holds a campaign: no message of it leaves, those already queued included
    Pause(Named),
    /// Lets a paused campaign go on; what fell due meanwhile is due at once
    Resume(Named),
    /// Ends a campaign for good
    Stop {
        #[command(flatten)]
        named: Named,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
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

/// Runs `longshore campaigns …`.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::List(wanted) => list(&wanted, env).await,
        Command::Show(named) => show(&named, env).await,
        Command::Activate(named) => shift(&named, Move::Activate, true, env).await,
        Command::Pause(named) => shift(&named, Move::Pause, true, env).await,
        Command::Resume(named) => shift(&named, Move::Resume, true, env).await,
        Command::Stop { named, yes } => shift(&named, Move::Stop, yes, env).await,
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

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    campaign: &'a Campaign,
    steps: &'a [Step],
    report: &'a CampaignReport,
}

async fn show(named: &Named, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(&named.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let id = CampaignId(named.campaign);
    let campaign = campaigns::find(&mut tx, team, id).await?.ok_or_else(|| not_found(id))?;
    let steps = campaigns::steps(&mut tx, team, id).await?;
    let report = report::report(&mut tx, team, id).await?;
    if env.out.json {
        env.out.json(&Shown { campaign: &campaign, steps: &steps, report: &report })?;
        return Ok(Exit::Done);
    }
    env.out.fields(&fields(&campaign, &report, env))?;
    let mut table = Table::new([Column::Number("STEP"), Column::Text("AFTER"), Column::Flexible("TEMPLATE")]);
    for step in &steps {
        table.row([step.step.to_string(), span(i64::from(step.delay_minutes) * 60), step.template.clone()]);
    }
    env.out.line("")?;
    env.out.table(&table)?;
    Ok(Exit::Done)
}

fn fields(campaign: &Campaign, report: &CampaignReport, env: &Env) -> Vec<(&'static str, String)> {
    let levels: Vec<_> = campaign.engagement.iter().map(|level| level.as_str()).collect();
    let tags = if campaign.target_tags.is_empty() { "all leads".into() } else { campaign.target_tags.join(" ") };
    let CampaignReport { matching, enrollments: leads, messages, .. } = report;
    vec![
        ("campaign", campaign.id.0.to_string()),
        ("name", campaign.name.clone()),
        ("state", campaign.state.to_string()),
        ("tags", tags),
        ("engagement", levels.join(" ")),
        ("created", env.out.time(campaign.created_at)),
        ("activated", env.out.time_or_dash(campaign.activated_at)),
        ("matching", format!("{matching} leads")),
        (
            "enrolled",
            format!("{}: {} running, {} completed, {} stopped", leads.enrolled, leads.running, leads.completed, leads.stopped),
        ),
        (
            "messages",
            format!(
                "{} planned: {} accepted, {} delivered, {} failed, {} unknown, {} suppressed, {} waiting",
                messages.planned,
                messages.accepted,
                messages.delivered,
                messages.failed,
                messages.unknown,
                messages.suppressed,
                messages.waiting
            ),
        ),
    ]
}

async fn shift(named: &Named, by: Move, yes: bool, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(&named.team).await?.team_id;
    let id = CampaignId(named.campaign);
    if by == Move::Stop && !yes {
        let found = campaigns::find(&mut *db.begin_as(team).await?, team, id).await?.ok_or_else(|| not_found(id))?;
        confirm(yes, &format!("Stop campaign {} ({})? It can't be started again.", id.0, found.name), 1)?;
    }
    let mut tx = db.begin_as(team).await?;
    let now = env.out.now();
    let moved = match by {
        Move::Activate => campaigns::activate(&mut tx, team, id, now).await,
        Move::Pause => campaigns::pause(&mut tx, team, id, now).await,
        Move::Resume => campaigns::resume(&mut tx, team, id, now).await,
        _ => campaigns::stop(&mut tx, team, id, now).await,
    };
    moved?;
    let state = standing(&mut tx, team, id).await?;
    tx.commit().await?;
    env.out.told(&json!({ "campaign": id.0, "state": state }), &format!("campaign {}: {state}", id.0))?;
    Ok(Exit::Done)
}

async fn standing(conn: &mut sqlx::PgConnection, team: TeamId, id: CampaignId) -> Result<String, Problem> {
    let found = campaigns::find(conn, team, id).await?.ok_or_else(|| not_found(id))?;
    Ok(found.state.to_string())
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
