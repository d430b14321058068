//! Writes down the messages that are to be sent: one row per send key, whoever plans it and however often.

use sqlx::PgConnection;

pub use super::divert::divert;

/// A message to be: its send key is campaign, lead, step, variant and round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its campaign.
    pub campaign_id: i64,
    /// Its lead.
    pub lead_id: i64,
    /// The step of the campaign, from 1.
    pub step: i16,
    /// Which of the step's texts it is.
    pub variant: String,
    /// 1, and one more each time the lead is enrolled again because its sends failed.
    pub round: i16,
    /// From which number, E.164.
    pub sender: String,
    /// To which number, E.164.
    pub recipient: String,
    /// The rendered text.
    pub body: String,
}

/// Plans messages of the transaction's team and returns the ids of those that are new. What was planned before is left as it
/// is, whatever has become of it; and what went well in a round before is not planned again. The caller passes them to [`divert`]
/// and enqueues one `send_sms` for each that comes back, in the same transaction: so a message is there exactly if its job was.
pub async fn plan(conn: &mut PgConnection, planned: Vec<Plan>) -> Result<Vec<i64>, sqlx::Error> {
    let mut columns = Columns::default();
    for one in planned {
        columns.push(one);
    }
    sqlx::query_file_scalar!(
        "messages/plan/insert.sql",
        &columns.campaigns,
        &columns.leads,
        &columns.steps,
        &columns.variants,
        &columns.rounds,
        &columns.senders,
        &columns.recipients,
        &columns.bodies,
    )
    .fetch_all(conn)
    .await
}

#[derive(Default)]
struct Columns {
    campaigns: Vec<i64>,
    leads: Vec<i64>,
    steps: Vec<i16>,
    variants: Vec<String>,
    rounds: Vec<i16>,
    senders: Vec<String>,
    recipients: Vec<String>,
    bodies: Vec<String>,
}

impl Columns {
    fn push(&mut self, one: Plan) {
        self.campaigns.push(one.campaign_id);
        self.leads.push(one.lead_id);
        self.steps.push(one.step);
        self.variants.push(one.variant);
        self.rounds.push(one.round);
        self.senders.push(one.sender);
        self.recipients.push(one.recipient);
        self.bodies.push(one.body);
    }
}
