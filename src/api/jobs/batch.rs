//! Many jobs in one request: one transaction, one answer for each.

use axum::{
    Json,
    extract::{Request, State},
};
use longshore_workers::{db, ids::JobId, registry::Registry};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tracing::info;
use utoipa::ToSchema;

use super::{IDEMPOTENCY_KEY, JobRequest, check_text};
use crate::{
    api::{
        Api,
        auth::Caller,
        body,
        conventions::RequestId,
        error::{ApiError, Code, FieldError},
        openapi::Refusals,
    },
    store::doors::{self, NewJob, Taken},
    tenancy::keys::Scope,
};

/// Jobs in one batch at most.
pub const MOST: usize = 1000;

/// Jobs to accept, of any kinds.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// 1 to 1,000 jobs, each as in `POST /v1/jobs`.
    #[schema(value_type = Vec<JobRequest>, min_items = 1, max_items = 1000)]
    jobs: Vec<Box<RawValue>>,
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchBody {
    /// Jobs newly accepted.
    accepted: usize,
    /// Jobs that their keys had named before.
    deduplicated: usize,
    /// Items refused; each says why.
    refused: usize,
    /// One for each item, in the order they came.
    results: Vec<ItemBody>,
}

/// What became of one item.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemBody {
    /// Its place in the batch, from 0.
    index: usize,
    /// What the item alone would have been answered: 202, 200 for a duplicate, or a refusal.
    status: u16,
    /// The job, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "job_42")]
    id: Option<JobId>,
    /// The key had named this job before.
    deduplicated: bool,
    /// Why it was refused, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// Why it was refused, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The fields that were wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// Enqueue up to 1,000 jobs.
///
/// Each item is answered for itself: a duplicate or a bad item never fails its neighbours. All that are accepted are
/// written down together.
#[utoipa::path(post, path = "/v1/jobs/batch", operation_id = "enqueueJobs", tag = "jobs", security(("key" = ["enqueue"])), request_body = BatchRequest,
    responses((status = 200, description = "An answer for each item", body = BatchBody), Refusals))]
pub async fn enqueue_batch(
    State(api): State<Api>,
    caller: Caller,
    id: RequestId,
    request: Request,
) -> Result<Json<BatchBody>, ApiError> {
    caller.needs(Scope::Enqueue)?;
    if request.headers().contains_key(IDEMPOTENCY_KEY) {
        let detail = "In a batch each item has its own idempotency_key; leave the header out.";
        return Err(ApiError::header(Code::InvalidKey, IDEMPOTENCY_KEY, detail));
    }
    let _place = api.batches.enter(caller.team()).await.map_err(ApiError::internal)?;
    let text = body::text(request, body::BATCH_LIMIT).await?;
    let jobs = items(&text)?;
    let checked: Vec<Result<NewJob, ApiError>> = jobs
        .iter()
        .enumerate()
        .map(|(index, item)| item_of(&api.registry, item.get(), &id).map_err(|refusal| refusal.below(&format!("/jobs/{index}"))))
        .collect();
    drop(jobs);
    let (pool, team) = (api.pool.clone(), caller.team());
    // In a task of its own: a caller that goes away does not leave it half done.
    let written = tokio::spawn(async move {
        let sound: Vec<&NewJob> = checked.iter().filter_map(|item| item.as_ref().ok()).collect();
        let mut taken = Vec::new();
        if !sound.is_empty() {
            let mut work = db::work(&pool).await?;
            taken = doors::enqueue_each(&mut work, team, &sound).await?;
            work.done().await?;
        }
        Ok::<_, sqlx::Error>((checked, taken))
    });
    let (checked, taken) = written.await.map_err(ApiError::internal)??;
    let mut taken = taken.into_iter();
    let results: Vec<ItemBody> = checked
        .into_iter()
        .enumerate()
        .map(|(index, item)| {
            let taken =
                item.and_then(|_| taken.next().ok_or_else(|| ApiError::internal("the statement answered for too few rows")));
            ItemBody::new(index, taken)
        })
        .collect();
    let count = |status: u16| results.iter().filter(|item| item.status == status).count();
    let (accepted, deduplicated) = (count(202), count(200));
    let refused = results.len() - accepted - deduplicated;
    info!(accepted, deduplicated, refused, "batch accepted");
    Ok(Json(BatchBody { accepted, deduplicated, refused, results }))
}

fn item_of(registry: &Registry, text: &str, id: &RequestId) -> Result<NewJob, ApiError> {
    let job = check_text(registry, text, id)?;
    let alone =
        [("/key_scope", job.key_scope.is_some()), ("/on_conflict", job.on_conflict.is_some()), ("/chain", job.chain.is_some())];
    match alone.into_iter().find(|(_, said)| *said) {
        Some((field, _)) => Err(ApiError::field(Code::InvalidField, field, "not in a batch; send the job to POST /v1/jobs")),
        None => Ok(job),
    }
}

fn items(text: &str) -> Result<Vec<Box<RawValue>>, ApiError> {
    // An item's faults are its own: of the whole only the frame is decoded, and that without recursion.
    if text.trim_start().starts_with('[') {
        return Err(ApiError::field(Code::InvalidField, "", "this must be a JSON object with the field jobs"));
    }
    let batch: BatchRequest = serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            ApiError::field(Code::InvalidField, "/jobs", error.to_string())
        } else {
            ApiError::new(Code::InvalidJson, error.to_string())
        }
    })?;
    if batch.jobs.is_empty() || batch.jobs.len() > MOST {
        let detail = format!("a batch has 1 to {MOST} jobs, not {}", batch.jobs.len());
        return Err(ApiError::field(Code::InvalidField, "/jobs", detail));
    }
    Ok(batch.jobs)
}

impl ItemBody {
    fn new(index: usize, taken: Result<Taken, ApiError>) -> Self {
        let refusal = match taken {
            Ok(Taken::Accepted { job, deduplicated }) => {
                let status = if deduplicated { 200 } else { 202 };
                return Self { index, status, id: Some(job), deduplicated, code: None, detail: None, errors: Vec::new() };
            }
            Ok(Taken::Refused(problem)) => ApiError::from_row(&problem).below(&format!("/jobs/{index}")),
            Err(refusal) => refusal,
        };
        Self {
            index,
            status: refusal.code.status().as_u16(),
            id: None,
            deduplicated: false,
            code: Some(refusal.code.name()),
            detail: Some(refusal.detail().to_owned()),
            errors: refusal.errors().to_vec(),
        }
    }
}
