//! Messages that a person looks at first, over HTTP: listed, approved, rejected, edited, written anew; and what was decided.

mod bodies;

use std::future::Future;

use axum::{
    Json,
    extract::{FromRequestParts, Path, Request, State},
    http::{StatusCode, header, request::Parts},
};
use longshore_workers::{
    db,
    enqueue::EnqueueError,
    messages::approval::{self, ApprovalError, By, Filter, Many, decisions},
};
use serde::Deserialize;
use tracing::info;
use utoipa::IntoParams;

use self::bodies::{
    ApprovalDetail, ApprovalPage, ApproveManyRequest, ApprovedManyBody, DecideRequest, DecisionPage, EditRequest, Edited,
};
use super::{
    Api,
    auth::Caller,
    body,
    error::{ApiError, Code},
    extract::{Asked, page_limit},
    json,
    openapi::Refusals,
};
use crate::tenancy::keys::Scope;

/// Which messages are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ApprovalQuery {
    /// Only of this campaign.
    campaign: Option<i64>,
    /// Those whose text is still being written, in place of those that somebody has to look at.
    #[serde(default)]
    drafts: bool,
    /// Go on behind this message: the `next` of the page before.
    after: Option<i64>,
    /// How many at most: 1 to 1,000.
    #[serde(default = "fifty")]
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: i64,
}

/// Which decisions are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DecisionQuery {
    /// Go on behind this decision: the `next` of the page before.
    after: Option<i64>,
    /// How many at most: 1 to 1,000.
    #[serde(default = "fifty")]
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: i64,
}

const fn fifty() -> i64 {
    50
}

/// List messages that wait for a person.
///
/// The oldest first.
#[utoipa::path(get, path = "/v1/approvals", operation_id = "listApprovals", tag = "approvals", security(("key" = ["campaigns"])),
    params(ApprovalQuery), responses((status = 200, description = "One page", body = ApprovalPage), Refusals))]
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(asked): Asked<ApprovalQuery>,
) -> Result<Json<ApprovalPage>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let limit = page_limit(asked.limit)?;
    let filter = Filter { campaign: asked.campaign, drafts: asked.drafts, after: asked.after };
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let found = approval::list(&mut tx, caller.team(), filter, limit).await?;
    tx.commit().await?;
    let next = found.last().filter(|_| found.len() as i64 == limit).map(|last| last.message);
    Ok(Json(ApprovalPage { approvals: found.into_iter().map(Into::into).collect(), next }))
}

/// Approve many messages.
///
/// At most as many as the configuration allows; whatever somebody else has in hand is passed over. Each gate is asked again when
/// a message leaves.
#[utoipa::path(post, path = "/v1/approvals", operation_id = "approveMany", tag = "approvals", security(("key" = ["campaigns"])),
    request_body = ApproveManyRequest, responses((status = 200, description = "How many were approved", body = ApprovedManyBody), Refusals))]
pub async fn approve_many(State(api): State<Api>, caller: Caller, request: Request) -> Result<Json<ApprovedManyBody>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let asked: ApproveManyRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    let (team, who) = (caller.team(), caller.name());
    change(async move {
        let mut tx = db::begin_by(&api.pool, team, &who).await?;
        let many = Many {
            messages: asked.messages.as_deref(),
            campaign: asked.campaign,
            up_to_text: asked.up_to_text,
            at_most: asked.at_most,
        };
        let by = By { who: &who, reason: asked.reason.as_deref(), seen: None };
        let done = approval::approve_many(&mut tx, team, many, &api.content, by).await?;
        tx.commit().await?;
        info!(approved = done.approved, "messages approved");
        Ok(Json(done.into()))
    })
    .await
}

/// Look at a message that was written or waits.
///
/// Where it stands and how it came there, every wording that it has had, and what was decided about it.
#[utoipa::path(get, path = "/v1/approvals/{message}", operation_id = "getApproval", tag = "approvals", security(("key" = ["campaigns"])),
    params(("message" = i64, Path, description = "The message", example = 42)),
    responses((status = 200, description = "All that was said and decided", body = ApprovalDetail), Refusals))]
