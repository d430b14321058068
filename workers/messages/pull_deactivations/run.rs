//! Goes through the day's list in chunks, each one transaction: what a chunk did stands when a later one is cut off, and doing
//! it again does nothing.

use chrono::TimeDelta;
use serde_json::json;

use super::PullDeactivations;
use crate::{
    ctx::Ctx,
    job::{Done, Outcome},
    messages::opt_out::{self, Reason},
};

/// Numbers looked for by one statement.
const CHUNK: usize = 2000;

impl PullDeactivations {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let day = self.day.unwrap_or_else(|| (ctx.now() - TimeDelta::days(1)).date_naive());
        let vendor = &ctx.services().vendors.sms;
        let listed = vendor.deactivated(day).await?;
        let mut suppressed = 0;
        for (at, chunk) in listed.chunks(CHUNK).enumerate() {
            ctx.check_cancelled()?;
            let mut tx = ctx.fenced_tx().await?;
            let ours =
                sqlx::query_file_scalar!("messages/pull_deactivations/find.sql", ctx.team().0, chunk).fetch_all(&mut *tx).await?;
            for phone in &ours {
                let source = format!("{} deactivated {day}", vendor.name());
                opt_out::suppress(&mut tx, ctx.team(), phone, Reason::InvalidNumber, &source).await?;
            }
            suppressed += ours.len();
            tx.commit().await?;
            let done = (at + 1) * CHUNK;
            ctx.progress(done.min(listed.len()) as i64, Some(listed.len() as i64)).await?;
        }
        Done::with(json!({ "day": day, "listed": listed.len(), "suppressed": suppressed }))
    }
}
