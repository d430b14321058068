//! Makes leads files that look like those people upload, faults included, and says what must come of them.
//!
//! The same recipe gives the same bytes. Numbers are of the exchange 555, which has no subscribers.

use std::io::{self, Write};

use longshore_workers::clock::{Random as _, SeededRandom};
use serde::Serialize;

/// Leads with this tag are those that a demo's campaign is for.
pub const PILOT: &str = "pilot";
/// The columns, in their order.
pub const HEADER: &str = "phone,email,first_name,last_name,company,domain,city,state,zip,tags,engagement,consent,consent_at";
/// Past this, the exchange has no numbers left.
pub const MOST_ROWS: u32 = 200_000;

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Rows, without the header's.
    pub rows: u32,
    /// Another seed, another file.
    pub seed: u64,
    /// About so many of the good leads are tagged [`PILOT`].
    pub pilot: u32,
    /// Numbers of each area code that another file of the same team has given away.
    pub given_before: u32,
}

/// What must come of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// Rows in the file.
    pub rows: u64,
    /// Rows that become a lead.
    pub loaded: u64,
    /// Rows that can't.
    pub rejected: u64,
    /// Of those: no number at all.
    pub without_phone: u64,
    /// Of those: something that is no number.
    pub bad_phone: u64,
    /// Of those: too few or too many fields.
    pub bad_columns: u64,
    /// Of those: bytes that are no text.
    pub bad_text: u64,
    /// Rows whose number stands further up.
    pub duplicates: u64,
    /// Rows whose engagement is a word we don't know, duplicates too: it counts as medium, with a warning.
    pub warned: u64,
    /// Numbers of leads that said stop before, E.164.
    pub opted_out: Vec<String>,
    /// The leads a campaign for [`PILOT`] with engagement high or medium is for.
    pub pilot: Pilot,
}

/// Leads by what must become of a message to them: each is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pilot {
    /// Nothing stands against it.
    pub sendable: u64,
    /// No consent on record.
    pub without_consent: u64,
    /// Said stop before.
    pub opted_out: u64,
    /// It is night where they are, while it is day on the continent.
    pub out_of_hours: u64,
}

impl Expected {
    /// Adds what must come of another file of the same team.
    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.loaded += other.loaded;
        self.rejected += other.rejected;
        self.without_phone += other.without_phone;
        self.bad_phone += other.bad_phone;
        self.bad_columns += other.bad_columns;
        self.bad_text += other.bad_text;
        self.duplicates += other.duplicates;
        self.warned += other.warned;
        self.opted_out.extend(other.opted_out);
        self.pilot.sendable += other.pilot.sendable;
        self.pilot.without_consent += other.pilot.without_consent;
        self.pilot.opted_out += other.pilot.opted_out;
        self.pilot.out_of_hours += other.pilot.out_of_hours;
    }
}

impl Pilot {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.sendable + self.without_consent + self.opted_out + self.out_of_hours
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Good,
    BadEngagement,
    WithoutConsent,
    OptedOut,
    OutOfHours,
    Duplicate,
    WithoutPhone,
    BadPhone,
    BadColumns,
    BadText,
}

/// Of a thousand rows; the rest is good.
const SHARES: [(Row, u32); 9] = [
    (Row::BadEngagement, 6),
    (Row::WithoutConsent, 30),
    (Row::OptedOut, 20),
    (Row::OutOfHours, 30),
    (Row::Duplicate, 30),
    (Row::WithoutPhone, 5),
    (Row::BadPhone, 10),
    (Row::BadColumns, 4),
    (Row::BadText, 2),
];

