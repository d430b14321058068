//! Says what an incoming text asks for. The words are data with their sources (`data/keywords.json`); this file only compares.

use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::Deserialize;

use super::{inbox::Meaning, places::BadData};

/// How much of a text has to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Match {
    /// Nothing else is said.
    Alone,
    /// A word of a text of at most three.
    Short,
    /// Any part.
    Anywhere,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    meaning: Meaning,
    #[serde(rename = "match")]
    how: Match,
    effective_from: Option<NaiveDate>,
    source: String,
    phrases: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: NaiveDate,
    #[serde(rename = "note")]
    _note: String,
    entries: Vec<Entry>,
}

/// The words that ship with this build.
#[derive(Debug)]
pub struct Keywords {
    /// The day on which they stood so.
    pub version: NaiveDate,
    entries: Vec<Entry>,
}

// First come the ones that are believed only alone; of the others, the graver first.
const ORDER: [Meaning; 5] = [Meaning::Start, Meaning::Help, Meaning::Legal, Meaning::WrongNumber, Meaning::Stop];
const SHORT: usize = 3;

static SHIPPED: LazyLock<Result<Keywords, BadData>> = LazyLock::new(|| Keywords::read(include_str!("data/keywords.json")));

impl Keywords {
    /// The words that ship with this build.
    pub fn shipped() -> Result<&'static Self, BadData> {
        SHIPPED.as_ref().map_err(Clone::clone)
    }

    /// Reads a file of words, and leaves out what is not in force at its version.
    pub fn read(json: &str) -> Result<Self, BadData> {
        let bad = |problem: String| BadData { file: "keywords.json", problem };
        let file: File = serde_json::from_str(json).map_err(|e| bad(e.to_string()))?;
        for entry in &file.entries {
            let unplain = entry.phrases.iter().find(|phrase| plain(phrase) != **phrase || phrase.is_empty());
            if let Some(phrase) = unplain {
                return Err(bad(format!("{phrase:?} is not written as texts are compared")));
            }
            if entry.source.is_empty() || !ORDER.contains(&entry.meaning) {
                return Err(bad(format!("{:?} has no source or asks for nothing", entry.phrases)));
            }
        }
        let version = file.version;
        let in_force = |entry: &Entry| entry.effective_from.is_none_or(|from| from <= version);
        Ok(Self { version, entries: file.entries.into_iter().filter(in_force).collect() })
    }

    /// What a text asks for. When in doubt it is a stop: a text too few can be made good, one too many can't.
    pub fn meaning(&self, body: &str) -> Meaning {
        let text = plain(body);
        let found =
            ORDER.into_iter().find(|meaning| self.entries.iter().any(|entry| entry.meaning == *meaning && entry.says(&text)));
        found.unwrap_or(Meaning::Other)
    }
}

impl Entry {
    fn says(&self, text: &str) -> bool {
        let mut phrases = self.phrases.iter();
        match self.how {
            Match::Alone => phrases.any(|phrase| phrase == text),
            Match::Short => {
                let words: Vec<&str> = text.split(' ').collect();
                words.len() <= SHORT && phrases.any(|phrase| words.contains(&phrase.as_str()))
            }
            Match::Anywhere => phrases.any(|phrase| format!(" {text} ").contains(&format!(" {phrase} "))),
        }
    }
}

/// Small letters and digits, one blank between words: what is left of quotes, emoji and full-width letters.
fn plain(body: &str) -> String {
    let mut text = String::with_capacity(body.len());
    for c in body.chars() {
        let c = match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            other => other,
        };
        // An apostrophe joins its word: don't is dont.
        if matches!(c, '\'' | '’') {
            continue;
        }
        if c.is_alphanumeric() {
            text.extend(c.to_lowercase());
        } else if !text.ends_with(' ') {
            text.push(' ');
        }
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meaning(text: &str) -> Meaning {
        Keywords::shipped().expect("the shipped words").meaning(text)
    }

    #[test]
    fn words_of_refusal_are_heard_however_they_are_written() {
        for text in [
            "STOP",
            "stop",
            " Stop. ",
            "“STOP”",
            "stop!!! 😡",
            "ＳＴＯＰ",
            "Stop All",
            "STOPALL",
            "unsubscribe",
            "Cancel",
            "END",
            "quit",
            "Revoke",
            "OPT-OUT",
            "opt out",
            "optout",
            "remove me",
            "Remove me from your list",
            "Alto",
            "arrêt",
            "please stop",
            "Stop texting me you people",
            "can you take me off this list",
            "Don't text me again",
            "don’t contact me",
            "stop now",
            "I want to unsubscribe from all of this",
            "STOP STOP STOP",
        ] {
            assert_eq!(meaning(text), Meaning::Stop, "{text:?}");
        }
        for text in ["Wrong number", "you have the wrong person, sorry"] {
            assert_eq!(meaning(text), Meaning::WrongNumber, "{text:?}");
        }
        for text in ["I will sue you", "my lawyer will hear of this", "TCPA violation, stop"] {
            assert_eq!(meaning(text), Meaning::Legal, "{text:?}");
        }
        for text in ["Sure, call me at the end of the week", "I can't stop thinking about your offer today", "ok", "", "issue 12"]
        {
            assert_eq!(meaning(text), Meaning::Other, "{text:?}");
        }
    }

    #[test]
    fn start_and_help_count_only_alone() {
        for text in ["START", "yes", "Unstop."] {
            assert_eq!(meaning(text), Meaning::Start, "{text:?}");
        }
        assert_eq!(meaning("HELP"), Meaning::Help);
        assert_eq!(meaning("when does it start"), Meaning::Other);
        assert_eq!(meaning("start? no, stop texting me"), Meaning::Stop);
    }

    #[test]
    fn a_word_counts_from_its_day_on_and_one_without_a_source_never() {
        let file = |version: &str, source: &str| {
            format!(
                r#"{{"version": "{version}", "note": "", "entries": [{{"meaning": "stop", "match": "alone",
                "effective_from": "2027-01-31", "source": "{source}", "phrases": ["basta"]}}]}}"#
            )
        };
        let before = Keywords::read(&file("2027-01-30", "x")).expect("words");
        let after = Keywords::read(&file("2027-01-31", "x")).expect("words");
        assert_eq!((before.meaning("Basta!"), after.meaning("Basta!")), (Meaning::Other, Meaning::Stop));
        assert!(Keywords::read(&file("2027-01-31", "")).is_err());
    }

    proptest! {
        #[test]
        fn a_stop_in_any_dress_is_a_stop(
            before in "[ .!\"“*-]{0,4}", after in "[ .!?😡\n]{0,4}", upper: bool,
            word in prop::sample::select(vec!["stop", "quit", "end", "revoke", "optout", "cancel", "unsubscribe", "stopall", "alto"]),
        ) {
            let word = if upper { word.to_uppercase() } else { word.to_owned() };
            prop_assert_eq!(meaning(&format!("{before}{word}{after}")), Meaning::Stop);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = meaning(&text);
        }
    }
}
