//! Counts which tags a team's leads carry, so that a campaign form can offer them without reading every lead.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::Job;

#[cfg(feature = "handlers")]
mod run;
#[cfg(feature = "handlers")]
pub use run::{Tag, list};

/// Refreshes the team's tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshTags {}

impl Job for RefreshTags {
    const KIND: &'static str = "refresh_tags";
    const QUEUE: &'static str = "enrollment";
    const TIMEOUT: Duration = Duration::from_secs(300);

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
