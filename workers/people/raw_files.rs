//! A person's records in the files that a team uploaded: found, and blanked. Blanks take as many bytes as there were, so
//! that every position that a load remembers stays right; the object that holds them is a new one, since none is ever
//! overwritten, and the old one is taken away.

use std::ops::Range;

use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use tokio::io::AsyncWriteExt as _;

use super::objects::Aside;
use crate::{
    ctx::Ctx,
    datalake::{object_store::StoreError, records::MAX_RECORD, upload},
    ids::TeamId,
    job::Stop,
};

/// Bytes read at once; so many, and as many again in records, lie in memory.
const PIECE: u64 = 1024 * 1024;

/// An uploaded file.
#[derive(Debug, Clone)]
pub(super) struct RawFile {
    /// Its number.
    pub file_id: i64,
    /// Where its bytes lie.
    pub object_key: String,
}

/// The team's next file behind `after`.
pub(super) async fn next(ctx: &Ctx, after: i64) -> Result<Option<RawFile>, Stop> {
    let mut tx = ctx.tx().await?;
    let next = sqlx::query_file_as!(RawFile, "people/raw_files/next.sql", ctx.team().0, after).fetch_optional(&mut *tx).await?;
    tx.commit().await?;
    Ok(next)
}

/// Lets the file point to the object in which so many of its records are blank.
pub(super) async fn replace(
    conn: &mut PgConnection,
    team: TeamId,
    request: i64,
    file: &RawFile,
    records: i64,
    key: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query_file!("people/raw_files/replace.sql", team.0, request, file.file_id, records, key).fetch_one(conn).await?;
    Ok(())
}

/// Blanks the person's records. The new object's key and how many there were; `None` where the file has none, or is gone.
pub(super) async fn blank(ctx: &Ctx, request: i64, file: &RawFile) -> Result<Option<(String, i64)>, Stop> {
    if records_of(ctx, request, file).await?.is_empty() {
        return Ok(None);
    }
    let (aside, mut out) = Aside::create().await?;
    let (mut hash, mut blanked) = (Sha256::new(), 0);
    let mut pieces = Pieces::of(file);
    while let Some(mut piece) = pieces.next(ctx).await? {
        let theirs = mentions(ctx, request, &piece).await?;
        for record in &theirs {
            for byte in &mut piece.bytes[record.clone()] {
                if !matches!(byte, b'\r' | b'\n') {
                    *byte = b' ';
                }
            }
        }
        blanked += theirs.len() as i64;
        hash.update(&piece.bytes);
        out.write_all(&piece.bytes).await?;
    }
    out.sync_all().await?;
    let sha256: [u8; 32] = hash.finalize().into();
    let key = upload::object_key(ctx.team(), &sha256);
    ctx.services().objects.create(&key, &aside.0, sha256).await?;
    Ok(Some((key, blanked)))
}

/// The person's records, as they stand in the file.
pub(super) async fn records_of(ctx: &Ctx, request: i64, file: &RawFile) -> Result<Vec<String>, Stop> {
    let mut found = Vec::new();
    let mut pieces = Pieces::of(file);
    while let Some(piece) = pieces.next(ctx).await? {
        let theirs = mentions(ctx, request, &piece).await?;
        found.extend(theirs.into_iter().map(|record| String::from_utf8_lossy(&piece.bytes[record]).into_owned()));
    }
    Ok(found)
}

