//! Plans over HTTP: dead letters chosen, edited and looked at in one request, and run by the workers in another.

use axum::{
    Json,
    extract::{FromRequestParts, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use longshore_workers::{
    db,
    ids::{JobId, PlanId},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::info;
use utoipa::ToSchema;

use crate::{
    api::{
        Api,
        auth::Caller,
        body,
        conventions::RequestId,
        error::{ApiError, Code},
        json,
        openapi::Refusals,
        polled::polled,
    },
    queue::plan::{self, Edit, Wanted},
    store::{
        dead::Filter,
        plans::{self, Group, Reason, State as PlanState, View},
    },
    tenancy::keys::Scope,
};

/// Letters in one plan at most: it is made within one request.
const MOST: i64 = 10_000;

/// Which dead letters to run again, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    /// Which: `{}` is all that are open.
    filter: PlanFilter,
    /// What is done to each payload: a JSON patch (RFC 6902) of at most 50 operations.
    #[schema(value_type = Option<Vec<Object>>)]
    patch: Option<Value>,
    /// Replays a second at most.
    #[schema(minimum = 0.00001, maximum = 1_000_000)]
    rate_per_second: Option<f64>,
    /// The oldest so many of them.
    #[serde(default = "most")]
    #[schema(minimum = 1, maximum = 10_000, default = 10_000)]
    limit: i64,
    /// Why, for whoever looks at it later.
    #[schema(max_length = 1000)]
    note: Option<String>,
}

const fn most() -> i64 {
    MOST
}

/// What narrows a plan. Each field left out does not.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanFilter {
    /// Only these.
    #[schema(value_type = Option<Vec<String>>, max_items = 10_000)]
    jobs: Option<Vec<JobId>>,
    /// Only of this kind.
    kind: Option<String>,
    /// Only with this text in the last error, in any case.
    error: Option<String>,
    /// Only those that died then or later.
    since: Option<DateTime<Utc>>,
    /// Only those that died then or earlier.
    until: Option<DateTime<Utc>>,
}

/// A plan, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanBody {
    #[schema(value_type = String, example = "plan_7")]
    id: PlanId,
    state: PlanState,
    made_at: DateTime<Utc>,
    note: Option<String>,
    /// The edit (RFC 6902).
    #[schema(value_type = Option<Vec<Object>>)]
    patch: Option<Value>,
    rate_per_second: Option<f64>,
    letters: i32,
    /// Letters still to do.
    left: i32,
    /// The most credits that it may cost.
    credits: i64,
    /// What the team has of them now; left out where it costs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    credits_available: Option<i64>,
    /// It is too large to run before an operator has approved it.
    needs_approval: bool,
    approved_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    stopped_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    /// Its letters by kind, and what became of them.
    kinds: Vec<Group>,
    /// Why they died; numbers in a reason are folded to `#`.
    reasons: Vec<Reason>,
    /// Why some can't run again.
    refusals: Vec<Reason>,
}

/// A plan that the workers carry out.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanStarted {
    #[schema(value_type = String, example = "plan_7")]
    id: PlanId,
    /// The job that does it. Cancel it to stop; run the plan again to go on.
    #[schema(value_type = String, example = "job_42")]
    job: JobId,
}

/// Plan a replay.
///
/// Nothing runs yet: the answer says what the plan holds, what would be refused and why, and what it may cost.
#[utoipa::path(post, path = "/v1/dead/plans", operation_id = "makeDeadPlan", tag = "dead", security(("key" = ["dead"])), request_body = PlanRequest,
    responses(
        (status = 201, description = "The plan", body = PlanBody, headers(("Location" = String, description = "Where to look at it"))),
        Refusals,
    ))]
