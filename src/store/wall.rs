//! What must be true of the database so that no team can see or change another's: one catalogue of rules, asked of
//! Postgres' own, for three who ask. A process asks before it serves ([`at_start`]), `longshore doctor` asks everything
//! ([`everything`]), and a test asks it of every table there is, so that a new one can't be forgotten.
//!
//! The rules stand in `wall/*.sql`, each a select that finds what breaks it: no row, no fault.

use std::fmt;

use serde::Serialize;
use sqlx::PgConnection;

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule that is broken.
    pub rule: String,
    /// Where.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub to_do: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; to do: {}", self.place, self.what, self.to_do)
    }
}

/// A process of the house, and with it the role that its statements should run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// The HTTP door.
    Api,
    /// Runs jobs.
    Worker,
    /// Fires schedules.
    Scheduler,
    /// Whichever of them it is, an operator or an auditor: for a look from the command line.
    Any,
}

impl Duty {
    /// That of the process `api`, `worker` or `scheduler`.
    pub fn of_process(name: &str) -> Self {
        match name {
            "api" => Self::Api,
            "worker" => Self::Worker,
            "scheduler" => Self::Scheduler,
            _ => Self::Any,
        }
    }

    const fn role(self) -> &'static str {
        match self {
            Self::Api => "longshore_api",
            Self::Worker => "longshore_worker",
            Self::Scheduler => "longshore_scheduler",
            Self::Any => "",
        }
    }
}

/// The wall does not stand: what a process says when it refuses to serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("refusing to serve: {}{}", .0.first().map(ToString::to_string).unwrap_or_default(), more(.0))]
pub struct Breached(pub Vec<Finding>);

fn more(findings: &[Finding]) -> String {
    match findings.len() {
        0 | 1 => String::new(),
        many => format!(" (and {} more: `longshore doctor` lists them)", many - 1),
    }
}

/// What keeps a process of this duty from serving: a role that row-level security does not hold, a table that it does not
/// guard. Looks at the role that the statements of this connection really run as.
pub async fn at_start(conn: &mut PgConnection, duty: Duty) -> Result<Vec<Finding>, sqlx::Error> {
    let mut found = role(conn, duty).await?;
    found.extend(tables(conn).await?);
    Ok(found)
}

/// Whether the role of this connection fits its duty.
pub async fn role(conn: &mut PgConnection, duty: Duty) -> Result<Vec<Finding>, sqlx::Error> {
    sqlx::query_file_as!(Finding, "src/store/wall/role.sql", duty.role()).fetch_all(conn).await
}

/// Whether row-level security guards every table of a team's data.
pub async fn tables(conn: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    sqlx::query_file_as!(Finding, "src/store/wall/tables.sql").fetch_all(conn).await
}

/// Every rule but that of the role: tables, keys, rights, functions.
pub async fn everything(conn: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let mut found = tables(conn).await?;
    found.extend(sqlx::query_file_as!(Finding, "src/store/wall/keys.sql").fetch_all(&mut *conn).await?);
    found.extend(sqlx::query_file_as!(Finding, "src/store/wall/grants.sql").fetch_all(&mut *conn).await?);
    found.extend(sqlx::query_file_as!(Finding, "src/store/wall/functions.sql").fetch_all(conn).await?);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_that_says_what_where_and_what_to_do() {
        let one = Finding {
            rule: "rls_off".into(),
            place: "table longshore.leads".into(),
            what: "holds a team's data without row-level security".into(),
            to_do: "alter table longshore.leads enable row level security".into(),
        };
        assert_eq!(
            Breached(vec![one.clone(), one.clone(), one]).to_string(),
            "refusing to serve: table longshore.leads holds a team's data without row-level security; to do: alter table \
             longshore.leads enable row level security (and 2 more: `longshore doctor` lists them)"
        );
    }
}
