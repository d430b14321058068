//! Frees the leads of a campaign that was stopped, so that another campaign can enroll them, and ends what still waits.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::CampaignId;
use crate::job::Job;

#[cfg(feature = "handlers")]
mod run;

/// Ends the running enrollments and the waiting messages of a campaign that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndEnrollments {
    /// The campaign.
    pub campaign_id: CampaignId,
}

impl Job for EndEnrollments {
    const KIND: &'static str = "end_enrollments";
    const QUEUE: &'static str = "enrollment";
    const TIMEOUT: Duration = Duration::from_secs(900);

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
