//! Who may be texted, as somebody says it who is no text of theirs: a STOP on the telephone, a form that was signed.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use longshore_workers::{
    db,
    messages::{
        consents::{self, ConsentError, NewConsent},
        gates::Level,
        opt_out::{self, Reason},
    },
};
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    body,
    campaigns::CampaignPurpose,
    error::{ApiError, Code, pointer},
    json,
    openapi::Refusals,
};
use crate::tenancy::keys::Scope;

/// A number that gets no texts any more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuppressionRequest {
    /// In any form; a US number needs no country.
    #[schema(example = "+16175550123")]
    phone: String,
    /// Why; a request not to be called when left out.
    #[serde(default)]
    reason: SuppressionReason,
}

/// Why a number gets no texts.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SuppressionReason {
    /// Said stop.
    OptOut,
    /// Asked for it by another way.
    #[default]
    DncRequest,
    /// Spoke of law.
    LegalDnc,
    /// Belongs to somebody else.
    WrongNumber,
    /// Takes no texts.
    InvalidNumber,
}

impl From<SuppressionReason> for Reason {
    fn from(reason: SuppressionReason) -> Self {
        match reason {
            SuppressionReason::OptOut => Self::OptOut,
            SuppressionReason::DncRequest => Self::DncRequest,
            SuppressionReason::LegalDnc => Self::LegalDnc,
            SuppressionReason::WrongNumber => Self::WrongNumber,
            SuppressionReason::InvalidNumber => Self::InvalidNumber,
        }
    }
}

/// What a suppression stopped.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuppressionBody {
    reason: SuppressionReason,
    /// Sequences that were running.
    enrollments: u64,
    /// Messages that waited.
    messages: u64,
}

/// A consent, with what proves it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentRequest {
    /// In any form; a US number needs no country.
    #[schema(example = "+16175550123")]
    phone: String,
    /// To what; marketing when left out, which is one to what somebody asked for, too.
    #[serde(default)]
    purpose: CampaignPurpose,
    level: ConsentLevel,
    /// By which way they agreed.
    #[schema(example = "web_form", min_length = 1, max_length = 100)]
    method: String,
    /// What proves it: where the form lies, its digest.
    #[schema(max_length = 2000)]
    evidence: Option<String>,
    /// When they agreed; now when left out.
    captured_at: Option<DateTime<Utc>>,
    /// When it ends.
    expires_at: Option<DateTime<Utc>>,
}

/// How somebody agreed.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentLevel {
    /// Agreed.
    Express,
    /// Agreed in writing, to this seller's marketing (47 CFR 64.1200(f)(9)).
    ExpressWritten,
}

/// A consent that is on record.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentBody {
    /// Its number, which decisions about messages name.
    #[schema(example = 12)]
    consent: i64,
}

/// Suppress a number.
///
/// When this has answered, no text of the team is handed over for it any more: what waits for it is cancelled, its sequences stop, its
/// consents are revoked. Asked once more, it stays so.
#[utoipa::path(post, path = "/v1/suppressions", operation_id = "suppressNumber", tag = "campaigns", security(("key" = ["campaigns"])),
    request_body = SuppressionRequest,
    responses((status = 200, description = "It is suppressed", body = SuppressionBody), Refusals))]
pub async fn suppress(State(api): State<Api>, caller: Caller, request: Request) -> Result<Json<SuppressionBody>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let asked: SuppressionRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    let phone = consents::number(&asked.phone)
        .map_err(|invalid| ApiError::field(Code::InvalidField, pointer(&invalid.field), invalid.reason))?;
    let (team, by, reason) = (caller.team(), caller.name(), asked.reason);
    // In a task of its own: a caller that goes away does not leave it half done.
    let stopped = tokio::spawn(async move {
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let stopped = opt_out::suppress(&mut tx, team, &phone, reason.into(), &by).await?;
        tx.commit().await?;
        Ok::<_, sqlx::Error>(stopped)
    });
    let stopped = stopped.await.map_err(ApiError::internal)??;
    info!(messages = stopped.messages, enrollments = stopped.enrollments, "a number was suppressed");
    Ok(Json(SuppressionBody { reason, enrollments: stopped.enrollments, messages: stopped.messages }))
}

/// Record a consent.
///
/// Append-only. It lifts no suppression: who said STOP has to say START.
#[utoipa::path(post, path = "/v1/consents", operation_id = "recordConsent", tag = "campaigns", security(("key" = ["campaigns"])),
    request_body = ConsentRequest,
    responses((status = 201, description = "It is on record", body = ConsentBody), Refusals))]
pub async fn consent(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<ConsentBody>), ApiError> {
    caller.needs(Scope::Campaigns)?;
    let asked: ConsentRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    let (team, by, now) = (caller.team(), caller.name(), api.clock.now());
    let given = tokio::spawn(async move {
        let new = NewConsent {
            phone: &asked.phone,
            purpose: asked.purpose.into(),
            level: match asked.level {
                ConsentLevel::Express => Level::Express,
                ConsentLevel::ExpressWritten => Level::ExpressWritten,
            },
            method: &asked.method,
            evidence: asked.evidence.as_deref(),
            captured_at: asked.captured_at.unwrap_or(now),
            expires_at: asked.expires_at,
        };
        let mut tx = db::begin_by(&api.pool, team, &by).await?;
        let consent = consents::give(&mut tx, team, &new, now).await?;
        tx.commit().await?;
        Ok::<_, ConsentError>(consent)
    });
    let consent = given.await.map_err(ApiError::internal)?.map_err(|error| match error {
        ConsentError::Database(error) => error.into(),
        ConsentError::Invalid(invalid) => ApiError::field(Code::InvalidField, pointer(&invalid.field), invalid.reason),
    })?;
    info!(consent, "a consent was recorded");
    Ok((StatusCode::CREATED, Json(ConsentBody { consent })))
}
