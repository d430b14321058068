//! Frees the leads of a campaign that was stopped, so that another campaign can enroll them, and ends what still waits to be
//! sent. No message of it leaves whether or not this has run: the gates see the campaign's state.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::EndEnrollments;
use crate::{
    ctx::Ctx,
    db::Tx,
    enrollment::chunk,
    job::{Outcome, Stop},
};

/// How far it is.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
struct Point {
    /// Enrollments are ended up to this lead; none: all of them are.
    after: Option<i64>,
    /// Messages are looked at up to this lead, step and round.
    message: (i64, i16, i16),
    ended: i64,
    cancelled: i64,
}

impl EndEnrollments {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let last: Option<Value> = ctx.last_checkpoint().await?;
        // What an older build left there is begun anew: nothing is ended twice.
        let begin = Point { after: Some(0), ..Point::default() };
        let mut point = last.and_then(|last| serde_json::from_value(last).ok()).unwrap_or(begin);
        let mut collisions = 0;
        loop {
            ctx.check_cancelled()?;
            match self.chunk(ctx, point).await {
                Ok((tx, None)) => {
                    return ctx.complete(tx, json!({ "ended": point.ended, "cancelled": point.cancelled })).await;
                }
                Ok((mut tx, Some(next))) => {
                    ctx.checkpoint(&mut tx, next.ended + next.cancelled, None, next).await?;
                    tx.commit().await?;
                    point = next;
                    collisions = 0;
                }
                Err(stop) if collisions < 5 && chunk::only_collided(&stop) => collisions += 1,
                Err(stop) => return Err(stop),
            }
        }
    }

    /// The next chunk, and where the one behind it begins; nowhere when all is ended.
    async fn chunk(&self, ctx: &Ctx, point: Point) -> Result<(Tx, Option<Point>), Stop> {
        let (team, campaign) = (ctx.team().0, self.campaign_id.0);
        let most = i64::from(ctx.services().rules.enrollment.enroll_chunk_leads.max(1));
        let mut tx = ctx.fenced_tx().await?;
        match chunk::hold(&mut tx, ctx.team(), self.campaign_id).await? {
            Some(held) if held.state.has_ended() => {}
            Some(held) => {
                let error = anyhow::anyhow!("campaign {} is {}; stop it first", self.campaign_id, held.state);
                return Err(Stop::dead(error));
            }
            None => return Ok((tx, None)),
        }
        chunk::pin_plans(&mut tx).await?;
        if let Some(after) = point.after {
            let did = sqlx::query_file!("enrollment/end_enrollments/end_chunk.sql", team, campaign, after, most)
                .fetch_one(&mut *tx)
                .await?;
            return Ok((tx, Some(Point { after: did.last_lead, ended: point.ended + did.ended, ..point })));
        }
        let (lead, step, round) = point.message;
        let did = sqlx::query_file!("enrollment/end_enrollments/end_messages.sql", team, campaign, lead, step, round, most)
            .fetch_one(&mut *tx)
            .await?;
        let place = did.last_lead.zip(did.last_step).zip(did.last_round);
        let next = place.map(|((lead, step), round)| Point {
            message: (lead, step, round),
            cancelled: point.cancelled + did.cancelled,
            ..point
        });
        Ok((tx, next))
    }
}
