//! How likely a lead is to answer: three levels, read from whatever a team's files call them.

use serde::{Deserialize, Serialize};

/// A lead's engagement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engagement {
    /// Answers.
    High,
    /// May answer; what a lead is when nobody has said.
    Medium,
    /// Rarely answers.
    Low,
}

impl Engagement {
    /// All levels, the highest first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// Reads a level in any case, with blanks around it, by name or by colour. What is not recognised counts as medium, and
/// the caller warns about it; an empty text says nothing, so there is nothing to warn about.
pub fn map(text: &str) -> (Engagement, bool) {
    let word = text.trim();
    let is = |names: [&str; 2]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    if is(["high", "green"]) {
        (Engagement::High, true)
    } else if is(["low", "red"]) {
        (Engagement::Low, true)
    } else {
        (Engagement::Medium, word.is_empty() || is(["medium", "yellow"]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: [(&str, Engagement); 6] = [
        ("high", Engagement::High),
        ("green", Engagement::High),
        ("medium", Engagement::Medium),
        ("yellow", Engagement::Medium),
        ("low", Engagement::Low),
        ("red", Engagement::Low),
    ];

    proptest! {
        #[test]
        fn a_known_word_is_read_in_any_case_and_with_blanks_around_it(
            (word, level) in prop::sample::select(KNOWN.to_vec()), upper in prop::collection::vec(any::<bool>(), 6),
            before in "[ \t\u{a0}\r\n]{0,3}", after in "[ \t\u{a0}\r\n]{0,3}",
        ) {
            let cased: String =
                word.chars().zip(upper).map(|(c, up)| if up { c.to_ascii_uppercase() } else { c }).collect();
            prop_assert_eq!(map(&format!("{before}{cased}{after}")), (level, true));
        }

        #[test]
        fn any_other_word_is_medium_and_said_to_be_unknown(text in "\\PC{1,20}") {
            let known = text.trim().is_empty() || KNOWN.iter().any(|(word, _)| text.trim().eq_ignore_ascii_case(word));
            prop_assume!(!known);
            prop_assert_eq!(map(&text), (Engagement::Medium, false));
        }
    }

    #[test]
    fn an_empty_text_is_medium_and_no_cause_for_a_warning() {
        assert_eq!(map("  "), (Engagement::Medium, true));
    }
}
