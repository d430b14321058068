//! Every setting that a team may have: its name, its type, its bounds and what it is for.

use secrecy::SecretString;
use serde_json::{Value, json};

/// The company's name, for texts.
pub const BRAND_COMPANY: &str = "brand.company";
/// Who a text is from.
pub const BRAND_SENDER_NAME: &str = "brand.sender_name";
/// The host that links in texts lead to.
pub const BRAND_LINK_DOMAIN: &str = "brand.link_domain";
/// What the team's assistant is called.
pub const BRAND_ASSISTANT_NAME: &str = "brand.assistant_name";
/// Texts a recipient may get in 24 hours, where that is fewer than the house allows.
pub const MESSAGES_DAILY_LIMIT: &str = "messages.daily_limit";
/// Segments that may leave in a day, where that is fewer than the house allows.
pub const MESSAGES_DAILY_SEGMENTS: &str = "messages.daily_segments";
/// What is answered to HELP.
pub const MESSAGES_HELP_ANSWER: &str = "messages.help_answer";
/// What is answered to a STOP in the writer's own words.
pub const MESSAGES_STOP_ANSWER: &str = "messages.stop_answer";
/// Only who agreed in writing is texted.
pub const MESSAGES_WRITTEN_CONSENT: &str = "messages.written_consent_only";
/// Hours in which texts may leave, where they are fewer than the house's.
pub const MESSAGES_HOURS: &str = "messages.hours";
/// A token for the system that the team's own kinds of job talk to.
pub const INTEGRATION_TOKEN: &str = "integrations.token";

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// An array.
    Array,
    /// A text that is sealed and never shown again.
    Secret,
}

impl Type {
    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Secret => "secret",
        }
    }
}

/// A setting that this build knows.
#[derive(Debug)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Type,
    /// What it is for, and its bounds.
    pub about: &'static str,
    default: fn() -> Value,
    check: fn(&Value) -> Result<(), String>,
}

/// A value that a setting may have.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Stored as it is.
    Plain(Value),
    /// Sealed first.
    Secret(SecretString),
}

/// Why a setting can't be that. Never quotes the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// No such setting.
    #[error("there is no setting {0:?}")]
    Unknown(String),
    /// Another type.
    #[error("{name} is of type {expected}, not {found}")]
    Type {
        /// The setting.
        name: &'static str,
        /// What it holds.
        expected: &'static str,
        /// What it was given.
        found: &'static str,
    },
    /// The right type, and yet not possible.
    #[error("{name} {why}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What would be right.
        why: String,
    },
}

const fn none() -> Value {
    Value::Null
}