/// Takes away what a file lay in, unless another file lies there: two that differ in one person's records only become the same.
pub(super) async fn take_away(ctx: &Ctx, key: &str) -> Result<(), Stop> {
    let mut tx = ctx.tx().await?;
    if !upload::is_used(&mut tx, ctx.team(), key).await? {
        ctx.services().objects.delete(key).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Asks the database, so that a file is read by the same rule as its tables.
async fn mentions(ctx: &Ctx, request: i64, piece: &Piece) -> Result<Vec<Range<usize>>, Stop> {
    ctx.check_cancelled()?;
    let words: Vec<String> =
        piece.records.iter().map(|record| String::from_utf8_lossy(&piece.bytes[record.clone()]).replace('\0', " ")).collect();
    let mut tx = ctx.tx().await?;
    let at = sqlx::query_file_scalar!("people/raw_files/mentions.sql", ctx.team().0, request, &words).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    Ok(at.into_iter().filter_map(|at| piece.records.get(usize::try_from(at).ok()?).cloned()).collect())
}

/// Whole records of a file.
struct Piece {
    bytes: Vec<u8>,
    records: Vec<Range<usize>>,
}

/// Reads a file piece by piece, each ending with a record.
struct Pieces<'f> {
    file: &'f RawFile,
    at: u64,
    rest: Vec<u8>,
    over: bool,
}

impl<'f> Pieces<'f> {
    fn of(file: &'f RawFile) -> Self {
        Self { file, at: 0, rest: Vec::new(), over: false }
    }

    async fn next(&mut self, ctx: &Ctx) -> Result<Option<Piece>, Stop> {
        while !self.over {
            let read = match ctx.services().objects.read(&self.file.object_key, self.at, PIECE).await {
                Err(StoreError::NotFound(_)) => return Ok(None),
                other => other?,
            };
            self.at += read.len() as u64;
            self.over = (read.len() as u64) < PIECE;
            self.rest.extend_from_slice(&read);
            let mut records = split(&self.rest, self.over);
            let end = records.last().map_or(0, |record| record.end);
            if end == 0 {
                continue;
            }
            let rest = self.rest.split_off(end);
            let bytes = std::mem::replace(&mut self.rest, rest);
            records.retain(|record| !record.is_empty());
            return Ok(Some(Piece { bytes, records }));
        }
        Ok(None)
    }
}

/// Splits bytes into records: a line, or as many as a quoted field goes over. One that would be longer than any record may be is
/// one line only. Without `over` the last, which may go on, is left.
fn split(bytes: &[u8], over: bool) -> Vec<Range<usize>> {
    let mut records = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        match record_end(bytes, start, over) {
            Some(end) => {
                records.push(start..end);
                start = end;
            }
            None => break,
        }
    }
    records
}

fn record_end(bytes: &[u8], start: usize, over: bool) -> Option<usize> {
    let (mut quoted, mut first_line) = (false, None);
    for (at, byte) in bytes[start..].iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => return Some(start + at + 1),
            b'\n' => first_line = first_line.or(Some(start + at + 1)),
            _ => {}
        }
        if at >= MAX_RECORD {
            // Quotes out of place: take the line. A line that long is taken in pieces.
            return Some(first_line.unwrap_or(start + at + 1));
        }
    }
    over.then(|| first_line.filter(|_| quoted).unwrap_or(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str, over: bool) -> Vec<&str> {
        split(text.as_bytes(), over).into_iter().map(|record| &text[record]).collect()
    }

    #[test]
    fn a_record_is_a_line_or_what_its_quotes_hold_together() {
        assert_eq!(texts("a,b\nc,d", true), ["a,b\n", "c,d"]);
        assert_eq!(texts("a,b\nc,d", false), ["a,b\n"], "the last may go on");
        assert_eq!(texts("a,\"b\nb\"\"\nb\",c\nd\n", false), ["a,\"b\nb\"\"\nb\",c\n", "d\n"]);
        assert_eq!(texts("a,5\" pipe\nb\nc\n", true), ["a,5\" pipe\n", "b\n", "c\n"], "a quotation mark out of place");
        assert_eq!(texts("", true), [""; 0]);
    }

    #[test]
    fn a_line_without_end_is_taken_in_pieces() {
        let long = "x".repeat(MAX_RECORD * 2 + 10);
        let pieces = split(long.as_bytes(), true);
        assert_eq!(pieces.iter().map(Range::len).sum::<usize>(), long.len());
        assert!(pieces.iter().all(|piece| piece.len() <= MAX_RECORD + 1));
    }
}
