//! Rates that handlers ask for by name (`ctx.permit`), shared by all processes.

use longshore_workers::ids::TeamId;
use serde::Serialize;
use sqlx::PgConnection;

/// A named rate.
#[derive(Debug, Clone, Serialize)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Whose it is; `None` is one that every team shares.
    pub team_id: Option<TeamId>,
    /// The team's name.
    pub team: Option<String>,
    /// How many a second.
    pub per_second: f64,
    /// Of which so many at once.
    pub burst: i32,
}

/// All named rates.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Bucket>, sqlx::Error> {
    sqlx::query_file_as!(Bucket, "src/store/buckets/list.sql").fetch_all(conn).await
}

/// Sets a named rate; without a burst it is the rate's own second. It holds for the next one who asks.
pub async fn set(
    conn: &mut PgConnection,
    team: Option<TeamId>,
    name: &str,
    per_second: f64,
    burst: Option<i32>,
) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/buckets/set.sql", team.map(|team| team.0), name, per_second, burst).fetch_one(conn).await?;
    Ok(())
}

/// Takes a named rate away: from then on nobody waits for it. False when there was none.
pub async fn remove(conn: &mut PgConnection, team: Option<TeamId>, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/buckets/remove.sql", team.map(|team| team.0), name).fetch_one(conn).await
}
