//! A team's webhook endpoints over HTTP: set, changed, given a new secret, tried out, taken away; and what became of deliveries.

mod bodies;

use axum::{
    Json,
    extract::{FromRequestParts, Path, Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use longshore_workers::{
    db,
    ids::{DeliveryId, EndpointId, JobId},
    secrets::SecretError,
    webhooks::{
        deliveries::{self, ReplayError},
        endpoints::{self, EndpointError, Wanted},
    },
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::{IntoParams, ToSchema};

use self::bodies::{
    DeliveryBody, DeliveryPage, DeliveryState, EndpointBody, EndpointChange, EndpointList, EndpointRequest, EndpointSecret,
    RotateRequest,
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

/// List webhook endpoints.
#[utoipa::path(get, path = "/v1/webhook-endpoints", operation_id = "listWebhookEndpoints", tag = "webhooks", security(("key" = ["admin"])),
    responses((status = 200, description = "All of them, the oldest first", body = EndpointList), Refusals))]
pub async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<EndpointList>, ApiError> {
    caller.needs(Scope::Admin)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let found = endpoints::list(&mut tx, caller.team()).await?;
    tx.commit().await?;
    Ok(Json(EndpointList { endpoints: found.into_iter().map(EndpointBody::from).collect() }))
}

/// Create a webhook endpoint.
///
/// The answer holds its secret: the only time that it is seen.
#[utoipa::path(post, path = "/v1/webhook-endpoints", operation_id = "createWebhookEndpoint", tag = "webhooks", security(("key" = ["admin"])),
    request_body = EndpointRequest,
    responses(
        (status = 201, description = "It is set", body = EndpointSecret, headers(("Location" = String, description = "Where to look at it"))),
        Refusals,
    ))]
pub async fn create(State(api): State<Api>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    caller.needs(Scope::Admin)?;
    let asked: EndpointRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    let wanted = Wanted::from(asked);
    check(&api, &wanted)?;
    let (team, by) = (caller.team(), caller.name());
    let made = change(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let (endpoint, secret) = endpoints::create(&mut tx, &api.keyring, &*api.random, team, &wanted).await.map_err(refused)?;
        tx.commit().await?;
        info!(endpoint = %endpoint.id, "webhook endpoint set");
        Ok(EndpointSecret { endpoint: endpoint.into(), secret: secret.expose_secret().to_owned() })
    })
    .await?;
    let place = HeaderValue::from_str(&format!("/v1/webhook-endpoints/{}", made.endpoint.id()));
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    if let Ok(place) = place {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Look at a webhook endpoint.
#[utoipa::path(get, path = "/v1/webhook-endpoints/{id}", operation_id = "getWebhookEndpoint", tag = "webhooks", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The endpoint", example = "ep_7", pattern = r"^(ep_)?[0-9]{1,19}$", max_length = 22)),
    responses((status = 200, description = "The endpoint, without its secret", body = EndpointBody), Refusals))]
pub async fn show(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<Json<EndpointBody>, ApiError> {
    caller.needs(Scope::Admin)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let found = endpoints::find(&mut tx, caller.team(), id).await.map_err(refused)?;
    tx.commit().await?;
    Ok(Json(found.into()))
}

/// Change a webhook endpoint.
///
/// What is left out stays. `enabled: true` takes back why it was disabled.
#[utoipa::path(patch, path = "/v1/webhook-endpoints/{id}", operation_id = "updateWebhookEndpoint", tag = "webhooks", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The endpoint", example = "ep_7", pattern = r"^(ep_)?[0-9]{1,19}$", max_length = 22)), request_body = EndpointChange,
    responses((status = 200, description = "As it stands now", body = EndpointBody), Refusals))]
pub async fn update(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
    request: Request,
) -> Result<Json<EndpointBody>, ApiError> {
    caller.needs(Scope::Admin)?;
    let asked: EndpointChange = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    let wanted = Wanted::from(asked);
    check(&api, &wanted)?;
    let (team, by) = (caller.team(), caller.name());
    change(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let stands = endpoints::update(&mut tx, team, id, &wanted).await.map_err(refused)?;
        tx.commit().await?;
        info!(endpoint = %id, "webhook endpoint changed");
        Ok(Json(stands.into()))
    })
    .await
}

/// Delete a webhook endpoint.
///
/// What waits for it is not delivered any more.
#[utoipa::path(delete, path = "/v1/webhook-endpoints/{id}", operation_id = "deleteWebhookEndpoint", tag = "webhooks", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The endpoint", example = "ep_7", pattern = r"^(ep_)?[0-9]{1,19}$", max_length = 22)),
    responses((status = 204, description = "It is gone"), Refusals))]
