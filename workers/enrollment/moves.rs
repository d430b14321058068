//! The moves of a campaign through its states.
//!
//! A move takes the campaign's row exclusively; sends, enrollment chunks and sequence chunks take it shared. So a move waits
//! for what is under way, and nothing under way goes on behind it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use super::{
    campaigns::{self, CampaignError, write_down},
    end_enrollments::EndEnrollments,
    figures::{self, Figures},
    run_sequence::RunSequence,
    state::{Move, State},
};
use crate::{
    enqueue::{self, KeyScope, Options},
    ids::{CampaignId, JobId, TeamId},
    job::Invalid,
    messages::{
        senders::SenderFault,
        template::{self, TemplateError},
    },
    settings::Settings,
};

/// No campaign is scheduled further ahead.
const LONGEST_AHEAD: TimeDelta = TimeDelta::days(365);

/// What had left when a campaign was recalled: counted under the lock that lets no other message leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The vendor had them.
    pub accepted: i64,
    /// Of those, arrived.
    pub delivered: i64,
    /// Refused or not delivered.
    pub failed: i64,
    /// On their way to the vendor: each gets there within the dispatch deadline, or not at all.
    pub dispatching: i64,
    /// It is being found out whether the vendor took them.
    pub unknown: i64,
}

/// A campaign that was recalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Recalled {
    /// Where it stands now: stopped, or as it had ended before.
    pub state: State,
    /// What had left.
    pub left: Left,
    /// Messages that waited: none of them leaves, and the job ends them one by one.
    pub waiting: i64,
    /// Leads that were in its sequence: the job frees them.
    pub running: i64,
    /// That job.
    pub job: JobId,
}

/// Lets a draft begin at a set time: the scheduler activates it then. A scheduled one gets another time.
pub async fn schedule(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), CampaignError> {
    if at <= now || at > now + LONGEST_AHEAD {
        return Err(Invalid::new("activate_at", "lies ahead of now, by a year at most").into());
    }
    let moved = shift(conn, team, campaign, Move::Schedule, now, Some(at)).await?;
    can_leave(conn, team, campaign).await?;
    preview(conn, team, campaign).await?;
    let after = json!({ "state": moved.1, "activate_at": at });
    Ok(write_down(conn, team, campaign, "campaign.schedule", Some(json!({ "state": moved.0 })), Some(after)).await?)
}

/// Lets a draft begin: its steps fall due from now on.
pub async fn activate(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    now: DateTime<Utc>,
) -> Result<(), CampaignError> {
    let moved = shift(conn, team, campaign, Move::Activate, now, None).await?;
    can_leave(conn, team, campaign).await?;
    preview(conn, team, campaign).await?;
    begin(conn, team, campaign).await?;
    write_move_down(conn, team, campaign, "campaign.activate", moved).await
}

