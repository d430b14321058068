//! Splits the bytes of a CSV file into records, whatever the pieces they come in, and says which lines are none.
//!
//! The `csv` crate's own machine reads each record. What it leaves open is decided here, from the bytes alone, so that a
//! load that resumes anywhere meets the same records:
//! - a quotation mark out of place would swallow the lines below it up to the next one; such a record gives up its first
//!   line as a fault, and reading goes on with the second;
//! - no record is longer than [`MAX_RECORD`]; of a longer line nothing is kept but its beginning.

use csv_core::{ReadRecordResult, Reader};
use serde::{Deserialize, Serialize};

/// The most bytes a record may have, its line breaks included. Bounds the memory of a load.
pub const MAX_RECORD: usize = 64 * 1024;
/// The most columns.
const MAX_COLUMNS: usize = 1000;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where reading goes on: always between two lines, or inside one of which nothing is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Bytes read.
    pub byte: u64,
    /// Lines read.
    pub line: u64,
    /// The rest of the line is passed over.
    pub skipping: bool,
}

/// What stands at a place.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A record.
    Record(Record<'a>),
    /// A line that is none.
    Fault(Fault<'a>),
    /// More bytes are needed; at the end of the file: nothing is left.
    Nothing,
}

/// A record, its quoting undone.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The line it starts on, from 1.
    pub line: u64,
    /// As it stands in the file.
    pub raw: &'a [u8],
    /// Its fields.
    pub fields: Fields<'a>,
}

/// A line that is no record.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault<'a> {
    /// The line, from 1.
    pub line: u64,
    /// As it stands in the file; the beginning of it, where it is too long.
    pub raw: &'a [u8],
    /// What is wrong with it.
    pub reason: Reason,
}

/// Why a line is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Quotation marks that open nothing or close nothing.
    #[error("a quotation mark is out of place: a field that holds one is put in quotation marks, and the mark doubled")]
    Quotes,
    /// Longer than [`MAX_RECORD`], or of more columns than anybody needs.
    #[error("the record is longer than {} KiB or has more than {MAX_COLUMNS} fields", MAX_RECORD / 1024)]
    TooLong,
    /// Not as many fields as the header row.
    #[error("the record has {found} fields where the header row has {expected}")]
    Columns {
        /// Its fields.
        found: usize,
        /// The header's.
        expected: usize,
    },
}

/// The fields of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a> {
    text: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.ends.iter().scan(0, move |start, &end| Some(&self.text[std::mem::replace(start, end)..end]))
    }
}

/// Reads records out of a buffer that its caller fills.
pub struct Splitter {
    reader: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { reader: Reader::new(), text: vec![0; MAX_RECORD], ends: vec![0; MAX_COLUMNS] }
    }
}

/// How far one look went.
enum Look {
    /// A record of so many bytes (its line break included) and fields.
    Record { bytes: usize, fields: usize },
    /// No record ends within the bounds.
    Endless,
    /// More bytes are needed.
    Nothing,
}

impl Splitter {
    /// What stands at `place`, which moves behind it. `rest` is the file from `place` on, as far as it is known; `whole`
    /// says that it reaches the file's end. `columns` is the number of fields that a record must have.
    pub fn next<'a>(&'a mut self, place: &mut Place, rest: &'a [u8], whole: bool, columns: Option<usize>) -> Piece<'a> {
        let begin = skip(place, rest, whole);
        if place.skipping {
            return Piece::Nothing;
        }
        let rest = &rest[begin..];
        let line = place.line + 1;
        let look = self.look(rest, whole);
        let (bytes, reason) = match look {
            Look::Nothing => return Piece::Nothing,
            Look::Endless => (rest.len().min(MAX_RECORD), Some(Reason::TooLong)),
            Look::Record { bytes, fields } => {
                let misplaced = rest[..bytes].iter().filter(|&&b| b == b'"').count() % 2 == 1;
                let wrong = columns.filter(|&expected| expected != fields);
                let wrong = wrong.map(|expected| Reason::Columns { found: fields, expected });
                (bytes, if misplaced { Some(Reason::Quotes) } else { wrong })
            }
        };
        let Some(reason) = reason else {
            place.byte += bytes as u64;
            place.line += lines(&rest[..bytes]);
            let Look::Record { fields, .. } = look else { return Piece::Nothing };
            let ends = &self.ends[..fields];
            let text = &self.text[..ends.last().copied().unwrap_or(0)];
            return Piece::Record(Record { line, raw: without_break(&rest[..bytes]), fields: Fields { text, ends } });
        };
        let first = match first_line(&rest[..bytes], &rest[bytes..], whole) {
            FirstLine::Ends(end) => {
                place.line += 1;
                end
            }
            FirstLine::Unknown => return Piece::Nothing,
            FirstLine::Endless if bytes < MAX_RECORD && !whole => return Piece::Nothing,
            FirstLine::Endless => {
                place.skipping = reason == Reason::TooLong;
                bytes
            }
        };
        place.byte += first as u64;
        let several = first < bytes && !place.skipping;
        let reason = if several && rest[..first].contains(&b'"') { Reason::Quotes } else { reason };
        Piece::Fault(Fault { line, raw: without_break(&rest[..first]), reason })
    }

