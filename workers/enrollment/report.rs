//! What became of a campaign so far, from its counters, and why one lead is or is not in it.

use serde::Serialize;
use sqlx::PgConnection;

pub use super::figures::{EnrollmentCounts, Figures as MessageCounts};
use super::{enroll_batch::RunCounts, figures, preview};
use crate::ids::{CampaignId, TeamId};

/// A campaign in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CampaignReport {
    /// Leads it would look at now, whether or not something forbids them. Of a large team as they were counted last.
    pub matching: i64,
    /// Leads in it.
    pub enrollments: EnrollmentCounts,
    /// What its enrollment runs did: enrolled, and skipped by reason.
    pub runs: RunCounts,
    /// Its messages.
    pub messages: MessageCounts,
}

/// Counts a campaign; all zero when the team has no such campaign.
pub async fn report(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<CampaignReport, sqlx::Error> {
    let matching = match preview::Audience::of(conn, team, campaign).await? {
        Some(audience) => audience.count(conn, team).await?.total,
        None => 0,
    };
    let figures = figures::load(conn, team, campaign).await?;
    let runs = sqlx::query_file_as!(RunCounts, "enrollment/report/runs.sql", team.0, campaign.0).fetch_one(&mut *conn).await?;
    Ok(CampaignReport { matching, enrollments: figures.enrollments(), runs, messages: figures.totals() })
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
