//! The statements by which campaigns of all teams go on by themselves.

use std::time::Duration;

use chrono::{DateTime, Utc};
use longshore_workers::{
    ids::{CampaignId, TeamId},
    vendors::twilio::errors::{Book, Health},
};
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

/// Looks after the next `most` active campaigns behind `after`: pauses one whose texts carriers take for spam too often, by `book`, and
/// completes one in which nobody has been left for `quiet`. Returns where to go on, and how many it paused and completed.
pub async fn watch(
    conn: &mut PgConnection,
    after: Option<Place>,
    book: &Book,
    quiet: Option<Duration>,
    now: DateTime<Utc>,
    most: i32,
) -> Result<(Option<Place>, i32, i32), sqlx::Error> {
    let (team, campaign) = after.map(|(team, campaign)| (team.0, campaign.0)).unzip();
    let Health { filtered_share, at_least, campaign_window_seconds, .. } = book.health;
    let row = sqlx::query_file!(
        "src/store/campaigns/watch.sql",
        team,
        campaign,
        most,
        &book.filtered(),
        book.version.to_string(),
        filtered_share,
        i64::from(at_least),
        f64::from(campaign_window_seconds),
        quiet.map(|quiet| quiet.as_secs_f64()),
        now,
    )
    .fetch_one(conn)
    .await?;
    let next = row.next_team.zip(row.next_campaign).map(|(team, campaign)| (TeamId(team), CampaignId(campaign)));
    Ok((next, row.paused.unwrap_or_default(), row.completed.unwrap_or_default()))
}

/// Folds up to `most` changes of campaigns' figures; returns how many there were.
pub async fn fold(conn: &mut PgConnection, most: i32) -> Result<i32, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/campaigns/fold.sql", most).fetch_one(conn).await
}
