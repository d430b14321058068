//! Dead letters: a plan is worked through letter by letter, by a job or by the command line.

pub mod run_dead_plan;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::ids::{JobId, PlanId, TeamId};

/// What one step through a plan did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A letter runs again, as a new job.
    Replayed {
        /// The letter.
        job: JobId,
        /// The new job.
        newer: JobId,
    },
    /// A letter can't run again.
    Refused {
        /// The letter.
        job: JobId,
        /// Why not.
        reason: String,
    },
    /// Somebody else had replayed or discarded it.
    Settled {
        /// The letter.
        job: JobId,
        /// Who was first.
        reason: String,
    },
    /// Nothing: the plan's rate allows the next one in so long.
    Waits(Duration),
    /// Nothing: somebody stopped the plan, or nobody started it.
    Stopped,
    /// Nothing: no letter is left.
    Ended,
}

/// Settles the next letter of a plan, together with its row in the plan. `now` is the database's own where it is `None`.
pub async fn step(conn: &mut PgConnection, team: TeamId, plan: PlanId, now: Option<DateTime<Utc>>) -> Result<Step, sqlx::Error> {
    let row = sqlx::query_file!("dead/step.sql", team.0, plan.0, now).fetch_one(conn).await?;
    let reason = row.reason.unwrap_or_default();
    Ok(match (row.state.as_str(), row.job, row.replayed_as) {
        ("replayed", Some(job), Some(newer)) => Step::Replayed { job, newer },
        ("refused", Some(job), _) => Step::Refused { job, reason },
        ("settled", Some(job), _) => Step::Settled { job, reason },
        ("waits", ..) => Step::Waits(Duration::from_secs_f64(row.wait_seconds.unwrap_or_default().clamp(0.001, 86_400.0))),
        ("ended", ..) => Step::Ended,
        _ => Step::Stopped,
    })
}
