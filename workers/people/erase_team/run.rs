//! Erases a whole team.
//!
//! The team is paused, for good; what runs is waited for. Then its objects go, and its rows, round after round, because a row
//! that others point to goes only behind them. The books, the audit log and the pause stay.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::EraseTeam;
use crate::{
    ctx::Ctx,
    failpoint,
    ids::TeamId,
    job::{Outcome, Stop},
    people::{
        objects, requests,
        walk::{self, Walk},
    },
};

/// What runs is looked at again after so long.
const WAIT: Duration = Duration::from_secs(5);
/// Tables point to each other no deeper than this; more rounds mean that somebody still writes.
const ROUNDS: u32 = 20;

/// How far it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Point {
    walk: Walk,
    objects: i64,
}

impl EraseTeam {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        if let Some(done) = requests::carried_out(ctx, self.request_id).await? {
            return Ok(done);
        }
        let mut tx = ctx.fenced_tx().await?;
        let found = sqlx::query_file!("people/erase_team/begin.sql", self.request_id).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        if !found.still {
            return Err(Stop::snooze(WAIT, "waits for jobs of the team that still run"));
        }
        let folder = format!("t/{}/", TeamId(found.about));
        let mut point: Point = ctx.last_checkpoint().await?.unwrap_or_default();
        loop {
            point.objects += objects::take_away(ctx, &folder).await?;
            if self.round(ctx, &mut point).await? {
                break;
            }
            if point.walk.rounds >= ROUNDS {
                return Err(Stop::snooze(WAIT * 60, "somebody goes on writing what is being erased"));
            }
        }
        let mut tx = ctx.tx().await?;
        let receipt =
            requests::end(&mut tx, ctx.team(), self.request_id, None, json!({ "objects_deleted": point.objects })).await?;
        ctx.complete(tx, receipt).await
    }

    /// True: it found nothing, and nothing was in the way.
    async fn round(&self, ctx: &Ctx, point: &mut Point) -> Result<bool, Stop> {
        let mut tx = ctx.tx().await?;
        let places = walk::places(&mut tx).await?;
        tx.commit().await?;
        while let Some((place, page)) = point.walk.next(&places) {
            ctx.check_cancelled()?;
            let mut tx = ctx.tx().await?;
            let went = sqlx::query_file_scalar!("people/erase_team/erase_rows.sql", self.request_id, place, page, walk::PAGES)
                .fetch_one(&mut *tx)
                .await?;
            point.walk.found += went.abs();
            point.walk.step(place, page);
            ctx.checkpoint(&mut tx, 0, None, &*point).await?;
            ctx.keep_lease(&mut tx).await?;
            failpoint!(MidChunk);
            tx.commit().await?;
        }
        let over = point.walk.found == 0;
        point.walk.again();
        Ok(over)
    }
}
