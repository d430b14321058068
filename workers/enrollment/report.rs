//! What became of a campaign so far, counted from its rows, and why one lead is or is not in it.

use serde::Serialize;
use sqlx::PgConnection;

use super::enroll_batch::RunCounts;
use crate::ids::{CampaignId, TeamId};

/// A campaign in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CampaignReport {
    /// Leads it would look at now, whether or not something forbids them.
    pub matching: i64,
    /// Leads in it.
    pub enrollments: EnrollmentCounts,
    /// What its enrollment runs did: enrolled, and skipped by reason.
    pub runs: RunCounts,
    /// Its messages.
    pub messages: MessageCounts,
}

/// How enrollments stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EnrollmentCounts {
    /// All.
    pub enrolled: i64,
    /// In the sequence.
    pub running: i64,
    /// Through the sequence.
    pub completed: i64,
    /// Taken out of it.
    pub stopped: i64,
}

/// How messages stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MessageCounts {
    /// All that were ever planned; one a send key.
    pub planned: i64,
    /// Not yet handed to the vendor.
    pub waiting: i64,
    /// Being handed over.
    pub dispatching: i64,
    /// Taken by the vendor, whatever became of them later.
    pub accepted: i64,
    /// Arrived.
    pub delivered: i64,
    /// Refused or not delivered.
    pub failed: i64,
    /// It is being found out whether the vendor took them.
    pub unknown: i64,
    /// Stopped by a rule before they were handed over.
    pub suppressed: i64,
}

/// Counts a campaign; all zero when the team has no such campaign.
pub async fn report(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<CampaignReport, sqlx::Error> {
    let (team, id) = (team.0, campaign.0);
    let matching = sqlx::query_file_scalar!("enrollment/report/matching.sql", team, id).fetch_one(&mut *conn).await?;
    let enrollments =
        sqlx::query_file_as!(EnrollmentCounts, "enrollment/report/enrollments.sql", team, id).fetch_one(&mut *conn).await?;
    let runs = sqlx::query_file_as!(RunCounts, "enrollment/report/runs.sql", team, id).fetch_one(&mut *conn).await?;
    let messages = sqlx::query_file_as!(MessageCounts, "enrollment/report/messages.sql", team, id).fetch_one(&mut *conn).await?;
    Ok(CampaignReport { matching, enrollments, runs, messages })
}

/// Why a lead is in a campaign or would be skipped by an enrollment now, in one word: `enrolled_running`,
/// `enrolled_completed`, `enrolled_stopped`, `other_tags`, `other_engagement`, `no_phone`, `stopped`, `suppressed`,
/// `running_elsewhere` or `free`; `None` when the team has no such lead or campaign.
pub async fn explain(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    lead: i64,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_file_scalar!("enrollment/report/explain.sql", team.0, campaign.0, lead).fetch_optional(conn).await
}
