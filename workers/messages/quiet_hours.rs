//! Decides whether a text may reach somebody now, and when it next may.
//!
//! A moment is open when every rule that may apply allows it in every time zone the person may be in: the federal hours,
//! the house's own, those of each candidate state, and careful ones where the state is unknown. The rules are data with
//! their sources (`data/quiet_hours.json`); this file only does the arithmetic, and the clocks' changes come from tzdata.

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeZone as _, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use serde::Deserialize;

use super::places::{Atlas, BadData, Place, parse_zones};

/// Hours of a day, local time: from the first on, before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Hours(pub u32, pub u32);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    state: String,
    #[serde(default)]
    effective_from: Option<NaiveDate>,
    weekdays: Option<Hours>,
    saturday: Option<Hours>,
    sunday: Option<Hours>,
    on_holidays: bool,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    #[serde(rename = "note")]
    _note: String,
    federal: Rule,
    careful: Rule,
    states: Vec<Rule>,
    zones: HashMap<String, Vec<String>>,
    #[serde(rename = "holidays_source")]
    _holidays_source: String,
    holidays: BTreeSet<NaiveDate>,
    holidays_known_to: NaiveDate,
}

/// The rules that ship with this build.
pub struct Book {
    /// Named in every decision.
    pub version: String,
    /// Where phone numbers are.
    pub atlas: Atlas,
    federal: Rule,
    careful: Rule,
    states: HashMap<String, Vec<Rule>>,
    holidays: BTreeSet<NaiveDate>,
    holidays_known_to: NaiveDate,
}

/// Whether a text may arrive now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, until this moment.
    Open {
        /// The first moment that is closed again.
        closes_at: DateTime<Utc>,
    },
    /// Not before this moment.
    Closed {
        /// The next moment that is open.
        opens_at: DateTime<Utc>,
        /// What keeps it closed now: `federal`, `house`, `careful` or a state.
        rule: String,
    },
    /// No moment of the coming weeks is open in every place.
    Never,
}

// A fortnight holds every weekly pattern and any run of holidays.
const HORIZON: Days = Days::new(14);

static SHIPPED: LazyLock<Result<Book, BadData>> =
    LazyLock::new(|| Book::read(include_str!("data/quiet_hours.json"), include_str!("data/area_codes.csv")));

