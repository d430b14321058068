//! Frees the leads of a campaign that was stopped, so that another campaign can enroll them.

use super::EndEnrollments;
use crate::{
    ctx::Ctx,
    enrollment::chunk,
    job::{Done, Outcome, Stop},
};

impl EndEnrollments {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
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
