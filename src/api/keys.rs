//! A team's own keys over HTTP: looked at, made, replaced and ended by whoever holds one with the scope `admin`.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, NaiveDate, Utc};
use longshore_workers::db;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::{IntoParams, ToSchema};

use super::{
    Api, ApiState,
    auth::Caller,
    body,
    error::{ApiError, Code},
    extract::{Asked, page_limit},
    json,
    openapi::Refusals,
    polled::polled,
};
use crate::tenancy::keys::{self, GRACE, KeyError, KeyView, Rate, Scope};

/// Keys of one team that may live at once, as far as they are made here.
const MOST: i64 = 100;

/// Which keys are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Go on behind this one: the `next` of the page before.
    #[param(max_length = 12)]
    after: Option<String>,
    /// How many at most: 1 to 1,000.
    #[serde(default = "hundred")]
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: i64,
}

const fn hundred() -> i64 {
    100
}

/// A page of keys, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyPage {
    keys: Vec<KeyBody>,
    /// The next page's `after`; left out where no more follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyBody {
    /// Its public id, the third part of the key.
    #[schema(example = "k3x9q2m4w8z1")]
    id: String,
    name: String,
    scopes: Vec<String>,
    created_at: DateTime<Utc>,
    /// When it ends by itself.
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    /// The day it was last used.
    last_used_on: Option<NaiveDate>,
    /// The first of the keys that replaced each other, itself among them.
    lineage: String,
    /// Requests that it may make a second, where it has a rate of its own; never more than every key.
    per_second: Option<i32>,
    /// Of which so many at once.
    burst: Option<i32>,
    /// Who acts with it, where it is no key of the team's but the token of an operator.
    operator: Option<String>,
}

impl From<KeyView> for KeyBody {
    fn from(key: KeyView) -> Self {
        let KeyView {
            key_id,
            name,
            scopes,
            created_at,
            expires_at,
            revoked_at,
            last_used_on,
            lineage,
            per_second,
            burst,
            person,
        } = key;
        Self {
            id: key_id,
            name,
            scopes,
            created_at,
            expires_at,
            revoked_at,
            last_used_on,
            lineage,
            per_second,
            burst,
            operator: person,
        }
    }
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// What you call it, to know it again.
    #[schema(max_length = 100)]
    name: String,
    /// What it may do: enqueue, read and cancel if not said. Nothing that your own key may not.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    scopes: Option<Vec<String>>,
    /// When it ends by itself; never if not said.
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
    /// Requests that it may make a second: no more than every key may, nor than your own. As those if not said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000)]
    per_second: Option<i32>,
    /// Of which so many at once; twice the rate if not said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000_000)]
    burst: Option<i32>,
}

/// How a key is replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// How long the old one lives on: up to 30 days, a day if not said.
    #[serde(default = "day")]
    #[schema(minimum = 0, maximum = 2_592_000, default = 86_400)]
    grace_seconds: u32,
}

const fn day() -> u32 {
    GRACE.as_secs() as u32
}

/// A key just made.
#[derive(Serialize, ToSchema)]
pub struct NewKeyBody {
    /// Its public id.
    #[schema(example = "k3x9q2m4w8z1")]
    id: String,
    /// The key itself. It is not stored, and this is the only time it is shown.
    key: String,
    name: String,
    scopes: Vec<String>,
    expires_at: Option<DateTime<Utc>>,
    /// With a replacement: when the old key ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_expires_at: Option<DateTime<Utc>>,
}

/// List keys.
///
/// Ended ones too. Needs the scope `admin`, as do all operations on keys.
#[utoipa::path(get, path = "/v1/keys", operation_id = "listKeys", tag = "keys", security(("key" = ["admin"])), params(ListQuery),
    responses((status = 200, description = "A page, newest first", body = KeyPage), Refusals))]
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(ListQuery { after, limit }): Asked<ListQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Admin)?;
    let limit = page_limit(limit)?;
    if after.as_ref().is_some_and(|after| !keys::is_id(after)) {
        return Err(ApiError::parameter("after", "no key has an id like that"));
    }
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let found = keys::page(&mut tx, caller.team(), after.as_deref(), limit).await?;
    tx.commit().await?;
    let next = found.last().filter(|_| found.len() as i64 == limit).map(|one| one.key_id.clone());
    polled(&headers, &KeyPage { keys: found.into_iter().map(KeyBody::from).collect(), next })
}

