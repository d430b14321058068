//! Counts the segments of a text, as carriers count them and vendors charge for them.
//!
//! A text in the GSM 7-bit alphabet holds 160 septets, or 153 in each of several parts; any other is UCS-2 with 70 code units,
//! or 67. A character of the extension table takes two septets and is not torn apart between two parts, nor is a surrogate
//! pair (3GPP TS 23.038 and 23.040).

use serde::Serialize;

/// In which alphabet a text travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Encoding {
    /// The GSM 7-bit alphabet.
    #[serde(rename = "GSM-7")]
    Gsm7,
    /// UTF-16, for everything else.
    #[serde(rename = "UCS-2")]
    Ucs2,
}

/// What a text takes on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Segments {
    /// In which alphabet.
    pub encoding: Encoding,
    /// In how many parts.
    pub count: u32,
}

const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Septets of a character; none: it is not in the alphabet.
fn septets(c: char) -> Option<usize> {
    if BASIC.contains(c) {
        Some(1)
    } else if EXTENSION.contains(c) {
        Some(2)
    } else {
        None
    }
}

/// Counts a text's segments. An empty one takes one.
pub fn count(text: &str) -> Segments {
    let gsm: Option<Vec<usize>> = text.chars().map(septets).collect();
    let (encoding, widths, single, part) = match gsm {
        Some(widths) => (Encoding::Gsm7, widths, 160, 153),
        None => (Encoding::Ucs2, text.chars().map(char::len_utf16).collect(), 70, 67),
    };
    let total: usize = widths.iter().sum();
    if total <= single {
        return Segments { encoding, count: 1 };
    }
    let (mut count, mut used) = (1, 0);
    for width in widths {
        if used + width > part {
            count += 1;
            used = 0;
        }
        used += width;
    }
    Segments { encoding, count }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn segments_are_counted_as_the_standard_says() {
        let gsm = |count| Segments { encoding: Encoding::Gsm7, count };
        let ucs = |count| Segments { encoding: Encoding::Ucs2, count };
        let table = [
            (String::new(), gsm(1)),
            ("a".repeat(160), gsm(1)),
            ("a".repeat(161), gsm(2)),
            ("a".repeat(306), gsm(2)),
            ("a".repeat(307), gsm(3)),
            ("€".repeat(80), gsm(1)),
            ("€".repeat(81), gsm(2)),
            // 152 and a pair that would be torn: it begins the next part.
            (format!("{}€{}", "a".repeat(152), "a".repeat(10)), gsm(2)),
            (format!("{}€{}", "a".repeat(152), "a".repeat(152)), gsm(3)),
            ("Grüße, Señor £5 àèéùìò".into(), gsm(1)),
            ("’".into(), ucs(1)),
            ("é".repeat(70) + "ç", ucs(2)),
            ("😀".repeat(35), ucs(1)),
            ("😀".repeat(36), ucs(2)),
            // 67 is odd: a pair that would be torn begins the next part.
            ("😀".repeat(67), ucs(3)),
            ("a".repeat(1600), gsm(11)),
        ];
        for (text, expected) in table {
            assert_eq!(count(&text), expected, "{} characters: {:.12}", text.chars().count(), text);
        }
    }

    proptest! {
        #[test]
        fn more_text_never_takes_fewer_segments_of_the_same_alphabet(text in "[ -~]{0,700}", more in "[ -~]{0,40}") {
            let (one, both) = (count(&text), count(&format!("{text}{more}")));
            prop_assert!(one.encoding != both.encoding || one.count <= both.count);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,400}") {
            prop_assert!(count(&text).count >= 1);
        }
    }
}