/// All of them, by name.
pub static CATALOGUE: [Known; 11] = [
    Known {
        name: BRAND_ASSISTANT_NAME,
        kind: Type::Text,
        about: "What the team's assistant is called in texts: {{ brand.assistant_name }}. 1 to 80 characters.",
        default: none,
        check: words,
    },
    Known {
        name: BRAND_COMPANY,
        kind: Type::Text,
        about: "The company's name in texts: {{ brand.company }}. 1 to 80 characters.",
        default: none,
        check: words,
    },
    Known {
        name: BRAND_LINK_DOMAIN,
        kind: Type::Text,
        about: "The host that links in texts lead to: {{ brand.link_domain }}. A host name, as go.example.com.",
        default: none,
        check: host,
    },
    Known {
        name: BRAND_SENDER_NAME,
        kind: Type::Text,
        about: "Who texts are from: {{ brand.sender_name }}. 1 to 80 characters.",
        default: none,
        check: words,
    },
    Known {
        name: INTEGRATION_TOKEN,
        kind: Type::Secret,
        about: "A token for the system that the team's own kinds of job talk to; a job reads it with ctx.secret. 1 to 200 signs.",
        default: none,
        check: header,
    },
    Known {
        name: MESSAGES_DAILY_LIMIT,
        kind: Type::Number,
        about: "Texts a recipient may get in 24 hours, 1 to 20. The house's limit holds where it is lower.",
        default: none,
        check: |value| whole(value, 1, 20),
    },
    Known {
        name: MESSAGES_DAILY_SEGMENTS,
        kind: Type::Number,
        about: "Segments that leave in a day as carriers count it (Los Angeles), 1 to 10000000. The house's cap holds where it is lower.",
        default: none,
        check: |value| whole(value, 1, 10_000_000),
    },
    Known {
        name: MESSAGES_HELP_ANSWER,
        kind: Type::Text,
        about: "What is answered to HELP, where the vendor has not answered: who you are, and that STOP ends it. 1 to 320 characters.",
        default: none,
        check: answer,
    },
    Known {
        name: MESSAGES_HOURS,
        kind: Type::Array,
        about: "Hours in which texts leave, local time of the recipient: [10, 18]. Between 8 and 21; the house's hours and the \
                law narrow them further.",
        default: none,
        check: hours,
    },
    Known {
        name: MESSAGES_STOP_ANSWER,
        kind: Type::Text,
        about: "What confirms a STOP that somebody gave in words of their own; to STOP itself the vendor answers. No advertising. 1 to \
                320 characters.",
        default: none,
        check: answer,
    },
    Known {
        name: MESSAGES_WRITTEN_CONSENT,
        kind: Type::Boolean,
        about: "Text only who agreed in writing, also where the house asks for less.",
        default: || json!(false),
        check: |_| Ok(()),
    },
];

/// The setting of that name.
pub fn find(name: &str) -> Result<&'static Known, Wrong> {
    CATALOGUE.iter().find(|known| known.name == name).ok_or_else(|| Wrong::Unknown(name.chars().take(100).collect()))
}

impl Known {
    /// What holds where a team has set nothing; `None`: nothing does.
    pub fn default(&self) -> Option<Value> {
        Some((self.default)()).filter(|value| !value.is_null())
    }

    /// Refuses what it can't be, naming it and what it should be.
    pub fn read(&self, value: &Value) -> Result<Wanted, Wrong> {
        let found = match value {
            Value::String(_) if self.kind == Type::Secret => "secret",
            Value::String(_) => "text",
            Value::Number(_) => "number",
            Value::Bool(_) => "boolean",
            Value::Array(_) => "array",
            Value::Null => "null",
            Value::Object(_) => "object",
        };
        if found != self.kind.name() {
            return Err(Wrong::Type { name: self.name, expected: self.kind.name(), found });
        }
        (self.check)(value).map_err(|why| Wrong::Value { name: self.name, why })?;
        Ok(match value {
            Value::String(text) if self.kind == Type::Secret => Wanted::Secret(SecretString::from(text.as_str())),
            Value::String(text) => Wanted::Plain(Value::from(text.trim())),
            other => Wanted::Plain(other.clone()),
        })
    }

    /// Reads a word of a command line as what the setting holds.
    pub fn read_word(&self, word: &str) -> Result<Wanted, Wrong> {
        let value = match self.kind {
            Type::Text | Type::Secret => Value::from(word),
            Type::Number | Type::Boolean | Type::Array => serde_json::from_str(word).unwrap_or_else(|_| Value::from(word)),
        };
        self.read(&value)
    }
}

fn words(value: &Value) -> Result<(), String> {
    let text = value.as_str().unwrap_or_default().trim();
    let count = text.chars().count();
    if !(1..=80).contains(&count) || text.chars().any(char::is_control) {
        return Err("has 1 to 80 characters and no control characters".into());
    }
    Ok(())
}

fn answer(value: &Value) -> Result<(), String> {
    let text = value.as_str().unwrap_or_default().trim();
    if !(1..=320).contains(&text.chars().count()) || text.chars().any(char::is_control) {
        return Err("has 1 to 320 characters and no control characters".into());
    }
    Ok(())
}

