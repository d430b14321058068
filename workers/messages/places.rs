//! Says where the person behind a phone number may be: every time zone and state that can't be ruled out.
//!
//! Numbers are ported and people move, so the area code and the lead's own state both count. What is known only widens
//! the answer, and a wider answer only makes the hours stricter.

use std::collections::{BTreeSet, HashMap};

use chrono_tz::Tz;

/// What the files under `data/` said, or why they could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct BadData {
    /// The file.
    pub file: &'static str,
    /// Its fault.
    pub problem: String,
}

/// Where a person may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Every time zone they may be in; never empty.
    pub zones: Vec<Tz>,
    /// Every state whose rules may apply.
    pub states: Vec<String>,
    /// The states are known. If not, the careful hours apply on top.
    pub sure: bool,
}

/// Why nobody can say where a person is, or why no text should go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nowhere {
    /// Not a number of the United States or their territories: no rules of ours cover it.
    Abroad,
    /// A toll-free number: nobody's handset.
    TollFree,
    /// An area code that lies nowhere, and no state on record.
    Unknown,
}

impl Nowhere {
    /// The rule, as a decision records it.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Abroad => "recipient_abroad",
            Self::TollFree => "recipient_toll_free",
            Self::Unknown => "recipient_whereabouts_unknown",
        }
    }
}

enum Area {
    States { states: Vec<String>, zones: Vec<Tz> },
    Nowhere,
    TollFree,
    Abroad,
}

/// Area codes, and the zones of each state.
pub struct Atlas {
    areas: HashMap<String, Area>,
    zones_of_state: HashMap<String, Vec<Tz>>,
}

impl Atlas {
    /// Reads `data/area_codes.csv`; `zones_of_state` comes from the rule book.
    pub fn read(csv: &str, zones_of_state: HashMap<String, Vec<Tz>>) -> Result<Self, BadData> {
        let bad = |problem: String| BadData { file: "area_codes.csv", problem };
        let mut areas = HashMap::new();
        for row in csv.lines().filter(|line| !line.starts_with('#')).skip(1) {
            let columns: Vec<&str> = row.split(',').collect();
            let [code, kind, states, zones] = columns[..] else {
                return Err(bad(format!("{row:?} has not four columns")));
            };
            let area = match kind {
                "us" => Area::States { states: list(states), zones: parse_zones(list(zones)).map_err(bad)? },
                "nowhere" => Area::Nowhere,
                "toll_free" => Area::TollFree,
                "abroad" => Area::Abroad,
                other => return Err(bad(format!("area code {code} has the unknown kind {other:?}"))),
            };
            if let Area::States { states, zones } = &area
                && (zones.is_empty() || states.is_empty())
            {
                return Err(bad(format!("area code {code} lies in no zone or state")));
            }
            areas.insert(code.to_owned(), area);
        }
        Ok(Self { areas, zones_of_state })
    }

    /// Where the person behind `phone` (E.164) may be, given the state on record.
    pub fn locate(&self, phone: &str, state: Option<&str>) -> Result<Place, Nowhere> {
        let national = phone.strip_prefix("+1").filter(|digits| digits.len() == 10).ok_or(Nowhere::Abroad)?;
        let known = state.and_then(|state| Some((state, self.zones_of_state.get(state)?)));
        let (mut states, mut zones, code_known) = match national.get(..3).and_then(|code| self.areas.get(code)) {
            Some(Area::Abroad) => return Err(Nowhere::Abroad),
            Some(Area::TollFree) => return Err(Nowhere::TollFree),
            Some(Area::States { states, zones }) => (states.clone(), zones.clone(), true),
            Some(Area::Nowhere) | None => (Vec::new(), Vec::new(), false),
        };
        if let Some((state, more)) = known {
            states.push(state.to_owned());
            zones.extend(more);
        }
        if zones.is_empty() {
            return Err(Nowhere::Unknown);
        }
        // A state on record that nobody knows may have rules that nobody knows.
        let sure = code_known && (known.is_some() || state.is_none());
        let distinct: BTreeSet<String> = states.into_iter().collect();
        zones.sort_by_key(|zone| zone.name());
        zones.dedup();
        Ok(Place { zones, states: distinct.into_iter().collect(), sure })
    }

    /// Every area code with its states, for tests and for people who look a decision up.
    pub fn area_codes(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.areas.iter().filter_map(|(code, area)| match area {
            Area::States { states, .. } => Some((code.as_str(), states.as_slice())),
            _ => None,
        })
    }
}

fn list(text: &str) -> Vec<String> {
    text.split('|').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Reads the names of time zones.
pub(super) fn parse_zones(names: Vec<String>) -> Result<Vec<Tz>, String> {
    names.iter().map(|name| name.parse::<Tz>().map_err(|_| format!("{name:?} is no time zone"))).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::quiet_hours::Book, *};

    fn atlas() -> &'static Atlas {
        &Book::shipped().expect("the shipped data").atlas
    }

    fn zones(phone: &str, state: Option<&str>) -> Vec<&'static str> {
        atlas().locate(phone, state).expect("a place").zones.iter().map(|zone| zone.name()).collect()
    }

    #[test]
    fn an_area_code_in_two_zones_gives_both() {
        assert_eq!(zones("+18505550100", None), ["America/Chicago", "America/New_York"]);
    }

    #[test]
    fn the_leads_own_state_counts_beside_the_area_code() {
        let place = atlas().locate("+12125550100", Some("CA")).expect("a place");
        assert_eq!(place.states, ["CA", "NY"]);
        assert_eq!(zones("+12125550100", Some("CA")), ["America/Los_Angeles", "America/New_York"]);
        assert!(place.sure);
    }

    #[test]
    fn a_number_that_lies_nowhere_is_placed_by_its_state_and_with_care() {
        let place = atlas().locate("+15005550006", Some("TX")).expect("a place");
        assert!(!place.sure);
        assert_eq!(place.states, ["TX"]);
        assert_eq!(atlas().locate("+15005550006", None), Err(Nowhere::Unknown));
        assert_eq!(atlas().locate("+19995550100", None), Err(Nowhere::Unknown));
        assert!(!atlas().locate("+12125550100", Some("ZZ")).expect("a place").sure);
    }

    #[test]
    fn toll_free_and_foreign_numbers_have_no_place() {
        assert_eq!(atlas().locate("+18005550100", Some("TX")), Err(Nowhere::TollFree));
        for abroad in ["+14165550100", "+18765550100", "+442079460000", "+1212555", "12125550100", ""] {
            assert_eq!(atlas().locate(abroad, Some("TX")), Err(Nowhere::Abroad), "{abroad:?}");
        }
    }

    #[test]
    fn every_state_has_an_area_code_and_every_area_code_a_state_with_zones() {
        let mut seen = BTreeSet::new();
        for (code, states) in atlas().area_codes() {
            for state in states {
                assert!(atlas().zones_of_state.contains_key(state), "{code} lies in {state}, which has no zones");
                seen.insert(state.clone());
            }
        }
        assert_eq!(seen.len(), 56, "50 states, the capital and five territories");
    }
}
