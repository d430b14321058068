//! Brings a database to this build's schema. Forward only; safe beside running workers and beside itself.

use sqlx::{
    PgConnection,
    migrate::{MigrateError, Migrator},
};

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// Applies what is missing. `conn` belongs to a role that may create roles the first time, and to `longshore_migrator`
/// later.
pub async fn run(conn: &mut PgConnection) -> Result<(), MigrateError> {
    let mut migrator = Migrator { migrations: MIGRATOR.migrations.clone(), ..Migrator::DEFAULT };
    // Our history stands in our own schema: a producer's database has a history of its own in the usual place.
    migrator.dangerous_set_table_name("longshore._migrations");
    migrator.create_schema("longshore");
    migrator.run(conn).await
}
