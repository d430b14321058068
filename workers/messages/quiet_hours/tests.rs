use chrono::{Duration, NaiveDateTime};
use proptest::prelude::*;

use super::*;

const HOUSE: Hours = Hours(9, 20);

fn book() -> &'static Book {
    Book::shipped().expect("the shipped data")
}

fn at(text: &str) -> DateTime<Utc> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a moment").and_utc()
}

fn verdict(phone: &str, state: Option<&str>, now: &str) -> Verdict {
    let place = book().atlas.locate(phone, state).expect("a place");
    book().verdict(&place, HOUSE, at(now))
}

fn closed(opens: &str, rule: &str) -> Verdict {
    Verdict::Closed { opens_at: at(opens), rule: rule.into() }
}

fn open(closes: &str) -> Verdict {
    Verdict::Open { closes_at: at(closes) }
}

#[test]
fn each_state_keeps_its_own_hours() {
    // (number, moment in UTC, what the table of VENDORS 2.1 says); winter time, Tuesday 2026-11-17 unless it says otherwise.
    let table = [
        ("+12125550100", "2026-11-17 13:59", closed("2026-11-17 14:00", "house")), // New York, 8:59
        ("+12125550100", "2026-11-17 12:59", closed("2026-11-17 14:00", "federal")),
        ("+12125550100", "2026-11-17 14:00", open("2026-11-18 01:00")),
        ("+12125550100", "2026-11-18 01:00", closed("2026-11-18 14:00", "house")), // 20:00
        ("+15025550100", "2026-11-17 14:30", closed("2026-11-17 15:00", "KY")),    // Louisville 9:30, both zones from 10
        ("+14015550100", "2026-11-17 23:00", closed("2026-11-18 14:00", "RI")),    // Providence, 18:00
        ("+14015550100", "2026-11-21 14:30", closed("2026-11-21 15:00", "RI")),    // Saturday from 10
        ("+15125550100", "2026-11-22 17:30", closed("2026-11-22 18:00", "TX")),    // Austin, Sunday 11:30
        ("+12055550100", "2026-11-22 18:00", closed("2026-11-23 15:00", "AL")),    // Birmingham, Sunday
        ("+12055550100", "2026-11-26 18:00", closed("2026-11-27 15:00", "AL")),    // Thanksgiving
        ("+16015550100", "2026-11-26 18:00", open("2026-11-27 02:00")),            // Mississippi has no holidays
        ("+14125550100", "2026-11-21 18:00", closed("2026-11-22 14:00", "PA")),    // Pittsburgh, Saturday
    ];
    for (phone, now, expected) in table {
        assert_eq!(verdict(phone, None, now), expected, "{phone} at {now}");
    }
}

#[test]
fn every_candidate_zone_must_be_open() {
    // New York's area code, a lead in California: 9:00 there is 12:00 here, and 20:00 here is 17:00 there.
    assert_eq!(verdict("+12125550100", Some("CA"), "2026-11-17 16:59"), closed("2026-11-17 17:00", "house"));
    assert_eq!(verdict("+12125550100", Some("CA"), "2026-11-17 17:00"), open("2026-11-18 01:00"));
}

#[test]
fn an_unknown_state_gets_the_careful_hours() {
    assert_eq!(verdict("+15005550006", Some("NY"), "2026-11-17 14:30"), closed("2026-11-17 15:00", "careful"));
    assert_eq!(verdict("+15005550006", Some("NY"), "2026-11-17 15:00"), open("2026-11-17 22:00"));
    // Sunday: none.
    assert_eq!(verdict("+15005550006", Some("NY"), "2026-11-22 16:00"), closed("2026-11-23 15:00", "careful"));
}

#[test]
fn the_clocks_change_and_the_hours_follow() {
    // Denver springs forward on 2026-03-08; Phoenix does not. Eight in the morning moves by an hour in one of them.
    assert_eq!(verdict("+13035550100", None, "2026-03-07 15:30"), closed("2026-03-07 16:00", "house"));
    assert_eq!(verdict("+13035550100", None, "2026-03-08 14:30"), closed("2026-03-08 15:00", "house"));
    assert_eq!(verdict("+16025550100", None, "2026-03-08 15:30"), closed("2026-03-08 16:00", "house"));
    // Northern Arizona may be Navajo, which does change: the later opening counts.
    assert_eq!(verdict("+19285550100", None, "2026-03-08 15:30"), closed("2026-03-08 16:00", "house"));
    // New York falls back on 2026-11-01.
    assert_eq!(verdict("+12125550100", None, "2026-10-31 13:00"), open("2026-11-01 00:00"));
    assert_eq!(verdict("+12125550100", None, "2026-11-01 13:30"), closed("2026-11-01 14:00", "house"));
}

#[test]
fn a_rule_applies_from_its_day() {
    // Texas' Sunday rule came with SB 140.
    assert_eq!(verdict("+15125550100", None, "2025-08-31 16:00"), open("2025-09-01 01:00"));
    assert_eq!(verdict("+15125550100", None, "2025-09-07 16:00"), closed("2025-09-07 17:00", "TX"));
}

#[test]
fn beyond_the_list_of_holidays_every_day_may_be_one() {
    assert_eq!(verdict("+12055550100", None, "2036-06-10 18:00"), Verdict::Never);
}