/// Create a key.
///
/// The answer holds the key, once: whoever loses it makes another.
#[utoipa::path(post, path = "/v1/keys", operation_id = "createKey", tag = "keys", security(("key" = ["admin"])), request_body = KeyRequest,
    responses((status = 201, description = "The key", body = NewKeyBody), Refusals))]
pub async fn create(State(api): State<Api>, caller: Caller, request: Request) -> Result<Response, ApiError> {
    caller.needs(Scope::Admin)?;
    not_with_a_token(&caller)?;
    let wanted: KeyRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    let scopes = match &wanted.scopes {
        None => Scope::STANDARD.to_vec(),
        Some(names) => {
            let parsed = names.iter().enumerate().map(|(at, name)| {
                name.parse::<Scope>()
                    .map_err(|error| ApiError::field(Code::InvalidField, format!("/scopes/{at}"), error.to_string()))
            });
            parsed.collect::<Result<_, _>>()?
        }
    };
    caller.may_grant(&scopes)?;
    let rate = rate_of(&api, &caller, &wanted)?;
    let (team, by) = (caller.team(), caller.name());
    // In a task of its own: a caller that goes away does not leave it half done.
    let made = tokio::spawn(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        if keys::count_live(&mut tx, team).await? >= MOST {
            return Err(ApiError::new(
                Code::OverLimit,
                format!("A team has at most {MOST} live keys: end one that is not used."),
            ));
        }
        let ends = (wanted.expires_at, rate);
        let key = keys::create_with(&mut tx, team, &wanted.name, &scopes, ends, &*api.random).await.map_err(refusal)?;
        tx.commit().await?;
        info!(made.key.id = key.key_id, by, "key created");
        Ok::<_, ApiError>(NewKeyBody {
            id: key.key_id,
            key: key.text.expose_secret().to_owned(),
            name: wanted.name.trim().to_owned(),
            scopes: sorted(&scopes),
            expires_at: wanted.expires_at,
            old_expires_at: None,
        })
    });
    Ok(created(made.await.map_err(ApiError::internal)??))
}

/// The rate that a new key gets: what is asked for, within what every key may do; else what the caller's own key has.
fn rate_of(api: &ApiState, caller: &Caller, wanted: &KeyRequest) -> Result<Option<Rate>, ApiError> {
    let every = api.rates.quota();
    let asked = Rate::wanted(wanted.per_second, wanted.burst).map_err(refusal)?;
    let Some(mut rate) = asked else { return Ok(caller.rate()) };
    if wanted.burst.is_none() {
        let most = [i32::try_from(every.burst).ok(), caller.rate().map(|own| own.burst)];
        rate.burst = most.into_iter().flatten().fold(rate.burst, i32::min);
    }
    for (field, asked, most) in [("/per_second", rate.per_second, every.per_second), ("/burst", rate.burst, every.burst)] {
        if u32::try_from(asked).is_ok_and(|asked| asked > most) {
            return Err(ApiError::field(
                Code::InvalidField,
                field,
                format!("every key's is {most}, and this key's can't be more"),
            ));
        }
    }
    caller.may_grant_rate(Some(rate))?;
    Ok(Some(rate))
}

/// Replace a key.
///
/// The new key has the same name, scopes, rate and life; the old one lives on for the grace, so that nothing stops while the new one
/// is put in its place. Only one replacement at a time: two keys that replace each other live at most.
#[utoipa::path(post, path = "/v1/keys/{id}/rotate", operation_id = "rotateKey", tag = "keys", security(("key" = ["admin"])), request_body = Option<RotateRequest>,
    params(("id" = String, Path, description = "Its public id", example = "k3x9q2m4w8z1", pattern = "^[a-z0-9]{12}$", max_length = 12)),
    responses((status = 201, description = "The new key", body = NewKeyBody), Refusals))]
