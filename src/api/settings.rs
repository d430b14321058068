//! A team's settings, flags and quotas over HTTP.

use std::convert::Infallible;

use axum::{
    Json,
    extract::{FromRequestParts, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use longshore_workers::{
    db,
    secrets::SecretError,
    settings::catalogue::{self, Known, Wrong},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::info;
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    body,
    error::{ApiError, Code},
    openapi::Refusals,
};
use crate::tenancy::{
    flags::{self, TeamFlag},
    keys::Scope,
    quotas::{self, Quotas},
    settings::{self, Change, Seen, SettingError, SettingView},
};

/// Every setting of a team.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettingList {
    settings: Vec<SettingView>,
}

/// A value for a setting.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingRequest {
    /// Of the setting's type; a secret is a text.
    #[schema(example = "Acme")]
    value: Value,
}

/// Every flag as the team has it.
#[derive(Debug, Serialize, ToSchema)]
pub struct FlagList {
    flags: Vec<TeamFlag>,
}

/// List settings.
///
/// Those that the team has set and those that it has not, by name. Of a secret only its mask.
#[utoipa::path(get, path = "/v1/settings", operation_id = "listSettings", tag = "settings", security(("key" = ["admin"])),
    responses((status = 200, description = "Every setting", body = SettingList), Refusals))]
pub async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<SettingList>, ApiError> {
    caller.needs(Scope::Admin)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let settings = settings::list(&mut tx, caller.team()).await?;
    tx.commit().await?;
    Ok(Json(SettingList { settings }))
}

/// Look at a setting.
///
/// The ETag says which version it is: pass it as If-Match to change that one and no newer.
#[utoipa::path(get, path = "/v1/settings/{name}", operation_id = "getSetting", tag = "settings", security(("key" = ["admin"])),
    params(("name" = String, Path, description = "Its name", example = "brand.company", max_length = 100)),
    responses(
        (status = 200, description = "The setting; of a secret its mask", body = SettingView, headers(("ETag" = String, description = "Its version"))),
        Refusals,
    ))]
pub async fn show(State(api): State<Api>, caller: Caller, name: Named) -> Result<Response, ApiError> {
    caller.needs(Scope::Admin)?;
    let known = name.known()?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let found = settings::find(&mut tx, caller.team(), known.name).await?;
    tx.commit().await?;
    Ok(tagged(found))
}

/// Set a setting.
///
/// If-Match must be the ETag that was read, so that nobody overwrites what he has not seen; `*` overwrites whatever is there.
#[utoipa::path(put, path = "/v1/settings/{name}", operation_id = "putSetting", tag = "settings", security(("key" = ["admin"])), request_body = SettingRequest,
    params(("name" = String, Path, description = "Its name", example = "brand.company", max_length = 100),
        ("If-Match" = String, Header, description = "The ETag that was read, or *", example = "\"0\"", max_length = 40)),
    responses(
        (status = 200, description = "It is set; of a secret its mask", body = SettingView, headers(("ETag" = String, description = "Its version"))),
        (status = 412, description = "It was changed meanwhile", body = super::error::Problem, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is needed", body = super::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn put(
    State(api): State<Api>,
    caller: Caller,
    name: Named,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Admin)?;
    let known = name.known()?;
    let seen = seen(&headers)?;
    let wanted: SettingRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, 4)?;
    let value = known.read(&wanted.value).map_err(|wrong| wrong_value(&wrong))?;
    let (team, by) = (caller.team(), caller.name());
    // In a task of its own: a caller that goes away does not leave it half done.
    let set = tokio::spawn(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let change = Change { by: &by, seen };
        let set = settings::set(&mut tx, (&api.keyring, &*api.random), team, known, &value, change).await?;
        tx.commit().await?;
        info!(setting = known.name, "setting set");
        Ok::<_, ApiError>(set)
    });
    Ok(tagged(set.await.map_err(ApiError::internal)??))
}

/// Take a setting away.
///
/// Then its default holds. If-Match as for setting it.
#[utoipa::path(delete, path = "/v1/settings/{name}", operation_id = "deleteSetting", tag = "settings", security(("key" = ["admin"])),
    params(("name" = String, Path, description = "Its name", example = "brand.company", max_length = 100),
        ("If-Match" = String, Header, description = "The ETag that was read, or *", example = "*", max_length = 40)),
    responses(
        (status = 204, description = "It is not set"),
        (status = 412, description = "It was changed meanwhile", body = super::error::Problem, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is needed", body = super::error::Problem, content_type = "application/problem+json"),
        Refusals,
    ))]
