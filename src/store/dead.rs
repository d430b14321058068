//! Dead letters as an operator sees them: listed, selected by a filter, replayed or discarded one by one.

use chrono::{DateTime, Utc};
use longshore_workers::ids::{JobId, TeamId};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

/// Which dead letters. What is `None` does not narrow.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Filter {
    /// Only these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Vec<JobId>>,
    /// Of one team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// Of one kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whose last error holds this text, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// That died then or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// That died then or earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl Filter {
    /// Itself, where it names many letters with their number instead.
    pub fn summary(&self) -> Value {
        let mut told = serde_json::to_value(self).unwrap_or_default();
        if let Some(jobs) = self.jobs.as_ref().filter(|jobs| jobs.len() > 100) {
            told["jobs"] = jobs.len().into();
        }
        told
    }

    pub(super) fn ids(&self) -> Option<Vec<i64>> {
        self.jobs.as_ref().map(|jobs| jobs.iter().map(|job| job.0).collect())
    }
}

/// A dead letter in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The job.
    pub job: JobId,
    /// Its team.
    pub team_id: TeamId,
    /// Its team's name.
    pub team: String,
    /// Its kind.
    pub kind: String,
    /// When it died.
    pub died_at: DateTime<Utc>,
    /// Attempts it had.
    pub attempts: i16,
    /// Its last error.
    pub error: String,
    /// The job that repeats it.
    pub replayed_as: Option<JobId>,
    /// When it was replayed.
    pub replayed_at: Option<DateTime<Utc>>,
    /// When it was given up.
    pub discarded_at: Option<DateTime<Utc>>,
    /// Who replayed or discarded it.
    pub settled_by: Option<String>,
}

/// A page of dead letters, newest first, behind `after`; settled ones too when `all`.
pub async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    all: bool,
    after: Option<JobId>,
    limit: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    let ids = filter.ids();
    sqlx::query_file_as!(
        Row,
        "src/store/dead/list.sql",
        ids.as_deref(),
        filter.team.map(|team| team.0),
        filter.kind,
        filter.error,
        filter.since,
        filter.until,
        all,
        after.map(|job| job.0),
        limit,
    )
    .fetch_all(conn)
    .await
}

/// What a selection holds.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// How many.
    pub matched: i64,
    /// The first death.
    pub oldest: Option<DateTime<Utc>>,
    /// The last one.
    pub newest: Option<DateTime<Utc>>,
    /// How many of each kind.
    pub kinds: Value,
    /// The most credits that running them all may cost.
    pub price: i64,
    /// Later deaths are not part of it.
    pub until: DateTime<Utc>,
}

/// Looks at a selection of open dead letters, the oldest `limit` of them.
pub async fn plan(conn: &mut PgConnection, filter: &Filter, limit: Option<i64>) -> Result<Plan, sqlx::Error> {
    let ids = filter.ids();
    sqlx::query_file_as!(
        Plan,
        "src/store/dead/plan.sql",
        ids.as_deref(),
        filter.team.map(|team| team.0),
        filter.kind,
        filter.error,
        filter.since,
        filter.until,
        limit,
    )
    .fetch_one(conn)
    .await
}

/// A dead letter that is about to be settled.
#[derive(Debug, Clone, Serialize)]
pub struct Picked {
    /// The job.
    pub job: JobId,
    /// Its team.
    pub team_id: TeamId,
    /// Its team's name.
    pub team: String,
    /// Its kind.
    pub kind: String,
    /// When it died.
    pub died_at: DateTime<Utc>,
    /// Its last error.
    pub error: String,
}

/// The next open dead letters of a selection, oldest first, behind `after`. Deaths behind `until` are not part of it.
pub async fn pick(
    conn: &mut PgConnection,
    filter: &Filter,
    until: DateTime<Utc>,
    after: Option<&Picked>,
    limit: i64,
) -> Result<Vec<Picked>, sqlx::Error> {
    let ids = filter.ids();
    sqlx::query_file_as!(
        Picked,
        "src/store/dead/pick.sql",
        ids.as_deref(),
        filter.team.map(|team| team.0),
        filter.kind,
        filter.error,
        filter.since,
        until,
        after.map(|one| one.died_at),
        after.map(|one| one.job.0),
        limit,
    )
    .fetch_all(conn)
    .await
}

/// A dead letter, whole.
#[derive(Debug, Clone, Serialize)]
pub struct Letter {
    /// The job.
    pub job: JobId,
    /// Its team.
    pub team_id: TeamId,
    /// Its team's name.
    pub team: String,
    /// Its kind.
    pub kind: String,
    /// The version of its payload.
    pub version: i16,
    /// Its payload.
    pub payload: Value,
    /// What ties it to the request that caused it.
    pub correlation_id: Option<String>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it died.
    pub died_at: DateTime<Utc>,
    /// Attempts it had.
    pub attempts: i16,
    /// Attempts it might have had.
    pub max_attempts: i16,
    /// Its last error.
    pub error: String,
    /// Every failed attempt, oldest first.
    pub errors: Value,
    /// The first job of its lineage.
    pub root: Option<JobId>,
    /// The dead letter that it repeated.
    pub replay_of: Option<JobId>,
    /// The job that repeats it.
    pub replayed_as: Option<JobId>,
    /// When it was replayed.
    pub replayed_at: Option<DateTime<Utc>>,
    /// When it was given up.
    pub discarded_at: Option<DateTime<Utc>>,
    /// Who replayed or discarded it.
    pub settled_by: Option<String>,
}

/// One dead letter, open or settled.
pub async fn find(conn: &mut PgConnection, job: JobId) -> Result<Option<Letter>, sqlx::Error> {
    sqlx::query_file_as!(Letter, "src/store/dead/find.sql", job.0).fetch_optional(conn).await
}

/// Replays a dead letter, once. `deed`: the entry of the audit log that speaks of this one and others. Refusals have SQLSTATE LS012 (none such) and LS013 (settled before).
pub async fn replay(
    conn: &mut PgConnection,
    team: TeamId,
    job: JobId,
    by: &str,
    payload: Option<&Value>,
    deed: Option<i64>,
) -> Result<JobId, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/dead/replay.sql", team.0, job.0, by, payload, deed).fetch_one(conn).await
}

/// Gives up a dead letter; false when somebody settled it before.
pub async fn discard(
    conn: &mut PgConnection,
    team: TeamId,
    job: JobId,
    by: &str,
    deed: Option<i64>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/dead/discard.sql", team.0, job.0, by, deed).fetch_one(conn).await
}
