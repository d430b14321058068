//! What was decided for each lead and step of a campaign, when, by which rule, and what the vendor said: read from the rows that
//! were written when it happened.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{PgConnection, types::Json};

use super::report;
use crate::ids::{CampaignId, TeamId};

/// What became of one step for one lead. No number, no text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The lead.
    pub lead_id: i64,
    /// The step.
    pub step: i16,
    /// Which of its texts the lead got.
    pub variant: String,
    /// The round: 1, and one more each time the lead was enrolled again because its sends had failed, or one was sent once more.
    pub round: i16,
    /// The message.
    pub message_id: i64,
    /// The message that failed in passing and is sent once more by this one.
    pub resend_of: Option<i64>,
    /// Where it stands.
    pub state: String,
    /// Why, in the words of the rule or of the vendor.
    pub reason: Option<String>,
    /// When it was planned.
    pub planned_at: DateTime<Utc>,
    /// When it was marked for the vendor.
    pub attempted_at: Option<DateTime<Utc>>,
    /// When the vendor had it.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When it came to its end.
    pub ended_at: Option<DateTime<Utc>>,
    /// The vendor.
    pub vendor: Option<String>,
    /// The furthest that the vendor has reported.
    pub vendor_status: Option<String>,
    /// The vendor's error code.
    pub error_code: Option<i32>,
    /// Segments that the vendor counted.
    pub segments: Option<i32>,
    /// What was decided about it, the oldest first.
    pub decisions: Vec<Decision>,
    /// What the vendor reported, the oldest first.
    pub reports: Vec<Reported>,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When.
    pub at: DateTime<Utc>,
    /// `send`, `wait`, `suppress`, …
    pub verdict: String,
    /// The rule that decided.
    pub rule: String,
    /// Of which version.
    pub rules_version: String,
    /// The facts it decided from; only where one lead is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Value>,
}

/// One report of the vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// When it came.
    pub at: DateTime<Utc>,
    /// The vendor's word.
    pub status: String,
    /// The vendor's error code.
    pub error_code: Option<i32>,
}

/// Why a lead is or is not in a campaign, and all that became of it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The lead.
    pub lead_id: i64,
    /// In one word ([`report::explain`]).
    pub answer: String,
    /// Its way through the sequence, where it was enrolled.
    pub enrollment: Option<Enrollment>,
    /// What became of each step.
    pub trail: Vec<Entry>,
}

/// A lead's way through a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Enrollment {
    /// `running`, `completed` or `stopped`.
    pub state: String,
    /// When it was enrolled.
    pub enrolled_at: DateTime<Utc>,
    /// By which job, the last time.
    pub run_job: i64,
    /// Which time this is.
    pub round: i16,
    /// The step that comes next.
    pub next_step: Option<i16>,
    /// When it falls due; the first one not before the campaign opens.
    pub next_due_at: Option<DateTime<Utc>>,
}

/// A place in a trail, behind which the next page begins: lead, step and round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    lead: i64,
    step: i16,
    round: i16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.lead, self.step, self.round)
    }
}

/// What is wrong with a text that should have been a place.
#[derive(Debug, thiserror::Error)]
#[error("it is no place in a trail; one looks like 51.1.1")]
pub struct InvalidPlace;

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().filter(|part| part.bytes().all(|b| b.is_ascii_digit())).ok_or(InvalidPlace);
        let (lead, step, round) = (part()?, part()?, part()?);
        let wrong = |_| InvalidPlace;
        Ok(Self { lead: lead.parse().map_err(wrong)?, step: step.parse().map_err(wrong)?, round: round.parse().map_err(wrong)? })
    }
}

impl Entry {
    /// Its place.
    pub fn place(&self) -> Place {
        Place { lead: self.lead_id, step: self.step, round: self.round }
    }
}

/// Up to `most` entries of a campaign's trail behind `after`, by lead, step and round.
pub async fn page(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    after: Option<Place>,
    most: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    read(conn, team, campaign, after.unwrap_or_default(), None, most).await
}

/// Why a lead is or is not in a campaign, and what became of it there; `None` when the team has no such lead or campaign.
pub async fn why(conn: &mut PgConnection, team: TeamId, campaign: CampaignId, lead: i64) -> Result<Option<Why>, sqlx::Error> {
    let Some(answer) = report::explain(conn, team, campaign, lead).await? else { return Ok(None) };
    let enrollment = sqlx::query_file_as!(Enrollment, "enrollment/trail/enrollment.sql", team.0, campaign.0, lead)
        .fetch_optional(&mut *conn)
        .await?;
    // Three steps in a hundred rounds.
    let trail = read(conn, team, campaign, Place { lead, step: 0, round: 0 }, Some(lead), 300).await?;
    Ok(Some(Why { lead_id: lead, answer, enrollment, trail }))
}

async fn read(
    conn: &mut PgConnection,
    team: TeamId,
    campaign: CampaignId,
    after: Place,
    lead: Option<i64>,
    most: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let Place { lead: behind, step, round } = after;
    let rows = sqlx::query_file!("enrollment/trail/page.sql", team.0, campaign.0, behind, step, round, lead, most)
        .fetch_all(conn)
        .await?;
    let entry = rows.into_iter().map(|row| Entry {
        lead_id: row.lead_id,
        step: row.step,
        variant: row.variant,
        round: row.round,
        message_id: row.message_id,
        resend_of: row.resend_of,
        state: row.state,
        reason: row.state_reason,
        planned_at: row.created_at,
        attempted_at: row.attempted_at,
        accepted_at: row.accepted_at,
        ended_at: row.ended_at,
        vendor: row.vendor,
        vendor_status: row.vendor_status,
        error_code: row.error_code,
        segments: row.segments,
        decisions: row.decisions.0,
        reports: row.reports.0,
    });
    Ok(entry.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_is_read_as_it_was_written(lead in 0i64.., step in 0i16.., round in 0i16..) {
            let place = Place { lead, step, round };
            prop_assert_eq!(place.to_string().parse::<Place>().ok(), Some(place));
        }

        #[test]
        fn any_other_text_is_refused_without_a_panic(text in "\\PC{0,30}") {
            if let Ok(place) = text.parse::<Place>() {
                prop_assert!(place.lead >= 0 && place.step >= 0 && place.round >= 0);
            }
        }
    }
}
