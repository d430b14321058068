//! Erases what is known of one person in one team.
//!
//! First the number is suppressed, so that nothing is sent any more; what is under way ends by itself, and is waited for. Then
//! goes what is theirs alone, in one transaction; then their records in uploaded files, and what was exported of them; then
//! every table is looked through for words that name them, round after round, until a round finds none. Meanwhile they may
//! write, or a file may bring them anew: what is theirs alone is asked for again before each round, and once more at the end.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ErasePerson;
use crate::{
    ctx::Ctx,
    failpoint,
    job::{Done, Outcome, Stop},
    messages::opt_out::{self, Reason},
    people::{
        objects, raw_files, requests,
        walk::{self, Walk},
    },
};

/// What is under way is looked at again after so long.
const WAIT: Duration = Duration::from_secs(15);
/// A round that still finds something behind so many is somebody writing it anew: it goes on later.
const ROUNDS: u32 = 8;

/// How far it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Stage {
    /// At what is theirs alone; behind the first round at what came since, with the next round's beginning.
    Own(Option<Walk>),
    /// In uploaded files, behind this one.
    Files {
        /// The last file that is done.
        after: i64,
        /// An object that was replaced and is still to be taken away.
        stale: Option<String>,
    },
    /// At earlier exports.
    Exports,
    /// In every table.
    Words(Walk),
    /// Looked for once more, behind a round that found nothing.
    Last(Walk),
}

