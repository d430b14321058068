//! Frees the leads of a campaign that was stopped, so that another campaign can enroll them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chunk;
use crate::{
    ctx::Ctx,
    ids::CampaignId,
    job::{Done, Job, Outcome, Stop},
};

/// Ends the running enrollments of a campaign that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndEnrollments {
    /// The campaign.
    pub campaign_id: CampaignId,
}

impl Job for EndEnrollments {
    const KIND: &'static str = "end_enrollments";
    const QUEUE: &'static str = "enrollment";
    const TIMEOUT: Duration = Duration::from_secs(900);

    async fn run(&self, ctx: &Ctx) -> Outcome {
        let most = i64::from(ctx.services().rules.enrollment.enroll_chunk_leads.max(1));
        let mut after = 0;
        let mut ended = 0;
        loop {
            ctx.check_cancelled()?;
            let mut tx = ctx.fenced_tx().await?;
            match chunk::hold(&mut tx, ctx.team(), self.campaign_id).await? {
                Some(campaign) if campaign.state.has_ended() => {}
                Some(campaign) => {
                    let error = anyhow::anyhow!("campaign {} is {}; stop it first", self.campaign_id, campaign.state);
                    return Err(Stop::dead(error));
                }
                None => return Ok(Done::NOTHING),
            }
            chunk::pin_plans(&mut tx).await?;
            let did =
                sqlx::query_file!("enrollment/end_enrollments/end_chunk.sql", ctx.team().0, self.campaign_id.0, after, most)
                    .fetch_one(&mut *tx)
                    .await?;
            let Some(last) = did.last_lead else { return ctx.complete(tx, serde_json::json!({ "ended": ended })).await };
            after = last;
            ended += did.ended;
            ctx.checkpoint(&mut tx, ended, None, after).await?;
            tx.commit().await?;
        }
    }
}