/// Area code, state, city, zip: of the continent, and of states where a text at noon is allowed on any day of the year.
const PLACES: [(&str, &str, &str, &str); 30] = [
    ("212", "NY", "New York", "10001"),
    ("502", "KY", "Louisville", "40202"),
    ("305", "FL", "Miami", "33101"),
    ("404", "GA", "Atlanta", "30303"),
    ("617", "MA", "Boston", "02108"),
    ("202", "DC", "Washington", "20001"),
    ("313", "MI", "Detroit", "48226"),
    ("216", "OH", "Cleveland", "44113"),
    ("704", "NC", "Charlotte", "28202"),
    ("804", "VA", "Richmond", "23219"),
    ("312", "IL", "Chicago", "60601"),
    ("314", "MO", "St. Louis", "63101"),
    ("402", "NE", "Omaha", "68102"),
    ("410", "MD", "Baltimore", "21202"),
    ("612", "MN", "Minneapolis", "55401"),
    ("414", "WI", "Milwaukee", "53202"),
    ("816", "MO", "Kansas City", "64106"),
    ("615", "TN", "Nashville", "37201"),
    ("405", "OK", "Oklahoma City", "73102"),
    ("515", "IA", "Des Moines", "50309"),
    ("303", "CO", "Denver", "80202"),
    ("801", "UT", "Salt Lake City", "84101"),
    ("406", "MT", "Billings", "59101"),
    ("307", "WY", "Cheyenne", "82001"),
    ("602", "AZ", "Phoenix", "85004"),
    ("213", "CA", "Los Angeles", "90012"),
    ("415", "CA", "San Francisco", "94102"),
    ("206", "WA", "Seattle", "98101"),
    ("503", "OR", "Portland", "97204"),
    ("702", "NV", "Las Vegas", "89101"),
];
/// Where the day begins hours later.
const FAR: (&str, &str, &str, &str) = ("808", "HI", "Honolulu", "96813");

const FIRST: [&str; 16] = [
    "Ada", "Boris", "Chloé", "Dmitri", "Eva", "Fatima", "Goran", "Hana", "Ivan", "Jing", "Kofi", "Lucía", "Maya", "Noor", "Olga",
    "Pedro",
];
const LAST: [&str; 16] = [
    "Adams", "Becker", "Castro", "Diaz", "Evans", "Fischer", "García", "Hughes", "Ito", "Jones", "Kim", "Lopez", "Müller",
    "Nguyen", "O'Brien", "Park",
];
const COMPANY: [&str; 8] = ["Acme", "Borealis", "Cobalt", "Delta", "Ember", "Fathom", "Granite", "Harbor"];
const TRADE: [&str; 6] = ["Roofing", "Dental, LLC", "Software", "Logistics", "Farms", "Insurance"];
const TAGS: [&str; 5] = ["inbound", "webinar", "trade-show", "partner", "newsletter"];

struct Maker {
    random: SeededRandom,
    /// How many numbers each area code has given away; the last is the far one's.
    given: [u32; PLACES.len() + 1],
    expected: Expected,
}

/// Writes a file and says what must come of it. At most [`MOST_ROWS`].
pub fn generate(recipe: Recipe, out: &mut impl Write) -> io::Result<Expected> {
    if recipe.rows > MOST_ROWS {
        return Err(io::Error::other(format!("{} rows are too many; {MOST_ROWS} are the most", recipe.rows)));
    }
    let mut maker = Maker {
        random: SeededRandom::new(recipe.seed),
        given: [recipe.given_before; PLACES.len() + 1],
        expected: Expected::default(),
    };
    let rows = maker.shuffled(recipe.rows);
    let good = rows.iter().filter(|row| matches!(row, Row::Good)).count().max(1);
    let pilot_share = f64::from(recipe.pilot) / good as f64;
    writeln!(out, "{HEADER}")?;
    // The fields of rows that loaded, for duplicates to repeat.
    let mut before: Vec<[String; 13]> = Vec::new();
    for row in rows {
        maker.expected.rows += 1;
        let again = (row == Row::Duplicate).then(|| maker.pick_one(&before)).flatten();
        let fields = match again {
            Some(mut fields) => {
                maker.expected.duplicates += 1;
                maker.expected.warned += u64::from(fields[10] == UNKNOWN);
                if maker.random.unit() < 0.5 {
                    fields[0] = maker.written(&digits(&fields[0]));
                }
                fields
            }
            None => {
                let fields = maker.fields(row, pilot_share);
                maker.count(row, &fields);
                if !matches!(row, Row::WithoutPhone | Row::BadPhone | Row::BadColumns | Row::BadText) {
                    before.push(fields.clone());
                }
                fields
            }
        };
        write_row(row, &fields, out)?;
    }
    out.flush()?;
    Ok(maker.expected)
}

impl Maker {
    /// The rows of a file in their order; the first is good, so that a duplicate has something to repeat.
    fn shuffled(&mut self, rows: u32) -> Vec<Row> {
        let mut all: Vec<Row> = SHARES
            .iter()
            .flat_map(|&(row, share)| std::iter::repeat_n(row, (u64::from(rows) * u64::from(share) / 1000) as usize))
            .collect();
        all.resize(rows as usize, Row::Good);
        for at in (1..all.len()).rev() {
            let other = self.below(at + 1);
            all.swap(at, other);
        }
        if let Some(good) = all.iter().position(|row| *row == Row::Good) {
            all.swap(0, good);
        }
        all
    }