pub async fn delete(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<StatusCode, ApiError> {
    caller.needs(Scope::Admin)?;
    let (team, by) = (caller.team(), caller.name());
    change(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        endpoints::delete(&mut tx, team, id).await.map_err(refused)?;
        tx.commit().await?;
        info!(endpoint = %id, "webhook endpoint deleted");
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Give a webhook endpoint a new secret.
///
/// The one before signs beside it for `keep_hours` more, so that receivers can change over. The answer holds the new one: the
/// only time that it is seen.
#[utoipa::path(post, path = "/v1/webhook-endpoints/{id}/rotate", operation_id = "rotateWebhookSecret", tag = "webhooks", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The endpoint", example = "ep_7", pattern = r"^(ep_)?[0-9]{1,19}$", max_length = 22)), request_body = Option<RotateRequest>,
    responses((status = 200, description = "The new secret", body = EndpointSecret), Refusals))]
pub async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
    request: Request,
) -> Result<Json<EndpointSecret>, ApiError> {
    caller.needs(Scope::Admin)?;
    let asked: RotateRequest = if request.headers().contains_key(header::CONTENT_TYPE) {
        body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?
    } else {
        RotateRequest::default()
    };
    let (team, by) = (caller.team(), caller.name());
    change(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let (endpoint, secret) =
            endpoints::rotate(&mut tx, &api.keyring, &*api.random, team, id, asked.keep_hours).await.map_err(refused)?;
        tx.commit().await?;
        info!(endpoint = %id, "webhook secret rotated");
        Ok(Json(EndpointSecret { endpoint: endpoint.into(), secret: secret.expose_secret().to_owned() }))
    })
    .await
}

/// A delivery that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryAccepted {
    /// The delivery; `GET …/deliveries/{id}` says what became of it.
    #[schema(value_type = String, example = "dlv_42")]
    id: DeliveryId,
    /// Its job; left out where the delivery says so itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "job_42")]
    job: Option<JobId>,
}

/// Send a test event.
///
/// `webhook.test`, whatever the endpoint subscribes to; tried once.
#[utoipa::path(post, path = "/v1/webhook-endpoints/{id}/test", operation_id = "testWebhookEndpoint", tag = "webhooks", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The endpoint", example = "ep_7", pattern = r"^(ep_)?[0-9]{1,19}$", max_length = 22)),
    responses((status = 202, description = "It is on its way", body = DeliveryAccepted,
        headers(("Location" = String, description = "Where to see what became of it"))), Refusals))]
pub async fn test(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<Response, ApiError> {
    caller.needs(Scope::Admin)?;
    let (team, by) = (caller.team(), caller.name());
    let sent = change(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        endpoints::find(&mut tx, team, id).await.map_err(refused)?;
        let sent = deliveries::test(&mut tx, team, id).await?;
        tx.commit().await?;
        sent.ok_or_else(|| ApiError::new(Code::AlreadyEnded, "The endpoint is disabled: enable it first."))
    })
    .await?;
    Ok(accepted(id, DeliveryAccepted { id: sent, job: None }))
}

/// Which deliveries are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// Only those in this state.
    #[param(inline)]
    state: Option<DeliveryState>,
    /// Go on behind this one: the `next` of the page before.
    #[param(value_type = Option<String>, example = "dlv_42", pattern = r"^(dlv_)?[0-9]{1,19}$", max_length = 23)]
    after: Option<DeliveryId>,
    /// How many at most: 1 to 1,000.
    #[serde(default = "fifty")]
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: i64,
}

const fn fifty() -> i64 {
    50
}

/// List deliveries to an endpoint.
#[utoipa::path(get, path = "/v1/webhook-endpoints/{id}/deliveries", operation_id = "listWebhookDeliveries", tag = "webhooks", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The endpoint", example = "ep_7", pattern = r"^(ep_)?[0-9]{1,19}$", max_length = 22), DeliveryQuery),
    responses((status = 200, description = "A page, the newest first", body = DeliveryPage), Refusals))]
pub async fn list_deliveries(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
    Asked(DeliveryQuery { state, after, limit }): Asked<DeliveryQuery>,
) -> Result<Json<DeliveryPage>, ApiError> {
    caller.needs(Scope::Admin)?;
    let limit = page_limit(limit)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    endpoints::find(&mut tx, caller.team(), id).await.map_err(refused)?;
    let found = deliveries::page(&mut tx, caller.team(), id, state.map(DeliveryState::stored), after, limit).await?;
    tx.commit().await?;
    let next = found.last().filter(|_| found.len() as i64 == limit).map(|one| one.id);
    Ok(Json(DeliveryPage { deliveries: found.into_iter().map(DeliveryBody::from).collect(), next }))
}

