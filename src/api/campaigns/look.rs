//! Looking into a campaign over HTTP: whom it would reach, what became of each lead, what it comes to.

use axum::{
    Json,
    extract::{Request, State},
};
use longshore_workers::{
    db,
    enqueue::EnqueueError,
    enrollment::{
        campaigns::{self, Step},
        figures,
        preview::{self, Audience, FURTHEST_OFFSET, LONGEST_SAMPLE},
        refresh_tags,
        trail::{self, Place},
    },
    ids::TeamId,
    settings::Settings,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Both, Named,
    bodies::{Analytics, AudienceRequest, ten},
    fifty, no_such_campaign,
    seen::{PreviewBody, TagBody, TagList, TrailEntry, TrailPage, WhyBody},
};
use crate::{
    api::{
        Api,
        auth::Caller,
        body,
        error::{ApiError, Code, pointer},
        extract::{Asked, page_limit},
        json,
        openapi::Refusals,
    },
    tenancy::keys::Scope,
};

/// Which leads a preview shows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PreviewQuery {
    /// Where the sample begins: 0 to 10,000.
    #[serde(default)]
    #[param(minimum = 0, maximum = 10_000, default = 0)]
    offset: i64,
    /// Leads in the sample: 0 to 100.
    #[serde(default = "ten")]
    #[param(minimum = 0, maximum = 100, default = 10)]
    limit: i64,
}

/// Which part of a trail is told.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TrailQuery {
    /// Go on behind this place: the `next` of the page before.
    #[param(example = "51.1.1", max_length = 40)]
    after: Option<String>,
    /// How many at most: 1 to 1,000.
    #[serde(default = "fifty")]
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: i64,
}

/// Preview an audience.
///
/// How many leads a campaign like this would reach, how many it would skip and why, and a look at some. Nothing is created.
#[utoipa::path(post, path = "/v1/campaigns/preview", operation_id = "previewAudience", tag = "campaigns", security(("key" = ["campaigns"])),
    request_body = AudienceRequest, responses((status = 200, description = "Who they are", body = PreviewBody), Refusals))]
pub async fn preview_audience(State(api): State<Api>, caller: Caller, request: Request) -> Result<Json<PreviewBody>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let asked: AudienceRequest = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    let wrong = |field: &str, why: String| ApiError::field(Code::InvalidField, format!("/{field}"), why);
    let sample = sample(asked.offset, asked.limit).map_err(|(field, why)| wrong(field, why))?;
    let audience = Audience::new(&asked.target_tags, &asked.engagement)
        .map_err(|invalid| ApiError::field(Code::InvalidField, pointer(&invalid.field), invalid.reason))?;
    Ok(Json(look(&api, caller.team(), &audience, &[], sample).await?))
}

/// Preview a campaign.
///
/// Whom it would reach if its leads were enrolled now, and its texts.
#[utoipa::path(get, path = "/v1/campaigns/{id}/preview", operation_id = "previewCampaign", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1), PreviewQuery),
    responses((status = 200, description = "Who they are", body = PreviewBody), Refusals))]
pub async fn preview(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
    Asked(PreviewQuery { offset, limit }): Asked<PreviewQuery>,
) -> Result<Json<PreviewBody>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let sample = sample(offset, limit).map_err(|(name, why)| ApiError::parameter(name, why))?;
    let team = caller.team();
    let mut tx = db::begin_as(&api.pool, team).await?;
    let audience = Audience::of(&mut tx, team, id).await?.ok_or_else(no_such_campaign)?;
    let steps = campaigns::steps(&mut tx, team, id).await?;
    tx.commit().await?;
    Ok(Json(look(&api, team, &audience, &steps, sample).await?))
}

async fn look(api: &Api, team: TeamId, audience: &Audience, steps: &[Step], sample: (i64, i64)) -> Result<PreviewBody, ApiError> {
    let mut tx = db::begin_as(&api.pool, team).await?;
    let brand = Settings::load(&mut tx, team).await?.brand();
    let seen = audience.preview(&mut tx, team, steps, &brand, sample).await?;
    preview::refresh(&mut tx, team, &seen.counted, api.clock.now()).await.map_err(|error| match error {
        EnqueueError::Database(error) => error.into(),
        other => ApiError::internal(other),
    })?;
    tx.commit().await?;
    Ok(seen.into())
}

