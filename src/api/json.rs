//! Looks at a JSON text before it is decoded: how deep, and whether its strings can be stored.
//!
//! Decoding recurses, and skips what it ignores; this walk does neither, so a hundred thousand brackets cost as many
//! steps and no stack. What is not JSON at all is left to the decoder, which says it better.

use std::{borrow::Cow, collections::HashSet};

use super::error::{ApiError, Code, push_token};

/// A payload may be this deep.
pub const MAX_DEPTH: usize = 32;

/// Refuses a text deeper than `max_depth`, a key given twice, and strings that Postgres can't keep (NUL, half a
/// surrogate pair), naming the place.
pub fn inspect(text: &str, max_depth: usize) -> Result<(), ApiError> {
    let bytes = text.as_bytes();
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                if levels.len() == max_depth {
                    let detail = format!("the body is nested deeper than {max_depth} levels here; flatten it");
                    return Err(ApiError::field(Code::InvalidField, place(&levels), detail));
                }
                let object = byte == b'{';
                levels.push(if object { Level::object() } else { Level::Array { index: 0 } });
                at += 1;
            }
            b'}' | b']' => {
                levels.pop();
                at += 1;
            }
            b',' => {
                match levels.last_mut() {
                    Some(Level::Object { wants_key, .. }) => *wants_key = true,
                    Some(Level::Array { index }) => *index += 1,
                    None => {}
                }
                at += 1;
            }
            b'"' => {
                let end = end_of_string(bytes, at + 1);
                let inner = &text[at + 1..end.min(text.len())];
                string(&mut levels, inner)?;
                at = end + 1;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

enum Level<'a> {
    Object { keys: HashSet<Cow<'a, str>>, key: Cow<'a, str>, wants_key: bool },
    Array { index: usize },
}

impl Level<'_> {
    fn object() -> Self {
        Self::Object { keys: HashSet::new(), key: Cow::Borrowed(""), wants_key: true }
    }
}

fn string<'a>(levels: &mut [Level<'a>], inner: &'a str) -> Result<(), ApiError> {
    let fault = unstorable(inner);
    if let Some(Level::Object { keys, key, wants_key }) = levels.last_mut()
        && *wants_key
    {
        *wants_key = false;
        *key = match fault {
            None if inner.contains('\\') => {
                serde_json::from_str(&format!("\"{inner}\"")).map_or(Cow::Borrowed(inner), Cow::Owned)
            }
            _ => Cow::Borrowed(inner),
        };
        if !keys.insert(key.clone()) {
            return Err(ApiError::field(Code::InvalidField, place(levels), "the field is given twice"));
        }
    }
    match fault {
        Some(fault) => Err(ApiError::field(Code::InvalidField, place(levels), fault)),
        None => Ok(()),
    }
}

/// The index of the closing quote, or the end of the text.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Why a string, as it is written, can't be stored.
fn unstorable(inner: &str) -> Option<&'static str> {
    const NUL: &str = "the text holds a NUL character (\\u0000), which can't be stored; leave it out";
    const HALF: &str = "the text holds half of a surrogate pair, which is no character; send the whole pair";
    let mut rest = inner;
    let mut high = false;
    while let Some(start) = rest.find('\\') {
        if high && start > 0 {
            return Some(HALF);
        }
        let escape = &rest[start + 1..];
        let unit = escape.strip_prefix('u').and_then(|hex| u16::from_str_radix(hex.get(..4)?, 16).ok());
        match unit {
            Some(0) => return Some(NUL),
            Some(0xD800..=0xDBFF) if !high => high = true,
            Some(0xDC00..=0xDFFF) if high => high = false,
            Some(0xD800..=0xDFFF) => return Some(HALF),
            _ if high => return Some(HALF),
            _ => {}
        }
        let skip = if unit.is_some() { 5 } else { escape.chars().next().map_or(0, char::len_utf8) };
        rest = &escape[skip..];
    }
    if high {
        return Some(HALF);
    }
    inner.contains('\0').then_some(NUL)
}

/// Where the walk stands, as a JSON pointer; cut short where it would go on for ever.
fn place(levels: &[Level<'_>]) -> String {
    let mut pointer = String::new();
    for level in levels.iter().take(MAX_DEPTH + 8) {
        match level {
            Level::Object { key, .. } => push_token(&mut pointer, &key.chars().take(64).collect::<String>()),
            Level::Array { index } => push_token(&mut pointer, &index.to_string()),
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn fault(text: &str) -> Option<(String, String)> {
        let error = inspect(text, 4).err()?;
        Some((error.errors()[0].pointer.clone().unwrap_or_default(), error.detail().to_owned()))
    }

    #[test]
    fn depth_is_counted_without_recursion() {
        assert_eq!(fault(r#"{"a":[{"b":[1]}]}"#), None);
        assert_eq!(fault(r#"{"a":[{"b":[[1]]}]}"#).map(|f| f.0), Some("/a/0/b/0".into()));
        assert!(fault(&"[".repeat(100_000)).is_some());
        assert_eq!(fault(r#"{"a":"[[[[[[[{{{{{{{"}"#), None, "brackets in a text are no depth");
    }

    #[test]
    fn what_cannot_be_stored_is_named() {
        for (text, place) in [
            (r#"{"a":{"b":"x\u0000"}}"#, "/a/b"),
            (r#"{"a":["ok","\ud800"]}"#, "/a/1"),
            (r#"{"a":"\udc00\ud800"}"#, "/a"),
            (r#"{"a":"\ud83dx\ude00"}"#, "/a"),
            (r#"{"a":"\ud83d\n"}"#, "/a"),
            (r#"{"x\u0000":1}"#, "/x\\u0000"),
            (r#"{"a":1,"\u0061":2}"#, "/a"),
        ] {
            assert_eq!(fault(text).map(|f| f.0).as_deref(), Some(place), "{text}");
        }
        for sound in [r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\\u0000"}"#, r#"{"a":{"a":1},"b":{"a":1}}"#, r#""\"""#] {
            assert_eq!(fault(sound), None, "{sound}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), "[^\\x00]*".prop_map(Value::from)];
        leaf.prop_recursive(6, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[^\\x00]{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_a_serializer_wrote_passes(value in json()) {
            prop_assert!(inspect(&value.to_string(), 32).is_ok());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", brackets in "[\\[\\]{},:\"\\\\u0dDé]*") {
            let _ = inspect(&text, 32);
            let _ = inspect(&brackets, 32);
        }

        #[test]
        fn a_text_that_passes_and_decodes_holds_no_nul(text in r#"\{"a":"(\\u0000|\\ud83d|\\ude00|\\\\|x|\\n){0,6}"\}"#) {
            let passes = inspect(&text, 32).is_ok();
            match serde_json::from_str::<Value>(&text) {
                Ok(value) => prop_assert_eq!(passes, !value["a"].as_str().unwrap_or_default().contains('\0')),
                Err(_) => prop_assert!(!passes, "{} is no JSON, but passed", text),
            }
        }
    }
}
