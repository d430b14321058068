//! Campaigns: created, moved through their states, looked up, deleted.
//!
//! Each function works in the caller's transaction, so that a campaign and its first enrollment commit together. A move
//! takes the campaign's row exclusively; sends, enrollment chunks and sequence chunks take it shared. So a move waits
//! for what is under way, and nothing under way goes on behind it.

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

pub use super::new_campaign::{NewCampaign, NewStep};
use super::{
    end_enrollments::EndEnrollments,
    engagement::{self, Engagement},
    enroll_batch::EnrollBatch,
    run_sequence::RunSequence,
    state::{Move, State},
};
use crate::{
    enqueue::{self, EnqueueError, Options},
    ids::{CampaignId, JobId, TeamId},
    job::{Invalid, Job as _},
    messages::template::{self, TemplateError},
    settings::Settings,
};

/// Why a campaign could not be created, moved or deleted.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// A field breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The team has a campaign of that name.
    #[error("a campaign called {name:?} exists already; names are used once in a team")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The team has no such campaign.
    #[error("campaign {0} does not exist")]
    NotFound(CampaignId),
    /// Its state allows no such move.
    #[error("campaign {campaign} is {state}; it can be {by} only while it is {}", .by.possible_in())]
    NotNow {
        /// Which.
        campaign: CampaignId,
        /// Where it stands.
        state: State,
        /// What was asked.
        by: Move,
    },
    /// It has ended, so no lead can be enrolled.
    #[error("campaign {campaign} is {state}; no lead can be enrolled any more")]
    Ended {
        /// Which.
        campaign: CampaignId,
        /// How it ended.
        state: State,
    },
    /// It can't be completed while something of it is under way.
    #[error("campaign {0} still has leads in its sequence or messages without an end; wait for them, or stop it")]
    UnderWay(CampaignId),
    /// It can't be deleted, because leads were enrolled.
    #[error("campaign {0} has enrolled leads, so it stays on record; stop it instead")]
    HasLeads(CampaignId),
    /// Its job was not accepted.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A campaign as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// Its name, once in a team.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// The number its messages come from.
    pub sender: String,
    /// A lead matches with any of them; none: every lead matches.
    pub target_tags: Vec<String>,
    /// The levels of leads it is for.
    pub engagement: Vec<Engagement>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was activated the first time.
    pub activated_at: Option<DateTime<Utc>>,
    /// When its first step opens: activation and the first delay.
    pub opens_at: Option<DateTime<Utc>>,
    /// When its state changed last.
    pub changed_at: DateTime<Utc>,
}

/// One message of a campaign's sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its place, from 1.
    pub step: i16,
    /// Minutes behind the step before; for the first, behind enrollment and activation.
    pub delay_minutes: i32,
    /// The text with its variables.
    pub template: String,
}

/// Creates a draft.
pub async fn create(conn: &mut PgConnection, team: TeamId, new: &NewCampaign) -> Result<CampaignId, CampaignError> {
    let new = new.checked()?;
    let levels: Vec<String> = new.engagement.iter().map(|level| level.as_str().to_owned()).collect();
    let created =
        sqlx::query_file_scalar!("enrollment/campaigns/insert.sql", team.0, new.name, new.sender, &new.target_tags, &levels)
            .fetch_optional(&mut *conn)
            .await?;
    let Some(id) = created else { return Err(CampaignError::NameTaken { name: new.name }) };
    let steps = sqlx::query_file!("enrollment/campaigns/insert_steps.sql", team.0, id, &new.delays, &new.templates);
    steps.execute(&mut *conn).await?;
    let after = json!({ "name": new.name, "target_tags": new.target_tags, "engagement": levels, "steps": new.delays.len() });
    write_down(conn, team, CampaignId(id), "campaign.create", None, Some(after)).await?;
    Ok(CampaignId(id))
}

/// Creates a draft and enrolls its leads: both, or neither.
pub async fn create_and_enroll(
    conn: &mut PgConnection,
    team: TeamId,
    new: &NewCampaign,
) -> Result<(CampaignId, JobId), CampaignError> {
    let campaign = create(conn, team, new).await?;
    let job = enroll(conn, team, campaign).await?;
    Ok((campaign, job))
}

