//! Turns the bytes of a leads file into leads and rejects. Pure: the same bytes give the same rows, whatever the pieces
//! they come in and wherever a load is taken up again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    leads::{self, Header, Lead, Unfit},
    records::{Piece, Place, Splitter},
};

/// So much of a rejected line is kept.
const RAW_CHARS: usize = 1000;

/// How far a file is read: with the bytes from `place` on, all that is needed to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Where reading goes on.
    pub place: Place,
    /// Records read, the header row not among them.
    pub records: i64,
    /// What the columns hold; `None` before the header row is read.
    pub header: Option<Header>,
}

/// A row that is taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The record's number in the file, from 1.
    pub record: i64,
    /// What it says.
    pub lead: Lead,
}

/// A row that is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The record's number in the file, from 1.
    pub record: i64,
    /// The line it starts on, from 1.
    pub line: i64,
    /// The column at fault; `None` when the row as a whole is.
    pub column: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// The line's beginning, up to 1000 characters; what is no text is shown as U+FFFD.
    pub raw: String,
}

/// The rows of one stretch of a file.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// Rows to load.
    pub rows: Vec<Row>,
    /// Rows that can't be.
    pub rejects: Vec<Reject>,
}

/// Why the file as a whole can't be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// Reads all rows that are complete in `rest`, which is the file from `progress.place` on as far as it is known; `whole`
/// says that it reaches the file's end. `progress` moves behind what was read.
pub fn parse(
    splitter: &mut Splitter,
    progress: &mut Progress,
    rest: &[u8],
    whole: bool,
    now: DateTime<Utc>,
) -> Result<Batch, Unusable> {
    let begin = progress.place.byte;
    let mut batch = Batch::default();
    loop {
        let at = usize::try_from(progress.place.byte - begin).unwrap_or(rest.len());
        let columns = progress.header.as_ref().map(Vec::len);
        match (splitter.next(&mut progress.place, &rest[at..], whole, columns), &progress.header) {
            (Piece::Nothing, None) if whole => return Err(Unusable("the file is empty: it has not even a header row".into())),
            (Piece::Nothing, _) => {
                if whole {
                    progress.place.byte = begin + rest.len() as u64;
                }
                return Ok(batch);
            }
            (Piece::Fault(fault), None) => return Err(Unusable(format!("the header row can't be read: {}", fault.reason))),
            (Piece::Record(record), None) => {
                progress.header = Some(leads::read_header(record.fields.iter()).map_err(Unusable)?);
            }
            (Piece::Fault(fault), Some(_)) => {
                progress.records += 1;
                batch.rejects.push(reject(progress.records, fault.line, None, fault.reason.to_string(), fault.raw));
            }
            (Piece::Record(record), Some(header)) => {
                progress.records += 1;
                match leads::read_lead(header, record.fields.iter(), now) {
                    Ok(lead) => batch.rows.push(Row { record: progress.records, lead }),
                    Err(Unfit { column, reason }) => {
                        batch.rejects.push(reject(progress.records, record.line, Some(column), reason, record.raw));
                    }
                }
            }
        }
    }
}

fn reject(record: i64, line: u64, column: Option<String>, reason: String, raw: &[u8]) -> Reject {
    // Four bytes are the longest character.
    let raw = String::from_utf8_lossy(&raw[..raw.len().min(4 * RAW_CHARS)]);
    let raw = raw.chars().take(RAW_CHARS).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect();
    Reject { record, line: i64::try_from(line).unwrap_or(i64::MAX), column, reason, raw }
}

#[cfg(test)]
mod tests;
