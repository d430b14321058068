//! Flags: what is switched for some teams before others, and kinds of job that only those run.

use chrono::{DateTime, Utc};
use longshore_workers::ids::TeamId;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::audit::{self, Deed};

/// A flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flag {
    /// Its name.
    pub name: String,
    /// What it switches.
    pub description: String,
    /// What it is where neither an override nor a share says otherwise.
    pub default_on: bool,
    /// On for so many percent of the teams.
    pub percent: Option<i16>,
    /// Jobs of this kind wait where it is off.
    pub kind: Option<String>,
    /// Teams for which it is on or off whatever the share.
    pub overrides: i64,
    /// When it was changed.
    pub updated_at: DateTime<Utc>,
    /// By whom.
    pub updated_by: String,
}

/// A flag as one team has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TeamFlag {
    /// Its name.
    #[schema(example = "new_greeting")]
    pub name: String,
    /// What it switches.
    pub description: String,
    /// Whether it is on for the team.
    pub on: bool,
}

/// Why a flag is on or off for a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Whether it is on.
    pub on: bool,
    /// The team's override.
    pub override_on: Option<bool>,
    /// The team's bucket, 0 to 99.
    pub bucket: i32,
    /// On for buckets below it.
    pub percent: Option<i16>,
    /// What holds where neither says anything.
    pub default_on: bool,
    /// The kind whose jobs wait where it is off.
    pub kind: Option<String>,
}

/// Every flag, by name.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Flag>, sqlx::Error> {
    sqlx::query_file_as!(Flag, "src/tenancy/flags/list.sql", None::<String>).fetch_all(conn).await
}

/// One flag.
pub async fn find(conn: &mut PgConnection, name: &str) -> Result<Option<Flag>, sqlx::Error> {
    sqlx::query_file_as!(Flag, "src/tenancy/flags/list.sql", Some(name)).fetch_optional(conn).await
}

/// What of a flag is set, all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Wanted {
    /// What it switches.
    pub description: String,
    /// Where nothing else is said.
    pub default_on: bool,
    /// On for so many percent of the teams.
    pub percent: Option<i16>,
    /// Jobs of this kind wait where it is off.
    pub kind: Option<String>,
}

impl From<Flag> for Wanted {
    fn from(flag: Flag) -> Self {
        Self { description: flag.description, default_on: flag.default_on, percent: flag.percent, kind: flag.kind }
    }
}

/// Makes or changes a flag, and records it. Jobs that it holds back no more become ready.
pub async fn set(conn: &mut PgConnection, name: &str, to: &Wanted, by: &str) -> Result<(), sqlx::Error> {
    let before = find(conn, name).await?.map(Wanted::from);
    let Wanted { description, default_on, percent, kind } = to;
    let kind = kind.as_deref();
    sqlx::query_file!("src/tenancy/flags/set.sql", name, description, *default_on, *percent, kind, by)
        .fetch_one(&mut *conn)
        .await?;
    let (before, after) = (before.map(|before| json!(before)), Some(json!(to)));
    audit::record(conn, None, &Deed { action: "flag.set", target: name, before, after, ..Deed::default() }).await.map(drop)
}

/// Takes a flag away with its overrides, and records it; false where there is none.
pub async fn unset(conn: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
    let Some(before) = find(conn, name).await? else { return Ok(false) };
    sqlx::query_file!("src/tenancy/flags/unset.sql", name).fetch_one(&mut *conn).await?;
    let before = Some(json!(Wanted::from(before)));
    audit::record(conn, None, &Deed { action: "flag.unset", target: name, before, ..Deed::default() }).await?;
    Ok(true)
}

/// Switches a flag for one team (`None`: as the share says), and records it; false where there is no such flag.
pub async fn override_for(
    conn: &mut PgConnection,
    name: &str,
    team: TeamId,
    to: Option<bool>,
    by: &str,
) -> Result<bool, sqlx::Error> {
    let Some(before) = explain(conn, name, team).await? else { return Ok(false) };
    sqlx::query_file!("src/tenancy/flags/override.sql", name, team.0, to, by).fetch_one(&mut *conn).await?;
    let told = |on: Option<bool>| Some(json!({ "override": on }));
    let (before, after) = (told(before.override_on), told(to));
    audit::record(conn, Some(team), &Deed { action: "flag.override", target: name, before, after, ..Deed::default() }).await?;
    Ok(true)
}

/// Why a flag is on or off for a team; `None` where there is no such flag.
pub async fn explain(conn: &mut PgConnection, name: &str, team: TeamId) -> Result<Option<Explained>, sqlx::Error> {
    sqlx::query_file_as!(Explained, "src/tenancy/flags/explain.sql", name, team.0).fetch_optional(conn).await
}

/// Every flag as a team has it. `conn` may be under the team's row-level security.
pub async fn of_team(conn: &mut PgConnection, team: TeamId) -> Result<Vec<TeamFlag>, sqlx::Error> {
    sqlx::query_file_as!(TeamFlag, "src/tenancy/flags/of_team.sql", team.0).fetch_all(conn).await
}
