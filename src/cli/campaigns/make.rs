//! Making campaigns, enrolling their leads, and taking away what was never used.

use clap::Args;
use serde_json::json;

use super::{Named, of};
use crate::{
    cli::{
        arguments,
        env::Env,
        problem::{Exit, Problem},
    },
    workers::{
        enrollment::campaigns::{self, NewCampaign},
        ids::CampaignId,
    },
};

/// A campaign to be.
#[derive(Debug, Args)]
pub struct Create {
    /// A JSON object (name, sender, purpose, target_tags, engagement, steps), the name of a file that holds one, or - for standard input
    campaign: String,
    /// Its team (name or id)
    #[arg(long)]
    team: String,
    /// The same key gives the same campaign, however often it is said
    #[arg(long)]
    key: Option<String>,
}

/// What to copy.
#[derive(Debug, Args)]
pub struct Clone {
    #[command(flatten)]
    named: Named,
    /// What the copy is called
    #[arg(long)]
    name: String,
    /// The number its messages come from, where that is another one
    #[arg(long)]
    sender: Option<String>,
}

pub(super) async fn create(wanted: &Create, env: &Env) -> Result<Exit, Problem> {
    let given = arguments::payload(&wanted.campaign)?;
    let new: NewCampaign = serde_json::from_value(given)
        .map_err(|error| Problem::usage(format!("this is no campaign: {error}")).remedy("docs/CAMPAIGNS.md shows one"))?;
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let (id, job) = match &wanted.key {
        Some(key) => {
            let made = campaigns::create_once(&mut tx, team, &new, key).await?;
            (made.campaign, made.job)
        }
        None => {
            let (id, job) = campaigns::create_and_enroll(&mut tx, team, &new).await?;
            (id, Some(job))
        }
    };
    tx.commit().await?;
    let words = match job {
        Some(job) => format!("campaign {}: draft; {job} enrolls its leads", id.0),
        None => format!("campaign {} was there already", id.0),
    };
    env.out.told(&json!({ "campaign": id.0, "job": job }), &words)?;
    Ok(Exit::Done)
}

pub(super) async fn clone(wanted: &Clone, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let (team, source) = of(&wanted.named, &mut db).await?;
    let mut tx = db.begin_as(team).await?;
    let CampaignId(id) = campaigns::clone(&mut tx, team, source, &wanted.name, wanted.sender.as_deref()).await?;
    tx.commit().await?;
    let words = format!("campaign {id}: draft after campaign {}; `longshore campaigns enroll {id}` enrolls its leads", source.0);
    env.out.told(&json!({ "campaign": id, "cloned_from": source.0 }), &words)?;
    Ok(Exit::Done)
}

pub(super) async fn enroll(named: &Named, again: bool, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let (team, id) = of(named, &mut db).await?;
    let mut tx = db.begin_as(team).await?;
    let job = if again { campaigns::reenroll(&mut tx, team, id).await? } else { campaigns::enroll(&mut tx, team, id).await? };
    tx.commit().await?;
    let whom = if again { "the leads whose sends failed" } else { "its leads" };
    env.out.told(&json!({ "campaign": id.0, "job": job }), &format!("campaign {}: {job} enrolls {whom}", id.0))?;
    Ok(Exit::Done)
}

pub(super) async fn delete(named: &Named, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let (team, id) = of(named, &mut db).await?;
    let mut tx = db.begin_as(team).await?;
    campaigns::delete(&mut tx, team, id).await?;
    tx.commit().await?;
    env.out.told(&json!({ "campaign": id.0, "deleted": true }), &format!("campaign {}: deleted", id.0))?;
    Ok(Exit::Done)
}