impl Book {
    /// The rules that ship with this build.
    pub fn shipped() -> Result<&'static Self, BadData> {
        SHIPPED.as_ref().map_err(Clone::clone)
    }

    /// Reads the rules and the area codes.
    pub fn read(rules: &str, area_codes: &str) -> Result<Self, BadData> {
        let bad = |problem: String| BadData { file: "quiet_hours.json", problem };
        let file: File = serde_json::from_str(rules).map_err(|e| bad(e.to_string()))?;
        let mut zones_of_state = HashMap::new();
        for (state, names) in file.zones {
            zones_of_state.insert(state, parse_zones(names).map_err(bad)?);
        }
        let mut states: HashMap<String, Vec<Rule>> = HashMap::new();
        for rule in file.states {
            let sound = |hours: Option<Hours>| hours.is_none_or(|Hours(from, to)| from < to && to <= 24);
            if !(sound(rule.weekdays) && sound(rule.saturday) && sound(rule.sunday)) || rule.source.is_empty() {
                return Err(bad(format!("the rule of {:?} has impossible hours or no source", rule.state)));
            }
            if !zones_of_state.contains_key(&rule.state) {
                return Err(bad(format!("{:?} has a rule and no zones", rule.state)));
            }
            states.entry(rule.state.clone()).or_default().push(rule);
        }
        Ok(Self {
            version: file.version,
            atlas: Atlas::read(area_codes, zones_of_state)?,
            federal: file.federal,
            careful: file.careful,
            states,
            holidays: file.holidays,
            holidays_known_to: file.holidays_known_to,
        })
    }

    /// Whether a text may arrive at `now`; `house` are the hours that the configuration keeps everywhere.
    pub fn verdict(&self, place: &Place, house: Hours, now: DateTime<Utc>) -> Verdict {
        let Some(rule) = place.zones.iter().find_map(|zone| self.closed_by(*zone, place, house, now)) else {
            let ends = place.zones.iter().filter_map(|zone| {
                let today = now.with_timezone(zone).date_naive();
                let Hours(_, to) = self.hours(today, place, house)?;
                hour(*zone, today, to).map(|end| end.max(now))
            });
            return Verdict::Open { closes_at: ends.min().unwrap_or(now) };
        };
        match self.next_open(place, house, now) {
            Some(opens_at) => Verdict::Closed { opens_at, rule },
            None => Verdict::Never,
        }
    }

    /// Goes from opening to opening, always to the latest of the zones, until all are open at once.
    fn next_open(&self, place: &Place, house: Hours, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let limit = now.checked_add_days(HORIZON)?;
        let mut at = now;
        while at <= limit {
            let shut = place.zones.iter().find(|zone| self.closed_by(**zone, place, house, at).is_some());
            let Some(zone) = shut else { return Some(at) };
            let today = at.with_timezone(zone).date_naive();
            at = today
                .iter_days()
                .take(15)
                .filter_map(|day| hour(*zone, day, self.hours(day, place, house)?.0))
                .find(|opening| *opening > at)?;
        }
        None
    }

    /// The name of the first rule that forbids a text at this moment in this zone.
    fn closed_by(&self, zone: Tz, place: &Place, house: Hours, at: DateTime<Utc>) -> Option<String> {
        let local = at.with_timezone(&zone);
        let inside = |hours: Option<Hours>| hours.is_some_and(|Hours(from, to)| (from..to).contains(&local.hour()));
        self.rules(local.date_naive(), place, house).find(|(_, hours)| !inside(*hours)).map(|(name, _)| name.to_owned())
    }

    /// The hours of a day that every rule allows.
    fn hours(&self, day: NaiveDate, place: &Place, house: Hours) -> Option<Hours> {
        self.rules(day, place, house)
            .try_fold(Hours(0, 24), |all, (_, one)| {
                let one = one?;
                Some(Hours(all.0.max(one.0), all.1.min(one.1)))
            })
            .filter(|Hours(from, to)| from < to)
    }

    /// Every rule that may apply on a day, by name, with the hours it allows.
    fn rules<'a>(&'a self, day: NaiveDate, place: &'a Place, house: Hours) -> impl Iterator<Item = (&'a str, Option<Hours>)> {
        let stated = place.states.iter().filter_map(move |state| {
            let in_force = self.states.get(state)?.iter().filter(|rule| rule.effective_from.is_none_or(|from| from <= day));
            // The newest; an undated one is the oldest.
            in_force.max_by_key(|rule| rule.effective_from).map(|rule| (state.as_str(), self.on(rule, day)))
        });
        std::iter::once(("federal", self.on(&self.federal, day)))
            .chain(std::iter::once(("house", Some(house))))
            .chain(stated)
            .chain((!place.sure).then(|| ("careful", self.on(&self.careful, day))))
    }

    fn on(&self, rule: &Rule, day: NaiveDate) -> Option<Hours> {
        // Beyond the list every day may be a holiday.
        let holiday = day > self.holidays_known_to || self.holidays.contains(&day);
        if holiday && !rule.on_holidays {
            return None;
        }
        match day.weekday() {
            Weekday::Sat => rule.saturday,
            Weekday::Sun => rule.sunday,
            _ => rule.weekdays,
        }
    }
}

/// The moment at which a local hour begins; none where a change of the clocks skips it.
fn hour(zone: Tz, day: NaiveDate, hour: u32) -> Option<DateTime<Utc>> {
    let (day, hour) = if hour == 24 { (day.succ_opt()?, 0) } else { (day, hour) };
    zone.from_local_datetime(&day.and_hms_opt(hour, 0, 0)?).earliest().map(|at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests;