impl ErasePerson {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        if let Some(done) = requests::carried_out(ctx, self.request_id).await? {
            return Ok(done);
        }
        let mut stage = ctx.last_checkpoint().await?.unwrap_or(Stage::Own(None));
        loop {
            ctx.check_cancelled()?;
            stage = match stage {
                Stage::Own(walk) => self.erase_own(ctx, walk).await?,
                Stage::Files { after, stale } => self.erase_in_files(ctx, after, stale).await?,
                Stage::Exports => self.erase_exports(ctx).await?,
                Stage::Words(walk) => self.erase_words(ctx, walk).await?,
                Stage::Last(walk) => match self.end(ctx, walk).await? {
                    End::Done(done) => return Ok(done),
                    End::Not(stage) => stage,
                },
            };
        }
    }

    async fn erase_own(&self, ctx: &Ctx, walk: Option<Walk>) -> Result<Stage, Stop> {
        let (team, request) = (ctx.team(), self.request_id);
        let mut tx = ctx.tx().await?;
        let phones = requests::find(&mut tx, team, request).await?;
        // From the first erasure on the number's digest keeps it from being texted.
        if walk.is_none() {
            for phone in &phones {
                opt_out::suppress(&mut tx, team, phone, Reason::DncRequest, &format!("erasure request {request}")).await?;
            }
        }
        let own = sqlx::query_file!("people/erase_person/erase_own.sql", team.0, request).fetch_one(&mut *tx).await?;
        let stage = walk.map_or(Stage::Files { after: 0, stale: None }, Stage::Words);
        if own.waits.is_none() {
            ctx.checkpoint(&mut tx, 0, None, &stage).await?;
        }
        ctx.keep_lease(&mut tx).await?;
        failpoint!(BeforeCommit);
        tx.commit().await?;
        failpoint!(AfterCommit);
        match own.waits {
            Some(waits) => Err(waits_for(&waits)),
            None => Ok(stage),
        }
    }

    async fn erase_in_files(&self, ctx: &Ctx, after: i64, stale: Option<String>) -> Result<Stage, Stop> {
        if let Some(key) = stale {
            raw_files::take_away(ctx, &key).await?;
        }
        let Some(file) = raw_files::next(ctx, after).await? else { return Ok(Stage::Exports) };
        let blanked = raw_files::blank(ctx, self.request_id, &file).await?;
        let stale = blanked.as_ref().map(|_| file.object_key.clone());
        let stage = Stage::Files { after: file.file_id, stale };
        let mut tx = ctx.fenced_tx().await?;
        if let Some((key, records)) = blanked {
            raw_files::replace(&mut tx, ctx.team(), self.request_id, &file, records, &key).await?;
        }
        ctx.checkpoint(&mut tx, 0, None, &stage).await?;
        failpoint!(BeforeCommit);
        tx.commit().await?;
        failpoint!(AfterCommit);
        Ok(stage)
    }

    async fn erase_exports(&self, ctx: &Ctx) -> Result<Stage, Stop> {
        let (team, request) = (ctx.team(), self.request_id);
        let mut tx = ctx.tx().await?;
        let found = sqlx::query_file!("people/erase_person/exports.sql", team.0, request).fetch_all(&mut *tx).await?;
        tx.commit().await?;
        let exports: Vec<i64> = found.into_iter().map(|found| found.export).collect();
        for export in &exports {
            objects::take_away(ctx, &objects::exports(team, *export)).await?;
        }
        let stage = Stage::Words(Walk::default());
        let mut tx = ctx.fenced_tx().await?;
        sqlx::query_file!("people/erase_person/exports_gone.sql", team.0, request, &exports).fetch_one(&mut *tx).await?;
        ctx.checkpoint(&mut tx, 0, None, &stage).await?;
        tx.commit().await?;
        Ok(stage)
    }

    /// One round, and what follows it: another, or the last look.
    async fn erase_words(&self, ctx: &Ctx, mut walk: Walk) -> Result<Stage, Stop> {
        let mut tx = ctx.tx().await?;
        let places = walk::places(&mut tx).await?;
        tx.commit().await?;
        while let Some((place, page)) = walk.next(&places) {
            ctx.check_cancelled()?;
            let mut tx = ctx.tx().await?;
            let did =
                sqlx::query_file!("people/erase_person/erase_words.sql", ctx.team().0, self.request_id, place, page, walk::PAGES)
                    .fetch_one(&mut *tx)
                    .await?;
            walk.found += did.matched;
            walk.left += did.left;
            walk.step(place, page);
            ctx.checkpoint(&mut tx, 0, None, Stage::Words(walk.clone())).await?;
            ctx.keep_lease(&mut tx).await?;
            failpoint!(MidChunk);
            tx.commit().await?;
        }
        let (found, left, rounds) = (walk.found, walk.left, walk.rounds);
        walk.again();
        let next = if found == 0 { Stage::Last(walk) } else { Stage::Own(Some(walk)) };
        let mut tx = ctx.fenced_tx().await?;
        ctx.checkpoint(&mut tx, 0, None, &next).await?;
        tx.commit().await?;
        if left > 0 {
            return Err(Stop::snooze(WAIT, "waits for jobs about them that still run, or for what came in of them meanwhile"));
        }
        if found > 0 && rounds >= ROUNDS {
            return Err(Stop::snooze(WAIT * 20, "somebody goes on writing what is being erased"));
        }
        Ok(next)
    }

    /// Ends the request, if nothing of theirs came in behind the round that found nothing. Else that is gone now, and the words
    /// that came with it are looked for; an export that was written meanwhile goes too.
    async fn end(&self, ctx: &Ctx, walk: Walk) -> Result<End, Stop> {
        let (team, request) = (ctx.team(), self.request_id);
        let mut tx = ctx.tx().await?;
        requests::find(&mut tx, team, request).await?;
        let own = sqlx::query_file!("people/erase_person/erase_own.sql", team.0, request).fetch_one(&mut *tx).await?;
        if let Some(waits) = own.waits {
            tx.commit().await?;
            return Err(waits_for(&waits));
        }
        let exports = sqlx::query_file!("people/erase_person/exports.sql", team.0, request).fetch_all(&mut *tx).await?;
        let next = match (own.erased, exports.iter().any(|export| export.written)) {
            (0, false) => {
                let receipt = requests::end(&mut tx, team, request, None, json!({})).await?;
                return ctx.complete(tx, receipt).await.map(End::Done);
            }
            (_, true) => Stage::Exports,
            (_, false) => Stage::Words(walk),
        };
        ctx.checkpoint(&mut tx, 0, None, &next).await?;
        ctx.keep_lease(&mut tx).await?;
        tx.commit().await?;
        Ok(End::Not(next))
    }
}

/// What the last look came to.
enum End {
    /// The request has ended.
    Done(Done),
    /// There is more to do.
    Not(Stage),
}

fn waits_for(what: &str) -> Stop {
    Stop::snooze(WAIT, format!("waits for {what}"))
}
