//! Brings a database to this build's schema. Forward only; safe beside running workers and beside itself.

use sqlx::{
    PgConnection,
    migrate::{MigrateError, Migrator},
};

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");
// Our history stands in our own schema: a producer's database has a history of its own in the usual place.
const HISTORY: &str = "longshore._migrations";

/// Applies what is missing. `conn` belongs to a role that may create roles the first time, and to `longshore_migrator`
/// later.
pub async fn run(conn: &mut PgConnection) -> Result<(), MigrateError> {
    let mut migrator = Migrator { migrations: MIGRATOR.migrations.clone(), ..Migrator::DEFAULT };
    migrator.dangerous_set_table_name(HISTORY);
    migrator.create_schema("longshore");
    migrator.run(conn).await
}

/// How a database stands to this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Every migration of this build is there; `newer` are of a later build, which this one bears (expand, then contract).
    Fits {
        /// Migrations this build does not know.
        newer: usize,
    },
    /// Some are missing: `longshore migrate` first.
    Behind {
        /// How many.
        missing: usize,
    },
    /// A migration was changed after it had been applied.
    Differs {
        /// Its number.
        version: i64,
    },
}

impl Standing {
    /// How many migrations of this build are missing.
    pub fn missing(self) -> usize {
        match self {
            Self::Behind { missing } => missing,
            Self::Fits { .. } | Self::Differs { .. } => 0,
        }
    }
}

/// Compares a database with this build. Any role of the house may ask.
pub async fn standing(conn: &mut PgConnection) -> Result<Standing, sqlx::Error> {
    let applied = match sqlx::query_file!("src/store/migrate/applied.sql").fetch_all(conn).await {
        Ok(applied) => applied,
        Err(error) if is_missing(&error) => return Ok(Standing::Behind { missing: MIGRATOR.iter().count() }),
        Err(error) => return Err(error),
    };
    let mut missing = 0;
    for wanted in MIGRATOR.iter() {
        match applied.iter().find(|had| had.version == wanted.version) {
            None => missing += 1,
            Some(had) if had.checksum != *wanted.checksum => return Ok(Standing::Differs { version: wanted.version }),
            Some(_) => {}
        }
    }
    if missing > 0 {
        return Ok(Standing::Behind { missing });
    }
    Ok(Standing::Fits { newer: applied.len().saturating_sub(MIGRATOR.iter().count()) })
}

/// No such table, no such schema: nothing was ever applied.
fn is_missing(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code());
    code.is_some_and(|code| code == "42P01" || code == "3F000")
}
