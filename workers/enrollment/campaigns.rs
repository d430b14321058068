//! Campaigns: created, cloned, looked up, deleted; [`super::moves`] moves them through their states.
//!
//! Each function works in the caller's transaction, so that a campaign, its sync and its first enrollment commit together.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, types::Json};

use super::{
    engagement::{self, Engagement},
    enroll_batch::EnrollBatch,
    moves, new_campaign,
    reenroll_leads::ReenrollLeads,
    state::{Move, State},
    sync_campaign::SyncCampaign,
    variants::Variant,
};
pub use super::{
    moves::{Left, Recalled, activate, complete, pause, recall, resume, schedule, stop},
    new_campaign::{NewCampaign, NewStep, NewVariant},
};
use crate::{
    enqueue::{self, EnqueueError, Options},
    ids::{CampaignId, JobId, TeamId},
    job::Invalid,
    messages::{Purpose, content, senders::SenderFault},
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
    /// Something else was created under the same key.
    #[error("the idempotency key named another campaign; use a new key for new work")]
    KeyReused,
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
    /// It can't begin, because its texts could not leave.
    #[error("campaign {campaign} can't begin: {sender} {fault}")]
    NoSender {
        /// Which.
        campaign: CampaignId,
        /// The number it names.
        sender: String,
        /// What is wrong with it.
        fault: SenderFault,
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
    /// Why it was paused or completed by itself: `filtered`, `sender_unregistered`, `sender_retired`, `all_through`; none where a
    /// person did it.
    pub state_reason: Option<String>,
    /// The number its messages come from.
    pub sender: String,
    /// What its messages are for.
    pub purpose: Purpose,
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
    /// When it begins by itself, or was to.
    pub activate_at: Option<DateTime<Utc>>,
    /// When it was recalled.
    pub recalled_at: Option<DateTime<Utc>>,
    /// Which campaign it was made after.
    pub cloned_from: Option<CampaignId>,
}

/// One message of a campaign's sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its place, from 1.
    pub step: i16,
    /// Minutes behind the step before; for the first, behind enrollment and activation.
    pub delay_minutes: i32,
    /// The text with its variables; variant `a`.
    pub template: String,
    /// Its share of the leads, beside those of the other variants.
    pub weight: i16,
    /// Its other texts.
    pub variants: Vec<Variant>,
}

/// A campaign that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// The campaign.
    pub campaign: CampaignId,
    /// The job that enrolls its leads; `None` where the campaign was there already.
    pub job: Option<JobId>,
}

/// Creates a draft, and lets the world hear of it.
pub async fn create(conn: &mut PgConnection, team: TeamId, new: &NewCampaign) -> Result<CampaignId, CampaignError> {
    let created = insert(conn, team, new, None).await?;
    let Some((id, after)) = created else { return Err(CampaignError::NameTaken { name: new.name.trim().to_owned() }) };
    sync(conn, team, id).await?;
    write_down(conn, team, id, "campaign.create", None, Some(after)).await?;
    Ok(id)
}

/// Creates a draft, lets the world hear of it, and enrolls its leads: all of it, or nothing.
pub async fn create_and_enroll(
    conn: &mut PgConnection,
    team: TeamId,
    new: &NewCampaign,
) -> Result<(CampaignId, JobId), CampaignError> {
    let campaign = create(conn, team, new).await?;
    let job = enroll(conn, team, campaign).await?;
    Ok((campaign, job))
}

/// As [`create_and_enroll`], once for a key: whoever asks for the same again gets the campaign that is there.
pub async fn create_once(conn: &mut PgConnection, team: TeamId, new: &NewCampaign, key: &str) -> Result<Created, CampaignError> {
    let digest = Sha256::digest(serde_json::to_vec(new).map_err(EnqueueError::Json)?).to_vec();
    if let Some(known) = by_key(conn, team, key, &digest).await? {
        return Ok(known);
    }
    match insert(conn, team, new, Some((key, &digest))).await? {
        Some((campaign, after)) => {
            sync(conn, team, campaign).await?;
            let job = enroll(conn, team, campaign).await?;
            write_down(conn, team, campaign, "campaign.create", None, Some(after)).await?;
            Ok(Created { campaign, job: Some(job) })
        }
        // Somebody else was first, under this key or with this name.
        None => {
            let known = by_key(conn, team, key, &digest).await?;
            known.ok_or_else(|| CampaignError::NameTaken { name: new.name.trim().to_owned() })
        }
    }
}

