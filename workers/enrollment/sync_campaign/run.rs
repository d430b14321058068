//! Lets the world hear of a new campaign: the team's own servers by webhook, its forms by fresh counts of its leads.

use serde_json::json;

use super::SyncCampaign;
use crate::{
    ctx::Ctx,
    enqueue::{KeyScope, Options},
    enrollment::refresh_tags::{REFRESH_KEY, RefreshTags},
    job::{Done, Outcome},
};

impl SyncCampaign {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let mut tx = ctx.fenced_tx().await?;
        let told = sqlx::query_file_scalar!("enrollment/sync_campaign/tell.sql", ctx.team().0, self.campaign_id.0)
            .fetch_one(&mut *tx)
            .await?;
        // Deleted meanwhile: there is nothing to tell any more.
        let Some(told) = told else { return Ok(Done::NOTHING) };
        let once = Options { key: Some(REFRESH_KEY.into()), key_scope: KeyScope::WhileUnfinished, ..Options::default() };
        ctx.enqueue(&mut tx, &RefreshTags {}, once).await?;
        ctx.complete(tx, json!({ "told": told })).await
    }
}
