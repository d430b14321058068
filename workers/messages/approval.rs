//! Messages that a person looks at first: listed, approved, rejected, edited, written anew; and what was decided, for ever.
//!
//! Two things say where such a message stands: its clearance (`approval`) and how far its send is (`state`). Who decides holds
//! the message's row; a send, an opt-out and an erasure hold it too, so each comes wholly before or wholly behind a decision.

pub mod decisions;
pub mod stage;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

use self::stage::{Deed, Moment, Stage};
use super::{
    channel::{self, Channel},
    content::Rules,
    texts::{self, NewText, Text},
    write_text::WriteText,
};
use crate::{
    enqueue::{self, EnqueueError, Options},
    ids::TeamId,
    job::Invalid,
};

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// A field breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The team has no such message, or nobody has to look at it.
    #[error("message {0} does not exist, or its step needs no approval")]
    NotFound(i64),
    /// Where it stands allows no such decision.
    #[error("message {message} is {stage}; it can be {} only while it is {}", .deed.done(), .deed.possible_in())]
    NotNow {
        /// Which.
        message: i64,
        /// Where it stands.
        stage: Stage,
        /// What was asked.
        deed: Deed,
    },
    /// Its wording was changed since the caller looked at it.
    #[error("message {message} says something else now: its wording is {now}, not {seen}; look at it again")]
    Changed {
        /// Which.
        message: i64,
        /// The wording that the caller saw.
        seen: i64,
        /// The wording that it has.
        now: i64,
    },
    /// Its text was not written by a model.
    #[error("message {0} has no instructions for a model; edit it instead")]
    NotGenerated(i64),
    /// The caller has had enough texts written this hour.
    #[error("{limit} texts an hour may be written anew by one person; the next one in {seconds} seconds")]
    TooOften {
        /// How many an hour.
        limit: i64,
        /// When the next one may be asked for.
        seconds: u32,
    },
    /// Its job was not accepted.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Who decides, why, and what they saw.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// `key …` or `operator …`.
    pub who: &'a str,
    /// Why, for whoever reads the decision later.
    pub reason: Option<&'a str>,
    /// The wording that they looked at: another one is not decided about. `None`: whatever it says.
    pub seen: Option<i64>,
}

/// A message that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The message.
    pub message: i64,
    /// Its campaign.
    pub campaign: i64,
    /// Its lead.
    pub lead: i64,
    /// Its step.
    pub step: i16,
    /// By which channel it leaves.
    pub channel: Channel,
    /// `draft`: its text is being written; `preview`: somebody has to look at it.
    pub stage: Stage,
    /// The subject, of a mail.
    pub subject: Option<String>,
    /// What it says.
    pub body: String,
    /// Which wording that is: pass it along, so that another one is not approved unseen.
    pub text: i64,
    /// When it was planned.
    pub planned_at: DateTime<Utc>,
}

/// A message with all that was said and decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The message.
    pub message: i64,
    /// Its campaign.
    pub campaign: i64,
    /// Its lead.
    pub lead: i64,
    /// Its step.
    pub step: i16,
    /// By which channel it leaves.
    pub channel: Channel,
    /// Where it stands.
    pub stage: Stage,
    /// Why it ended, where it ended unsent.
    pub ended_because: Option<String>,
    /// What became of it, in order: where it came to, when, and by whom.
    pub moments: Vec<Moment>,
    /// Its wordings, the first one first.
    pub texts: Vec<Text>,
    /// What was decided about it.
    pub decisions: Vec<decisions::Decision>,
}

/// Which messages are listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Only of this campaign.
    pub campaign: Option<i64>,
    /// Those whose text is still being written, in place of those that somebody has to look at.
    pub drafts: bool,
    /// Behind this message.
    pub after: Option<i64>,
}