async fn by_key(conn: &mut PgConnection, team: TeamId, key: &str, digest: &[u8]) -> Result<Option<Created>, CampaignError> {
    let known = sqlx::query_file!("enrollment/campaigns/by_key.sql", team.0, key).fetch_optional(conn).await?;
    match known {
        Some(known) if known.create_digest.as_deref() == Some(digest) => {
            Ok(Some(Created { campaign: CampaignId(known.campaign_id), job: None }))
        }
        Some(_) => Err(CampaignError::KeyReused),
        None => Ok(None),
    }
}

/// Writes a draft with its steps; `None` where its name or its key is taken.
async fn insert(
    conn: &mut PgConnection,
    team: TeamId,
    new: &NewCampaign,
    key: Option<(&str, &[u8])>,
) -> Result<Option<(CampaignId, Value)>, CampaignError> {
    let new = new.checked()?;
    known_sender(conn, team, &new.sender).await?;
    let levels: Vec<String> = new.engagement.iter().map(|level| level.as_str().to_owned()).collect();
    let created = sqlx::query_file_scalar!(
        "enrollment/campaigns/insert.sql",
        team.0,
        new.name,
        new.sender,
        &new.target_tags,
        &levels,
        key.map(|(key, _)| key),
        key.map(|(_, digest)| digest),
        new.purpose.as_str(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(id) = created else { return Ok(None) };
    sqlx::query_file!("enrollment/campaigns/insert_steps.sql", team.0, id, &new.delays, &new.templates, &new.weights)
        .execute(&mut *conn)
        .await?;
    let all = &new.variants;
    if !all.steps.is_empty() {
        sqlx::query_file!(
            "enrollment/campaigns/insert_variants.sql",
            team.0,
            id,
            &all.steps,
            &all.names,
            &all.weights,
            &all.templates
        )
        .execute(&mut *conn)
        .await?;
    }
    let after = json!({
        "name": new.name,
        "purpose": new.purpose,
        "target_tags": new.target_tags,
        "engagement": levels,
        "steps": new.delays.len(),
        "variants": all.steps.len(),
    });
    Ok(Some((CampaignId(id), after)))
}

/// Makes a draft after another campaign, whatever became of that one: its audience, its steps, its variants; from another number
/// where one is given. Its leads are enrolled when somebody asks for it.
pub async fn clone(
    conn: &mut PgConnection,
    team: TeamId,
    source: CampaignId,
    name: &str,
    sender: Option<&str>,
) -> Result<CampaignId, CampaignError> {
    let name = new_campaign::name(name)?;
    let sender = sender.map(new_campaign::sender).transpose()?;
    let Some(like) = find(conn, team, source).await? else { return Err(CampaignError::NotFound(source)) };
    let sender = sender.unwrap_or(like.sender);
    known_sender(conn, team, &sender).await?;
    let made = sqlx::query_file_scalar!("enrollment/campaigns/clone.sql", team.0, source.0, name, sender)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(made) = made else { return Err(CampaignError::NameTaken { name }) };
    sqlx::query_file!("enrollment/campaigns/clone_steps.sql", team.0, source.0, made).execute(&mut *conn).await?;
    sqlx::query_file!("enrollment/campaigns/clone_variants.sql", team.0, source.0, made).execute(&mut *conn).await?;
    content::copy(conn, team, source, CampaignId(made)).await?;
    sync(conn, team, CampaignId(made)).await?;
    let after = json!({ "name": name, "cloned_from": source });
    write_down(conn, team, CampaignId(made), "campaign.clone", None, Some(after)).await?;
    Ok(CampaignId(made))
}

/// Refuses a number that is none of the team's. One that has none yet may write its drafts: they begin when it has.
async fn known_sender(conn: &mut PgConnection, team: TeamId, sender: &str) -> Result<(), CampaignError> {
    let asked = sqlx::query_file!("enrollment/campaigns/sender.sql", team.0, sender).fetch_one(conn).await?;
    match asked.fault.as_deref().and_then(SenderFault::parse) {
        Some(fault) if asked.has_numbers => Err(Invalid::new("sender", format!("{sender} {fault}")).into()),
        _ => Ok(()),
    }
}

async fn sync(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<(), CampaignError> {
    enqueue::one(conn, team, &SyncCampaign { campaign_id: campaign }, Options::default()).await?;
    Ok(())
}

/// Enqueues the enrollment of every lead that matches by then. Leads that came later are taken by another call.
pub async fn enroll(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<JobId, CampaignError> {
    still_open(conn, team, campaign).await?;
    let job = enqueue::one(conn, team, &EnrollBatch { campaign_id: campaign }, Options::default()).await?.job;
    asked_for(conn, team, campaign, job, "enroll").await?;
    Ok(job)
}

/// Enqueues the enrollment, once more, of the leads whose sends failed: in another round, from the step that failed on.
pub async fn reenroll(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<JobId, CampaignError> {
    still_open(conn, team, campaign).await?;
    let job = enqueue::one(conn, team, &ReenrollLeads { campaign_id: campaign }, Options::default()).await?.job;
    asked_for(conn, team, campaign, job, "reenroll").await?;
    write_down(conn, team, campaign, "campaign.reenroll", None, Some(json!({ "job": job }))).await?;
    Ok(job)
}

/// Keeps the campaign as it is until the transaction ends: one that completes by itself meanwhile waits, and finds the run.
async fn still_open(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<(), CampaignError> {
    match sqlx::query_file_scalar!("enrollment/campaigns/keep.sql", team.0, campaign.0).fetch_optional(conn).await? {
        None => Err(CampaignError::NotFound(campaign)),
        Some(state) if state.has_ended() => Err(CampaignError::Ended { campaign, state }),
        Some(_) => Ok(()),
    }
}

/// Opens the record of a run with its job, so that the campaign is not over before it.
async fn asked_for(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    job: JobId,
    purpose: &str,
) -> Result<(), CampaignError> {
    sqlx::query_file!("enrollment/campaigns/ask_for_run.sql", team.0, job.0, campaign.0, purpose).execute(conn).await?;
    Ok(())
}

/// Deletes a campaign in which no lead was ever enrolled.
pub async fn delete(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<(), CampaignError> {
    let state = moves::lock(conn, team, campaign).await?;
    if sqlx::query_file_scalar!("enrollment/campaigns/has_leads.sql", team.0, campaign.0).fetch_one(&mut *conn).await? {
        return Err(CampaignError::HasLeads(campaign));
    }
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
    let rows = sqlx::query_file!("enrollment/campaigns/steps.sql", team.0, campaign.0).fetch_all(conn).await?;
    let steps = rows.into_iter().map(|row| Step {
        step: row.step,
        delay_minutes: row.delay_minutes,
        template: row.template,
        weight: row.weight,
        variants: row.variants.0,
    });
    Ok(steps.collect())
}

/// In the audit log. The last statement of its transaction: it holds the team's chain until the commit.
pub(super) async fn write_down(
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

struct Row {
    id: CampaignId,
    name: String,
    state: State,
    state_reason: Option<String>,
    sender: String,
    purpose: String,
    target_tags: Vec<String>,
    engagement: Vec<String>,
    created_at: DateTime<Utc>,
    activated_at: Option<DateTime<Utc>>,
    opens_at: Option<DateTime<Utc>>,
    changed_at: DateTime<Utc>,
    activate_at: Option<DateTime<Utc>>,
    recalled_at: Option<DateTime<Utc>>,
    cloned_from: Option<i64>,
}

impl From<Row> for Campaign {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            state: row.state,
            state_reason: row.state_reason,
            sender: row.sender,
            purpose: Purpose::parse(&row.purpose),
            target_tags: row.target_tags,
            engagement: row.engagement.iter().map(|level| engagement::map(level).0).collect(),
            created_at: row.created_at,
            activated_at: row.activated_at,
            opens_at: row.opens_at,
            changed_at: row.changed_at,
            activate_at: row.activate_at,
            recalled_at: row.recalled_at,
            cloned_from: row.cloned_from.map(CampaignId),
        }
    }
}
