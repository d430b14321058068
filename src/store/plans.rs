//! Plans for dead letters, as their makers and readers see them. The steps through a plan are `longshore_workers::dead`.

use chrono::{DateTime, Utc};
use longshore_workers::{
    dead::run_dead_plan::RunDeadPlan,
    ids::{JobId, PlanId, TeamId},
    job::Job as _,
};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::dead::Filter;

/// How a plan is begun.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// How its letters were chosen, for people.
    pub filter: Value,
    /// The edit, as RFC 6902 writes it.
    pub patch: Option<Value>,
    /// Letters replayed a second at most.
    pub per_second: Option<f64>,
    /// Why, in its maker's words.
    pub note: Option<String>,
}

/// Opens a plan without letters. It is nobody's to see until the transaction commits.
pub async fn open(conn: &mut PgConnection, team: TeamId, by: &str, opening: &Opening) -> Result<PlanId, sqlx::Error> {
    let Opening { filter, patch, per_second, note } = opening;
    sqlx::query_file_scalar!("src/store/plans/open.sql", team.0, by, filter, patch.as_ref(), *per_second, note.as_deref())
        .fetch_one(conn)
        .await
}

/// A dead letter with what it would run with.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The job.
    pub job: JobId,
    /// When it died.
    pub died_at: DateTime<Utc>,
    /// Its kind.
    pub kind: String,
    /// The version of its payload.
    pub version: i16,
    /// Its payload.
    pub payload: Value,
    /// The version that the fleet runs now; none where no build announced the kind.
    pub current: Option<i16>,
}

/// The next open dead letters of a selection, oldest first, behind `after`.
pub async fn letters(
    conn: &mut PgConnection,
    filter: &Filter,
    after: Option<(DateTime<Utc>, JobId)>,
    limit: i64,
) -> Result<Vec<Letter>, sqlx::Error> {
    let ids = filter.ids();
    sqlx::query_file_as!(
        Letter,
        "src/store/plans/letters.sql",
        ids.as_deref(),
        filter.team.map(|team| team.0),
        filter.kind,
        filter.error,
        filter.since,
        filter.until,
        after.map(|(died_at, _)| died_at),
        after.map(|(_, job)| job.0),
        limit,
    )
    .fetch_all(conn)
    .await
}

/// A letter on its way into a plan.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The letter.
    pub job: JobId,
    /// What it runs with; its own where there is none.
    pub payload: Option<Value>,
    /// Why it can't run.
    pub problem: Option<String>,
}

/// Adds letters to an open plan.
pub async fn add(conn: &mut PgConnection, team: TeamId, plan: PlanId, entries: Vec<Entry>) -> Result<(), sqlx::Error> {
    let jobs: Vec<i64> = entries.iter().map(|entry| entry.job.0).collect();
    let (payloads, problems): (Vec<_>, Vec<_>) = entries.into_iter().map(|entry| (entry.payload, entry.problem)).unzip();
    sqlx::query_file!(
        "src/store/plans/add.sql",
        team.0,
        plan.0,
        &jobs,
        &payloads as &[Option<Value>],
        &problems as &[Option<String>],
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// Closes a plan's selection. True: it is above one of the two bounds and needs an approval.
pub async fn seal(conn: &mut PgConnection, team: TeamId, plan: PlanId, jobs: i64, credits: i64) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/plans/seal.sql", team.0, plan.0, jobs, credits).fetch_one(conn).await
}

/// A plan.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Its number.
    pub plan: PlanId,
    /// Whose it is: the house's where an operator made it.
    #[serde(rename = "team_id")]
    pub team: TeamId,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made_at: DateTime<Utc>,
    /// Why.
    pub note: Option<String>,
    /// How its letters were chosen.
    pub filter: Value,
    /// The edit (RFC 6902).
    pub patch: Option<Value>,
    /// Letters replayed a second at most.
    pub per_second: Option<f64>,
    /// How many it holds.
    pub letters: i32,
    /// How many of them are settled, one way or another.
    pub settled: i32,
    /// How many of them run again.
    pub replayed: i32,
    /// The most credits that it may cost.
    pub credits: i64,
    /// It is too large for one person.
    pub needs_approval: bool,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// When.
    pub approved_at: Option<DateTime<Utc>>,
    /// Who started it last.
    pub started_by: Option<String>,
    /// When it was first started.
    pub started_at: Option<DateTime<Utc>>,
    /// Who stopped it.
    pub stopped_by: Option<String>,
    /// When.
    pub stopped_at: Option<DateTime<Utc>>,
    /// When its last letter was settled.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Where a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A second person must approve it first.
    Unapproved,
    /// It may be run.
    Ready,
    /// It runs, or was cut off and goes on when it is run again.
    Started,
    /// Somebody stopped it; it goes on when it is run again.
    Stopped,
    /// No letter is left.
    Ended,
}

impl State {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unapproved => "unapproved",
            Self::Ready => "ready",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Ended => "ended",
        }
    }
}

