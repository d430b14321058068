//! Teams: created by an operator, found by name or id.

use chrono::{DateTime, Utc};
use longshore_workers::ids::TeamId;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::audit::{self, Deed};

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Team {
    /// Its id.
    pub team_id: TeamId,
    /// Its name, unique in the house.
    pub name: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// Why a team was not created or found.
#[derive(Debug, thiserror::Error)]
pub enum TeamError {
    /// A name that no team may have.
    #[error("a team can't be called {name:?}: {reason}")]
    InvalidName {
        /// The name, shortened.
        name: String,
        /// What would be right.
        reason: &'static str,
    },
    /// Another team has the name.
    #[error("there is a team called {0:?} already")]
    Taken(String),
    /// Nobody goes by that name or id.
    #[error("there is no team {0:?}; `longshore teams list` shows them")]
    NotFound(String),
    /// The database refused or did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Creates a team. The name is trimmed and unique.
pub async fn create(conn: &mut PgConnection, name: &str) -> Result<TeamId, TeamError> {
    let name = valid_name(name)?;
    let created = sqlx::query_file_scalar!("src/tenancy/teams/create.sql", name).fetch_optional(&mut *conn).await?;
    let team = created.map(TeamId).ok_or_else(|| TeamError::Taken(name.into()))?;
    let (target, after) = (format!("team {team}"), Some(json!({ "name": name })));
    audit::record(conn, None, &Deed { action: "team.create", target: &target, after, ..Deed::default() }).await?;
    Ok(team)
}

/// All teams, the house's own first.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Team>, TeamError> {
    Ok(sqlx::query_file_as!(Team, "src/tenancy/teams/list.sql").fetch_all(conn).await?)
}

/// The team of that name or id.
pub async fn find(conn: &mut PgConnection, name_or_id: &str) -> Result<Team, TeamError> {
    let wanted = name_or_id.trim();
    if wanted.contains('\0') {
        return Err(TeamError::NotFound(shortened(wanted)));
    }
    let id = Uuid::parse_str(wanted).ok();
    let team = sqlx::query_file_as!(Team, "src/tenancy/teams/find.sql", id, wanted).fetch_optional(conn).await?;
    team.ok_or_else(|| TeamError::NotFound(shortened(wanted)))
}

fn valid_name(name: &str) -> Result<&str, TeamError> {
    let refuse = |reason| Err(TeamError::InvalidName { name: shortened(name), reason });
    let trimmed = name.trim();
    if trimmed.is_empty() || trimmed.chars().count() > 100 {
        return refuse("a name has 1 to 100 characters");
    }
    if trimmed.chars().any(char::is_control) {
        return refuse("a name has no control characters");
    }
    if Uuid::parse_str(trimmed).is_ok() {
        return refuse("it would be mistaken for a team's id");
    }
    Ok(trimmed)
}

fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::valid_name;

    #[test]
    fn a_name_is_trimmed_and_can_be_told_from_an_id() {
        assert_eq!(valid_name("  Acme & Söhne ").ok(), Some("Acme & Söhne"));
        let long = "x".repeat(101);
        for wrong in ["", " \t", "a\nb", "a\0b", "00000000-0000-0000-0000-000000000001", &long] {
            assert!(valid_name(wrong).is_err(), "{wrong:?} was accepted");
        }
    }
}
