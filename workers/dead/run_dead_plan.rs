//! Works through a plan for dead letters at the plan's own rate.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::PlanId;
use crate::job::Job;

#[cfg(feature = "handlers")]
mod run;

/// Works through a plan for dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunDeadPlan {
    /// The plan: plan_7.
    #[schemars(with = "String")]
    pub plan: PlanId,
}

impl Job for RunDeadPlan {
    const KIND: &'static str = "run_dead_plan";
    const QUEUE: &'static str = "upkeep";
    const TIMEOUT: Duration = Duration::from_secs(300);

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
