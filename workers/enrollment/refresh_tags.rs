//! Counts a team's leads by what campaigns choose by, so that a form can offer tags and a preview can count without reading
//! every lead.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::Job;

#[cfg(feature = "handlers")]
mod run;
#[cfg(feature = "handlers")]
pub use run::{Tag, list};

/// Refreshes the team's tags and audience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshTags {}

/// The idempotency key under which it is enqueued where one on its way is enough.
pub const REFRESH_KEY: &str = "refresh";

impl Job for RefreshTags {
    const KIND: &'static str = "refresh_tags";
    const QUEUE: &'static str = "enrollment";
    const TIMEOUT: Duration = Duration::from_secs(300);

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
