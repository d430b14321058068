//! Takes numbers out of a team's reach that their carriers took back: their next owner has agreed to nothing.

use std::time::Duration;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::Job;

#[cfg(feature = "handlers")]
mod run;

/// Looks the vendor's list of a day through for numbers of the team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PullDeactivations {
    /// The day; if not said, the one before the day on which it runs (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<NaiveDate>,
}

impl Job for PullDeactivations {
    const KIND: &'static str = "pull_deactivations";
    const QUEUE: &'static str = "messages";
    const PRIORITY: i16 = 7;
    const TIMEOUT: Duration = Duration::from_secs(600);

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
