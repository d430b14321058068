//! One job over HTTP: as it is now, or as soon as it changes.

use std::time::Duration;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, header},
    response::Response,
};
use chrono::{DateTime, Utc};
use longshore_workers::{
    db,
    ids::{JobId, TeamId},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{JobPath, no_such_job};
use crate::{
    api::{
        Api, ApiState,
        auth::Caller,
        conventions::Place,
        error::ApiError,
        extract::Asked,
        openapi::Refusals,
        polled::{knows, polled, tag_of},
        watch::Subject,
    },
    store::{
        job_view::{self, Attempt, Gone, JobState, JobView},
        watch::Mark,
    },
    tenancy::keys::Scope,
};

/// Nobody waits longer for a change.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A job, wherever it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobBody {
    #[schema(value_type = String, example = "job_42")]
    id: JobId,
    kind: String,
    queue: String,
    state: JobState,
    /// Why it is there. Waiting: `ready`, `delayed`, `retry`, `snoozed`, `unknown` (an effect is being looked up) or
    /// `parked`. Running: `cancelling`. Dead: `discarded` once it was given up.
    reason: Option<String>,
    /// The reason in words.
    detail: Option<String>,
    /// The attempt it is in, or the last it made; 0 before the first.
    attempt: i16,
    max_attempts: i16,
    priority: i16,
    /// When it runs next, where that is decided.
    run_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    /// Every attempt that did not succeed, oldest first.
    attempts: Vec<Attempt>,
    progress: Option<ProgressBody>,
    /// What its handler gave back.
    #[schema(value_type = Option<Object>)]
    output: Option<Value>,
    correlation_id: Option<String>,
    /// The job whose handler enqueued it.
    #[schema(value_type = Option<String>)]
    parent: Option<JobId>,
    /// The dead letter it repeats.
    #[schema(value_type = Option<String>)]
    replay_of: Option<JobId>,
    /// The job that repeats this dead letter.
    #[schema(value_type = Option<String>)]
    replayed_as: Option<JobId>,
}

/// How far a job has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgressBody {
    done: i64,
    /// Left out where the handler does not know.
    total: Option<i64>,
}

/// How to look at a job.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LookQuery {
    /// Answer only when its state, reason or attempt has changed, or after so long: `20s`, `1500ms`, at most `30s`. A job that
    /// has ended is answered for at once, and so is one that looks other than the `If-None-Match` says.
    #[serde(default, deserialize_with = "a_while")]
    #[param(value_type = Option<String>, example = "20s", pattern = r"^([0-9]{1,2}s?|[0-9]{1,5}ms)$", max_length = 7)]
    wait: Option<Duration>,
}

fn a_while<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix('s').unwrap_or(&text), 1000),
    };
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten();
    let wait = number.and_then(|number| number.checked_mul(unit)).map(Duration::from_millis);
    let wait = wait.filter(|wait| *wait <= LONGEST_WAIT);
    wait.map(Some).ok_or_else(|| D::Error::custom("a wait looks like 20s or 1500ms and is at most 30s"))
}

/// Whether a request is one that waits: it has longer than others.
pub fn waits(request: &Request) -> bool {
    let of_a_job = request.extensions().get::<MatchedPath>().is_some_and(|path| path.as_str() == "/v1/jobs/{id}");
    of_a_job && request.uri().query().is_some_and(|query| query.contains("wait="))
}

/// Look at a job.
///
/// With `wait` the answer comes when the job changes: asked again and again, that follows a job without polling. 410 where
/// history was dropped: then `gone` in the problem says how many jobs of the team around it ended how, by day and kind.
#[utoipa::path(get, path = "/v1/jobs/{id}", operation_id = "getJob", tag = "jobs", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The job", example = "job_42", pattern = r"^(job_)?[0-9]{1,19}$", max_length = 23), LookQuery),
    responses(
        (status = 200, description = "The job, wherever it is", body = JobBody),
        (status = 410, description = "Its records were dropped; `gone` says what is left of them", body = crate::api::error::Problem,
            content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn show(
    State(api): State<Api>,
    caller: Caller,
    JobPath(job): JobPath,
    Asked(LookQuery { wait }): Asked<LookQuery>,
    place: Place,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Read)?;
    let team = caller.team();
    let Some(wait) = wait.filter(|wait| !wait.is_zero()) else {
        return polled(&headers, &look(&api, team, job).await?.0);
    };
    let mut changes = api.watch.follow(Subject::Job(team, job));
    let (mut body, mark) = look(&api, team, job).await?;
    let tag = tag_of(&serde_json::to_vec(&body).map_err(ApiError::internal)?);
    let news = headers.contains_key(header::IF_NONE_MATCH) && !knows(&headers, &tag);
    if !news && !body.state.is_final() {
        let ticket = api.watch.enter(caller.team(), caller.key_id())?;
        place.give_back();
        let changed = tokio::select! {
            () = changes.news(&mark, |before, now| before.place != now.place) => true,
            () = tokio::time::sleep(wait) => false,
            () = api.draining.cancelled() => false,
        };
        drop(ticket);
        place.take(&api).await;
        // Whoever waits longer than a key is believed in is asked for it again.
        caller.still_good(&api).await?;
        if changed {
            body = look(&api, team, job).await?.0;
        }
    }
    polled(&headers, &body)
}

/// A job of a team, and its mark; refuses what is not there or not any more.
pub(in crate::api) async fn look(api: &ApiState, team: TeamId, job: JobId) -> Result<(JobBody, Mark), ApiError> {
    let mut tx = db::begin_as(&api.pool, team).await?;
    let Some(view) = job_view::find(&mut tx, job).await? else {
        return Err(job_view::gone(&mut tx, job).await?.map_or_else(no_such_job, gone));
    };
    let attempts = job_view::attempts(&mut tx, job).await?;
    tx.commit().await?;
    let mark = view.mark();
    Ok((JobBody::new(view, attempts), mark))
}

/// One answer for every id among those of the team whose history was dropped, whoever had that one.
fn gone(left: Gone) -> ApiError {
    let detail = if left.dead_letter {
        "Its history was dropped. It ended dead, and its dead letter is kept under /v1/dead."
    } else {
        "Jobs of the team around this id have ended, and their history was dropped when its time was over. What is left are \
         counts, not single jobs."
    };
    ApiError::gone(detail, left)
}

impl JobBody {
    /// It will not change any more.
    pub(in crate::api) fn has_ended(&self) -> bool {
        self.state.is_final()
    }

    fn new(view: JobView, attempts: Vec<Attempt>) -> Self {
        Self {
            id: view.id,
            kind: view.kind,
            queue: view.queue,
            state: view.state,
            reason: view.reason,
            detail: view.detail,
            attempt: view.attempt,
            max_attempts: view.max_attempts,
            priority: view.priority,
            run_at: view.run_at,
            created_at: view.created_at,
            started_at: view.started_at,
            finished_at: view.finished_at,
            // Which process ran it is the house's own business.
            attempts: attempts.into_iter().map(|attempt| Attempt { process: None, ..attempt }).collect(),
            progress: view.progress_done.map(|done| ProgressBody { done, total: view.progress_total }),
            output: view.output,
            correlation_id: view.correlation_id,
            parent: view.parent,
            replay_of: view.replay_of,
            replayed_as: view.replayed_as,
        }
    }
}