pub async fn show(State(api): State<Api>, caller: Caller, named: Named) -> Result<Json<ApprovalDetail>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let message = named.message()?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let seen = approval::find(&mut tx, caller.team(), message).await?;
    tx.commit().await?;
    Ok(Json(seen.into()))
}

/// Approve a message.
///
/// It leaves when every gate is open.
#[utoipa::path(post, path = "/v1/approvals/{message}/approve", operation_id = "approveMessage", tag = "approvals", security(("key" = ["campaigns"])),
    params(("message" = i64, Path, description = "The message", example = 42)), request_body = Option<DecideRequest>,
    responses(
        (status = 200, description = "It may leave", body = ApprovalDetail),
        (status = 412, description = "It says something else now", body = super::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn approve(
    State(api): State<Api>,
    caller: Caller,
    named: Named,
    request: Request,
) -> Result<Json<ApprovalDetail>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let message = named.message()?;
    let asked = decision(request).await?;
    let (team, who) = (caller.team(), caller.name());
    change(async move {
        let mut tx = db::begin_by(&api.pool, team, &who).await?;
        approval::approve(&mut tx, team, message, by(&who, &asked)).await?;
        let seen = approval::find(&mut tx, team, message).await?;
        tx.commit().await?;
        info!(message, "message approved");
        Ok(Json(seen.into()))
    })
    .await
}

/// Reject a message.
///
/// It never leaves. The lead's sequence goes on with its next step.
#[utoipa::path(post, path = "/v1/approvals/{message}/reject", operation_id = "rejectMessage", tag = "approvals", security(("key" = ["campaigns"])),
    params(("message" = i64, Path, description = "The message", example = 42)), request_body = Option<DecideRequest>,
    responses(
        (status = 200, description = "It never leaves", body = ApprovalDetail),
        (status = 412, description = "It says something else now", body = super::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn reject(
    State(api): State<Api>,
    caller: Caller,
    named: Named,
    request: Request,
) -> Result<Json<ApprovalDetail>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let message = named.message()?;
    let asked = decision(request).await?;
    let (team, who) = (caller.team(), caller.name());
    change(async move {
        let mut tx = db::begin_by(&api.pool, team, &who).await?;
        approval::reject(&mut tx, team, message, by(&who, &asked)).await?;
        let seen = approval::find(&mut tx, team, message).await?;
        tx.commit().await?;
        info!(message, "message rejected");
        Ok(Json(seen.into()))
    })
    .await
}

/// Edit a message.
///
/// The wording there was is kept. The new one still has to be approved.
#[utoipa::path(post, path = "/v1/approvals/{message}/edit", operation_id = "editMessage", tag = "approvals", security(("key" = ["campaigns"])),
    params(("message" = i64, Path, description = "The message", example = 42)), request_body = EditRequest,
    responses(
        (status = 200, description = "The new wording", body = Edited),
        (status = 412, description = "It says something else now", body = super::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn edit(State(api): State<Api>, caller: Caller, named: Named, request: Request) -> Result<Json<Edited>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let message = named.message()?;
    let asked: EditRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    let (team, who) = (caller.team(), caller.name());
    change(async move {
        let mut tx = db::begin_by(&api.pool, team, &who).await?;
        let by = By { who: &who, reason: asked.reason.as_deref(), seen: asked.text };
        let text = approval::edit(&mut tx, team, message, (asked.subject.as_deref(), &asked.body), by).await?;
        tx.commit().await?;
        info!(message, "message edited");
        Ok(Json(Edited { text }))
    })
    .await
}

/// Have a message written anew.
///
/// Only where a model wrote it, and so often an hour for each person (429 with Retry-After beyond that). It is a draft until the
/// new text is there.
#[utoipa::path(post, path = "/v1/approvals/{message}/rewrite", operation_id = "rewriteMessage", tag = "approvals", security(("key" = ["campaigns"])),
    params(("message" = i64, Path, description = "The message", example = 42)), request_body = Option<DecideRequest>,
    responses(
        (status = 202, description = "A model is at it", body = ApprovalDetail),
        (status = 412, description = "It says something else now", body = super::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn rewrite(
    State(api): State<Api>,
    caller: Caller,
    named: Named,
    request: Request,
) -> Result<(StatusCode, Json<ApprovalDetail>), ApiError> {
    caller.needs(Scope::Campaigns)?;
    let message = named.message()?;
    let asked = decision(request).await?;
    let (team, who) = (caller.team(), caller.name());
    change(async move {
        let mut tx = db::begin_by(&api.pool, team, &who).await?;
        approval::rewrite(&mut tx, team, message, &api.content, by(&who, &asked)).await?;
        let seen = approval::find(&mut tx, team, message).await?;
        tx.commit().await?;
        info!(message, "message is written anew");
        Ok((StatusCode::ACCEPTED, Json(seen.into())))
    })
    .await
}

/// List decisions.
///
/// The oldest first, each with the wordings that it was about: for the record, and for whoever trains a model on them.
#[utoipa::path(get, path = "/v1/approval-decisions", operation_id = "listApprovalDecisions", tag = "approvals", security(("key" = ["campaigns"])),
    params(DecisionQuery), responses((status = 200, description = "One page", body = DecisionPage), Refusals))]
pub async fn list_decisions(
    State(api): State<Api>,
    caller: Caller,
    Asked(asked): Asked<DecisionQuery>,
) -> Result<Json<DecisionPage>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let limit = page_limit(asked.limit)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let found = decisions::page(&mut tx, caller.team(), asked.after, limit).await?;
    tx.commit().await?;
    let next = found.last().filter(|_| found.len() as i64 == limit).map(|last| last.decision);
    Ok(Json(DecisionPage { decisions: found.into_iter().map(Into::into).collect(), next }))
}

/// The body of a decision, which may be left out.
async fn decision(request: Request) -> Result<DecideRequest, ApiError> {
    if request.headers().contains_key(header::CONTENT_TYPE) {
        body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)
    } else {
        Ok(DecideRequest::default())
    }
}

fn by<'a>(who: &'a str, asked: &'a DecideRequest) -> By<'a> {
    By { who, reason: asked.reason.as_deref(), seen: asked.text }
}

/// In a task of its own: a caller that goes away does not leave it half done.
async fn change<T: Send + 'static>(work: impl Future<Output = Result<T, ApiError>> + Send + 'static) -> Result<T, ApiError> {
    tokio::spawn(work).await.map_err(ApiError::internal)?
}