fn sample(offset: i64, limit: i64) -> Result<(i64, i64), (&'static str, String)> {
    if !(0..=FURTHEST_OFFSET).contains(&offset) {
        return Err(("offset", format!("a sample begins at 0 to {FURTHEST_OFFSET}")));
    }
    if !(0..=LONGEST_SAMPLE).contains(&limit) {
        return Err(("limit", format!("a sample has 0 to {LONGEST_SAMPLE} leads")));
    }
    Ok((offset, limit))
}

/// Read a campaign's trail.
///
/// For each lead and step: what was decided, when, by which rule, and what the vendor said. No number, no text.
#[utoipa::path(get, path = "/v1/campaigns/{id}/trail", operation_id = "getCampaignTrail", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1), TrailQuery),
    responses((status = 200, description = "A page, by lead, step and round", body = TrailPage), Refusals))]
pub async fn trail(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
    Asked(TrailQuery { after, limit }): Asked<TrailQuery>,
) -> Result<Json<TrailPage>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let limit = page_limit(limit)?;
    let after = after.map(|text| text.parse::<Place>()).transpose();
    let after = after.map_err(|wrong| ApiError::parameter("after", wrong.to_string()))?;
    let team = caller.team();
    let mut tx = db::begin_as(&api.pool, team).await?;
    campaigns::find(&mut tx, team, id).await?.ok_or_else(no_such_campaign)?;
    let found = trail::page(&mut tx, team, id, after, limit).await?;
    tx.commit().await?;
    let next = found.last().filter(|_| found.len() as i64 == limit).map(|last| last.place().to_string());
    Ok(Json(TrailPage { entries: found.into_iter().map(TrailEntry::from).collect(), next }))
}

/// Why a lead is or is not in a campaign.
///
/// And all that became of it there, with the facts of each decision.
#[utoipa::path(get, path = "/v1/campaigns/{id}/leads/{lead}", operation_id = "getCampaignLead", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1),
        ("lead" = i64, Path, description = "The lead", example = 51, minimum = 1)),
    responses((status = 200, description = "Why", body = WhyBody), Refusals))]
pub async fn why(State(api): State<Api>, caller: Caller, Both(id, lead): Both) -> Result<Json<WhyBody>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let team = caller.team();
    let mut tx = db::begin_as(&api.pool, team).await?;
    let why = trail::why(&mut tx, team, id, lead).await?.ok_or_else(no_such_lead)?;
    tx.commit().await?;
    Ok(Json(why.into()))
}

/// Read a campaign's figures.
///
/// Planned, accepted, delivered, failed by class, replies, opt-outs, segments: in all, and by step and variant. From counters,
/// so that it costs the same for ten messages and ten million.
#[utoipa::path(get, path = "/v1/campaigns/{id}/analytics", operation_id = "getCampaignAnalytics", tag = "campaigns", security(("key" = ["campaigns"])),
    params(("id" = i64, Path, description = "The campaign", example = 3, minimum = 1)),
    responses((status = 200, description = "The figures", body = Analytics), Refusals))]
pub async fn analytics(State(api): State<Api>, caller: Caller, Named(id): Named) -> Result<Json<Analytics>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let team = caller.team();
    let mut tx = db::begin_as(&api.pool, team).await?;
    campaigns::find(&mut tx, team, id).await?.ok_or_else(no_such_campaign)?;
    let figures = figures::load(&mut tx, team, id).await?;
    tx.commit().await?;
    Ok(Json(figures.into()))
}

/// List tags.
///
/// Which tags the team's leads carry, the most used first, as they were counted last.
#[utoipa::path(get, path = "/v1/tags", operation_id = "listTags", tag = "campaigns", security(("key" = ["campaigns"])),
    responses((status = 200, description = "Up to 1,000 of them", body = TagList), Refusals))]
pub async fn tags(State(api): State<Api>, caller: Caller) -> Result<Json<TagList>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let found = refresh_tags::list(&mut tx, caller.team(), 1000).await?;
    tx.commit().await?;
    Ok(Json(TagList { tags: found.into_iter().map(TagBody::from).collect() }))
}

/// One answer for an absent lead and an absent campaign.
pub(super) fn no_such_lead() -> ApiError {
    ApiError::new(Code::NotFound, "The team has no such campaign, or no such lead.")
}
