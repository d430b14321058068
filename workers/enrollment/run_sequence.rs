//! Turns the due steps of an active campaign into messages and the jobs that send them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::CampaignId;
use crate::job::Job;

#[cfg(feature = "handlers")]
mod run;
#[cfg(feature = "handlers")]
pub use run::Planned;

/// Plans what is due in a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSequence {
    /// The campaign.
    pub campaign_id: CampaignId,
}

impl Job for RunSequence {
    const KIND: &'static str = "run_sequence";
    const QUEUE: &'static str = "enrollment";
    const TIMEOUT: Duration = Duration::from_secs(120);

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
