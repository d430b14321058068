//! The statements by which campaigns of all teams go on by themselves.

use chrono::{DateTime, Utc};
use longshore_workers::ids::{CampaignId, TeamId};
use sqlx::PgConnection;

/// Activates up to `most` scheduled campaigns whose time has come by `now`; returns how many.
pub async fn activate_due(conn: &mut PgConnection, now: DateTime<Utc>, most: i32) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/campaigns/activate_due.sql", most, now).fetch_one(conn).await
}

/// A place among all active campaigns.
pub type Place = (TeamId, CampaignId);

/// Lets those of the next `most` active campaigns behind `after` begin a run that have a step that is due by `now`; returns where
/// to go on, and how many runs there are.
pub async fn run_due(
    conn: &mut PgConnection,
    after: Option<Place>,
    now: DateTime<Utc>,
    most: i32,
) -> Result<(Option<Place>, i32), sqlx::Error> {
    let (team, campaign) = after.map(|(team, campaign)| (team.0, campaign.0)).unzip();
    let row = sqlx::query_file!("src/store/campaigns/run_due.sql", team, campaign, most, now).fetch_one(conn).await?;
    let next = row.next_team.zip(row.next_campaign);
    Ok((next.map(|(team, campaign)| (TeamId(team), CampaignId(campaign))), row.enqueued.unwrap_or_default()))
}

/// Folds up to `most` changes of campaigns' figures; returns how many there were.
pub async fn fold(conn: &mut PgConnection, most: i32) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/campaigns/fold.sql", most).fetch_one(conn).await
}