/// Up to `most` messages that wait, the oldest first.
pub async fn list(conn: &mut PgConnection, team: TeamId, filter: Filter, most: i64) -> Result<Vec<Waiting>, sqlx::Error> {
    let Filter { campaign, drafts, after } = filter;
    let approval = if drafts { "draft" } else { "preview" };
    let rows = sqlx::query_file!("messages/approval/list.sql", team.0, approval, campaign, after.unwrap_or(0), most)
        .fetch_all(conn)
        .await?;
    let waiting = rows.into_iter().map(|row| Waiting {
        message: row.message_id,
        campaign: row.campaign_id,
        lead: row.lead_id,
        step: row.step,
        channel: Channel::parse(&row.channel).unwrap_or_default(),
        stage: if drafts { Stage::Draft } else { Stage::Preview },
        subject: row.subject,
        body: row.body,
        text: row.text_id,
        planned_at: row.created_at,
    });
    Ok(waiting.collect())
}

/// One message whose step needs or needed somebody's look, or whose text was written.
pub async fn find(conn: &mut PgConnection, team: TeamId, message: i64) -> Result<Seen, ApprovalError> {
    let row = sqlx::query_file!("messages/approval/find.sql", team.0, message).fetch_optional(&mut *conn).await?;
    let Some(row) = row else { return Err(ApprovalError::NotFound(message)) };
    let texts = texts::of_message(conn, team, message).await?;
    let decisions = decisions::of_message(conn, team, message).await?;
    let stage = Stage::of(&row.approval, &row.state);
    let moments = stage::moments(
        &stage::Times {
            planned_at: row.created_at,
            attempted_at: row.attempted_at,
            accepted_at: row.accepted_at,
            ended_at: row.ended_at,
        },
        &row.approval,
        stage,
        &texts,
        &decisions,
    );
    Ok(Seen {
        message,
        campaign: row.campaign_id,
        lead: row.lead_id,
        step: row.step,
        channel: Channel::parse(&row.channel).unwrap_or_default(),
        stage,
        ended_because: row.ended_at.and(row.state_reason),
        moments,
        texts,
        decisions,
    })
}

/// Lets a message leave: its job is enqueued, and every gate is asked again when it leaves.
pub async fn approve(conn: &mut PgConnection, team: TeamId, message: i64, by: By<'_>) -> Result<(), ApprovalError> {
    let held = hold(conn, team, message, by.seen, Deed::Approve).await?;
    sqlx::query_file!("messages/approval/clear.sql", team.0, message).execute(&mut *conn).await?;
    decide(conn, team, message, Deed::Approve, held.text, None, by).await?;
    channel::send(conn, team, [(message, held.channel)], &Options::default()).await?;
    write_down(conn, team, Deed::Approve, &format!("message {message}"), by, json!({ "text": held.text })).await
}

/// Keeps a message from leaving, for good. The lead's sequence goes on with its next step.
pub async fn reject(conn: &mut PgConnection, team: TeamId, message: i64, by: By<'_>) -> Result<(), ApprovalError> {
    let held = hold(conn, team, message, by.seen, Deed::Reject).await?;
    sqlx::query_file!("messages/approval/reject.sql", team.0, message).execute(&mut *conn).await?;
    decide(conn, team, message, Deed::Reject, held.text, None, by).await?;
    write_down(conn, team, Deed::Reject, &format!("message {message}"), by, json!({ "text": held.text })).await
}

/// Puts another wording in place of the one there is, which is kept, or of the one that is being written, which is not asked for
/// any more. It still has to be approved. Returns its number.
pub async fn edit(
    conn: &mut PgConnection,
    team: TeamId,
    message: i64,
    (subject, body): (Option<&str>, &str),
    by: By<'_>,
) -> Result<i64, ApprovalError> {
    let held = hold(conn, team, message, by.seen, Deed::Edit).await?;
    let body = words("body", body, 1600)?;
    let subject = match (subject, held.channel) {
        (None, _) => held.subject.clone(),
        (Some(_), Channel::Sms | Channel::Voice) => return Err(Invalid::new("subject", "is given; only a mail has one").into()),
        (Some(subject), Channel::Email) => Some(line("subject", subject, 200)?),
    };
    let new = NewText { source: "edited", subject: subject.as_deref(), body: &body, written_by: by.who, ..NewText::default() };
    let text = texts::keep(conn, team, message, &new).await?;
    sqlx::query_file!("messages/approval/reword.sql", team.0, message, body, subject).execute(&mut *conn).await?;
    decide(conn, team, message, Deed::Edit, held.text, Some(text), by).await?;
    let after = json!({ "text": held.text, "new_text": text });
    write_down(conn, team, Deed::Edit, &format!("message {message}"), by, after).await?;
    Ok(text)
}