pub async fn delete(State(api): State<Api>, caller: Caller, name: Named, headers: HeaderMap) -> Result<StatusCode, ApiError> {
    caller.needs(Scope::Admin)?;
    let known = name.known()?;
    let seen = seen(&headers)?;
    let (team, by) = (caller.team(), caller.name());
    let gone = tokio::spawn(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        settings::unset(&mut tx, team, known.name, Change { by: &by, seen }).await?;
        tx.commit().await?;
        info!(setting = known.name, "setting taken away");
        Ok::<_, ApiError>(())
    });
    gone.await.map_err(ApiError::internal)??;
    Ok(StatusCode::NO_CONTENT)
}

/// List flags.
///
/// Every flag as the key's team has it.
#[utoipa::path(get, path = "/v1/flags", operation_id = "listFlags", tag = "settings", security(("key" = ["read"])),
    responses((status = 200, description = "Every flag", body = FlagList), Refusals))]
pub async fn list_flags(State(api): State<Api>, caller: Caller) -> Result<Json<FlagList>, ApiError> {
    caller.needs(Scope::Read)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let flags = flags::of_team(&mut tx, caller.team()).await?;
    tx.commit().await?;
    Ok(Json(FlagList { flags }))
}

/// Show quotas.
///
/// What the team may have in each queue, and what it has, as measured a few seconds ago; and what its keys may ask for.
#[utoipa::path(get, path = "/v1/quotas", operation_id = "getQuotas", tag = "settings", security(("key" = ["read"])),
    responses((status = 200, description = "Limits and use", body = Quotas), Refusals))]
pub async fn show_quotas(State(api): State<Api>, caller: Caller) -> Result<Json<Quotas>, ApiError> {
    caller.needs(Scope::Read)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let mut all = quotas::show(&mut tx, caller.team(), api.limits).await?;
    tx.commit().await?;
    // Which other keys there are is for those who handle them.
    if caller.needs(Scope::Admin).is_err() {
        all.requests.keys.retain(|one| one.key == caller.key_id());
    }
    Ok(Json(all))
}

fn tagged(setting: SettingView) -> Response {
    let tag = format!("\"{}\"", setting.version);
    let mut response = Json(setting).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn seen(headers: &HeaderMap) -> Result<Seen, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        let detail =
            "Send If-Match with the ETag that GET answered, so that nobody's change is overwritten unseen; * overwrites.";
        return Err(ApiError::header(Code::PreconditionRequired, "If-Match", detail));
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Seen::Any);
    }
    let number = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|text| text.parse().ok());
    // What no ETag of ours is like matches nothing.
    Ok(Seen::Version(number.filter(|number| *number >= 0).unwrap_or(-1)))
}

fn wrong_value(wrong: &Wrong) -> ApiError {
    ApiError::field(Code::InvalidField, "/value", wrong.to_string())
}

impl From<SettingError> for ApiError {
    fn from(error: SettingError) -> Self {
        match error {
            SettingError::Database(error) | SettingError::Secret(SecretError::Database(error)) => error.into(),
            SettingError::Wrong(Wrong::Unknown(_)) => no_such_setting(),
            SettingError::Wrong(wrong) => wrong_value(&wrong),
            SettingError::Stale { now, .. } => Self::header(
                Code::PreconditionFailed,
                "If-Match",
                format!("The setting is at \"{now}\" now. Look at it again, then change that."),
            ),
            SettingError::Secret(SecretError::Length) => {
                Self::field(Code::InvalidField, "/value", SecretError::Length.to_string())
            }
            SettingError::Secret(error @ (SecretError::NoKeyring | SecretError::UnknownKey(_))) => Self::no_keyring(error),
            SettingError::Secret(error) => Self::internal(error),
        }
    }
}

fn no_such_setting() -> ApiError {
    ApiError::new(Code::NotFound, "There is no such setting; GET /v1/settings lists them.")
}

/// The setting named in the path, if there is one: a key that may not look is not told.
pub struct Named(Option<&'static Known>);

impl Named {
    fn known(&self) -> Result<&'static Known, ApiError> {
        self.0.ok_or_else(no_such_setting)
    }
}

impl FromRequestParts<Api> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        Ok(Self(path.ok().and_then(|name| catalogue::find(&name.0).ok())))
    }
}