/// Enqueues the enrollment of every lead that matches by then. Leads that came later are taken by another call.
pub async fn enroll(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<JobId, CampaignError> {
    let Some(found) = find(conn, team, campaign).await? else { return Err(CampaignError::NotFound(campaign)) };
    if found.state.has_ended() {
        return Err(CampaignError::Ended { campaign, state: found.state });
    }
    let job = EnrollBatch { campaign_id: campaign };
    Ok(enqueue::one(conn, team, &job, Options::default()).await?.job)
}

/// Lets a draft begin: its steps fall due from now on.
pub async fn activate(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    now: DateTime<Utc>,
) -> Result<(), CampaignError> {
    let moved = shift(conn, team, campaign, Move::Activate, now).await?;
    preview(conn, team, campaign).await?;
    run_every_minute(conn, team, campaign, now).await?;
    write_move_down(conn, team, campaign, "campaign.activate", moved).await
}

/// Refuses a campaign whose texts name what the team has not set: better now than in each message.
async fn preview(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<(), CampaignError> {
    let brand = Settings::load(conn, team).await?.brand();
    for (at, step) in steps(conn, team, campaign).await?.iter().enumerate() {
        // What else a sample can't show may be right for a lead.
        if let Err(error @ TemplateError::NotSet(_)) = template::preview(&step.template, &brand) {
            return Err(Invalid::new(format!("steps[{at}].template"), error.to_string()).into());
        }
    }
    Ok(())
}

/// Holds a campaign: when this commits, no message of it leaves, those already queued included.
pub async fn pause(conn: &mut PgConnection, team: TeamId, campaign: CampaignId, now: DateTime<Utc>) -> Result<(), CampaignError> {
    let moved = shift(conn, team, campaign, Move::Pause, now).await?;
    stop_running(conn, team, campaign).await?;
    write_move_down(conn, team, campaign, "campaign.pause", moved).await
}

/// Lets a paused campaign go on. Steps that fell due meanwhile are due at once.
pub async fn resume(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    now: DateTime<Utc>,
) -> Result<(), CampaignError> {
    let moved = shift(conn, team, campaign, Move::Resume, now).await?;
    run_every_minute(conn, team, campaign, now).await?;
    write_move_down(conn, team, campaign, "campaign.resume", moved).await
}

/// Ends a campaign whose leads are all through.
pub async fn complete(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    now: DateTime<Utc>,
) -> Result<(), CampaignError> {
    permitted(lock(conn, team, campaign).await?, campaign, Move::Complete)?;
    // Asked under the lock: nothing can be enrolled or planned between the answer and the commit.
    let under_way =
        sqlx::query_file_scalar!("enrollment/campaigns/is_under_way.sql", team.0, campaign.0).fetch_one(&mut *conn).await?;
    if under_way {
        return Err(CampaignError::UnderWay(campaign));
    }
    shift(conn, team, campaign, Move::Complete, now).await?;
    stop_running(conn, team, campaign).await
}

/// Ends a campaign now: when this commits, no message of it leaves. A job frees its leads for other campaigns.
pub async fn stop(conn: &mut PgConnection, team: TeamId, campaign: CampaignId, now: DateTime<Utc>) -> Result<(), CampaignError> {
    let moved = shift(conn, team, campaign, Move::Stop, now).await?;
    stop_running(conn, team, campaign).await?;
    enqueue::one(conn, team, &EndEnrollments { campaign_id: campaign }, Options::default()).await?;
    write_move_down(conn, team, campaign, "campaign.stop", moved).await
}

/// Deletes a campaign in which no lead was ever enrolled.
pub async fn delete(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<(), CampaignError> {
    let state = lock(conn, team, campaign).await?;
    if sqlx::query_file_scalar!("enrollment/campaigns/has_leads.sql", team.0, campaign.0).fetch_one(&mut *conn).await? {
        return Err(CampaignError::HasLeads(campaign));
    }
    stop_running(conn, team, campaign).await?;
    sqlx::query_file!("enrollment/campaigns/delete.sql", team.0, campaign.0).execute(&mut *conn).await?;
    write_down(conn, team, campaign, "campaign.delete", Some(json!({ "state": state })), None).await?;
    Ok(())
}

/// One campaign of the team.
pub async fn find(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<Option<Campaign>, sqlx::Error> {
    let row = sqlx::query_file_as!(Row, "enrollment/campaigns/find.sql", team.0, campaign.0).fetch_optional(conn).await?;
    Ok(row.map(Campaign::from))
}

/// Up to `most` of the team's campaigns, the newest first, behind `before` (the last one of the page before).
pub async fn list(
    conn: &mut PgConnection,
    team: TeamId,
    before: Option<CampaignId>,
    most: i64,
) -> Result<Vec<Campaign>, sqlx::Error> {
    let before = before.map_or(i64::MAX, |campaign| campaign.0);
    let rows = sqlx::query_file_as!(Row, "enrollment/campaigns/list.sql", team.0, before, most).fetch_all(conn).await?;
    Ok(rows.into_iter().map(Campaign::from).collect())
}

/// A campaign's steps in their order.
pub async fn steps(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<Vec<Step>, sqlx::Error> {
    sqlx::query_file_as!(Step, "enrollment/campaigns/steps.sql", team.0, campaign.0).fetch_all(conn).await
}

async fn shift(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    by: Move,
    now: DateTime<Utc>,
) -> Result<(State, State), CampaignError> {
    let state = lock(conn, team, campaign).await?;
    let next = permitted(state, campaign, by)?;
    sqlx::query_file!("enrollment/campaigns/move_to.sql", team.0, campaign.0, next.as_str(), now).execute(conn).await?;
    Ok((state, next))
}

async fn write_move_down(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    action: &str,
    (before, after): (State, State),
) -> Result<(), CampaignError> {
    let (before, after) = (json!({ "state": before }), json!({ "state": after }));
    Ok(write_down(conn, team, campaign, action, Some(before), Some(after)).await?)
}

/// In the audit log. The last statement of its transaction: it holds the team's chain until the commit.
async fn write_down(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    action: &str,
    before: Option<Value>,
    after: Option<Value>,
) -> Result<(), sqlx::Error> {
    let target = format!("campaign {campaign}");
    sqlx::query_file!("enrollment/campaigns/write_down.sql", team.0, action, target, before, after).fetch_one(conn).await?;
    Ok(())
}

async fn lock(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<State, CampaignError> {
    let state = sqlx::query_file_scalar!("enrollment/campaigns/lock.sql", team.0, campaign.0).fetch_optional(conn).await?;
    state.ok_or(CampaignError::NotFound(campaign))
}

fn permitted(state: State, campaign: CampaignId, by: Move) -> Result<State, CampaignError> {
    state.after(by).ok_or(CampaignError::NotNow { campaign, state, by })
}

async fn run_every_minute(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    now: DateTime<Utc>,
) -> Result<(), CampaignError> {
    let job = RunSequence { campaign_id: campaign };
    let payload = serde_json::to_value(&job).map_err(EnqueueError::Json)?;
    let next_minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now) + TimeDelta::minutes(1);
    let name = schedule_name(campaign);
    sqlx::query_file!("enrollment/campaigns/put_schedule.sql", team.0, name, RunSequence::KIND, next_minute, payload)
        .fetch_one(&mut *conn)
        .await?;
    enqueue::one(conn, team, &job, Options::default()).await?;
    Ok(())
}

async fn stop_running(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<(), CampaignError> {
    let name = schedule_name(campaign);
    sqlx::query_file_scalar!("enrollment/campaigns/drop_schedule.sql", team.0, name).fetch_one(conn).await?;
    Ok(())
}

fn schedule_name(campaign: CampaignId) -> String {
    format!("campaign.{campaign}.sequence")
}

struct Row {
    id: CampaignId,
    name: String,
    state: State,
    sender: String,
    target_tags: Vec<String>,
    engagement: Vec<String>,
    created_at: DateTime<Utc>,
    activated_at: Option<DateTime<Utc>>,
    opens_at: Option<DateTime<Utc>>,
    changed_at: DateTime<Utc>,
}

impl From<Row> for Campaign {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            state: row.state,
            sender: row.sender,
            target_tags: row.target_tags,
            engagement: row.engagement.iter().map(|level| engagement::map(level).0).collect(),
            created_at: row.created_at,
            activated_at: row.activated_at,
            opens_at: row.opens_at,
            changed_at: row.changed_at,
        }
    }
}
