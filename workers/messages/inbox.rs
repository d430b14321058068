//! Takes in texts that people send us: each is kept, and what it asks for is done before the vendor gets its answer.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;

use super::{
    keywords::Keywords,
    opt_out::{self, Reason},
    senders,
};
use crate::{
    ids::TeamId,
    settings::{Settings, catalogue},
};

/// What an incoming text asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// What a text asks for. `hint` is what the vendor took it for (Twilio's `OptOutType`), and counts first. Where the words
/// that ship with this build can't be read, every text is a stop.
pub fn meaning(body: &str, hint: Option<&str>) -> Meaning {
    match hint {
        Some("STOP") => Meaning::Stop,
        Some("START") => Meaning::Start,
        Some("HELP") => Meaning::Help,
        _ => Keywords::shipped().map_or(Meaning::Stop, |words| words.meaning(body)),
    }
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

/// What came of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What it asked for.
    pub meaning: Meaning,
    /// What to say to that, where the vendor is not known to have said something.
    pub answer: Option<String>,
}

/// Keeps a text and does what it asks for, in the caller's transaction. One that is delivered again does nothing again, and
/// is not answered again: a STOP of last week must not undo this week's START.
pub async fn receive(conn: &mut PgConnection, team: TeamId, text: &Inbound<'_>) -> Result<Received, sqlx::Error> {
    let meaning = meaning(text.body, text.hint);
    let answer = answer(meaning, text, &Settings::load(&mut *conn, team).await?);
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
        answer,
    )
    .execute(&mut *conn)
    .await?;
    if kept.rows_affected() == 0 {
        return Ok(Received { meaning, answer: None });
    }
    let reason = match meaning {
        Meaning::Stop => Reason::OptOut,
        Meaning::WrongNumber => Reason::WrongNumber,
        Meaning::Legal => Reason::LegalDnc,
        Meaning::Start => {
            opt_out::restore(conn, team, text.sender, &format!("{} {}", text.vendor, text.vendor_id)).await?;
            return Ok(Received { meaning, answer });
        }
        Meaning::Help | Meaning::Other => return Ok(Received { meaning, answer }),
    };
    opt_out::suppress(conn, team, text.sender, reason, &format!("{} inbound {}", text.vendor, text.vendor_id)).await?;
    if meaning == Meaning::Stop {
        senders::note_opt_out(conn, team, text.recipient, &format!("{} inbound", text.vendor)).await?;
    }
    Ok(Received { meaning, answer })
}

/// What the team has set to be said. To its own keywords the vendor answers, and has said so with its hint; to a STOP in
/// somebody's own words it does not.
fn answer(meaning: Meaning, text: &Inbound<'_>, settings: &Settings) -> Option<String> {
    let own_words = text.body.split_whitespace().nth(1).is_some();
    let setting = match meaning {
        Meaning::Help if text.hint.is_none_or(str::is_empty) => catalogue::MESSAGES_HELP_ANSWER,
        Meaning::Stop if text.hint.is_none_or(str::is_empty) && own_words => catalogue::MESSAGES_STOP_ANSWER,
        _ => return None,
    };
    settings.text(setting).map(|words| words.trim().to_owned())
}

/// The teams that a text concerns, before any team is known.
pub async fn teams_of_sender(conn: &mut PgConnection, ours: &str, writer: &str) -> Result<Vec<TeamId>, sqlx::Error> {
    let teams = sqlx::query_file_scalar!("messages/inbox/teams.sql", ours, writer).fetch_all(conn).await?;
    Ok(teams.into_iter().map(TeamId).collect())
}

/// A text as the inbox lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its number in the inbox.
    pub inbound_id: i64,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// Who wrote, E.164.
    pub sender: String,
    /// To which number of ours.
    pub recipient: String,
    /// What was written.
    pub body: String,
    /// What it was taken for.
    pub meaning: String,
    /// What was answered.
    pub answer: Option<String>,
}

/// A team's inbox, the newest first, before `before`.
pub async fn list(conn: &mut PgConnection, team: TeamId, before: Option<i64>, limit: i64) -> Result<Vec<Listed>, sqlx::Error> {
    sqlx::query_file_as!(Listed, "messages/inbox/list.sql", team.0, before.unwrap_or(i64::MAX), limit).fetch_all(conn).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text<'a>(body: &'a str, hint: Option<&'a str>) -> Inbound<'a> {
        Inbound { vendor: "twilio", vendor_id: "SM1", sender: "", recipient: "", body, hint, raw: &Value::Null }
    }

    #[test]
    fn what_the_vendor_took_it_for_counts_first() {
        assert_eq!(meaning("baja", Some("STOP")), Meaning::Stop);
        assert_eq!(meaning("STOP", Some("")), Meaning::Stop);
    }

    #[test]
    fn nobody_is_answered_twice_and_nobody_against_a_teams_will() {
        let set = Settings::from_values([
            (catalogue::MESSAGES_HELP_ANSWER, json!("Acme. STOP ends it.")),
            (catalogue::MESSAGES_STOP_ANSWER, json!("No more texts from Acme.")),
        ]);
        let said = |body: &str, hint, settings: &Settings| answer(meaning(body, hint), &text(body, hint), settings);
        assert_eq!(said("HELP", None, &set).as_deref(), Some("Acme. STOP ends it."));
        assert_eq!(said("please stop", None, &set).as_deref(), Some("No more texts from Acme."));
        for (body, hint) in [("HELP", Some("HELP")), ("STOP", Some("STOP")), ("STOP", None), ("START", None), ("hello", None)] {
            assert_eq!(said(body, hint, &set), None, "{body} {hint:?}");
        }
        assert_eq!(said("HELP", None, &Settings::default()), None);
    }
}