/// Has a model write the text anew: the message is a draft again. One person may ask so often an hour.
pub async fn rewrite(
    conn: &mut PgConnection,
    team: TeamId,
    message: i64,
    rules: &Rules,
    by: By<'_>,
) -> Result<(), ApprovalError> {
    let held = hold(conn, team, message, by.seen, Deed::Rewrite).await?;
    if !held.is_generated {
        return Err(ApprovalError::NotGenerated(message));
    }
    let limit = rules.rewrites_per_hour;
    sqlx::query_file!("messages/approval/wait_for_asks.sql", format!("rewrite {team} {}", by.who)).fetch_one(&mut *conn).await?;
    let asked = sqlx::query_file!("messages/approval/ask_rewrite.sql", team.0, by.who, limit).fetch_one(&mut *conn).await?;
    let Some(request) = asked.request else {
        let seconds = asked.wait_seconds.ceil().clamp(1.0, 3600.0) as u32;
        return Err(ApprovalError::TooOften { limit, seconds });
    };
    sqlx::query_file!("messages/approval/draft_again.sql", team.0, message).execute(&mut *conn).await?;
    decide(conn, team, message, Deed::Rewrite, held.text, None, by).await?;
    let key = Some(format!("rewrite:{message}:{request}"));
    enqueue::one(conn, team, &WriteText { message_id: message }, Options { key, ..Options::default() }).await?;
    write_down(conn, team, Deed::Rewrite, &format!("message {message}"), by, json!({ "text": held.text })).await
}

/// Which messages a bulk approval covers.
#[derive(Debug, Clone, Copy)]
pub struct Many<'a> {
    /// These; `None`: whatever waits.
    pub messages: Option<&'a [i64]>,
    /// Only of this campaign.
    pub campaign: Option<i64>,
    /// Only those with this wording or an older one: what was written since the caller looked is left.
    pub up_to_text: Option<i64>,
    /// At most so many, the oldest first.
    pub at_most: i64,
}

/// What a bulk approval did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovedMany {
    /// Messages that were approved.
    pub approved: i64,
    /// Others like them still wait.
    pub more: bool,
}

/// Approves many messages at once: at most as many as the rules allow. Those that somebody else has in hand are passed over.
pub async fn approve_many(
    conn: &mut PgConnection,
    team: TeamId,
    many: Many<'_>,
    rules: &Rules,
    by: By<'_>,
) -> Result<ApprovedMany, ApprovalError> {
    let cap = rules.approve_at_once;
    if !(1..=cap).contains(&many.at_most) {
        return Err(Invalid::new("at_most", format!("is {}; 1 to {cap} are approved at once", many.at_most)).into());
    }
    if many.messages.is_some_and(|messages| messages.len() as i64 > cap) {
        return Err(Invalid::new("messages", format!("names more than {cap} messages")).into());
    }
    check_reason(by)?;
    let held = sqlx::query_file_scalar!("messages/approval/hold_many.sql", team.0, many.messages, many.campaign, many.at_most)
        .fetch_all(&mut *conn)
        .await?;
    // A statement of its own: it sees the wordings that were committed before the rows were held.
    let chosen = sqlx::query_file!("messages/approval/approve_many.sql", team.0, &held, many.up_to_text, by.who, by.reason)
        .fetch_all(&mut *conn)
        .await?;
    let approved = chosen.len() as i64;
    let sends = chosen.iter().map(|row| (row.message_id, Channel::parse(&row.channel).unwrap_or_default()));
    channel::send(conn, team, sends, &Options::default()).await?;
    let more = sqlx::query_file_scalar!("messages/approval/any_left.sql", team.0, many.messages, many.campaign, many.up_to_text)
        .fetch_one(&mut *conn)
        .await?;
    if approved > 0 {
        let ids: Vec<i64> = chosen.iter().map(|row| row.message_id).collect();
        let after = json!({ "campaign": many.campaign, "messages": ids });
        write_down(conn, team, Deed::Approve, &format!("{approved} messages"), by, after).await?;
    }
    Ok(ApprovedMany { approved, more })
}

