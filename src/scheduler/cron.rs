//! Says when a cron pattern fires next in a time zone. Pure.
//!
//! Through a change of the clocks, a pattern with a fixed time (`30 2 * * *`) fires once on every day: in spring, when its
//! time does not exist, at the first moment behind the gap; in autumn, when it comes twice, at the first of the two. A
//! pattern that repeats within the day (`*/30 * * * *`) follows real time through both.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};

/// Why a schedule has no next tick.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not a pattern.
    #[error(
        "{pattern:?} is not a cron pattern ({reason}); write five fields: minute hour day month weekday, as in \"0 9 * * MON-FRI\""
    )]
    Pattern {
        /// As it was given.
        pattern: String,
        /// What the parser said.
        reason: String,
    },
    /// Not a time zone.
    #[error("{0:?} is not a time zone; write a name of the IANA database, as in \"America/New_York\" or \"UTC\"")]
    Zone(String),
    /// A date that does not exist.
    #[error("{0:?} never fires: no day matches it")]
    Never(String),
}

/// The first moment after `after`, never `after` itself, at which `cron` fires in `zone`.
pub fn next_tick(cron: &str, zone: &str, after: DateTime<Utc>) -> Result<DateTime<Utc>, CronError> {
    let wrong = |reason: String| CronError::Pattern { pattern: shown(cron), reason };
    let zone: Tz = zone.parse().map_err(|_| CronError::Zone(shown(zone)))?;
    if cron.len() > 200 {
        return Err(wrong("longer than 200 characters".into()));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let pattern = parser.parse(cron).map_err(|error| wrong(error.to_string()))?;
    let next = pattern.find_next_occurrence(&after.with_timezone(&zone), false);
    next.map(|moment| moment.with_timezone(&Utc)).map_err(|_| CronError::Never(shown(cron)))
}

fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use chrono::{Duration, NaiveDate, Timelike as _};
    use proptest::prelude::*;

    use super::*;

    const ZONES: [&str; 7] = [
        "UTC",
        "America/New_York",
        "America/Los_Angeles",
        "America/Phoenix",
        "Europe/Berlin",
        "Australia/Lord_Howe", // moves its clocks by half an hour
        "Asia/Kathmandu",      // a quarter of an hour off
    ];

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    fn ticks(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let mut at = utc(from);
        let next = |_| {
            at = next_tick(cron, zone, at).expect("a tick");
            at.with_timezone(&zone.parse::<Tz>().expect("a zone")).to_rfc3339()
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn a_time_the_spring_skips_fires_behind_the_gap_and_once() {
        let seen = ticks("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", 2);
        assert_eq!(seen, ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]);
    }

    #[test]
    fn a_time_the_autumn_repeats_fires_once() {
        let seen = ticks("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2);
        assert_eq!(seen, ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]);
    }

    #[test]
    fn an_interval_follows_real_time_through_both_changes() {
        for from in ["2026-03-08T05:45:00Z", "2026-11-01T04:45:00Z"] {
            let mut at = utc(from);
            for _ in 0..12 {
                let next = next_tick("*/30 * * * *", "America/New_York", at).expect("a tick");
                assert!(next - at <= Duration::minutes(30), "{at} to {next}");
                at = next;
            }
        }
    }

    #[test]
    fn what_can_not_be_is_refused_with_its_reason() {
        let now = utc("2026-01-01T00:00:00Z");
        for pattern in ["", "* * * *", "* * * * * *", "61 * * * *", "every day", "* * * * MUN", "\u{1f980}", &"*".repeat(300)] {
            assert!(matches!(next_tick(pattern, "UTC", now), Err(CronError::Pattern { .. })), "{pattern:?}");
        }
        assert_eq!(next_tick("0 0 31 2 *", "UTC", now), Err(CronError::Never("0 0 31 2 *".into())));
        assert_eq!(next_tick("0 0 * * *", "Mars/Base", now), Err(CronError::Zone("Mars/Base".into())));
    }

    fn fields() -> impl Strategy<Value = (u32, u32)> {
        (0u32..60, 0u32..24)
    }

    fn moments() -> impl Strategy<Value = DateTime<Utc>> {
        (1_577_836_800i64..2_208_988_800, 0u32..1_000_000_000)
            .prop_map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).expect("a moment"))
    }

    fn patterns() -> impl Strategy<Value = String> {
        prop_oneof![
            fields().prop_map(|(minute, hour)| format!("{minute} {hour} * * *")),
            (1u32..31).prop_map(|step| format!("*/{step} * * * *")),
            fields().prop_map(|(minute, hour)| format!("{minute} */{} * * *", hour.max(1))),
            (fields(), 1u32..29).prop_map(|((minute, hour), day)| format!("{minute} {hour} {day} * *")),
            (fields(), 0u32..7).prop_map(|((minute, hour), weekday)| format!("{minute} {hour} * * {weekday}")),
        ]
    }

    proptest! {
        #[test]
        fn any_text_is_answered_without_a_panic(pattern in "\\PC{0,40}", zone in "\\PC{0,20}", after in moments()) {
            let _ = next_tick(&pattern, &zone, after);
            let _ = next_tick(&pattern, "Europe/Berlin", after);
        }

        #[test]
        fn the_next_tick_is_ahead_and_on_a_full_minute(pattern in patterns(), zone in prop::sample::select(&ZONES), after in moments()) {
            let next = next_tick(&pattern, zone, after).expect("a tick");
            prop_assert!(next > after);
            prop_assert_eq!((next.second(), next.nanosecond()), (0, 0));
        }

        // Asked from any moment in between, the answer is the same: no tick is passed over, none is made up.
        #[test]
        fn no_tick_lies_between(pattern in patterns(), zone in prop::sample::select(&ZONES), after in moments(), part in 0.0f64..1.0) {
            let next = next_tick(&pattern, zone, after).expect("a tick");
            let between = after + Duration::milliseconds(((next - after).num_milliseconds() as f64 * part) as i64);
            prop_assume!(between < next);
            prop_assert_eq!(next_tick(&pattern, zone, between).expect("a tick"), next);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_daily_time_fires_once_on_every_day((minute, hour) in fields(), zone in prop::sample::select(&ZONES), year in 2020i32..2040) {
            let tz: Tz = zone.parse().expect("a zone");
            let pattern = format!("{minute} {hour} * * *");
            let mut at = next_tick(&pattern, zone, utc(&format!("{year}-01-01T12:00:00Z"))).expect("a tick");
            for _ in 0..366 {
                let next = next_tick(&pattern, zone, at).expect("a tick");
                let days: [NaiveDate; 2] = [at, next].map(|moment| moment.with_timezone(&tz).date_naive());
                prop_assert_eq!((days[1] - days[0]).num_days(), 1, "{} then {}", at, next);
                at = next;
            }
        }
    }
}
