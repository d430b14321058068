//! Lets the world hear of a new campaign: the team's own servers by webhook, its forms by fresh counts of its leads.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::CampaignId;
use crate::job::Job;

#[cfg(feature = "handlers")]
mod run;

/// Tells of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncCampaign {
    /// The campaign.
    pub campaign_id: CampaignId,
}

impl Job for SyncCampaign {
    const KIND: &'static str = "sync_campaign";
    const QUEUE: &'static str = "integrations";
    const TIMEOUT: Duration = Duration::from_secs(300);

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
