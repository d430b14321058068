//! What becomes of a message behind Twilio: a number's line at the carriers, and how they end a text.
//!
//! A number in area code 500 whose last five digits are a carrier's code (30001 to 30047) ends undelivered with that code, so
//! that a smoke test needs nothing set: +15005530003 is a handset that can't be reached, +15005530007 a text taken for spam.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::faults::Faults;

/// Twilio queues a number's texts for so long, and refuses more (21611).
const LONGEST_LINE: TimeDelta = TimeDelta::hours(10);

/// The lines of all numbers.
#[derive(Debug, Default)]
pub(super) struct Lines(HashMap<String, DateTime<Utc>>);

impl Lines {
    /// Puts a text of so many segments into its number's line: how long it stands there. `None`: the line is too long.
    pub fn enter(&mut self, faults: &Faults, sender: &str, segments: usize, now: DateTime<Utc>) -> Option<Duration> {
        let Some(rate) = faults.segments_per_second.filter(|rate| *rate > 0.0) else { return Some(Duration::ZERO) };
        let free = self.0.get(sender).copied().unwrap_or(now).max(now);
        if free - now > LONGEST_LINE {
            return None;
        }
        let takes = TimeDelta::microseconds((segments as f64 / rate * 1e6) as i64);
        self.0.insert(sender.to_owned(), free + takes);
        (free - now).to_std().ok()
    }
}

/// How carriers end a text to this number, where they do not deliver it.
pub(super) fn ends_with(faults: &Faults, to: &str) -> Option<i32> {
    if let Some(code) = faults.numbers.get(to).and_then(|number| number.undelivered) {
        return Some(code);
    }
    if let Some((_, code)) = faults.endings.iter().find(|(ending, _)| to.ends_with(ending.as_str())) {
        return Some(*code);
    }
    let last: i32 = to.strip_prefix("+1500").filter(|rest| rest.len() == 7)?.get(2..)?.parse().ok()?;
    (30_001..=30_047).contains(&last).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_moves_at_its_rate_and_each_number_has_its_own() {
        let faults = Faults { segments_per_second: Some(2.0), ..Faults::default() };
        let (mut lines, now) = (Lines::default(), DateTime::<Utc>::UNIX_EPOCH);
        let mut enter = |sender: &str, at: TimeDelta| lines.enter(&faults, sender, 1, now + at).expect("a place").as_millis();
        let still = TimeDelta::zero();
        assert_eq!([enter("+1", still), enter("+1", still), enter("+1", still), enter("+2", still)], [0, 500, 1000, 0]);
        assert_eq!(enter("+1", TimeDelta::seconds(5)), 0, "the line has run empty");
    }

    #[test]
    fn a_line_of_ten_hours_takes_no_more() {
        let faults = Faults { segments_per_second: Some(0.0001), ..Faults::default() };
        let (mut lines, now) = (Lines::default(), DateTime::<Utc>::UNIX_EPOCH);
        let places: Vec<_> = (0..8).map(|_| lines.enter(&faults, "+1", 1, now).is_some()).collect();
        assert_eq!(places.iter().filter(|taken| **taken).count(), 4);
    }

    #[test]
    fn a_number_says_how_its_texts_end() {
        let endings = [("0199".to_owned(), 30_008)].into();
        let faults = Faults { endings, ..Faults::default() };
        for (to, code) in [
            ("+15005530003", Some(30_003)),
            ("+15005530048", None),
            ("+12125530003", None),
            ("+12125550199", Some(30_008)),
            ("+12125550100", None),
        ] {
            assert_eq!(ends_with(&faults, to), code, "{to}");
        }
    }
}
