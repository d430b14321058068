//! What every job of the family does with its chunks: takes the campaign shared, and tries again what only collided.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::state::State;
use crate::{
    ctx::Ctx,
    ids::{CampaignId, TeamId},
    job::Stop,
};

/// What a chunk reads of its campaign.
pub(super) struct Held {
    pub state: State,
    pub sender: String,
    pub target_tags: Vec<String>,
    pub engagement: Vec<String>,
    pub opens_at: Option<DateTime<Utc>>,
    pub first_delay_minutes: i32,
}

/// Reads a campaign and keeps its state as it is until the transaction ends.
pub(super) async fn hold(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<Option<Held>, sqlx::Error> {
    sqlx::query_file_as!(Held, "enrollment/chunk/hold.sql", team.0, campaign.0).fetch_optional(conn).await
}

/// Lets the transaction's statements go by index only, whatever the statistics say; [`lift_pin`] ends it.
pub(super) async fn pin_plans(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query_file!("enrollment/chunk/pin_plans.sql", "off").fetch_all(conn).await?;
    Ok(())
}

/// What a chunk of an enrollment run did, in leads.
pub(super) struct Did {
    pub attempted: i64,
    pub enrolled: i64,
    pub enrolled_before: i64,
    pub no_phone: i64,
    pub stopped: i64,
    pub suppressed: i64,
    pub running_elsewhere: i64,
}

/// Opens the record of this job's run; a later attempt finds it as it is.
pub(super) async fn open_run(conn: &mut PgConnection, ctx: &Ctx, campaign: CampaignId, purpose: &str) -> Result<(), sqlx::Error> {
    let (team, job) = (ctx.team().0, ctx.job().0);
    sqlx::query_file!("enrollment/chunk/open_run.sql", team, job, campaign.0, ctx.now(), purpose).execute(conn).await?;
    Ok(())
}

/// Adds a chunk, and how often it was repeated, to the counters of this job's run.
pub(super) async fn count(conn: &mut PgConnection, ctx: &Ctx, did: &Did, collisions: i64) -> Result<(), sqlx::Error> {
    sqlx::query_file!(
        "enrollment/chunk/count_chunk.sql",
        ctx.team().0,
        ctx.job().0,
        did.attempted,
        did.enrolled,
        did.enrolled_before,
        did.no_phone,
        did.stopped,
        did.suppressed,
        did.running_elsewhere,
        collisions,
        i64::from(ctx.attempt()) - 1,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Before statements that are better off with the planner's own choice.
pub(super) async fn lift_pin(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query_file!("enrollment/chunk/pin_plans.sql", "on").fetch_all(conn).await?;
    Ok(())
}

/// A run that enrolls waits while its campaign is paused.
pub(super) fn paused(campaign: CampaignId) -> Stop {
    Stop::snooze(Duration::from_secs(60), format!("campaign {campaign} is paused"))
}

/// The database rolled the transaction back because of others (serialization failure, deadlock): doing it again is right.
pub(super) fn only_collided(stop: &Stop) -> bool {
    has_code(stop, &["40001", "40P01"])
}

/// The unique index says that a lead is in another sequence by now.
pub(super) fn was_taken(stop: &Stop) -> bool {
    has_code(stop, &["23505"])
}

fn has_code(stop: &Stop, codes: &[&str]) -> bool {
    let Stop::Retry { error, .. } = stop else { return false };
    let Some(sqlx::Error::Database(error)) = error.downcast_ref::<sqlx::Error>() else { return false };
    error.code().is_some_and(|code| codes.contains(&code.as_ref()))
}