pub async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Admin)?;
    not_with_a_token(&caller)?;
    let Path(id) = id.map_err(|_| no_such_key())?;
    let wanted: RotateRequest = if request.headers().contains_key(header::CONTENT_TYPE) {
        body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?
    } else {
        RotateRequest { grace_seconds: day() }
    };
    let grace = Duration::from_secs(wanted.grace_seconds.into());
    let made = tokio::spawn(async move {
        let (team, by) = (caller.team(), caller.name());
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let held = keys::hold(&mut tx, team, &id).await.map_err(refusal)?;
        caller.may_grant(&held.scopes)?;
        caller.may_grant_rate(held.rate)?;
        let new = keys::rotate(&mut tx, team, &id, grace, &*api.random).await.map_err(refusal)?;
        tx.commit().await?;
        info!(old.key.id = id, made.key.id = new.key.key_id, by, "key rotated");
        Ok::<_, ApiError>(NewKeyBody {
            id: new.key.key_id,
            key: new.key.text.expose_secret().to_owned(),
            name: new.name,
            scopes: new.scopes,
            expires_at: new.expires_at,
            old_expires_at: Some(new.old_expires_at),
        })
    });
    Ok(created(made.await.map_err(ApiError::internal)??))
}

/// End a key.
///
/// Every process refuses it within five seconds. A key may end itself.
#[utoipa::path(delete, path = "/v1/keys/{id}", operation_id = "revokeKey", tag = "keys", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "Its public id", example = "k3x9q2m4w8z1", pattern = "^[a-z0-9]{12}$", max_length = 12)),
    responses((status = 204, description = "It is ended"), Refusals))]
pub async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    caller.needs(Scope::Admin)?;
    let Path(id) = id.map_err(|_| no_such_key())?;
    let ended = tokio::spawn(async move {
        let (team, by) = (caller.team(), caller.name());
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        keys::revoke(&mut tx, team, &id).await.map_err(refusal)?;
        tx.commit().await?;
        // Here at once; the other processes ask again within seconds.
        api.keys.forget(&id);
        info!(ended.key.id = id, by, "key revoked");
        Ok::<_, ApiError>(StatusCode::NO_CONTENT)
    });
    ended.await.map_err(ApiError::internal)?
}

/// What a token of some hours makes would outlive it: an operator's keys are made by the command line.
fn not_with_a_token(caller: &Caller) -> Result<(), ApiError> {
    if !caller.is_operator() {
        return Ok(());
    }
    Err(ApiError::new(Code::MissingScope, "An operator's token makes no keys: they would outlive it. Use the command line."))
}

fn refusal(error: KeyError) -> ApiError {
    let words = error.to_string();
    match error {
        KeyError::Database(error) => error.into(),
        KeyError::NotFound(_) => no_such_key(),
        KeyError::IsToken(_) => ApiError::new(Code::InvalidRequest, words),
        KeyError::TwoLive(_) => ApiError::new(Code::StillReplacing, words),
        KeyError::InvalidRate => ApiError::field(Code::InvalidField, "/per_second", words),
        KeyError::InvalidName => ApiError::field(Code::InvalidField, "/name", words),
        KeyError::NoScope | KeyError::UnknownScope(_) => ApiError::field(Code::InvalidField, "/scopes", words),
        KeyError::Expired(_) => ApiError::field(Code::InvalidField, "/expires_at", words),
        KeyError::OutOfRange { .. } => ApiError::field(Code::InvalidField, "/grace_seconds", words),
    }
}

/// One answer for an absent key, an ended one, another team's, and a text that is no key's id.
fn no_such_key() -> ApiError {
    ApiError::new(Code::NotFound, "The team has no such live key.")
}

fn sorted(scopes: &[Scope]) -> Vec<String> {
    let mut names: Vec<String> = scopes.iter().map(|scope| scope.name().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn created(key: NewKeyBody) -> Response {
    let mut response = (StatusCode::CREATED, Json(key)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