#[test]
fn data_that_makes_no_sense_is_refused_with_its_place() {
    let rules = include_str!("../data/quiet_hours.json");
    let codes = include_str!("../data/area_codes.csv");
    for (from, to) in
        [("\"weekdays\": [8, 20]", "\"weekdays\": [20, 8]"), ("America/Chicago", "America/Chikago"), ("\"on_", "\"in_")]
    {
        let error = Book::read(&rules.replace(from, to), codes).err().expect("a refusal");
        assert_eq!(error.file, "quiet_hours.json", "{error}");
    }
    let error = Book::read(rules, &codes.replace("201,us", "201,uk")).err().expect("a refusal");
    assert!(error.to_string().contains("201"), "{error}");
}

fn is_open(place: &Place, now: DateTime<Utc>) -> bool {
    matches!(book().verdict(place, HOUSE, now), Verdict::Open { .. })
}

#[test]
fn at_every_change_of_the_clocks_in_every_zone_the_hours_are_those_that_the_clock_on_the_wall_shows() {
    let codes: Vec<String> = book().atlas.area_codes().map(|(code, _)| code.to_owned()).collect();
    let zones = codes.iter().flat_map(|code| book().atlas.locate(&format!("+1{code}5550100"), None).expect("a place").zones);
    let mut zones: Vec<Tz> = zones.collect();
    zones.sort_by_key(|zone| zone.name());
    zones.dedup();
    assert!(zones.len() > 12, "{zones:?}");
    // The second Sunday of March and the first of November.
    let changes =
        ["2026-03-08", "2026-11-01", "2027-03-14", "2027-11-07", "2028-03-12", "2028-11-05", "2029-03-11", "2029-11-04"];
    for zone in zones {
        let place = Place { zones: vec![zone], states: Vec::new(), sure: true };
        let mut opened = 0;
        for change in changes {
            let first = at(&format!("{change} 00:00")) - Duration::hours(24);
            for quarter in 0..4 * 72 {
                let now = first + Duration::minutes(15 * quarter);
                let wall = now.with_timezone(&zone).hour();
                let open = is_open(&place, now);
                assert_eq!(open, (HOUSE.0..HOUSE.1).contains(&wall), "{now} is {wall} o'clock in {zone}");
                opened += usize::from(open);
            }
        }
        // Three days of eleven hours around each change: none is longer or shorter for it.
        assert!((8 * 3 * 44 - 8 * 44..=8 * 3 * 44 + 8 * 44).contains(&opened), "{zone}: {opened} quarters");
    }
}

fn places() -> impl Strategy<Value = Place> {
    let codes: Vec<String> = book().atlas.area_codes().map(|(code, _)| code.to_owned()).chain(["500".to_owned()]).collect();
    let states = ["NY", "CA", "TX", "RI", "AL", "AZ", "HI", "AK", "GU", "PR", "ND", "KY", "XX"];
    (prop::sample::select(codes), prop::option::of(prop::sample::select(states.to_vec())))
        .prop_filter_map("a place", |(code, state)| book().atlas.locate(&format!("+1{code}5550100"), state).ok())
}

/// Any minute of five years, and every other time one around a change of the clocks.
fn moments() -> impl Strategy<Value = DateTime<Utc>> {
    let changes = ["2026-03-08 09:00", "2026-11-01 08:00", "2027-03-14 09:00", "2027-11-07 08:00"];
    let near = (prop::sample::select(changes.to_vec()), -3000i64..3000).prop_map(|(change, m)| at(change) + Duration::minutes(m));
    let any = (0i64..5 * 366 * 1440).prop_map(|m| at("2026-01-01 00:00") + Duration::minutes(m));
    prop_oneof![near, any]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn an_open_moment_is_within_the_house_and_federal_hours_of_every_zone(place in places(), now in moments()) {
        if let Verdict::Open { closes_at } = book().verdict(&place, HOUSE, now) {
            prop_assert!(closes_at > now);
            for zone in &place.zones {
                for moment in [now, closes_at - Duration::seconds(1)] {
                    let hour = moment.with_timezone(zone).hour();
                    prop_assert!((9..20).contains(&hour), "{moment} is {hour} o'clock in {zone}");
                }
            }
            prop_assert!(!is_open(&place, closes_at), "open at {closes_at}");
        }
    }

    #[test]
    fn a_closed_moment_opens_when_it_says_and_not_before(place in places(), now in moments()) {
        if let Verdict::Closed { opens_at, .. } = book().verdict(&place, HOUSE, now) {
            prop_assert!(opens_at > now);
            prop_assert!(is_open(&place, opens_at), "closed at {opens_at}");
            let mut between = now;
            while between < opens_at {
                prop_assert!(!is_open(&place, between), "open at {between}");
                between += Duration::minutes(29);
            }
        }
    }

    #[test]
    fn knowing_less_never_opens_an_hour(place in places(), more in places(), now in moments()) {
        let both = Place {
            zones: place.zones.iter().chain(&more.zones).copied().collect(),
            states: place.states.iter().chain(&more.states).cloned().collect(),
            sure: place.sure && more.sure,
        };
        if is_open(&both, now) {
            prop_assert!(is_open(&place, now));
        }
    }
}