/// Look at a delivery.
#[utoipa::path(get, path = "/v1/webhook-endpoints/{id}/deliveries/{delivery}", operation_id = "getWebhookDelivery", tag = "webhooks", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The endpoint", example = "ep_7", pattern = r"^(ep_)?[0-9]{1,19}$", max_length = 22),
        ("delivery" = String, Path, description = "The delivery", example = "dlv_42", pattern = r"^(dlv_)?[0-9]{1,19}$", max_length = 23)),
    responses((status = 200, description = "The delivery", body = DeliveryBody), Refusals))]
pub async fn show_delivery(
    State(api): State<Api>,
    caller: Caller,
    Both(id, delivery): Both,
) -> Result<Json<DeliveryBody>, ApiError> {
    caller.needs(Scope::Admin)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let found = deliveries::find(&mut tx, caller.team(), id, delivery).await?.ok_or_else(no_such_delivery)?;
    tx.commit().await?;
    Ok(Json(found.into()))
}

/// Deliver once more.
///
/// What has ended, delivered or not, under the same `webhook-id`.
#[utoipa::path(post, path = "/v1/webhook-endpoints/{id}/deliveries/{delivery}/replay", operation_id = "replayWebhookDelivery",
    tag = "webhooks", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The endpoint", example = "ep_7", pattern = r"^(ep_)?[0-9]{1,19}$", max_length = 22),
        ("delivery" = String, Path, description = "The delivery", example = "dlv_42", pattern = r"^(dlv_)?[0-9]{1,19}$", max_length = 23)),
    responses((status = 202, description = "It is on its way", body = DeliveryAccepted,
        headers(("Location" = String, description = "Where to see what became of it"))), Refusals))]
pub async fn replay(State(api): State<Api>, caller: Caller, Both(id, delivery): Both) -> Result<Response, ApiError> {
    caller.needs(Scope::Admin)?;
    let (team, by) = (caller.team(), caller.name());
    let job = change(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let job = deliveries::replay(&mut tx, team, id, delivery).await.map_err(|error| match error {
            ReplayError::Missing => no_such_delivery(),
            ReplayError::Waiting | ReplayError::Disabled => ApiError::new(Code::AlreadySettled, format!("{error}.")),
            ReplayError::Database(error) => error.into(),
        })?;
        tx.commit().await?;
        info!(delivery = %delivery, job.id = %job, "webhook delivered once more");
        Ok(job)
    })
    .await?;
    Ok(accepted(id, DeliveryAccepted { id: delivery, job: Some(job) }))
}

fn accepted(endpoint: EndpointId, said: DeliveryAccepted) -> Response {
    let place = HeaderValue::from_str(&format!("/v1/webhook-endpoints/{endpoint}/deliveries/{}", said.id));
    let mut response = (StatusCode::ACCEPTED, Json(said)).into_response();
    if let Ok(place) = place {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

fn check(api: &Api, wanted: &Wanted) -> Result<(), ApiError> {
    wanted.check(&api.webhooks, |kind| api.registry.get(kind).is_some()).map_err(refused)
}

fn refused(error: EndpointError) -> ApiError {
    match error {
        EndpointError::Invalid { field, reason } => ApiError::field(Code::InvalidField, format!("/{field}"), reason),
        EndpointError::Missing => no_such_endpoint(),
        EndpointError::TooMany => ApiError::new(Code::InvalidRequest, format!("{error}.")),
        EndpointError::Secret(SecretError::Database(error)) | EndpointError::Database(error) => error.into(),
        EndpointError::Secret(error @ (SecretError::NoKeyring | SecretError::UnknownKey(_))) => ApiError::no_keyring(error),
        EndpointError::Secret(error) => ApiError::internal(error),
    }
}

/// Makes a change in a task of its own: a caller that goes away does not leave it half done.
async fn change<T: Send + 'static>(change: impl Future<Output = Result<T, ApiError>> + Send + 'static) -> Result<T, ApiError> {
    tokio::spawn(change).await.map_err(ApiError::internal)?
}

/// One answer for an absent endpoint, another team's, and a text that names none.
fn no_such_endpoint() -> ApiError {
    ApiError::new(Code::NotFound, "The team has no such webhook endpoint.")
}

fn no_such_delivery() -> ApiError {
    ApiError::new(Code::NotFound, "The endpoint has no such delivery.")
}

/// The endpoint named in the path.
pub struct Named(EndpointId);

impl FromRequestParts<Api> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, api).await.map_err(|_| no_such_endpoint())?;
        path.0.parse().map(Self).map_err(|_| no_such_endpoint())
    }
}

/// The endpoint and the delivery named in the path.
pub struct Both(EndpointId, DeliveryId);

impl FromRequestParts<Api> for Both {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, api).await.map_err(|_| no_such_delivery())?;
        let endpoint = path.0.0.parse().map_err(|_| no_such_delivery())?;
        let delivery = path.0.1.parse().map_err(|_| no_such_delivery())?;
        Ok(Self(endpoint, delivery))
    }
}
