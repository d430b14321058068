//! Takes in texts that people send us: each is kept, and what it asks for is done before the vendor gets its answer.

use serde_json::Value;
use sqlx::PgConnection;

use super::opt_out::{self, Reason};
use crate::ids::TeamId;

/// What an incoming text asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// No more texts.
    Stop,
    /// Texts again.
    Start,
    /// Who is this?
    Help,
    /// The number belongs to somebody else.
    WrongNumber,
    /// Speaks of law.
    Legal,
    /// Something for a person to read.
    Other,
}

impl Meaning {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Help => "help",
            Self::WrongNumber => "wrong_number",
            Self::Legal => "legal",
            Self::Other => "other",
        }
    }
}

// Alone, or with a word or two around them.
const STOP_WORDS: [&str; 14] = [
    "stop",
    "stopall",
    "unsubscribe",
    "unsub",
    "cancel",
    "end",
    "quit",
    "revoke",
    "optout",
    "alto",
    "arret",
    "arrêt",
    "parar",
    "cancelar",
];
// Anywhere in a text.
const STOP_PHRASES: [&str; 22] = [
    "opt out",
    "opt me out",
    "please stop",
    "stop texting",
    "stop messaging",
    "stop contacting",
    "stop sending",
    "stop calling",
    "unsubscribe",
    "remove me",
    "remove my number",
    "take me off",
    "do not text",
    "dont text",
    "don t text",
    "do not contact",
    "dont contact",
    "don t contact",
    "no more texts",
    "no more messages",
    "leave me alone",
    "lose my number",
];
const WRONG_PHRASES: [&str; 4] = ["wrong number", "wrong person", "not my number", "numero equivocado"];
const LEGAL_WORDS: [&str; 7] = ["lawyer", "attorney", "tcpa", "lawsuit", "sue", "suing", "ftc"];

/// What a text asks for. `hint` is what the vendor took it for (Twilio's `OptOutType`). When in doubt it is a stop: a text
/// too few can be made good, one too many can't.
pub fn meaning(body: &str, hint: Option<&str>) -> Meaning {
    match hint {
        Some("STOP") => return Meaning::Stop,
        Some("START") => return Meaning::Start,
        Some("HELP") => return Meaning::Help,
        _ => {}
    }
    let text = plain(body);
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    // START is believed only when nothing else is said.
    match words.as_slice() {
        ["start" | "unstop" | "yes"] => return Meaning::Start,
        ["help" | "info"] => return Meaning::Help,
        _ => {}
    }
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| format!(" {text} ").contains(&format!(" {phrase} ")));
    if says(&LEGAL_WORDS) {
        return Meaning::Legal;
    }
    if says(&WRONG_PHRASES) {
        return Meaning::WrongNumber;
    }
    let short = words.len() <= 3 && words.iter().any(|word| STOP_WORDS.contains(word));
    if short || says(&STOP_PHRASES) || text == "stop all" {
        return Meaning::Stop;
    }
    Meaning::Other
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

/// A text that came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbound<'a> {
    /// Who passed it on.
    pub vendor: &'a str,
    /// The vendor's id of it.
    pub vendor_id: &'a str,
    /// Who wrote, E.164.
    pub sender: &'a str,
    /// To which number of ours.
    pub recipient: &'a str,
    /// What was written.
    pub body: &'a str,
    /// What the vendor took it for.
    pub hint: Option<&'a str>,
    /// As it came.
    pub raw: &'a Value,
}

/// Keeps a text and does what it asks for, in the caller's transaction. One that is delivered again does nothing again: a
/// STOP of last week must not undo this week's START.
pub async fn receive(conn: &mut PgConnection, team: TeamId, text: &Inbound<'_>) -> Result<Meaning, sqlx::Error> {
    let meaning = meaning(text.body, text.hint);
    let kept = sqlx::query_file!(
        "messages/inbox/keep.sql",
        team.0,
        text.vendor,
        text.vendor_id,
        text.sender,
        text.recipient,
        text.body.replace('\0', "\u{fffd}"),
        meaning.as_str(),
        text.raw,
    )
    .execute(&mut *conn)
    .await?;
    if kept.rows_affected() == 0 {
        return Ok(meaning);
    }
    let reason = match meaning {
        Meaning::Stop => Reason::OptOut,
        Meaning::WrongNumber => Reason::WrongNumber,
        Meaning::Legal => Reason::LegalDnc,
        Meaning::Start => {
            opt_out::restore(conn, team, text.sender, &format!("{} {}", text.vendor, text.vendor_id)).await?;
            return Ok(meaning);
        }
        Meaning::Help | Meaning::Other => return Ok(meaning),
    };
    opt_out::suppress(conn, team, text.sender, reason, &format!("{} inbound {}", text.vendor, text.vendor_id)).await?;
    Ok(meaning)
}

/// Registers a number that a team texts from. False: another team has it.
pub async fn add_sender(conn: &mut PgConnection, team: TeamId, phone: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_file!("messages/inbox/add_sender.sql", team.0, phone).execute(&mut *conn).await?;
    sqlx::query_file_scalar!("messages/inbox/has_sender.sql", team.0, phone).fetch_one(conn).await
}

/// The teams that a text concerns, before any team is known.
pub async fn teams_of_sender(conn: &mut PgConnection, ours: &str, writer: &str) -> Result<Vec<TeamId>, sqlx::Error> {
    let teams = sqlx::query_file_scalar!("messages/inbox/teams.sql", ours, writer).fetch_all(conn).await?;
    Ok(teams.into_iter().map(TeamId).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            assert_eq!(meaning(text, None), Meaning::Stop, "{text:?}");
        }
        for text in ["Wrong number", "you have the wrong person, sorry"] {
            assert_eq!(meaning(text, None), Meaning::WrongNumber, "{text:?}");
        }
        for text in ["I will sue you", "my lawyer will hear of this", "TCPA violation, stop"] {
            assert_eq!(meaning(text, None), Meaning::Legal, "{text:?}");
        }
        for text in ["Sure, call me at the end of the week", "I can't stop thinking about your offer today", "ok", "", "issue 12"]
        {
            assert_eq!(meaning(text, None), Meaning::Other, "{text:?}");
        }
    }

    #[test]
    fn start_and_help_count_only_alone() {
        for text in ["START", "yes", "Unstop."] {
            assert_eq!(meaning(text, None), Meaning::Start, "{text:?}");
        }
        assert_eq!(meaning("HELP", None), Meaning::Help);
        assert_eq!(meaning("when does it start", None), Meaning::Other);
        assert_eq!(meaning("start? no, stop texting me", None), Meaning::Stop);
    }

    #[test]
    fn what_the_vendor_took_it_for_counts_first() {
        assert_eq!(meaning("baja", Some("STOP")), Meaning::Stop);
        assert_eq!(meaning("STOP", Some("")), Meaning::Stop);
    }

    proptest! {
        #[test]
        fn a_stop_in_any_dress_is_a_stop(before in "[ .!\"“*-]{0,4}", after in "[ .!?😡\n]{0,4}", upper: bool, word in prop::sample::select(STOP_WORDS.to_vec())) {
            let word = if upper { word.to_uppercase() } else { word.to_owned() };
            prop_assert_eq!(meaning(&format!("{before}{word}{after}"), None), Meaning::Stop);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = meaning(&text, None);
        }
    }
}
