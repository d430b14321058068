//! Brings a database to this build's schema. Forward only; safe beside running workers and beside itself.
//!
//! Tables change by numbered migrations. Functions stand whole in `migrations/functions/`, where one reads what is in
//! force, and are put in place anew whenever they differ. A build that is older than the database's functions leaves them:
//! a newer function takes what an older build passes (decision 6).

use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::{
    Connection as _, PgConnection,
    migrate::{MigrateError, Migrator},
};

use crate::tenancy::audit::{self, Deed};

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");
// Our history stands in our own schema: a producer's database has a history of its own in the usual place.
const HISTORY: &str = "longshore._migrations";

const FUNCTIONS: [&str; 23] = [
    include_str!("../../migrations/functions/10_checks.sql"),
    include_str!("../../migrations/functions/11_enqueue.sql"),
    include_str!("../../migrations/functions/12_enqueue_many.sql"),
    include_str!("../../migrations/functions/13_batches.sql"),
    include_str!("../../migrations/functions/15_flags.sql"),
    include_str!("../../migrations/functions/20_limits.sql"),
    include_str!("../../migrations/functions/21_claim.sql"),
    include_str!("../../migrations/functions/22_finish.sql"),
    include_str!("../../migrations/functions/23_recover.sql"),
    include_str!("../../migrations/functions/24_cancel.sql"),
    include_str!("../../migrations/functions/25_watch.sql"),
    include_str!("../../migrations/functions/30_operate.sql"),
    include_str!("../../migrations/functions/31_dead_plans.sql"),
    include_str!("../../migrations/functions/32_schedules.sql"),
    include_str!("../../migrations/functions/40_history.sql"),
    include_str!("../../migrations/functions/41_settled.sql"),
    include_str!("../../migrations/functions/50_audit.sql"),
    include_str!("../../migrations/functions/51_people.sql"),
    include_str!("../../migrations/functions/52_settings.sql"),
    include_str!("../../migrations/functions/53_webhooks.sql"),
    include_str!("../../migrations/functions/60_campaigns.sql"),
    include_str!("../../migrations/functions/61_sending.sql"),
    include_str!("../../migrations/functions/62_content.sql"),
];
/// Raised with every release that changes a function, so that an older build knows newer ones when it meets them.
const EDITION: i32 = 1;

/// Applies what is missing. `conn` belongs to a role that may create roles the first time, and to `longshore_migrator`
/// later.
pub async fn run(conn: &mut PgConnection) -> Result<(), MigrateError> {
    let mut migrator = Migrator { migrations: MIGRATOR.migrations.clone(), ..Migrator::DEFAULT };
    migrator.dangerous_set_table_name(HISTORY);
    migrator.create_schema("longshore");
    migrator.run(&mut *conn).await?;
    put_functions(conn).await.map_err(MigrateError::Execute)
}

/// Puts this build's functions in place, unless those there are the same or of a newer build.
async fn put_functions(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut tx = conn.begin().await?;
    sqlx::query_file!("src/store/migrate/lock.sql").fetch_one(&mut *tx).await?;
    if !functions_stand(&mut tx).await? {
        for functions in FUNCTIONS {
            sqlx::raw_sql(functions).execute(&mut *tx).await?;
        }
        let there = sqlx::query_file!("src/store/migrate/edition.sql").fetch_one(&mut *tx).await?;
        let before = (there.edition > 0).then(|| json!({ "edition": there.edition, "digest": there.digest }));
        let (target, after) = (format!("functions, edition {EDITION}"), Some(json!({ "edition": EDITION, "digest": digest() })));
        let deed = Deed { action: "functions.put", target: &target, before, after, ..Deed::default() };
        audit::record(&mut tx, None, &deed).await?;
        sqlx::query_file!("src/store/migrate/sign.sql", EDITION, digest()).fetch_one(&mut *tx).await?;
    }
    tx.commit().await
}

async fn functions_stand(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let there = sqlx::query_file!("src/store/migrate/edition.sql").fetch_one(conn).await?;
    Ok(there.edition > EDITION || there.edition == EDITION && there.digest == digest())
}

fn digest() -> String {
    hex::encode(FUNCTIONS.iter().fold(Sha256::new(), |hash, functions| hash.chain_update(functions)).finalize())
}

/// How a database stands to this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Every migration of this build is there; `newer` are of a later build, which this one bears (expand, then contract).
    Fits {
        /// Migrations this build does not know.
        newer: usize,
    },
    /// Some are missing, or its functions are an older build's: `longshore migrate` first.
    Behind {
        /// How many; functions count as one.
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
    let applied = match sqlx::query_file!("src/store/migrate/applied.sql").fetch_all(&mut *conn).await {
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
    if missing == 0 && applied.len() == MIGRATOR.iter().count() && !functions_stand(conn).await? {
        missing = 1;
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
