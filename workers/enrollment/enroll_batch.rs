//! Enrolls every lead that matches a campaign, in chunks.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::CampaignId;
use crate::job::Job;

#[cfg(feature = "handlers")]
mod run;
#[cfg(feature = "handlers")]
pub use run::RunCounts;
#[cfg(feature = "handlers")]
pub(super) use run::end_run;

/// Enrolls the leads of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrollBatch {
    /// The campaign.
    pub campaign_id: CampaignId,
}

impl Job for EnrollBatch {
    const KIND: &'static str = "enroll_batch";
    const QUEUE: &'static str = "enrollment";
    // A million leads take about a minute; an attempt that is cut off goes on where it was.
    const TIMEOUT: Duration = Duration::from_secs(900);

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
