//! What is set for lanes: a team in a queue, or every team in it that has nothing of its own.

use longshore_workers::ids::TeamId;
use serde::Serialize;
use sqlx::PgConnection;

/// A lane's settings; `None` is not set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Settings {
    /// Its turn in a claim, against other teams': 1 to 100.
    pub weight: Option<i16>,
    /// Jobs at once, in all processes.
    pub running_most: Option<i32>,
    /// Jobs that start in a second.
    pub per_second: Option<f64>,
    /// Of which so many at once.
    pub burst: Option<i32>,
    /// Waiting and running; one more is refused at the door.
    pub unfinished_most: Option<i64>,
}

/// A lane for which something is set.
#[derive(Debug, Clone, Serialize)]
pub struct Lane {
    /// The queue.
    pub queue: String,
    /// The team; `None` is every team that has no row of its own.
    pub team_id: Option<TeamId>,
    /// The team's name.
    pub team: Option<String>,
    /// What is set.
    #[serde(flatten)]
    pub settings: Settings,
}

/// All lanes for which something is set, by queue and team.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Lane>, sqlx::Error> {
    let rows = sqlx::query_file!("src/store/lanes/list.sql").fetch_all(conn).await?;
    Ok(rows
        .into_iter()
        .map(|row| Lane {
            queue: row.queue,
            team_id: row.team_id,
            team: row.team,
            settings: Settings {
                weight: row.weight,
                running_most: row.running_most,
                per_second: row.per_second,
                burst: row.burst,
                unfinished_most: row.unfinished_most,
            },
        })
        .collect())
}

/// What is set for a lane now: nothing where it has no row.
pub async fn find(conn: &mut PgConnection, queue: &str, team: Option<TeamId>) -> Result<Settings, sqlx::Error> {
    let found = sqlx::query_file_as!(Settings, "src/store/lanes/find.sql", queue, team.map(|team| team.0));
    Ok(found.fetch_optional(conn).await?.unwrap_or_default())
}

/// Sets a lane, all of it; false when there is no such queue.
pub async fn set(conn: &mut PgConnection, queue: &str, team: Option<TeamId>, to: Settings) -> Result<bool, sqlx::Error> {
    let Settings { weight, running_most, per_second, burst, unfinished_most } = to;
    let team = team.map(|team| team.0);
    sqlx::query_file_scalar!("src/store/lanes/set.sql", queue, team, weight, running_most, per_second, burst, unfinished_most)
        .fetch_one(conn)
        .await
}