    fn fields(&mut self, row: Row, pilot_share: f64) -> [String; 13] {
        let place = if row == Row::OutOfHours { PLACES.len() } else { self.below(PLACES.len()) };
        let (area, state, city, zip) = PLACES.get(place).copied().unwrap_or(FAR);
        let phone = match row {
            Row::WithoutPhone => String::new(),
            Row::BadPhone => ["12345", "call me", "+1 999", "555-0100"][self.below(4)].to_owned(),
            _ => {
                let digits = self.number(place, area);
                self.written(&digits)
            }
        };
        let (first, last) = (self.pick(&FIRST), self.pick(&LAST));
        let (name, trade) = (self.pick(&COMPANY), self.pick(&TRADE));
        let mut tags = vec![self.pick(&TAGS)];
        if self.random.unit() < pilot_share {
            tags.push(PILOT);
        }
        let engagement = match row {
            Row::BadEngagement => UNKNOWN,
            _ => ["high", "High", "medium", "green", "low"][self.below(5)],
        };
        let mailbox = format!("{}.{}", ascii(first), ascii(last));
        let domain = format!("{}-{}.example", ascii(name), ascii(trade.split(',').next().unwrap_or_default()));
        let (consent, consent_at) = match row {
            Row::WithoutConsent => ("", String::new()),
            _ => (CONSENT, format!("2026-{:02}-{:02}T15:04:05Z", 1 + self.below(9), 1 + self.below(28))),
        };
        [
            phone,
            format!("{mailbox}{}@{domain}", self.expected.rows),
            first.into(),
            last.into(),
            format!("{name} {trade}"),
            domain,
            city.into(),
            state.into(),
            zip.into(),
            tags.join(";"),
            engagement.into(),
            consent.into(),
            consent_at,
        ]
    }

    fn count(&mut self, row: Row, fields: &[String; 13]) {
        let expected = &mut self.expected;
        let reject = match row {
            Row::WithoutPhone => Some(&mut expected.without_phone),
            Row::BadPhone => Some(&mut expected.bad_phone),
            Row::BadColumns => Some(&mut expected.bad_columns),
            Row::BadText => Some(&mut expected.bad_text),
            _ => None,
        };
        if let Some(count) = reject {
            *count += 1;
            expected.rejected += 1;
            return;
        }
        expected.loaded += 1;
        expected.warned += u64::from(row == Row::BadEngagement);
        if row == Row::OptedOut {
            expected.opted_out.push(format!("+1{}", digits(&fields[0])));
        }
        if !fields[9].ends_with(PILOT) || fields[10] == "low" {
            return;
        }
        *match row {
            Row::WithoutConsent => &mut expected.pilot.without_consent,
            Row::OptedOut => &mut expected.pilot.opted_out,
            Row::OutOfHours => &mut expected.pilot.out_of_hours,
            _ => &mut expected.pilot.sendable,
        } += 1;
    }

    /// A number that was not given before: ten digits.
    fn number(&mut self, place: usize, area: &str) -> String {
        let nth = self.given[place];
        self.given[place] += 1;
        // 7919 and 10,000 have no common factor: every line once, in an order that looks like none.
        format!("{area}{}{:04}", 555 + nth / 10_000, (nth * 7919 + 100) % 10_000)
    }

    /// As somebody might have typed it.
    fn written(&mut self, digits: &str) -> String {
        let (area, exchange, line) = (&digits[..3], &digits[3..6], &digits[6..]);
        match self.below(4) {
            0 => format!("+1{digits}"),
            1 => format!("({area}) {exchange}-{line}"),
            2 => format!("{area}-{exchange}-{line}"),
            _ => format!("1 {area} {exchange} {line}"),
        }
    }

    fn below(&self, end: usize) -> usize {
        ((self.random.unit() * end as f64) as usize).min(end.saturating_sub(1))
    }

    fn pick<'a>(&self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn pick_one<T: Clone>(&self, from: &[T]) -> Option<T> {
        from.get(self.below(from.len())).cloned()
    }
}

/// An engagement that nobody knows.
const UNKNOWN: &str = "lukewarm";
/// How a file says that consent in writing was given.
const CONSENT: &str = "express_written";

