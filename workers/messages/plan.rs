//! Writes down the messages that are to be sent: one row per send key, whoever plans it and however often.

use sqlx::PgConnection;

pub use super::divert::divert;

/// A message to be: its send key is campaign, lead and step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its campaign.
    pub campaign_id: i64,
    /// Its lead.
    pub lead_id: i64,
    /// The step of the campaign, from 1.
    pub step: i16,
    /// From which number, E.164.
    pub sender: String,
    /// To which number, E.164.
    pub recipient: String,
    /// The rendered text.
    pub body: String,
}

/// Plans messages of the transaction's team and returns their ids, in the order given. A send key that was planned before
/// keeps its first row, whatever has become of it. The callers pass them to [`divert`]
/// and enqueue one `send_sms` for each that comes back.
pub async fn plan(conn: &mut PgConnection, planned: &[Plan]) -> Result<Vec<i64>, sqlx::Error> {
    let campaigns: Vec<i64> = planned.iter().map(|one| one.campaign_id).collect();
    let leads: Vec<i64> = planned.iter().map(|one| one.lead_id).collect();
    let steps: Vec<i16> = planned.iter().map(|one| one.step).collect();
    let senders: Vec<String> = planned.iter().map(|one| one.sender.clone()).collect();
    let recipients: Vec<String> = planned.iter().map(|one| one.recipient.clone()).collect();
    let bodies: Vec<String> = planned.iter().map(|one| one.body.clone()).collect();
    sqlx::query_file!("messages/plan/insert.sql", &campaigns, &leads, &steps, &senders, &recipients, &bodies)
        .execute(&mut *conn)
        .await?;
    // A statement of its own: it sees what another transaction committed while the first one waited for it.
    sqlx::query_file_scalar!("messages/plan/find.sql", &campaigns, &leads, &steps).fetch_all(conn).await
}
