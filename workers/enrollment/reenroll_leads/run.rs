//! Enrolls the leads of a campaign once more whose sends failed: another round, from the step that failed on.
//!
//! Only what is known to have failed begins a round: a message whose outcome is unknown does not, and what arrived in a round
//! before is not planned again. A chunk is one fenced transaction, counted as an enrollment run of its own purpose.

use super::ReenrollLeads;
use crate::{
    ctx::Ctx,
    enrollment::{
        chunk::{self, Did},
        enroll_batch::{self, RunCounts},
        state::State,
    },
    job::{Outcome, Stop},
};

/// Where the next chunk begins.
type Point = i64;

impl ReenrollLeads {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let mut after: Point = ctx.last_checkpoint().await?.unwrap_or_default();
        let mut collisions = 0;
        loop {
            ctx.check_cancelled()?;
            match self.chunk(ctx, after, collisions).await {
                Ok(Some(last)) => {
                    after = last;
                    collisions = 0;
                }
                Ok(None) => return self.end(ctx).await,
                // A lead that somebody else enrolled between the look and the write: the next look sees it.
                Err(stop) if collisions < 5 && (chunk::only_collided(&stop) || chunk::was_taken(&stop)) => collisions += 1,
                Err(stop) => return Err(stop),
            }
        }
    }
}

impl ReenrollLeads {
    /// Enrolls and counts one chunk; `None` when no lead with a failed send is left, or the campaign has ended.
    async fn chunk(&self, ctx: &Ctx, after: Point, collisions: i64) -> Result<Option<Point>, Stop> {
        let (team, job) = (ctx.team().0, ctx.job().0);
        let mut tx = ctx.fenced_tx().await?;
        let Some(campaign) = chunk::hold(&mut tx, ctx.team(), self.campaign_id).await? else { return Ok(None) };
        if campaign.state == State::Paused {
            return Err(chunk::paused(self.campaign_id));
        }
        if campaign.state.has_ended() {
            return Ok(None);
        }
        chunk::open_run(&mut tx, ctx, self.campaign_id, "reenroll").await?;
        chunk::pin_plans(&mut tx).await?;
        let most = i64::from(ctx.services().rules.enrollment.enroll_chunk_leads.max(1));
        let did = sqlx::query_file!(
            "enrollment/reenroll_leads/reenroll_chunk.sql",
            team,
            self.campaign_id.0,
            after,
            most,
            ctx.now(),
            job,
        )
        .fetch_one(&mut *tx)
        .await?;
        let Some(last) = did.last_lead else {
            tx.commit().await?;
            return Ok(None);
        };
        let counted = Did {
            attempted: did.attempted,
            enrolled: did.enrolled,
            enrolled_before: did.enrolled_before,
            no_phone: did.no_phone,
            stopped: did.stopped,
            suppressed: did.suppressed,
            running_elsewhere: did.running_elsewhere,
        };
        chunk::count(&mut tx, ctx, &counted, collisions).await?;
        ctx.checkpoint(&mut tx, did.attempted, None, last).await?;
        tx.commit().await?;
        Ok(Some(last))
    }

    async fn end(&self, ctx: &Ctx) -> Outcome {
        let tx = ctx.fenced_tx().await?;
        let (tx, counts): (_, RunCounts) = enroll_batch::end_run(ctx, tx).await?;
        ctx.complete(tx, counts).await
    }
}
