//! Writes a request's rows as JSON lines into one object below the team's prefix.

use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{fs::File, io::AsyncWriteExt as _};

use super::{
    objects::{self, Aside},
    raw_files, requests,
    walk::{self, Walk},
};
use crate::{
    ctx::Ctx,
    job::{Outcome, Stop},
};

/// Bytes kept back before they are written aside.
const BUFFER: usize = 256 * 1024;

/// Writes everything, and ends the request. A file of its own machine grows meanwhile: a run that was cut off begins anew.
/// `files`: also the person's records in uploaded files.
pub(super) async fn write(ctx: &Ctx, request: i64, files: bool) -> Outcome {
    let mut lines = Lines::new().await?;
    let mut tx = ctx.tx().await?;
    let places = walk::places(&mut tx).await?;
    tx.commit().await?;
    let mut walk = Walk::default();
    while let Some((place, page)) = walk.next(&places) {
        ctx.check_cancelled()?;
        let mut tx = ctx.tx().await?;
        let mut rows =
            sqlx::query_file_scalar!("people/export/rows.sql", ctx.team().0, request, place, page, walk::PAGES).fetch(&mut *tx);
        while let Some(row) = rows.try_next().await? {
            lines.add(&json!({ "table": table_of(place), "row": row })).await?;
        }
        drop(rows);
        tx.commit().await?;
        walk.step(place, page);
        ctx.progress(lines.count, None).await?;
    }
    let mut after = 0;
    while files && let Some(file) = raw_files::next(ctx, after).await? {
        for record in raw_files::records_of(ctx, request, &file).await? {
            lines.add(&json!({ "file": file.file_id, "record": record })).await?;
        }
        after = file.file_id;
    }
    let (aside, sha256, count) = lines.finish().await?;
    let folder = objects::exports(ctx.team(), request);
    // By the fencing token, which only grows: a run that was overtaken, and does not know it yet, takes nothing away that came
    // behind it.
    let ours = format!("{folder}{:019}", ctx.claim().lease.fence);
    let key = format!("{ours}-{}.jsonl", hex::encode(sha256));
    let store = &ctx.services().objects;
    store.create(&key, &aside.0, sha256).await?;
    // What a run that was cut off had written.
    for earlier in store.list(&folder, None).await?.iter().filter(|other| **other < ours) {
        store.delete(earlier).await?;
    }
    let more = json!({ "lines": count, "sha256": hex::encode(sha256) });
    let ended = end(ctx, request, &key, more).await;
    if matches!(ended, Err(Stop::Fenced)) {
        // Nobody would ever find it: the run that overtook this one looked before it was there.
        store.delete(&key).await?;
    }
    ended
}

async fn end(ctx: &Ctx, request: i64, key: &str, more: Value) -> Outcome {
    let mut tx = ctx.tx().await?;
    // The lease first: a request that another run has ended is no error of this one's.
    ctx.keep_lease(&mut tx).await?;
    let receipt = requests::end(&mut tx, ctx.team(), request, Some(key), more).await?;
    ctx.complete(tx, receipt).await
}

/// A partition's rows are its table's.
fn table_of(place: &str) -> &str {
    let end = place.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_' || c == 'd');
    if place.len() > end.len() && place[end.len()..].starts_with('_') { end } else { place }
}

struct Lines {
    aside: Aside,
    file: File,
    hash: Sha256,
    buffer: Vec<u8>,
    count: i64,
}

impl Lines {
    async fn new() -> Result<Self, Stop> {
        let (aside, file) = Aside::create().await?;
        Ok(Self { aside, file, hash: Sha256::new(), buffer: Vec::with_capacity(BUFFER), count: 0 })
    }

    async fn add(&mut self, line: &Value) -> Result<(), Stop> {
        serde_json::to_writer(&mut self.buffer, line)?;
        self.buffer.push(b'\n');
        self.count += 1;
        if self.buffer.len() >= BUFFER { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Stop> {
        self.hash.update(&self.buffer);
        self.file.write_all(&self.buffer).await?;
        self.buffer.clear();
        Ok(())
    }

    async fn finish(mut self) -> Result<(Aside, [u8; 32], i64), Stop> {
        self.flush().await?;
        self.file.sync_all().await?;
        Ok((self.aside, self.hash.finalize().into(), self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::table_of;

    #[test]
    fn a_partition_goes_by_its_tables_name() {
        for (place, table) in [
            ("queue.jobs_30d_2", "queue.jobs"),
            ("queue.steps_11", "queue.steps"),
            ("queue.dead", "queue.dead"),
            ("longshore.leads", "longshore.leads"),
        ] {
            assert_eq!(table_of(place), table);
        }
    }
}