/// A message whose row this transaction holds, not cleared.
struct Held {
    channel: Channel,
    subject: Option<String>,
    /// Its wording.
    text: i64,
    is_generated: bool,
}

async fn hold(conn: &mut PgConnection, team: TeamId, message: i64, seen: Option<i64>, deed: Deed) -> Result<Held, ApprovalError> {
    let row = sqlx::query_file!("messages/approval/hold.sql", team.0, message).fetch_optional(&mut *conn).await?;
    let Some(row) = row else { return Err(ApprovalError::NotFound(message)) };
    let stage = Stage::of(&row.approval, &row.state);
    if stage.after(deed).is_none() {
        return Err(ApprovalError::NotNow { message, stage, deed });
    }
    // Behind the lock: an edit that was under way has committed by now.
    let text = sqlx::query_file_scalar!("messages/approval/latest_text.sql", team.0, message).fetch_one(conn).await?;
    if let Some(seen) = seen.filter(|seen| *seen != text) {
        return Err(ApprovalError::Changed { message, seen, now: text });
    }
    let channel = Channel::parse(&row.channel).unwrap_or_default();
    Ok(Held { channel, subject: row.subject, text, is_generated: row.is_generated })
}

async fn decide(
    conn: &mut PgConnection,
    team: TeamId,
    message: i64,
    deed: Deed,
    text: i64,
    new_text: Option<i64>,
    by: By<'_>,
) -> Result<(), ApprovalError> {
    check_reason(by)?;
    sqlx::query_file!("messages/approval/decide.sql", team.0, message, deed.as_str(), text, new_text, by.who, by.reason)
        .execute(conn)
        .await?;
    Ok(())
}

fn check_reason(by: By<'_>) -> Result<(), Invalid> {
    if by.reason.is_some_and(|reason| reason.trim().is_empty() || reason.chars().count() > 500 || reason.contains('\0')) {
        return Err(Invalid::new("reason", "has 1 to 500 characters, none of them NUL"));
    }
    Ok(())
}

/// In the audit log. The last statement of its transaction: it holds the team's chain until the commit.
async fn write_down(
    conn: &mut PgConnection,
    team: TeamId,
    deed: Deed,
    target: &str,
    by: By<'_>,
    after: Value,
) -> Result<(), ApprovalError> {
    let action = format!("approval.{}", deed.as_str());
    sqlx::query_file!("messages/approval/write_down.sql", team.0, action, target, by.reason, after).fetch_one(conn).await?;
    Ok(())
}

/// A text that a person wrote, without blanks around it.
fn words(field: &str, text: &str, most: usize) -> Result<String, Invalid> {
    let text = text.trim();
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Invalid::new(field, "holds a control character"));
    }
    // It is sent as it stands: what looks like a variable was meant to be filled in.
    if text.contains("{{") || text.contains("{%") {
        return Err(Invalid::new(field, "holds {{ or {%, which nobody fills in any more"));
    }
    match text.chars().count() {
        0 => Err(Invalid::new(field, "is empty")),
        count if count > most => Err(Invalid::new(field, format!("has {count} characters; {most} are the most"))),
        _ => Ok(text.to_owned()),
    }
}

fn line(field: &str, text: &str, most: usize) -> Result<String, Invalid> {
    if text.trim().chars().any(char::is_control) {
        return Err(Invalid::new(field, "holds a line break or another control character"));
    }
    words(field, text, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_wrote_is_sent_as_it_stands_or_refused() {
        assert_eq!(words("body", "  Hi Ada!\nBye ", 1600), Ok("Hi Ada!\nBye".into()));
        assert_eq!(line("subject", " Hello ", 200), Ok("Hello".into()));
        for wrong in ["", " ", "a\0b", "Hi {{ first_name }}", "{% if x %}"] {
            assert!(words("body", wrong, 1600).is_err(), "{wrong:?}");
        }
        assert!(words("body", &"é".repeat(1601), 1600).is_err());
        assert!(line("subject", "Hi\nBcc: all@example.com", 200).is_err());
    }
}