/// Refuses a campaign whose number is none of the team's, or is gone: its texts would wait for ever.
async fn can_leave(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<(), CampaignError> {
    let fault =
        sqlx::query_file_scalar!("enrollment/campaigns/sender_fault.sql", team.0, campaign.0).fetch_one(&mut *conn).await?;
    let Some(fault) = fault.as_deref().and_then(SenderFault::parse) else { return Ok(()) };
    let found = campaigns::find(conn, team, campaign).await?.ok_or(CampaignError::NotFound(campaign))?;
    Err(CampaignError::NoSender { campaign, sender: found.sender, fault })
}

/// Refuses a campaign whose texts name what the team has not set: better now than in each message.
async fn preview(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<(), CampaignError> {
    let brand = Settings::load(conn, team).await?.brand();
    for (at, step) in campaigns::steps(conn, team, campaign).await?.iter().enumerate() {
        let own = (format!("steps[{at}].template"), &step.template);
        let others = step.variants.iter().enumerate();
        let others = others.map(|(of, variant)| (format!("steps[{at}].variants[{of}].template"), &variant.template));
        for (field, text) in std::iter::once(own).chain(others) {
            // What else a sample can't show may be right for a lead.
            if let Err(error @ TemplateError::NotSet(_)) = template::preview(text, &brand) {
                return Err(Invalid::new(field, error.to_string()).into());
            }
        }
    }
    Ok(())
}

/// Holds a campaign: when this commits, no message of it leaves, those already queued included.
pub async fn pause(conn: &mut PgConnection, team: TeamId, campaign: CampaignId, now: DateTime<Utc>) -> Result<(), CampaignError> {
    let moved = shift(conn, team, campaign, Move::Pause, now, None).await?;
    write_move_down(conn, team, campaign, "campaign.pause", moved).await
}

/// Lets a paused campaign go on. Steps that fell due meanwhile are due at once.
pub async fn resume(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    now: DateTime<Utc>,
) -> Result<(), CampaignError> {
    let moved = shift(conn, team, campaign, Move::Resume, now, None).await?;
    can_leave(conn, team, campaign).await?;
    begin(conn, team, campaign).await?;
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
    let moved = shift(conn, team, campaign, Move::Complete, now, None).await?;
    write_move_down(conn, team, campaign, "campaign.complete", moved).await
}

/// Ends a campaign now: when this commits, no message of it leaves. A job frees its leads for other campaigns.
pub async fn stop(conn: &mut PgConnection, team: TeamId, campaign: CampaignId, now: DateTime<Utc>) -> Result<(), CampaignError> {
    let moved = shift(conn, team, campaign, Move::Stop, now, None).await?;
    enqueue::one(conn, team, &EndEnrollments { campaign_id: campaign }, Options::default()).await?;
    write_move_down(conn, team, campaign, "campaign.stop", moved).await
}

/// Ends a campaign now, in whatever state it is, and says what had left: when this commits, no further message is handed to
/// a vendor. What waits is cancelled by a job. To recall once more says how it stands by now.
pub async fn recall(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    now: DateTime<Utc>,
) -> Result<Recalled, CampaignError> {
    let before = lock(conn, team, campaign).await?;
    let state = if before.has_ended() { before } else { shift(conn, team, campaign, Move::Stop, now, None).await?.1 };
    sqlx::query_file!("enrollment/campaigns/note_recall.sql", team.0, campaign.0, now).execute(&mut *conn).await?;
    // Behind the lock: every dispatch that was ahead of us has committed, with its figures.
    let all = figures::load(conn, team, campaign).await?;
    let Figures { accepted, delivered, failed, dispatching, unknown, waiting, .. } = all.totals();
    let left = Left { accepted, delivered, failed, dispatching, unknown };
    let job = enqueue::one(conn, team, &EndEnrollments { campaign_id: campaign }, Options::default()).await?.job;
    let after = json!({ "state": state, "left": left, "waiting": waiting });
    write_down(conn, team, campaign, "campaign.recall", Some(json!({ "state": before })), Some(after)).await?;
    Ok(Recalled { state, left, waiting, running: all.enrollments().running, job })
}

/// Plans what is due at once; what falls due later the scheduler looks for.
async fn begin(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<(), CampaignError> {
    // The scheduler's own key (functions/60_campaigns.sql), so that one run is on its way.
    let options =
        Options { key: Some(format!("campaign {campaign}")), key_scope: KeyScope::WhileUnfinished, ..Options::default() };
    enqueue::one(conn, team, &RunSequence { campaign_id: campaign }, options).await?;
    Ok(())
}

async fn shift(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    by: Move,
    now: DateTime<Utc>,
    begins: Option<DateTime<Utc>>,
) -> Result<(State, State), CampaignError> {
    let state = lock(conn, team, campaign).await?;
    let next = permitted(state, campaign, by)?;
    sqlx::query_file!("enrollment/campaigns/move_to.sql", team.0, campaign.0, next.as_str(), now, begins).execute(conn).await?;
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

pub(super) async fn lock(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<State, CampaignError> {
    let state = sqlx::query_file_scalar!("enrollment/campaigns/lock.sql", team.0, campaign.0).fetch_optional(conn).await?;
    state.ok_or(CampaignError::NotFound(campaign))
}

fn permitted(state: State, campaign: CampaignId, by: Move) -> Result<State, CampaignError> {
    state.after(by).ok_or(CampaignError::NotNow { campaign, state, by })
}
