//! What Twilio's errors mean: data with its sources (`data/errors.json`), read by code and, where no code is known, by HTTP
//! status.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use chrono::NaiveDate;
use serde::Deserialize;

use super::{VENDOR, told};
use crate::{
    messages::places::BadData,
    vendors::{VendorError, error::RecipientFault},
};

/// What a request would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing: a look-up may be repeated.
    Read,
    /// Send a message: lost once it was written, it may have been taken.
    Write,
}

/// What an error means for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Not taken; come back later.
    RateLimited,
    /// Not taken, and no other try can help.
    Refused,
    /// The recipient said STOP.
    OptedOut,
    /// The recipient's number takes no texts.
    InvalidNumber,
    /// Our account or sender is wrong: a person must act.
    Config,
    /// It may have been taken.
    Unknown,
    /// A passing fault that says nothing about the number or the text.
    Passing,
}

/// What an error says of the number that a text left from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderFault {
    /// Carriers or the vendor refuse it: out of use until a person has looked.
    Quarantine,
    /// Too busy: it rests for so many seconds.
    Rest(u32),
    /// Its day's share is used up.
    RestOfDay,
    /// A text was taken for spam.
    Filtered,
    /// A recipient has opted out or blocked it.
    OptedOut,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fault {
    Quarantine,
    Rest,
    RestOfDay,
    Filtered,
    OptedOut,
}

/// What is reported of a message that may get through another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resend {
    /// Not before so long behind the report.
    pub after_seconds: u32,
    /// So often, whatever is reported of the messages that follow.
    pub most: i16,
}

/// From when on a number that could not be reached counts as one that takes no texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoneAfter {
    /// As many messages of a team with this report.
    pub times: u32,
    /// Within so many days.
    pub days: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    code: i64,
    meaning: Class,
    /// How long a rate limit lasts; none: Twilio does not say.
    wait_seconds: Option<u64>,
    sender: Option<Fault>,
    rest_seconds: Option<u32>,
    resend: Option<Resend>,
    gone_after: Option<GoneAfter>,
    effective_from: Option<NaiveDate>,
    #[serde(rename = "what")]
    _what: String,
    source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    from: u16,
    to: u16,
    meaning: Class,
}

/// When a number is laid to rest for what becomes of its texts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// So large a share of a day's texts taken for spam.
    pub filtered_share: f64,
    /// So large a share answered with STOP.
    pub opted_out_share: f64,
    /// Of at least so many texts.
    pub at_least: i32,
    /// For so long.
    pub rest_seconds: u32,
    /// A campaign of whose texts so large a share is taken for spam within so long is paused.
    pub campaign_window_seconds: u32,
    /// Who says so.
    pub source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: NaiveDate,
    #[serde(rename = "note")]
    _note: String,
    health: Health,
    codes: Vec<Entry>,
    statuses: Vec<Status>,
}

/// The meanings that ship with this build.
#[derive(Debug)]
pub struct Book {
    /// The day on which they stood so.
    pub version: NaiveDate,
    /// When a number rests.
    pub health: Health,
    codes: HashMap<i64, Entry>,
    /// What an HTTP status means where the body holds no code we know, for a message that was to be sent.
    statuses: Vec<Status>,
}

static SHIPPED: LazyLock<Result<Book, BadData>> = LazyLock::new(|| Book::read(include_str!("data/errors.json")));

impl Book {
    /// The meanings that ship with this build.
    pub fn shipped() -> Result<&'static Self, BadData> {
        SHIPPED.as_ref().map_err(Clone::clone)
    }

    /// Reads a file of meanings. Of several entries of a code the newest counts that is in force at the file's version.
    pub fn read(json: &str) -> Result<Self, BadData> {
        let bad = |problem: String| BadData { file: "errors.json", problem };
        let file: File = serde_json::from_str(json).map_err(|e| bad(e.to_string()))?;
        let mut codes: HashMap<i64, Entry> = HashMap::new();
        for entry in file.codes {
            if entry.source.is_empty() {
                return Err(bad(format!("{} has no source", entry.code)));
            }
            if matches!(entry.sender, Some(Fault::Rest)) && entry.rest_seconds.is_none() {
                return Err(bad(format!("{} does not say how long its sender rests", entry.code)));
            }
            if entry.effective_from.is_some_and(|from| from > file.version) {
                continue;
            }
            match codes.get(&entry.code) {
                Some(known) if known.effective_from == entry.effective_from => {
                    return Err(bad(format!("{} stands twice", entry.code)));
                }
                Some(known) if known.effective_from > entry.effective_from => {}
                _ => drop(codes.insert(entry.code, entry)),
            }
        }
        Ok(Self { version: file.version, health: file.health, codes, statuses: file.statuses })
    }
}

