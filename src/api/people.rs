//! What a team knows of a person, erased or exported on request.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use longshore_workers::{
    db,
    ids::JobId,
    people::requests::{self, Person, Wish},
};
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    body,
    error::{ApiError, Code},
    json,
    openapi::Refusals,
};
use crate::tenancy::keys::Scope;

/// Who it is about: by telephone number, by e-mail, or both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonRequest {
    /// In any form; a US number needs no country.
    #[schema(example = "+16175550123")]
    phone: Option<String>,
    #[schema(example = "ada@example.com")]
    email: Option<String>,
    /// Why, for the audit log: no personal data.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// A request that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonAsked {
    /// Its number, which the receipt bears.
    request: i64,
    /// The job that carries it out; its output is the receipt.
    #[schema(value_type = String, example = "job_42")]
    job: JobId,
    /// The same was asked before and is under way: this is it.
    known: bool,
}

/// Erase a person.
///
/// Everything that the team knows of them, in every table and every uploaded file; what must be kept is kept without them, and
/// their number is never texted again. The job's output is the receipt.
#[utoipa::path(post, path = "/v1/people/erasures", operation_id = "erasePerson", tag = "people", security(("key" = ["admin"])), request_body = PersonRequest,
    responses(
        (status = 202, description = "Workers are at it", body = PersonAsked, headers(("Location" = String, description = "The job"))),
        Refusals,
    ))]
pub async fn erase(State(api): State<Api>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    ask(api, caller, request, Wish::Erase).await
}

/// Export a person.
///
/// Everything that the team knows of them, as JSON lines in the object store. The job's output says where.
#[utoipa::path(post, path = "/v1/people/exports", operation_id = "exportPerson", tag = "people", security(("key" = ["admin"])), request_body = PersonRequest,
    responses(
        (status = 202, description = "Workers are at it", body = PersonAsked, headers(("Location" = String, description = "The job"))),
        Refusals,
    ))]
pub async fn export(State(api): State<Api>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    ask(api, caller, request, Wish::Export).await
}

async fn ask(api: Api, caller: Caller, request: Request, wish: Wish) -> Result<Response, ApiError> {
    caller.needs(Scope::Admin)?;
    let wanted: PersonRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    if wanted.reason.as_ref().is_some_and(|reason| reason.chars().count() > 500) {
        return Err(ApiError::field(Code::InvalidField, "/reason", "a reason has at most 500 characters"));
    }
    let person = Person::named(wanted.phone.as_deref(), wanted.email.as_deref())
        .map_err(|invalid| ApiError::field(Code::InvalidField, format!("/{}", invalid.field), invalid.reason))?;
    let (team, by) = (caller.team(), caller.name());
    // In a task of its own: a caller that goes away does not leave it half done.
    let asked = tokio::spawn(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let asked = requests::ask(&mut tx, team, wish, &person, &by, wanted.reason.as_deref()).await?;
        tx.commit().await?;
        Ok::<_, ApiError>(asked)
    });
    let asked = asked.await.map_err(ApiError::internal)??;
    info!(request = asked.request, job.id = %asked.job, wish = wish.as_str(), "asked for a person's data");
    let body = PersonAsked { request: asked.request, job: asked.job, known: asked.known };
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/jobs/{}", asked.job)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}
