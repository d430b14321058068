//! Campaigns: who is in them, and when each lead's next message falls due.
//!
//! A campaign is looked at before it is there ([`preview`]), created ([`campaigns`]), its leads are enrolled in chunks
//! ([`enroll_batch`]), and while it is active its due steps become messages ([`run_sequence`]). What became of them is counted
//! ([`figures`]) and told ([`trail`]). Locks are taken in one order everywhere: the campaign's row, then leads or enrollments by
//! lead id. docs/CAMPAIGNS.md is the guide.

pub mod campaigns;
mod chunk;
pub mod end_enrollments;
pub mod engagement;
pub mod enroll_batch;
pub mod figures;
mod moves;
mod new_campaign;
pub mod preview;
pub mod reenroll_leads;
pub mod refresh_tags;
pub mod report;
pub mod run_sequence;
pub mod state;
pub mod sync_campaign;
pub mod trail;
pub mod variants;

use serde::Deserialize;

/// What the configuration says about enrollment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnrollmentRules {
    /// Leads enrolled in one transaction.
    pub enroll_chunk_leads: u32,
    /// Due steps turned into messages in one transaction.
    pub sequence_chunk_steps: u32,
    /// How long one run of a sequence works before it lets other jobs have its place.
    pub sequence_budget_seconds: u32,
    /// Transactions that one run of a sequence has under way at once: 1 to 8, each on a connection of its own.
    pub sequence_walkers: u32,
    /// An active campaign in which nobody was left for so long is completed; 0: only a person completes one.
    pub complete_quiet_hours: u32,
}

impl Default for EnrollmentRules {
    fn default() -> Self {
        Self {
            enroll_chunk_leads: 5000,
            sequence_chunk_steps: 2000,
            sequence_budget_seconds: 20,
            sequence_walkers: 2,
            complete_quiet_hours: 72,
        }
    }
}