impl Book {
    /// The codes that say that a text was taken for spam, as they are counted.
    pub fn filtered(&self) -> Vec<String> {
        let filtered = self.codes.values().filter(|entry| matches!(entry.sender, Some(Fault::Filtered)));
        filtered.map(|entry| entry.code.to_string()).collect()
    }
}

fn entry(code: i64) -> Option<&'static Entry> {
    Book::shipped().ok()?.codes.get(&code)
}

/// What a code means; `None` for one we do not know.
pub fn class_of(code: i64) -> Option<Class> {
    entry(code).map(|entry| entry.meaning)
}

/// What an HTTP status means. Where the book says nothing, a message may have been taken.
fn class_of_status(status: u16) -> Class {
    let of = |book: &Book| book.statuses.iter().find(|one| (one.from..=one.to).contains(&status)).map(|one| one.meaning);
    Book::shipped().ok().and_then(of).unwrap_or(Class::Unknown)
}

/// What a code that a callback reports says about the recipient.
pub fn recipient_fault(code: i64) -> Option<RecipientFault> {
    match class_of(code)? {
        Class::OptedOut => Some(RecipientFault::OptedOut),
        Class::InvalidNumber => Some(RecipientFault::InvalidNumber),
        _ => None,
    }
}

/// What a code says about the number that the text left from.
pub fn sender_fault(code: i64) -> Option<SenderFault> {
    let entry = entry(code)?;
    Some(match entry.sender? {
        Fault::Quarantine => SenderFault::Quarantine,
        Fault::Rest => SenderFault::Rest(entry.rest_seconds.unwrap_or(60)),
        Fault::RestOfDay => SenderFault::RestOfDay,
        Fault::Filtered => SenderFault::Filtered,
        Fault::OptedOut => SenderFault::OptedOut,
    })
}

/// Whether a message that a callback reports this of is sent once more, and when.
pub fn resend(code: i64) -> Option<Resend> {
    entry(code)?.resend
}

/// From when on a number of which callbacks report this counts as one that takes no texts.
pub fn gone_after(code: i64) -> Option<GoneAfter> {
    entry(code)?.gone_after
}

#[derive(Deserialize, Default)]
struct Body {
    code: Option<i64>,
    message: Option<String>,
}

/// What an answer that is not a success means.
pub fn classify(phase: Phase, status: u16, body: &[u8], retry_after: Option<Duration>) -> VendorError {
    let body: Body = serde_json::from_slice(body).unwrap_or_default();
    let by_status = class_of_status(status);
    // A server's error says that it lost its way, whatever code it found for it.
    let class = if status >= 500 { by_status } else { body.code.and_then(class_of).unwrap_or(by_status) };
    let code = body.code.unwrap_or(i64::from(status));
    let said = body.message.map_or_else(|| format!("HTTP {status}"), |text| without_numbers(&text));
    match (class, phase) {
        (Class::RateLimited, _) => {
            let own = body.code.and_then(entry).and_then(|entry| entry.wait_seconds).map(Duration::from_secs);
            VendorError::RateLimited { vendor: VENDOR, retry_after: retry_after.or(own) }
        }
        (Class::OptedOut, _) => VendorError::Recipient { vendor: VENDOR, code, fault: RecipientFault::OptedOut },
        (Class::InvalidNumber, _) => VendorError::Recipient { vendor: VENDOR, code, fault: RecipientFault::InvalidNumber },
        (Class::Config, _) => VendorError::Config { vendor: VENDOR, code, reason: said },
        (Class::Refused, _) => VendorError::Refused { vendor: VENDOR, code, reason: said },
        (Class::Unknown, Phase::Write) => VendorError::UnknownOutcome { vendor: VENDOR, reason: said },
        (Class::Unknown, Phase::Read) | (Class::Passing, _) => VendorError::Retryable { vendor: VENDOR, reason: said },
    }
}