/// The ten digits of a number as [`Maker::written`] writes it.
fn digits(written: &str) -> String {
    let all: String = written.chars().filter(char::is_ascii_digit).collect();
    all[all.len().saturating_sub(10)..].to_owned()
}

fn ascii(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect()
}

fn write_row(row: Row, fields: &[String; 13], out: &mut impl Write) -> io::Result<()> {
    let quoted = |field: &String| {
        if field.contains([',', '"', '\n']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.clone() }
    };
    let mut written: Vec<String> = fields.iter().map(quoted).collect();
    match row {
        // Too few, or too many.
        Row::BadColumns if fields[1].len().is_multiple_of(2) => written.truncate(9),
        Row::BadColumns => written.push("left over".into()),
        Row::BadText => {
            // Latin-1, as a spreadsheet of long ago would have saved it.
            let line = written.join(",");
            let (start, end) = line.split_at(line.find(&fields[3]).unwrap_or(0));
            out.write_all(start.as_bytes())?;
            out.write_all(b"M\xfcller ")?;
            return writeln!(out, "{end}");
        }
        _ => {}
    }
    writeln!(out, "{}", written.join(","))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn make(rows: u32, seed: u64) -> (Vec<u8>, Expected) {
        let mut file = Vec::new();
        let expected = generate(Recipe { rows, seed, pilot: rows / 10, given_before: 0 }, &mut file).unwrap();
        (file, expected)
    }

    /// Reads a file again, knowing nothing of how it was made.
    fn read(file: &[u8]) -> Expected {
        let mut seen = Expected::default();
        let mut numbers = BTreeSet::new();
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        for record in reader.byte_records() {
            let record = record.unwrap();
            seen.rows += 1;
            let Ok(text) = csv::StringRecord::from_byte_record(record) else {
                seen.bad_text += 1;
                continue;
            };
            let number: String = text[0].chars().filter(char::is_ascii_digit).collect();
            if text.len() != 13 {
                seen.bad_columns += 1;
            } else if text[0].is_empty() {
                seen.without_phone += 1;
            } else if number.len() < 10 {
                seen.bad_phone += 1;
            } else if !numbers.insert(digits(&text[0])) {
                seen.duplicates += 1;
                seen.warned += u64::from(&text[10] == "lukewarm");
            } else {
                seen.loaded += 1;
                seen.warned += u64::from(&text[10] == "lukewarm");
                if text[9].split(';').any(|tag| tag == PILOT) && &text[10] != "low" {
                    match (&text[7], &text[11]) {
                        ("HI", _) => seen.pilot.out_of_hours += 1,
                        (_, "") => seen.pilot.without_consent += 1,
                        // Who said stop before does not stand in the file.
                        _ => seen.pilot.sendable += 1,
                    }
                }
            }
        }
        seen.rejected = seen.bad_text + seen.bad_columns + seen.without_phone + seen.bad_phone;
        seen
    }

    #[test]
    fn a_file_is_what_it_says_it_is() {
        for (rows, seed) in [(1, 1), (50, 2), (20_000, 3)] {
            let (file, expected) = make(rows, seed);
            let mut seen = read(&file);
            assert_eq!(seen.rows, u64::from(rows));
            seen.pilot.sendable -= expected.pilot.opted_out;
            seen.pilot.opted_out = expected.pilot.opted_out;
            seen.opted_out = expected.opted_out.clone();
            assert_eq!(seen, expected);
            assert_eq!(expected.loaded + expected.rejected + expected.duplicates, expected.rows);
        }
    }

    #[test]
    fn every_fault_is_there_in_a_large_file() {
        let (_, expected) = make(20_000, 7);
        let Pilot { sendable, without_consent, opted_out, out_of_hours } = expected.pilot;
        let counts = [expected.bad_phone, expected.without_phone, expected.bad_columns, expected.bad_text];
        assert!(counts.iter().all(|count| *count >= 40), "{expected:?}");
        assert!(expected.duplicates == 600 && expected.warned >= 120 && expected.opted_out.len() == 400);
        assert!(sendable > 1000 && [without_consent, opted_out, out_of_hours].iter().all(|count| *count > 10));
    }

    #[test]
    fn the_same_seed_gives_the_same_file_and_another_gives_another() {
        assert_eq!(make(500, 1), make(500, 1));
        assert_ne!(make(500, 1).0, make(500, 2).0);
    }
}
