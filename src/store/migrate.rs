//! Brings a database to this build's schema. Forward only; safe beside running workers and beside itself.

use sqlx::{
    PgConnection,
    migrate::{Migrate as _, MigrateError, Migrator},
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

/// How many of this build's migrations the database lacks. One that is newer than this build lacks none.
pub async fn pending(conn: &mut PgConnection) -> Result<usize, MigrateError> {
    let applied = match conn.list_applied_migrations(HISTORY).await {
        Ok(applied) => applied,
        Err(MigrateError::Execute(error)) if is_missing(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    let known = MIGRATOR.iter().filter(|migration| !applied.iter().any(|one| one.version == migration.version));
    Ok(known.count())
}

fn is_missing(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code());
    // No such table, no such schema.
    code.is_some_and(|code| code == "42P01" || code == "3F000")
}
