//! A campaign's figures, from its counters: what was planned, what became of it, what came back, by step and variant.
//!
//! The counters are written by triggers on what they count (functions/60_campaigns.sql), in the same transaction: they are right
//! at every moment, and reading them costs the same for ten messages and ten million.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    ids::{CampaignId, TeamId},
    vendors::twilio::errors::{self, Class},
};

/// How enrollments stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EnrollmentCounts {
    /// All.
    pub enrolled: i64,
    /// In the sequence.
    pub running: i64,
    /// Through the sequence.
    pub completed: i64,
    /// Taken out of it.
    pub stopped: i64,
}

/// What became of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// All that were ever planned; one a send key.
    pub planned: i64,
    /// Not yet handed to the vendor.
    pub waiting: i64,
    /// Being handed over.
    pub dispatching: i64,
    /// It is being found out whether the vendor took them.
    pub unknown: i64,
    /// Taken by the vendor, whatever became of them later.
    pub accepted: i64,
    /// Arrived.
    pub delivered: i64,
    /// Refused or not delivered.
    pub failed: i64,
    /// Of those, how many for what.
    pub failed_by_class: BTreeMap<&'static str, i64>,
    /// Stopped by a rule before they were handed over.
    pub suppressed: i64,
    /// Of those, how many by which rule.
    pub suppressed_by_rule: BTreeMap<String, i64>,
    /// Texts that came back.
    pub replies: i64,
    /// Of those, how many said stop.
    pub opt_outs: i64,
    /// Segments that the vendor counted.
    pub segments: i64,
    /// Credits that the ledger charged for them, and for texts that a model wrote.
    pub credits: i64,
}

/// The figures of one variant of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VariantFigures {
    /// The step.
    pub step: i16,
    /// The variant.
    pub variant: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// All figures of a campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CampaignFigures {
    enrollments: EnrollmentCounts,
    totals: Figures,
    variants: Vec<VariantFigures>,
}

impl CampaignFigures {
    /// How its enrollments stand.
    pub fn enrollments(&self) -> EnrollmentCounts {
        self.enrollments
    }

    /// Of all its messages.
    pub fn totals(&self) -> Figures {
        self.totals.clone()
    }

    /// By step and variant, in this order.
    pub fn variants(&self) -> &[VariantFigures] {
        &self.variants
    }

    fn add(&mut self, step: i16, variant: &str, measure: &str, n: i64) {
        if step == 0 {
            match measure {
                "enrolled" => self.enrollments.enrolled += n,
                "now:running" => self.enrollments.running += n,
                "now:completed" => self.enrollments.completed += n,
                "now:stopped" => self.enrollments.stopped += n,
                _ => {}
            }
            return;
        }
        self.totals.add(measure, n);
        match self.variants.last_mut() {
            Some(last) if (last.step, last.variant.as_str()) == (step, variant) => last.figures.add(measure, n),
            _ => {
                let mut figures = Figures::default();
                figures.add(measure, n);
                self.variants.push(VariantFigures { step, variant: variant.to_owned(), figures });
            }
        }
    }
}

impl Figures {
    fn add(&mut self, measure: &str, n: i64) {
        match measure.split_once(':').unwrap_or((measure, "")) {
            ("planned", _) => self.planned += n,
            ("now", "planned") => self.waiting += n,
            ("now", "dispatching") => self.dispatching += n,
            ("now", "unknown") => self.unknown += n,
            ("now", "delivered") => self.delivered += n,
            ("now", "failed") => self.failed += n,
            ("now", "suppressed") => self.suppressed += n,
            ("accepted", _) => self.accepted += n,
            ("failed", code) => *self.failed_by_class.entry(class_of(code)).or_default() += n,
            ("suppressed", rule) => *self.suppressed_by_rule.entry(rule.to_owned()).or_default() += n,
            ("replies", _) => self.replies += n,
            ("opt_outs", _) => self.opt_outs += n,
            ("segments", _) => self.segments += n,
            ("credits", _) => self.credits += n,
            // What stands accepted is counted as such; what a later build counts, this one does not know.
            _ => {}
        }
    }
}

/// What a vendor's error code means for whoever looks at figures.
fn class_of(code: &str) -> &'static str {
    match code.parse().ok().and_then(errors::class_of) {
        Some(Class::OptedOut) => "opted_out",
        Some(Class::InvalidNumber) => "invalid_number",
        Some(Class::Refused) => "refused",
        Some(Class::Config) => "our_account",
        Some(Class::RateLimited) => "rate_limit",
        Some(Class::Passing) => "not_reached",
        Some(Class::Unknown) | None => "other",
    }
}

/// Reads a campaign's figures; all zero where the team has no such campaign.
pub async fn load(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<CampaignFigures, sqlx::Error> {
    let rows = sqlx::query_file!("enrollment/figures/load.sql", team.0, campaign.0).fetch_all(conn).await?;
    let mut all = CampaignFigures::default();
    for row in rows {
        all.add(row.step, &row.variant, &row.measure, row.n);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_figures_by_step_and_variant() {
        let mut all = CampaignFigures::default();
        for (step, variant, measure, n) in [
            (0, "", "enrolled", 10),
            (0, "", "now:running", 4),
            (1, "a", "planned", 5),
            (1, "a", "now:failed", 3),
            (1, "a", "failed:30006", 1),
            (1, "a", "failed:21614", 1),
            (1, "a", "failed:99999", 1),
            (1, "b", "planned", 5),
            (1, "b", "now:suppressed", 2),
            (1, "b", "suppressed:no_consent", 2),
            (1, "b", "now:accepted", 1),
            (1, "b", "something_of_tomorrow", 7),
        ] {
            all.add(step, variant, measure, n);
        }
        assert_eq!((all.enrollments().enrolled, all.enrollments().running), (10, 4));
        assert_eq!((all.totals().planned, all.totals().failed, all.totals().suppressed), (10, 3, 2));
        assert_eq!(all.totals().failed_by_class, BTreeMap::from([("invalid_number", 2), ("other", 1)]));
        assert_eq!(all.totals().suppressed_by_rule, BTreeMap::from([("no_consent".to_owned(), 2)]));
        let by: Vec<_> = all.variants().iter().map(|one| (one.step, one.variant.as_str(), one.figures.planned)).collect();
        assert_eq!(by, [(1, "a", 5), (1, "b", 5)]);
    }
}