fn host(value: &Value) -> Result<(), String> {
    let text = value.as_str().unwrap_or_default();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels: Vec<&str> = text.split('.').collect();
    // The last label of a name is none of an address.
    let named = labels.last().is_some_and(|last| last.bytes().any(|b| b.is_ascii_lowercase()));
    if text.len() <= 253 && labels.len() >= 2 && named && labels.into_iter().all(label) {
        return Ok(());
    }
    Err("is a host name in small letters, as go.example.com: no https://, no path, no port, no address".into())
}

fn whole(value: &Value, least: i64, most: i64) -> Result<(), String> {
    match value.as_i64() {
        Some(number) if (least..=most).contains(&number) => Ok(()),
        _ => Err(format!("is a whole number from {least} to {most}")),
    }
}

fn hours(value: &Value) -> Result<(), String> {
    let hours: Vec<i64> = value.as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    match hours[..] {
        [from, to] if value.as_array().is_some_and(|all| all.len() == 2) && 8 <= from && from < to && to <= 21 => Ok(()),
        _ => Err("is two whole hours, the first before the second, between 8 and 21: [10, 18]".into()),
    }
}

/// It goes into a header.
fn header(value: &Value) -> Result<(), String> {
    let text = value.as_str().unwrap_or_default();
    if (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err("has 1 to 200 letters, digits and signs, no blanks".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_in_order_and_its_defaults_are_possible() {
        assert!(CATALOGUE.windows(2).all(|two| two[0].name < two[1].name));
        for known in &CATALOGUE {
            assert!(known.default().is_none_or(|value| known.read(&value).is_ok()), "{}", known.name);
            assert!(known.name.bytes().all(|b| b.is_ascii_lowercase() || b"._".contains(&b)), "{}", known.name);
        }
    }

    #[test]
    fn another_type_or_bound_names_the_setting_and_what_it_should_be() {
        for (name, value, said) in [
            (BRAND_COMPANY, json!(7), "brand.company is of type text, not number"),
            (MESSAGES_DAILY_LIMIT, json!("7"), "messages.daily_limit is of type number, not text"),
            (MESSAGES_DAILY_LIMIT, json!(2.5), "messages.daily_limit is a whole number from 1 to 20"),
            (MESSAGES_DAILY_LIMIT, json!(21), "messages.daily_limit is a whole number from 1 to 20"),
            (MESSAGES_WRITTEN_CONSENT, json!(1), "messages.written_consent_only is of type boolean, not number"),
            (MESSAGES_HOURS, json!([18, 10]), "messages.hours is two whole hours"),
            (MESSAGES_HOURS, json!([10, "18", 19]), "messages.hours is two whole hours"),
            (INTEGRATION_TOKEN, json!([1]), "integrations.token is of type secret, not array"),
            (BRAND_COMPANY, json!("  "), "brand.company has 1 to 80 characters"),
            (BRAND_COMPANY, json!({}), "brand.company is of type text, not object"),
            (BRAND_COMPANY, Value::Null, "brand.company is of type text, not null"),
        ] {
            let wrong = find(name).and_then(|known| known.read(&value)).expect_err(said).to_string();
            assert!(wrong.starts_with(said), "{wrong}");
        }
        assert!(matches!(find("brand.colour"), Err(Wrong::Unknown(name)) if name == "brand.colour"));
    }

    #[test]
    fn a_link_domain_is_a_host_and_nothing_else() {
        let known = find(BRAND_LINK_DOMAIN).unwrap();
        for good in ["example.com", "go.x-1.example.co.uk", "xn--mnchen-3ya.de"] {
            assert!(known.read(&json!(good)).is_ok(), "{good}");
        }
        let long = format!("{}.com", "a".repeat(64));
        for bad in [
            "",
            "localhost",
            "https://example.com",
            "example.com/x",
            "example.com:8080",
            "Example.com",
            "-a.com",
            "a-.com",
            "a..com",
            "10.0.0.1",
            "exa mple.com",
            "example.com.",
            "user@example.com",
            "[::1]",
            "münchen.de",
            &long,
        ] {
            assert!(known.read(&json!(bad)).is_err(), "{bad:?} was accepted");
        }
    }
}
