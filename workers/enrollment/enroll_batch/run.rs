//! Enrolls every lead that matches a campaign, in chunks.
//!
//! A chunk is one fenced transaction: the enrollments, the run's counters and the point to resume from commit together,
//! so a restart neither loses nor repeats a lead. A lead is in at most one running sequence because a unique index says
//! so, whatever races: READ COMMITTED is enough, since no decision that matters rests on what was read before the write.

use serde::{Deserialize, Serialize};

use super::EnrollBatch;
use crate::{
    ctx::Ctx,
    db::Tx,
    enrollment::{
        chunk::{self, Did, Held},
        state::State,
    },
    failpoint,
    job::{Outcome, Stop},
    telemetry::{self, Enrollment},
};

/// What a run did. `attempted` is the sum of the rest but `repeated_chunks` and `errors`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCounts {
    /// Matching leads looked at.
    pub attempted: i64,
    /// Leads enrolled.
    pub enrolled: i64,
    /// Skipped: no phone.
    pub no_phone: i64,
    /// Skipped: the lead said stop.
    pub stopped: i64,
    /// Skipped: the number is on the suppression list.
    pub suppressed: i64,
    /// Skipped: in another running sequence.
    pub running_elsewhere: i64,
    /// Skipped: in this campaign already.
    pub enrolled_before: i64,
    /// Skipped: another run took the lead between the look and the write.
    pub lost_race: i64,
    /// Chunks that the database rolled back because of others, and that were done again.
    pub repeated_chunks: i64,
    /// Attempts that an error or a crash ended; what they had committed stands.
    pub errors: i64,
}

/// Where the next chunk begins, and where the run ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Point {
    after: i64,
    last_lead: i64,
    looked_at: i64,
    matching: i64,
}

#[derive(Serialize)]
struct Output {
    #[serde(flatten)]
    counts: RunCounts,
    /// The campaign ended before the run did.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_short: Option<State>,
}

enum Next {
    Chunk(Point),
    Ended(Tx, Option<State>),
}

impl EnrollBatch {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let mut point: Option<Point> = ctx.last_checkpoint().await?;
        let mut collisions = 0;
        loop {
            ctx.check_cancelled()?;
            match self.next(ctx, point.as_ref(), collisions).await {
                Ok(Next::Chunk(next)) => {
                    point = Some(next);
                    collisions = 0;
                }
                Ok(Next::Ended(tx, cut_short)) => return end(ctx, tx, cut_short).await,
                Err(stop) if collisions < 5 && chunk::only_collided(&stop) => collisions += 1,
                Err(stop) => return Err(stop),
            }
        }
    }
}

impl EnrollBatch {
    async fn next(&self, ctx: &Ctx, point: Option<&Point>, collisions: i64) -> Result<Next, Stop> {
        let mut tx = ctx.fenced_tx().await?;
        let Some(campaign) = chunk::hold(&mut tx, ctx.team(), self.campaign_id).await? else {
            return Err(Stop::dead(anyhow::anyhow!("campaign {} does not exist any more", self.campaign_id)));
        };
        match campaign.state {
            State::Paused => {
                return Err(chunk::paused(self.campaign_id));
            }
            ended if ended.has_ended() => return Ok(Next::Ended(tx, Some(ended))),
            _ => {}
        }
        let point = match point {
            Some(point) => point.clone(),
            None => self.open(ctx, &mut tx, &campaign).await?,
        };
        chunk::pin_plans(&mut tx).await?;
        let chunk = self.enroll_chunk(ctx, &mut tx, &campaign, &point, collisions).await?;
        let Some(last) = chunk else { return Ok(Next::Ended(tx, None)) };
        ctx.checkpoint(&mut tx, last.looked_at, Some(last.matching), &last).await?;
        failpoint!(BeforeCommit);
        tx.commit().await?;
        failpoint!(AfterCommit);
        Ok(Next::Chunk(last))
    }

    async fn open(&self, ctx: &Ctx, tx: &mut Tx, campaign: &Held) -> Result<Point, Stop> {
        chunk::open_run(tx, ctx, self.campaign_id, "enroll").await?;
        let measured =
            sqlx::query_file!("enrollment/enroll_batch/measure.sql", ctx.team().0, &campaign.target_tags, &campaign.engagement)
                .fetch_one(&mut **tx)
                .await?;
        Ok(Point { after: 0, last_lead: measured.last_lead, looked_at: 0, matching: measured.matching })
    }

    /// Enrolls and counts one chunk; `None` when no matching lead is left.
    async fn enroll_chunk(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        campaign: &Held,
        point: &Point,
        collisions: i64,
    ) -> Result<Option<Point>, Stop> {
        let (team, job) = (ctx.team().0, ctx.job().0);
        let did = sqlx::query_file!(
            "enrollment/enroll_batch/enroll_chunk.sql",
            team,
            self.campaign_id.0,
            &campaign.target_tags,
            &campaign.engagement,
            job,
            ctx.now(),
            point.after,
            point.last_lead,
            i64::from(ctx.services().rules.enrollment.enroll_chunk_leads.max(1)),
            campaign.first_delay_minutes,
        )
        .fetch_one(&mut **tx)
        .await?;
        let Some(after) = did.last_lead else { return Ok(None) };
        failpoint!(MidChunk);
        let counted = Did {
            attempted: did.attempted,
            enrolled: did.enrolled,
            enrolled_before: did.enrolled_before,
            no_phone: did.no_phone,
            stopped: did.stopped,
            suppressed: did.suppressed,
            running_elsewhere: did.running_elsewhere,
        };
        chunk::count(tx, ctx, &counted, collisions).await?;
        for (outcome, leads) in [
            (Enrollment::Enrolled, did.enrolled),
            (Enrollment::EnrolledBefore, did.enrolled_before),
            (Enrollment::NoPhone, did.no_phone),
            (Enrollment::Stopped, did.stopped),
            (Enrollment::Suppressed, did.suppressed),
            (Enrollment::RunningElsewhere, did.running_elsewhere),
        ] {
            telemetry::enrollments(outcome, leads);
        }
        Ok(Some(Point { after, looked_at: point.looked_at + did.attempted, ..point.clone() }))
    }
}

async fn end(ctx: &Ctx, tx: Tx, cut_short: Option<State>) -> Outcome {
    let (tx, counts) = end_run(ctx, tx).await?;
    ctx.complete(tx, Output { counts, cut_short }).await
}

/// Ends the record of this job's run and reads what it did; nothing where the campaign ended before the first chunk.
pub(in crate::enrollment) async fn end_run(ctx: &Ctx, mut tx: Tx) -> Result<(Tx, RunCounts), Stop> {
    let counts = sqlx::query_file_as!(RunCounts, "enrollment/enroll_batch/end_run.sql", ctx.team().0, ctx.job().0, ctx.now())
        .fetch_optional(&mut *tx)
        .await?
        .unwrap_or_default();
    Ok((tx, counts))
}