impl Plan {
    /// Where it is.
    pub fn state(&self) -> State {
        match self {
            Self { ended_at: Some(_), .. } => State::Ended,
            Self { stopped_at: Some(_), .. } => State::Stopped,
            Self { started_at: Some(_), .. } => State::Started,
            Self { needs_approval: true, approved_at: None, .. } => State::Unapproved,
            _ => State::Ready,
        }
    }

    /// How many letters are still to do.
    pub fn left(&self) -> i32 {
        self.letters - self.settled
    }
}

/// A plan, where the transaction may see it.
pub async fn find(conn: &mut PgConnection, plan: PlanId) -> Result<Option<Plan>, sqlx::Error> {
    sqlx::query_file_as!(Plan, "src/store/plans/find.sql", plan.0).fetch_optional(conn).await
}

/// A page of plans, newest first, behind `after`.
pub async fn list(conn: &mut PgConnection, after: Option<PlanId>, limit: i64) -> Result<Vec<Plan>, sqlx::Error> {
    sqlx::query_file_as!(Plan, "src/store/plans/list.sql", after.map(|plan| plan.0), limit).fetch_all(conn).await
}

/// The letters of one team and kind.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Group {
    /// The team's name.
    pub team: String,
    /// The kind.
    pub kind: String,
    /// How many there are.
    pub letters: i64,
    /// The most credits that those still to do may cost.
    pub credits: i64,
    /// Still to do.
    pub left: i64,
    /// Run again, as new jobs.
    pub replayed: i64,
    /// Can't run again.
    pub refused: i64,
    /// Replayed or discarded by somebody else.
    pub settled: i64,
    /// New jobs that are done.
    pub done: i64,
    /// New jobs that died again.
    pub dead: i64,
    /// New jobs that were cancelled.
    pub cancelled: i64,
    /// New jobs that wait or run.
    pub unfinished: i64,
    /// New jobs so old that their history is gone.
    pub forgotten: i64,
}

/// A reason, and how many letters share it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Reason {
    /// In words.
    pub reason: String,
    /// How many.
    pub letters: i64,
    /// The first of them.
    #[schema(value_type = String, example = "job_42")]
    pub example: JobId,
}

/// What a plan may cost a team.
#[derive(Debug, Clone, Serialize)]
pub struct Credit {
    /// The team's name.
    pub team: String,
    /// The most that its letters may cost.
    pub needs: i64,
    /// What it has.
    pub available: i64,
}

/// A plan with all that is known of its letters.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    /// Where it is.
    pub state: State,
    /// The plan.
    #[serde(flatten)]
    pub plan: Plan,
    /// Its letters by team and kind.
    pub groups: Vec<Group>,
    /// Why they died.
    pub reasons: Vec<Reason>,
    /// Why some can't run.
    pub refusals: Vec<Reason>,
    /// What they may cost.
    pub credit: Vec<Credit>,
}

/// Looks at a plan from all sides.
pub async fn view(conn: &mut PgConnection, plan: PlanId) -> Result<Option<View>, sqlx::Error> {
    let Some(plan) = find(conn, plan).await? else { return Ok(None) };
    let id = plan.plan.0;
    let groups = sqlx::query_file_as!(Group, "src/store/plans/groups.sql", id).fetch_all(&mut *conn).await?;
    let reasons = sqlx::query_file_as!(Reason, "src/store/plans/reasons.sql", id).fetch_all(&mut *conn).await?;
    let refusals = sqlx::query_file_as!(Reason, "src/store/plans/refusals.sql", id).fetch_all(&mut *conn).await?;
    let credit = sqlx::query_file_as!(Credit, "src/store/plans/credit.sql", id).fetch_all(&mut *conn).await?;
    Ok(Some(View { state: plan.state(), plan, groups, reasons, refusals, credit }))
}

/// Approves a plan; SQLSTATE LS018 for the one who made it.
pub async fn approve(conn: &mut PgConnection, plan: &Plan, by: &str) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/plans/approve.sql", plan.team.0, plan.plan.0, by).fetch_one(conn).await?;
    Ok(())
}

/// Lets a plan run, from where it stopped; SQLSTATE LS019 where an approval is missing.
pub async fn start(conn: &mut PgConnection, plan: &Plan, by: &str) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/plans/start.sql", plan.team.0, plan.plan.0, by).fetch_one(conn).await?;
    Ok(())
}

/// Gives a started plan to the workers. The job that is at it already, where one is.
pub async fn enqueue_run(conn: &mut PgConnection, plan: &Plan, correlation: &str) -> Result<JobId, sqlx::Error> {
    let (team, id) = (plan.team.0, plan.plan.to_string());
    sqlx::query_file_scalar!("src/store/plans/enqueue_run.sql", team, RunDeadPlan::KIND, id, correlation).fetch_one(conn).await
}

/// Stops a plan between two letters; false when it does not run.
pub async fn stop(conn: &mut PgConnection, plan: &Plan, by: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("src/store/plans/stop.sql", plan.team.0, plan.plan.0, by).fetch_one(conn).await
}
