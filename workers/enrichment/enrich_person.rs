//! Looks one lead up at the vendor for people, and keeps what it knows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::{Invalid, Job};

#[cfg(feature = "handlers")]
mod run;

/// The lead to look up.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrichPerson {
    /// A lead of the job's team.
    pub lead_id: i64,
}

impl Job for EnrichPerson {
    const KIND: &'static str = "enrich_person";
    const QUEUE: &'static str = "enrichment";
    const PRICE: i64 = 9;

    fn check(&self) -> Result<(), Invalid> {
        if self.lead_id < 1 {
            return Err(Invalid::new("lead_id", format!("a lead's id is 1 or more, not {}", self.lead_id)));
        }
        Ok(())
    }

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