pub async fn make(State(api): State<Api>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    caller.needs(Scope::Dead)?;
    let text = body::text(request, body::SINGLE_LIMIT).await?;
    let wanted = checked(body::parse(&text, json::MAX_DEPTH + 8)?, &caller)?;
    let (team, by) = (caller.team(), caller.name());
    // Letters are read with their payloads, page by page: as much in hand as a batch.
    let _place = api.batches.enter(caller.team()).await.map_err(ApiError::internal)?;
    let state = api.clone();
    // In a task of its own: a caller that goes away does not leave it half done.
    let made = tokio::spawn(async move {
        let mut tx = db::begin_by(&state.pool, team, &by).await?;
        let Some(plan) = plan::make(&mut tx, &state.registry, (team, &by), &wanted, state.thresholds).await? else {
            return Ok(None);
        };
        let view = plans::view(&mut tx, plan).await?;
        tx.commit().await?;
        Ok::<_, sqlx::Error>(view)
    });
    let view = made.await.map_err(ApiError::internal)??;
    let view = view.ok_or_else(|| ApiError::field(Code::InvalidField, "/filter", "no open dead letter matches"))?;
    info!(plan = %view.plan.plan, letters = view.plan.letters, "planned");
    let place = format!("/v1/dead/plans/{}", view.plan.plan);
    let mut response = (StatusCode::CREATED, Json(PlanBody::from(view))).into_response();
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

fn checked(wanted: PlanRequest, caller: &Caller) -> Result<Wanted, ApiError> {
    let wrong = |pointer: &str, why: String| Err(ApiError::field(Code::InvalidField, pointer, why));
    let PlanRequest { filter, patch, rate_per_second, limit, note } = wanted;
    if !(1..=MOST).contains(&limit) {
        return wrong("/limit", format!("a plan has 1 to {MOST} letters"));
    }
    if rate_per_second.is_some_and(|rate| !(0.000_01..=1_000_000.0).contains(&rate)) {
        return wrong("/rate_per_second", "a rate is 0.00001 to 1000000 a second".into());
    }
    if note.as_ref().is_some_and(|note| note.chars().count() > 1000) {
        return wrong("/note", "a note has at most 1000 characters".into());
    }
    let edit = patch.map(Edit::read).transpose();
    let edit = edit.map_err(|why| ApiError::field(Code::InvalidField, "/patch", format!("this is no JSON patch: {why}")))?;
    let PlanFilter { jobs, kind, error, since, until } = filter;
    let filter = Filter { jobs, team: Some(caller.team()), kind, error, since, until };
    Ok(Wanted { filter, edit, per_second: rate_per_second, limit: Some(limit), note })
}

/// Look at a plan.
///
/// What it holds, what became of its letters, and of the jobs that repeat them.
#[utoipa::path(get, path = "/v1/dead/plans/{id}", operation_id = "getDeadPlan", tag = "dead", security(("key" = ["dead"])),
    params(("id" = String, Path, description = "The plan", example = "plan_7", pattern = r"^(plan_)?[0-9]{1,19}$", max_length = 24)),
    responses((status = 200, description = "The plan", body = PlanBody), Refusals))]
pub async fn show(
    State(api): State<Api>,
    caller: Caller,
    PlanPath(plan): PlanPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Dead)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let view = plans::view(&mut tx, plan).await?.ok_or_else(no_such_plan)?;
    tx.commit().await?;
    polled(&headers, &PlanBody::from(view))
}

/// Run a plan.
///
/// Workers replay its letters at its rate, each once. Asked again it goes on where it was, or answers with the job that is
/// at it.
#[utoipa::path(post, path = "/v1/dead/plans/{id}/run", operation_id = "runDeadPlan", tag = "dead", security(("key" = ["dead"])),
    params(("id" = String, Path, description = "The plan", example = "plan_7", pattern = r"^(plan_)?[0-9]{1,19}$", max_length = 24)),
    responses((status = 202, description = "Workers are at it", body = PlanStarted), Refusals))]
pub async fn run(
    State(api): State<Api>,
    caller: Caller,
    PlanPath(id): PlanPath,
    request_id: RequestId,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Dead)?;
    let (team, by) = (caller.team(), caller.name());
    let started = tokio::spawn(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let plan = plans::find(&mut tx, id).await?.ok_or_else(no_such_plan)?;
        if plan.state() == PlanState::Ended {
            return Err(ApiError::new(Code::AlreadySettled, "No letter of this plan is left."));
        }
        plans::start(&mut tx, &plan, &by).await?;
        let job = plans::enqueue_run(&mut tx, &plan, &request_id.0).await?;
        tx.commit().await?;
        Ok::<_, ApiError>(job)
    });
    let job = started.await.map_err(ApiError::internal)??;
    info!(plan = %id, job.id = %job, "plan started");
    Ok((StatusCode::ACCEPTED, Json(PlanStarted { id, job })).into_response())
}

/// One answer for an absent plan, another team's, and a text that is no plan id.
fn no_such_plan() -> ApiError {
    ApiError::new(Code::NotFound, "The team has no such plan.")
}

/// The plan named in the path.
pub struct PlanPath(PlanId);

impl FromRequestParts<Api> for PlanPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, api).await.map_err(|_| no_such_plan())?;
        path.0.parse().map(Self).map_err(|_| no_such_plan())
    }
}

impl From<View> for PlanBody {
    fn from(view: View) -> Self {
        let View { state, plan, groups, reasons, refusals, credit } = view;
        Self {
            id: plan.plan,
            state,
            made_at: plan.made_at,
            left: plan.left(),
            note: plan.note,
            patch: plan.patch,
            rate_per_second: plan.per_second,
            letters: plan.letters,
            credits: plan.credits,
            credits_available: credit.first().map(|credit| credit.available),
            needs_approval: plan.needs_approval,
            approved_at: plan.approved_at,
            started_at: plan.started_at,
            stopped_at: plan.stopped_at,
            ended_at: plan.ended_at,
            kinds: groups,
            reasons,
            refusals,
        }
    }
}
