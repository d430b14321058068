//! How many segments a text is sent as: what the carriers count, and what is paid for.
//!
//! A text of GSM 03.38's letters has 160 in one segment, 153 in each of several; any other letter turns the whole text into
//! UCS-2, with 70 and 67. A letter of the extension table takes two places, and is never cut in half.

use serde::Serialize;

/// How a text is written on the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Encoding {
    /// Seven bits a letter.
    #[serde(rename = "GSM-7")]
    Gsm7,
    /// Sixteen bits a letter.
    #[serde(rename = "UCS-2")]
    Ucs2,
}

impl Encoding {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        }
    }
}

/// What a text comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Segments {
    /// How it is written.
    pub encoding: Encoding,
    /// Places it takes: letters of GSM-7, those of the extension table twice, or units of UCS-2.
    pub units: usize,
    /// Segments it is sent as.
    pub segments: usize,
}

// 3GPP TS 23.038, section 6.2.1, without the escape.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                     ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
// Section 6.2.1.1: reached through the escape, so two places each.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Counts a text.
pub fn count(text: &str) -> Segments {
    let places: Option<Vec<usize>> = text.chars().map(places).collect();
    let (encoding, places, alone, each) = match places {
        Some(places) => (Encoding::Gsm7, places, 160, 153),
        None => (Encoding::Ucs2, text.chars().map(char::len_utf16).collect(), 70, 67),
    };
    let units = places.iter().sum();
    Segments { encoding, units, segments: if units <= alone { 1 } else { filled(&places, each) } }
}

/// Segments of `each` places, where nothing that takes two is cut.
fn filled(places: &[usize], each: usize) -> usize {
    let mut segments = 1;
    let mut taken = 0;
    for place in places {
        if taken + place > each {
            segments += 1;
            taken = 0;
        }
        taken += place;
    }
    segments
}

fn places(letter: char) -> Option<usize> {
    if letter.is_ascii_alphanumeric() || letter == ' ' || BASIC.contains(letter) {
        Some(1)
    } else if EXTENSION.contains(letter) {
        Some(2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segments(text: &str) -> (Encoding, usize, usize) {
        let Segments { encoding, units, segments } = count(text);
        (encoding, units, segments)
    }

    #[test]
    fn a_text_is_counted_as_the_carriers_count_it() {
        use Encoding::{Gsm7, Ucs2};
        for (text, expected) in [
            (String::new(), (Gsm7, 0, 1)),
            ("a".repeat(160), (Gsm7, 160, 1)),
            ("a".repeat(161), (Gsm7, 161, 2)),
            ("a".repeat(306), (Gsm7, 306, 2)),
            ("a".repeat(307), (Gsm7, 307, 3)),
            ("€".repeat(80), (Gsm7, 160, 1)),
            // 76 pairs fill 152 of 153 places: the last one stays empty rather than hold half a letter.
            ("€".repeat(81), (Gsm7, 162, 2)),
            ("€".repeat(153), (Gsm7, 306, 3)),
            ("’".to_owned(), (Ucs2, 1, 1)),
            ("x".repeat(69) + "’", (Ucs2, 70, 1)),
            ("x".repeat(70) + "’", (Ucs2, 71, 2)),
            ("🚢".repeat(35), (Ucs2, 70, 1)),
            // 33 pairs fill 66 of 67.
            ("🚢".repeat(67), (Ucs2, 134, 3)),
            ("é ß Ω Ä [ok]".to_owned(), (Gsm7, 14, 1)),
            ("ç".to_owned(), (Ucs2, 1, 1)),
        ] {
            assert_eq!(segments(&text), expected, "{} letters of {:?}", text.chars().count(), text.chars().next());
        }
    }

    proptest! {
        #[test]
        fn no_text_is_without_a_segment_and_a_longer_one_has_no_fewer(text in "\\PC{0,400}", more in "\\PC{0,3}") {
            let (short, long) = (count(&text), count(&format!("{text}{more}")));
            prop_assert!(short.segments >= 1 && long.segments >= short.segments);
            prop_assert!(short.units >= text.chars().count());
        }
    }
}
