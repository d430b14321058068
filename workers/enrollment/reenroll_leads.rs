//! Enrolls the leads of a campaign once more whose sends failed: another round, from the step that failed on.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::CampaignId;
use crate::job::Job;

#[cfg(feature = "handlers")]
mod run;

/// Enrolls leads once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReenrollLeads {
    /// The campaign.
    pub campaign_id: CampaignId,
}

impl Job for ReenrollLeads {
    const KIND: &'static str = "reenroll_leads";
    const QUEUE: &'static str = "enrollment";
    const TIMEOUT: Duration = Duration::from_secs(900);

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
