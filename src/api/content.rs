//! What a campaign's steps are beside a template, over HTTP: their channel, a subject, what a model is told, who looks first.

use axum::{
    Json,
    extract::{FromRequestParts, Path, Request, State},
    http::request::Parts,
};
use longshore_workers::{
    db,
    enrollment::campaigns,
    ids::CampaignId,
    messages::{
        channel::Channel,
        content::{self, ContentError, StepContent},
    },
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

/// What a campaign's steps are.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignContent {
    /// Those that are more than plain text messages.
    #[schema(max_items = 3)]
    steps: Vec<StepBody>,
}

/// What one step is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepBody {
    /// Which step, from 1.
    #[schema(minimum = 1, maximum = 3, example = 1)]
    step: i16,
    /// `sms` or `email`. `voice` is refused: no vendor places calls.
    #[serde(default = "sms")]
    #[schema(example = "email", default = "sms")]
    channel: String,
    /// The subject of a mail: a template, as the step's text is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200, example = "A question, {{ first_name }}")]
    subject: Option<String>,
    /// What a model is told; left out: the step's template is the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    prompt: Option<String>,
    /// A person looks at each message first.
    #[serde(default)]
    approval: bool,
}

fn sms() -> String {
    Channel::Sms.as_str().to_owned()
}

/// Look at what a campaign's steps are.
#[utoipa::path(get, path = "/v1/campaigns/{campaign}/content", operation_id = "getCampaignContent", tag = "approvals", security(("key" = ["campaigns"])),
    params(("campaign" = i64, Path, description = "The campaign", example = 7)),
    responses((status = 200, description = "Steps that are more than plain text messages", body = CampaignContent), Refusals))]
pub async fn show(State(api): State<Api>, caller: Caller, named: Named) -> Result<Json<CampaignContent>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let campaign = named.campaign()?;
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    if campaigns::find(&mut tx, caller.team(), campaign).await?.is_none() {
        return Err(no_such_campaign());
    }
    let contents = content::list(&mut tx, caller.team(), campaign).await?;
    tx.commit().await?;
    Ok(Json(told(contents)))
}

/// Say what a campaign's steps are.
///
/// In place of what was said before, and only until the campaign begins; steps that are not named are plain text messages.
#[utoipa::path(put, path = "/v1/campaigns/{campaign}/content", operation_id = "putCampaignContent", tag = "approvals", security(("key" = ["campaigns"])),
    params(("campaign" = i64, Path, description = "The campaign", example = 7)), request_body = CampaignContent,
    responses((status = 200, description = "As it stands now", body = CampaignContent), Refusals))]
pub async fn put(
    State(api): State<Api>,
    caller: Caller,
    named: Named,
    request: Request,
) -> Result<Json<CampaignContent>, ApiError> {
    caller.needs(Scope::Campaigns)?;
    let campaign = named.campaign()?;
    let asked: CampaignContent = body::parse(&body::text(request, body::SINGLE_LIMIT).await?, json::MAX_DEPTH)?;
    let contents = asked.steps.into_iter().enumerate().map(|(at, step)| step.read(at)).collect::<Result<Vec<_>, _>>()?;
    let (team, who) = (caller.team(), caller.name());
    // In a task of its own: a caller that goes away does not leave it half done.
    let set = tokio::spawn(async move {
        let mut tx = db::begin_by(&api.pool, team, &who).await?;
        let now = content::set(&mut tx, team, campaign, &contents, &who).await?;
        tx.commit().await?;
        info!(%campaign, "content of a campaign set");
        Ok::<_, ApiError>(Json(told(now)))
    });
    set.await.map_err(ApiError::internal)?
}

fn told(contents: Vec<StepContent>) -> CampaignContent {
    let steps = contents.into_iter().map(|one| StepBody {
        step: one.step,
        channel: one.channel.as_str().to_owned(),
        subject: one.subject,
        prompt: one.prompt,
        approval: one.approval,
    });
    CampaignContent { steps: steps.collect() }
}

impl StepBody {
    fn read(self, at: usize) -> Result<StepContent, ApiError> {
        let Some(channel) = Channel::parse(&self.channel) else {
            let pointer = format!("/steps/{at}/channel");
            return Err(ApiError::field(Code::InvalidField, pointer, "is not one of sms, email"));
        };
        Ok(StepContent { step: self.step, channel, subject: self.subject, prompt: self.prompt, approval: self.approval })
    }
}

impl From<ContentError> for ApiError {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Database(error) => error.into(),
            ContentError::Invalid(invalid) => {
                let pointer = format!("/{}", invalid.field.replace(['[', '.'], "/").replace(']', ""));
                Self::field(Code::InvalidField, pointer, invalid.reason)
            }
            ContentError::NotFound(_) => no_such_campaign(),
            error @ ContentError::Begun { .. } => Self::new(Code::WrongState, error.to_string()),
            ContentError::NoSender => Self::field(
                Code::InvalidField,
                "/steps",
                "The team has no e-mail address to write from. Whoever runs the house sets it.",
            ),
        }
    }
}

fn no_such_campaign() -> ApiError {
    ApiError::new(Code::NotFound, "The team has no such campaign.")
}

/// The campaign named in the path, if it is a number: a key that may not look is not told.
pub struct Named(Option<i64>);

impl Named {
    fn campaign(&self) -> Result<CampaignId, ApiError> {
        self.0.map(CampaignId).ok_or_else(no_such_campaign)
    }
}

impl FromRequestParts<Api> for Named {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Self::Rejection> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        Ok(Self(path.ok().and_then(|text| text.parse().ok()).filter(|campaign| *campaign > 0)))
    }
}
