//! Values that several commands take: moments, rates, payloads.

use std::{fmt, fs, io::Read as _, str::FromStr};

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};
use serde_json::Value;

use super::problem::Problem;

/// A moment: exact, or a span from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// RFC 3339, or a day (its start, UTC).
    At(DateTime<Utc>),
    /// `30s`, `10m`, `2h`, `7d`.
    Span(Duration),
}

impl Moment {
    /// The moment that lies so far back.
    pub fn back_from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(moment) => moment,
            Self::Span(span) => now - span,
        }
    }

    /// The moment that lies so far ahead.
    pub fn ahead_of(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(moment) => moment,
            Self::Span(span) => now + span,
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(moment.to_utc()));
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(Self::At(day.and_time(NaiveTime::MIN).and_utc()));
        }
        let unit = text.chars().last().and_then(unit_seconds);
        let digits = text.get(..text.len().saturating_sub(1)).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let count = digits.and_then(|digits| digits.parse::<i64>().ok());
        match (count, unit) {
            // A hundred years either way: past that a moment is a mistake.
            (Some(count), Some(unit)) if count.checked_mul(unit).is_some_and(|s| s <= 100 * 365 * 86_400) => {
                Ok(Self::Span(Duration::seconds(count * unit)))
            }
            _ => Err("write a moment (2026-11-17T18:00:00Z), a day (2026-11-17) or a span (30s, 10m, 2h, 7d)".into()),
        }
    }
}

fn unit_seconds(unit: char) -> Option<i64> {
    Some(match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    })
}

/// How many a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// From one a day to a million.
    pub per_second: f64,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "write a number and a unit: 50/s, 10/m, 100/h".to_owned();
        let (count, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match (unit.chars().next(), unit.len()) {
            (Some(unit), 1) => unit_seconds(unit).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
        let count: u32 = count.parse().map_err(|_| wrong())?;
        if !(1..=1_000_000).contains(&count) {
            return Err("a rate is 1 to 1000000".into());
        }
        Ok(Self { per_second: f64::from(count) / seconds as f64 })
    }
}

impl fmt::Display for Rate {
    /// In the shortest unit that gives a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = ['s', 'm', 'h', 'd'].into_iter().find_map(|unit| {
            let count = self.per_second * unit_seconds(unit)? as f64;
            (count.round() >= 1.0 && (count - count.round()).abs() < 1e-6).then(|| format!("{}/{unit}", count.round()))
        });
        f.write_str(&whole.unwrap_or_else(|| format!("{:.3}/s", self.per_second)))
    }
}

/// Reads a payload: JSON itself, the name of a file that holds it, or `-` for standard input.
pub fn payload(text: &str) -> Result<Value, Problem> {
    let unreadable = |error: std::io::Error| {
        Problem::usage(format!("the payload can't be read: {error}"))
            .value(text.chars().take(100).collect::<String>())
            .remedy("pass a JSON object, the name of a file that holds one, or - for standard input")
    };
    let json = match text.trim_start().chars().next() {
        Some('{' | '[' | '"') => text.to_owned(),
        _ if text == "-" => {
            let mut read = String::new();
            std::io::stdin().read_to_string(&mut read).map_err(unreadable)?;
            read
        }
        _ => fs::read_to_string(text).map_err(unreadable)?,
    };
    let value: Value = serde_json::from_str(&json).map_err(|error| {
        Problem::usage(format!("the payload is not JSON: {error}")).remedy("quote it for the shell: '{\"lead\": 7}'")
    })?;
    if json.contains("\\u0000") && has_nul(&value) {
        return Err(Problem::usage("the payload holds a NUL character").remedy("leave \\u0000 out: no database text can hold it"));
    }
    Ok(value)
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_moment_is_exact_or_a_span() {
        let now: DateTime<Utc> = "2026-11-17T18:00:00Z".parse().expect("a moment");
        let read = |text: &str| text.parse::<Moment>().expect("a moment");
        assert_eq!(read("2h").back_from(now), now - Duration::hours(2));
        assert_eq!(read("10m").ahead_of(now), now + Duration::minutes(10));
        assert_eq!(read("2026-11-17").back_from(now), now - Duration::hours(18));
        assert_eq!(read("2026-11-17T20:00:00+02:00").back_from(now), now);
        for wrong in ["", "h", "-2h", "2 h", "2w", "yesterday", "99999999999999999999d", "é"] {
            assert!(wrong.parse::<Moment>().is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn a_rate_names_its_unit() {
        let read = |text: &str| text.parse::<Rate>().map(|rate| rate.per_second);
        assert_eq!(read("50/s"), Ok(50.0));
        assert_eq!(read("50"), Ok(50.0));
        assert_eq!(read("30/m"), Ok(0.5));
        for wrong in ["", "/s", "0/s", "-1/s", "5/", "5/sec", "1.5/s", "5/s/s"] {
            assert!(read(wrong).is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn a_nul_in_a_payload_is_found_before_the_database_sees_it() {
        assert!(payload(r#"{"a": [{"b": "x\u0000y"}]}"#).is_err());
        assert!(payload(r#"{"a": "\\u0000"}"#).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(text in "\\PC{0,30}") {
            let _ = text.parse::<Moment>();
            let _ = text.parse::<Rate>();
        }
    }
}
