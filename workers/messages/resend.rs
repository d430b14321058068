//! What failed in passing may get through another time: it is sent once more, by a message of its own.
//!
//! Which reports say so, how long behind them and how often is data (`vendors/twilio/data/errors.json`). The message that failed stays as it
//! is: nothing is ever handed over twice under one send key. Its successor names it (`resend_of`), is in a round of its own, and waits like
//! any other planned message: an opt-out, a recall or an erasure ends it, it is counted by the frequency gate, and its credits are held
//! anew when it leaves.

use sqlx::PgConnection;

use super::{record, send_sms::SendSms};
use crate::{
    enqueue::{self, EnqueueError, Options},
    ids::TeamId,
    vendors::twilio::errors::{self, Book, Resend},
};

/// Keeps what decides about another message as it is until the transaction ends. To be called before the message that failed is touched.
pub(super) async fn hold(conn: &mut PgConnection, team: TeamId, message: i64) -> Result<(), sqlx::Error> {
    sqlx::query_file!("messages/resend/hold.sql", team.0, message).fetch_one(conn).await?;
    Ok(())
}

/// Plans a message that just ended with `code` once more, if nothing speaks against it. True: it is planned, with its job.
pub(super) async fn plan(
    conn: &mut PgConnection,
    team: TeamId,
    message: i64,
    vendor: &str,
    code: i64,
) -> Result<bool, sqlx::Error> {
    let (Some(Resend { after_seconds, most }), Ok(book)) = (errors::resend(code), Book::shipped()) else { return Ok(false) };
    let rule = format!("{vendor}_{code}");
    let planned = sqlx::query_file!(
        "messages/resend/plan.sql",
        team.0,
        message,
        most,
        i32::try_from(after_seconds).unwrap_or(i32::MAX),
        rule,
        book.version.to_string(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(next) = planned else { return Ok(false) };
    let job = [SendSms { message_id: next.message_id }];
    let key = vec![format!("resend:{message}")];
    match enqueue::many(conn, team, &job, Some(key), Options::default().at(next.due_at)).await {
        Ok(_) => Ok(true),
        Err(EnqueueError::Database(error)) => Err(error),
        // The queue takes no more of this team: a report is not lost for that.
        Err(_) => {
            record::suppressed(conn, team, next.message_id, "resend_not_queued").await?;
            Ok(false)
        }
    }
}

/// Whether a number counts as one that takes no texts, now that another message to it ended with `code`.
pub(super) async fn is_gone(
    conn: &mut PgConnection,
    team: TeamId,
    phone: &str,
    code: i32,
    message: i64,
) -> Result<bool, sqlx::Error> {
    let Some(gone) = errors::gone_after(code.into()) else { return Ok(false) };
    let days = i32::try_from(gone.days).unwrap_or(i32::MAX);
    let before =
        sqlx::query_file_scalar!("messages/resend/unreached.sql", team.0, phone, code, days, message).fetch_one(conn).await?;
    Ok(before + 1 >= i64::from(gone.times))
}
