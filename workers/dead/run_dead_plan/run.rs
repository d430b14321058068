//! Works through a plan for dead letters at the plan's own rate.
//!
//! The plan's rows are the checkpoint: a step settles one letter and its row in one fenced transaction, so a restart goes on
//! with the next letter. Enqueueing this job starts nothing: a plan that nobody started, or that somebody stopped, is left.

use std::time::Duration;

use serde_json::json;

use super::RunDeadPlan;
use crate::{
    ctx::Ctx,
    dead::{Step, step},
    job::{Outcome, Stop},
};

/// A longer wait for the plan's rate is slept through outside, so that it holds no worker.
const PATIENCE: Duration = Duration::from_secs(2);
/// Then the job makes room for others and comes back.
const TURN: Duration = Duration::from_secs(60);

impl RunDeadPlan {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let began = ctx.now();
        loop {
            ctx.check_cancelled()?;
            let mut tx = ctx.fenced_tx().await?;
            match step(&mut tx, ctx.team(), self.plan, None).await? {
                Step::Replayed { .. } | Step::Refused { .. } | Step::Settled { .. } => tx.commit().await?,
                Step::Waits(wait) if wait > PATIENCE => {
                    drop(tx);
                    return self.come_back(ctx, wait, "its rate allows the next letter then").await;
                }
                Step::Waits(wait) => {
                    drop(tx);
                    ctx.sleep(wait).await?;
                }
                end @ (Step::Stopped | Step::Ended) => {
                    let did = sqlx::query_file!("dead/run_dead_plan/progress.sql", ctx.team().0, self.plan.0)
                        .fetch_one(&mut *tx)
                        .await?;
                    let output = json!({ "plan": self.plan, "ended": end == Step::Ended, "replayed": did.replayed });
                    return ctx.complete(tx, output).await;
                }
            }
            if (ctx.now() - began).to_std().is_ok_and(|worked| worked >= TURN) {
                return self.come_back(ctx, Duration::from_secs(1), "goes on").await;
            }
        }
    }
}

impl RunDeadPlan {
    async fn come_back(&self, ctx: &Ctx, after: Duration, reason: &str) -> Outcome {
        let mut tx = ctx.fenced_tx().await?;
        let did = sqlx::query_file!("dead/run_dead_plan/progress.sql", ctx.team().0, self.plan.0).fetch_one(&mut *tx).await?;
        ctx.checkpoint(&mut tx, did.settled.into(), Some(did.letters.into()), self.plan).await?;
        tx.commit().await?;
        Err(Stop::snooze(after, format!("{}: {reason}", self.plan)))
    }
}
