//! What Twilio's errors mean: a table, read by code and, where no code is known, by HTTP status.

use std::time::Duration;

use serde::Deserialize;

use super::{VENDOR, told};
use crate::vendors::{VendorError, error::RecipientFault};

/// What a request would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing: a look-up may be repeated.
    Read,
    /// Send a message: lost once it was written, it may have been taken.
    Write,
}

/// What an error means for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Not taken; come back in so many seconds (0: Twilio does not say).
    RateLimited(u64),
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

/// Every code we know, and what it means: answered at once, or reported later by a callback.
pub const CODES: &[(i64, Class)] = &[
    (20003, Class::Config),              // bad credentials
    (20404, Class::Config),              // no such account or resource
    (20429, Class::RateLimited(0)),      // too many requests at once; not processed
    (21211, Class::InvalidNumber),       // invalid To
    (21212, Class::Config),              // invalid From
    (21214, Class::InvalidNumber),       // To can't be reached
    (21217, Class::InvalidNumber),       // To is no number
    (21408, Class::Config),              // region not permitted
    (21601, Class::Config),              // From can't send texts
    (21602, Class::Refused),             // no body
    (21603, Class::Config),              // no From
    (21604, Class::Refused),             // no To
    (21606, Class::Config),              // From is not ours
    (21608, Class::Config),              // trial account
    (21610, Class::OptedOut),            // replied STOP to this sender
    (21611, Class::RateLimited(600)),    // the sender's queue is full
    (21612, Class::Refused),             // no route from From to To
    (21614, Class::InvalidNumber),       // not a mobile number
    (21617, Class::Refused),             // body too long
    (30001, Class::Passing),             // queue overflow
    (30002, Class::Config),              // account suspended
    (30003, Class::Passing),             // handset unreachable
    (30004, Class::OptedOut),            // blocked by the recipient or the carrier
    (30005, Class::InvalidNumber),       // unknown or inactive handset
    (30006, Class::InvalidNumber),       // landline
    (30007, Class::Refused),             // filtered
    (30008, Class::Passing),             // the carrier does not say
    (30022, Class::Passing),             // the campaign's rate at the carriers
    (30023, Class::Passing),             // the brand's daily cap
    (30034, Class::Config),              // sender not registered
    (30036, Class::Passing),             // its validity ended before it was sent
    (30047, Class::Passing),             // could not be rescheduled
    (63038, Class::RateLimited(86_400)), // the account's daily cap
];

/// What an HTTP status means where the body holds no code we know, for a message that was to be sent.
pub const STATUSES: &[(std::ops::RangeInclusive<u16>, Class)] = &[
    (401..=401, Class::Config),
    (403..=404, Class::Config),
    (408..=408, Class::Unknown), // somewhere on the way; nobody says where
    (429..=429, Class::RateLimited(0)),
    (300..=399, Class::Config), // we follow no redirect: base_url is wrong
    (400..=499, Class::Refused),
    (0..=u16::MAX, Class::Unknown),
];

/// What a code means; `None` for one we do not know.
pub fn class_of(code: i64) -> Option<Class> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, class)| *class)
}

/// What a code that a callback reports says about the recipient.
pub fn recipient_fault(code: i64) -> Option<RecipientFault> {
    match class_of(code)? {
        Class::OptedOut => Some(RecipientFault::OptedOut),
        Class::InvalidNumber => Some(RecipientFault::InvalidNumber),
        _ => None,
    }
}

#[derive(Deserialize, Default)]
struct Body {
    code: Option<i64>,
    message: Option<String>,
}

/// What an answer that is not a success means.
pub fn classify(phase: Phase, status: u16, body: &[u8], retry_after: Option<Duration>) -> VendorError {
    let body: Body = serde_json::from_slice(body).unwrap_or_default();
    let by_status = STATUSES.iter().find(|(range, _)| range.contains(&status)).map_or(Class::Unknown, |(_, class)| *class);
    // A server's error says that it lost its way, whatever code it found for it.
    let class = if status >= 500 { by_status } else { body.code.and_then(class_of).unwrap_or(by_status) };
    let code = body.code.unwrap_or(i64::from(status));
    let said = body.message.map_or_else(|| format!("HTTP {status}"), |text| without_numbers(&text));
    match (class, phase) {
        (Class::RateLimited(seconds), _) => {
            let own = (seconds > 0).then(|| Duration::from_secs(seconds));
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
    fn no_code_stands_twice() {
        for (n, (code, _)) in CODES.iter().enumerate() {
            assert!(CODES[n + 1..].iter().all(|(other, _)| other != code), "{code}");
        }
    }

    #[test]
    fn phone_numbers_in_twilios_sentences_are_not_kept() {
        assert_eq!(
            without_numbers("The 'To' number +15551230001 is not valid (21211)."),
            "The 'To' number +… is not valid (21211)."
        );
    }
}