/// What it means that no answer came.
pub fn lost(phase: Phase, error: reqwest::Error) -> VendorError {
    // Never connected, or never written: nothing was taken. Anything later may have been.
    let not_written = error.is_connect() || error.is_builder();
    let reason = told(error);
    match phase {
        Phase::Write if !not_written => VendorError::UnknownOutcome { vendor: VENDOR, reason },
        _ => VendorError::Retryable { vendor: VENDOR, reason },
    }
}

/// What it means that a success can't be read.
pub fn unreadable(phase: Phase, error: &dyn std::fmt::Display) -> VendorError {
    let reason = format!("the answer can't be read: {error}");
    match phase {
        Phase::Write => VendorError::UnknownOutcome { vendor: VENDOR, reason },
        Phase::Read => VendorError::Retryable { vendor: VENDOR, reason },
    }
}

/// Twilio quotes phone numbers in its sentences; ours go to logs and records.
fn without_numbers(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(300));
    let mut digits = String::new();
    for c in text.chars().take(300).chain([' ']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        clean.push_str(if digits.len() < 7 { &digits } else { "…" });
        digits.clear();
        clean.push(c);
    }
    clean.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(phase: Phase, status: u16, code: Option<i64>) -> String {
        let body = code.map(|code| format!(r#"{{"code":{code},"message":"text","status":{status}}}"#)).unwrap_or_default();
        match classify(phase, status, body.as_bytes(), None) {
            VendorError::Retryable { .. } => "retry".into(),
            VendorError::RateLimited { retry_after, .. } => format!("rate {}", retry_after.map_or(0, |wait| wait.as_secs())),
            VendorError::UnknownOutcome { .. } => "unknown".into(),
            VendorError::Refused { .. } => "refused".into(),
            VendorError::Recipient { fault, .. } => format!("{fault:?}"),
            VendorError::Config { .. } => "config".into(),
        }
    }

    #[test]
    fn each_answer_to_a_send_means_what_the_table_says() {
        // VENDORS 1.1, row by row: status, code, meaning.
        let table: [(u16, Option<i64>, &str); 27] = [
            (401, Some(20003), "config"),
            (401, None, "config"),
            (403, None, "config"),
            (404, Some(20404), "config"),
            (429, Some(20429), "rate 0"),
            (429, None, "rate 0"),
            (500, None, "unknown"),
            (502, None, "unknown"),
            (503, None, "unknown"),
            (503, Some(21211), "unknown"),
            (400, Some(21211), "InvalidNumber"),
            (400, Some(21214), "InvalidNumber"),
            (400, Some(21217), "InvalidNumber"),
            (400, Some(21408), "config"),
            (400, Some(21606), "config"),
            (400, Some(21601), "config"),
            (400, Some(21608), "config"),
            (400, Some(21610), "OptedOut"),
            (400, Some(21611), "rate 600"),
            (400, Some(21612), "refused"),
            (400, Some(21614), "InvalidNumber"),
            (400, Some(21617), "refused"),
            (400, Some(99999), "refused"),
            (408, None, "unknown"),
            (302, None, "config"),
            (429, Some(63038), "rate 86400"),
            (200, None, "unknown"),
        ];
        for (status, code, expected) in table {
            assert_eq!(meaning(Phase::Write, status, code), expected, "HTTP {status} with {code:?}");
        }
    }

    #[test]
    fn a_look_up_that_failed_may_be_repeated() {
        for status in [500, 502, 503, 408] {
            assert_eq!(meaning(Phase::Read, status, None), "retry");
        }
        assert_eq!(meaning(Phase::Read, 401, Some(20003)), "config");
    }

    #[test]
    fn a_rate_limit_lasts_as_long_as_twilio_asked() {
        let error = classify(Phase::Write, 429, b"", Some(Duration::from_secs(7)));
        assert!(matches!(error, VendorError::RateLimited { retry_after: Some(wait), .. } if wait.as_secs() == 7));
    }

    #[test]
    fn callbacks_that_speak_of_the_recipient_are_known() {
        for code in [21610, 30004] {
            assert_eq!(recipient_fault(code), Some(RecipientFault::OptedOut), "{code}");
        }
        for code in [21211, 21614, 30005, 30006] {
            assert_eq!(recipient_fault(code), Some(RecipientFault::InvalidNumber), "{code}");
        }
        for code in [30001, 30002, 30003, 30007, 30008, 30022, 30023, 30034, 30036, 30047, 63038, 0, 12] {
            assert_eq!(recipient_fault(code), None, "{code}");
        }
    }

    #[test]
    fn the_book_is_whole_and_no_code_stands_in_it_twice() {
        let book = Book::shipped().expect("the shipped meanings");
        assert_eq!(book.codes.len(), 33);
        let twice = include_str!("data/errors.json").replacen("\"code\": 20404", "\"code\": 20003", 1);
        assert!(Book::read(&twice).is_err_and(|bad| bad.problem == "20003 stands twice"));
    }

    #[test]
    fn a_change_counts_from_its_day_on() {
        let file = |version: &str| {
            let entry = |from: &str, meaning: &str| {
                format!(r#"{{"code": 1, "meaning": "{meaning}", "effective_from": {from}, "what": "", "source": "x"}}"#)
            };
            let codes = [entry("null", "passing"), entry("\"2027-02-01\"", "refused")].join(",");
            let health = r#"{"filtered_share": 0.01, "opted_out_share": 0.03, "at_least": 1, "rest_seconds": 1, "campaign_window_seconds": 1, "source": "x"}"#;
            format!(r#"{{"version": "{version}", "note": "", "health": {health}, "codes": [{codes}], "statuses": []}}"#)
        };
        let meaning = |version: &str| Book::read(&file(version)).expect("a book").codes[&1].meaning;
        assert_eq!((meaning("2027-01-31"), meaning("2027-02-01")), (Class::Passing, Class::Refused));
    }

    #[test]
    fn what_a_code_says_of_the_sender() {
        for code in [21212, 21601, 21603, 21606, 30034] {
            assert_eq!(sender_fault(code), Some(SenderFault::Quarantine), "{code}");
        }
        assert_eq!(sender_fault(21611), Some(SenderFault::Rest(600)));
        assert_eq!(sender_fault(30023), Some(SenderFault::RestOfDay));
        assert_eq!(sender_fault(30007), Some(SenderFault::Filtered));
        for code in [20003, 21211, 21614, 30003, 30008, 0] {
            assert_eq!(sender_fault(code), None, "{code}");
        }
    }

    #[test]
    fn what_may_get_through_another_time_is_sent_once_more_at_most() {
        for code in [30001, 30003, 30008, 30022, 30036, 30047] {
            let again = resend(code).expect("a second try");
            assert_eq!(again.most, 1, "{code}");
            assert_eq!(class_of(code), Some(Class::Passing), "{code}");
        }
        assert!(resend(30003).is_some_and(|again| again.after_seconds >= 4 * 3600));
        assert_eq!(gone_after(30003), Some(GoneAfter { times: 3, days: 30 }));
        for code in [21610, 30002, 30004, 30005, 30006, 30007, 30023, 30034, 63038, 0] {
            assert_eq!((resend(code), gone_after(code)), (None, None), "{code}");
        }
        assert_eq!(Book::shipped().expect("the shipped meanings").filtered(), ["30007"]);
    }

    #[test]
    fn phone_numbers_in_twilios_sentences_are_not_kept() {
        assert_eq!(
            without_numbers("The 'To' number +15551230001 is not valid (21211)."),
            "The 'To' number +… is not valid (21211)."
        );
    }
}