impl From<ApprovalError> for ApiError {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Database(error) | ApprovalError::Enqueue(EnqueueError::Database(error)) => error.into(),
            ApprovalError::Invalid(invalid) => Self::field(Code::InvalidField, format!("/{}", invalid.field), invalid.reason),
            ApprovalError::NotFound(_) => no_such_message(),
            error @ ApprovalError::NotNow { .. } => Self::new(Code::WrongState, error.to_string()),
            error @ ApprovalError::NotGenerated(_) => Self::new(Code::WrongState, error.to_string()),
            error @ ApprovalError::Changed { .. } => Self::field(Code::PreconditionFailed, "/text", error.to_string()),
            ApprovalError::TooOften { limit, seconds } => Self::later(
                Code::RateLimited,
                format!("One person may have {limit} texts an hour written anew. The limit is the house's, not the key's rate."),
                seconds,
            ),
            ApprovalError::Enqueue(error) => Self::internal(error),
        }
    }
}

fn no_such_message() -> ApiError {
    ApiError::new(
        Code::NotFound,
        "The team has no such message that is written or looked at; GET /v1/approvals lists what waits.",
    )
}

/// The message named in the path, if it is a number: a key that may not look is not told.
pub struct Named(Option<i64>);

impl Named {
    fn message(&self) -> Result<i64, ApiError> {
        self.0.ok_or_else(no_such_message)
    }
}

impl FromRequestParts<Api> for Named {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Self::Rejection> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        Ok(Self(path.ok().and_then(|text| text.parse().ok()).filter(|message| *message > 0)))
    }
}
