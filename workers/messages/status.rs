//! Takes in what the vendor reports of a message. Reports come twice and out of order, so a message only ever moves forward.

use serde_json::Value;
use sqlx::PgConnection;

use super::{
    opt_out::{self, Reason},
    resend,
    send_sms::parked_as,
    senders,
};
use crate::{
    ids::TeamId,
    vendors::{
        error::RecipientFault,
        twilio::errors::{self, recipient_fault},
    },
};

/// A status report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report<'a> {
    /// Who reports.
    pub vendor: &'a str,
    /// The vendor's id of the message.
    pub vendor_id: &'a str,
    /// Our id, if the report carries one: it is believed before the vendor's.
    pub message_id: Option<i64>,
    /// The status, in the vendor's words.
    pub status: &'a str,
    /// The vendor's error code.
    pub error_code: Option<i32>,
    /// The report as it came.
    pub raw: &'a Value,
}

/// What a report did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The message moved on.
    Moved,
    /// It was as far already; the report is kept.
    Kept,
    /// The team has no such message; the report is kept.
    NoMessage,
}

/// How far a status is, and the state of a message that got so far; `None` for a word we do not know.
pub fn rank(status: &str) -> Option<(i16, &'static str)> {
    match status {
        "accepted" | "scheduled" => Some((1, "accepted")),
        "queued" => Some((2, "accepted")),
        "sending" => Some((3, "accepted")),
        "sent" => Some((4, "accepted")),
        "delivered" | "read" | "partially_delivered" => Some((5, "delivered")),
        "undelivered" | "failed" | "canceled" => Some((5, "failed")),
        _ => None,
    }
}

/// Applies a report in the caller's transaction. A code that says that the recipient opted out or can't be reached
/// suppresses the number too; one that speaks of the number the text left from is held against that; one that may not be said of
/// another try has the text sent once more ([`resend`]). A job that waits to learn the outcome is woken.
pub async fn apply_status(conn: &mut PgConnection, team: TeamId, report: &Report<'_>) -> Result<Applied, sqlx::Error> {
    let Report { vendor, vendor_id, message_id, status, error_code, raw } = *report;
    let known =
        sqlx::query_file!("messages/status/find.sql", team.0, message_id, vendor, vendor_id).fetch_optional(&mut *conn).await?;
    let message = known.as_ref().map(|known| known.message_id);
    sqlx::query_file!("messages/status/keep_event.sql", team.0, message, vendor, vendor_id, status, error_code, raw)
        .execute(&mut *conn)
        .await?;
    let Some(known) = known else { return Ok(Applied::NoMessage) };

    // Both before the message: whoever locks it too, locks the campaign and the lead first.
    let mut again = None;
    if let Some(code) = error_code {
        let fault = match recipient_fault(code.into()) {
            None if resend::is_gone(conn, team, &known.recipient, code, known.message_id).await? => {
                Some(RecipientFault::InvalidNumber)
            }
            known => known,
        };
        if let Some(fault) = fault {
            let source = format!("{vendor} {code} {status}");
            opt_out::suppress(conn, team, &known.recipient, Reason::from(fault), &source).await?;
        } else if errors::resend(code.into()).is_some() {
            resend::hold(conn, team, known.message_id).await?;
            again = Some(i64::from(code));
        }
    }
    let Some((rank, state)) = rank(status) else { return Ok(Applied::Kept) };
    let reason = (state == "failed").then(|| format!("{vendor} {status} {}", error_code.unwrap_or_default()));
    let before = sqlx::query_file_scalar!(
        "messages/status/advance.sql",
        team.0,
        known.message_id,
        vendor,
        vendor_id,
        status,
        rank,
        state,
        error_code,
        reason,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(before) = before else { return Ok(Applied::Kept) };
    // Behind the message, and once: a report that moves nothing was counted before.
    if let Some(code) = error_code {
        senders::note_code(conn, team, &known.sender, vendor, i64::from(code)).await?;
    }
    if let Some(code) = again.filter(|_| state == "failed") {
        resend::plan(conn, team, known.message_id, vendor, code).await?;
    }
    if before == "unknown" {
        sqlx::query_file!("messages/status/wake.sql", team.0, parked_as(known.message_id)).fetch_one(conn).await?;
    }
    Ok(Applied::Moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_vendors_words_has_its_place() {
        let order = ["accepted", "queued", "sending", "sent", "delivered"].map(|word| rank(word).expect("a rank").0);
        assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
        for end in ["undelivered", "failed", "canceled"] {
            assert_eq!(rank(end), Some((5, "failed")));
        }
        assert_eq!(rank("receiving"), None);
    }
}
