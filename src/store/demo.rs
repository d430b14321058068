//! What the demo asks the database, once a team's work is done and while it goes on. It only reads.

use longshore_workers::ids::{CampaignId, TeamId};
use sqlx::PgConnection;

/// What a team's work has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "figures.sql says how each is counted")]
pub struct Figures {
    pub rows_in: i64,
    pub rows_loaded: i64,
    pub rows_rejected: i64,
    pub rows_duplicate: i64,
    pub engagement_unknown: i64,
    pub files_open: i64,
    pub leads: i64,
    pub enrolled: i64,
    pub planned: i64,
    pub waiting: i64,
    pub underway: i64,
    pub accepted: i64,
    pub unknown: i64,
    pub suppressed: i64,
    pub failed: i64,
    pub enriched: i64,
    pub looked_up: i64,
    pub out_of_credit: i64,
    pub released: i64,
    pub died: i64,
    pub dead_open: i64,
    pub replayed: i64,
    pub moving: i64,
}

/// Counts a team's work. As an auditor: it sees every team.
pub async fn figures(conn: &mut PgConnection, team: TeamId) -> Result<Figures, sqlx::Error> {
    sqlx::query_file_as!(Figures, "src/store/demo/figures.sql", team.0).fetch_one(conn).await
}

/// Whether every accepted job is found, and found once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Jobs that were accepted.
    pub accepted: i64,
    /// Found nowhere.
    pub lost: i64,
    /// Found in two places.
    pub doubled: i64,
}

/// Counts a team's jobs.
pub async fn census(conn: &mut PgConnection, team: TeamId) -> Result<Census, sqlx::Error> {
    sqlx::query_file_as!(Census, "src/store/demo/census.sql", team.0).fetch_one(conn).await
}

/// A message as our records have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub message_id: i64,
    /// To whom.
    pub recipient: String,
    /// The vendor took it, our records say.
    pub accepted: bool,
}

/// All messages of a team.
pub async fn messages(conn: &mut PgConnection, team: TeamId) -> Result<Vec<Message>, sqlx::Error> {
    sqlx::query_file_as!(Message, "src/store/demo/messages.sql", team.0).fetch_all(conn).await
}

/// The first `most` leads of a team.
pub async fn sample(conn: &mut PgConnection, team: TeamId, most: i64) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/demo/sample.sql", team.0, most).fetch_all(conn).await
}

/// Credits that other teams' lookups were charged since `teams` are there: an earlier demo's may have gone on.
pub async fn captured_elsewhere(conn: &mut PgConnection, teams: &[TeamId]) -> Result<i64, sqlx::Error> {
    let teams: Vec<_> = teams.iter().map(|team| team.0).collect();
    sqlx::query_file_scalar!("src/store/demo/captured_elsewhere.sql", &teams).fetch_one(conn).await
}

/// A fate, and a lead that met it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// Which.
    pub fate: String,
    /// Whose.
    pub lead_id: i64,
}

/// One lead for each fate in a team's campaign.
pub async fn fates(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<Vec<Fate>, sqlx::Error> {
    sqlx::query_file_as!(Fate, "src/store/demo/fates.sql", team.0, campaign.0).fetch_all(conn).await
}