    fn look(&mut self, rest: &[u8], whole: bool) -> Look {
        if rest.is_empty() {
            return Look::Nothing;
        }
        let window = &rest[..rest.len().min(MAX_RECORD)];
        self.reader.reset();
        let (result, bytes, written, fields) = self.reader.read_record(window, &mut self.text, &mut self.ends);
        match result {
            ReadRecordResult::Record => match (rest[bytes - 1], rest.get(bytes)) {
                (b'\r', None) if !whole => Look::Nothing,
                (b'\r', Some(b'\n')) => Look::Record { bytes: bytes + 1, fields },
                _ => Look::Record { bytes, fields },
            },
            ReadRecordResult::InputEmpty if window.len() < MAX_RECORD => {
                if !whole {
                    return Look::Nothing;
                }
                // An empty input tells the machine that the file has ended.
                let (result, _, _, last) = self.reader.read_record(&[], &mut self.text[written..], &mut self.ends[fields..]);
                match result {
                    ReadRecordResult::Record => Look::Record { bytes, fields: fields + last },
                    ReadRecordResult::End => Look::Nothing,
                    _ => Look::Endless,
                }
            }
            ReadRecordResult::End => Look::Nothing,
            _ => Look::Endless,
        }
    }
}

/// Passes over the rest of a line that is too long, a byte order mark, and empty lines. Returns how many bytes.
fn skip(place: &mut Place, rest: &[u8], whole: bool) -> usize {
    let mut at = 0;
    if place.skipping {
        match first_line(rest, &[], whole) {
            FirstLine::Ends(end) => {
                at = end;
                place.line += 1;
                place.skipping = false;
            }
            // A carriage return at the very end may be half a line break.
            FirstLine::Unknown => at = rest.len() - 1,
            FirstLine::Endless => at = rest.len(),
        }
    } else if place.byte == 0 && rest.starts_with(BYTE_ORDER_MARK) {
        at = BYTE_ORDER_MARK.len();
    }
    if !place.skipping {
        while let Some(b'\r' | b'\n') = rest.get(at) {
            let FirstLine::Ends(end) = first_line(&rest[at..], &[], whole) else { break };
            at += end;
            place.line += 1;
        }
    }
    place.byte += at as u64;
    at
}

enum FirstLine {
    /// Its line break ends here.
    Ends(usize),
    /// It has no line break.
    Endless,
    /// It ends in a carriage return that may be half a line break.
    Unknown,
}

/// Where the first line of `bytes` ends, which `after` follows in the file.
fn first_line(bytes: &[u8], after: &[u8], whole: bool) -> FirstLine {
    let Some(at) = bytes.iter().position(|b| matches!(b, b'\r' | b'\n')) else { return FirstLine::Endless };
    if bytes[at] == b'\n' {
        return FirstLine::Ends(at + 1);
    }
    match bytes.get(at + 1).or(after.first()) {
        Some(b'\n') => FirstLine::Ends(at + 2),
        None if !whole => FirstLine::Unknown,
        _ => FirstLine::Ends(at + 1),
    }
}

fn lines(bytes: &[u8]) -> u64 {
    let ends = |(at, b): (usize, &u8)| *b == b'\n' || (*b == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    bytes.iter().enumerate().filter(|&pair| ends(pair)).count() as u64
}

fn without_break(raw: &[u8]) -> &[u8] {
    let end = raw.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |last| last + 1);
    &raw[..end]
}

#[cfg(test)]
mod tests;
