//! Writes down everything of a team.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::{Invalid, Job};

mod run;

/// Exports everything of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportTeam {
    /// The request, which says whom it is about: a payload is kept, and would tell.
    pub request_id: i64,
}

impl Job for ExportTeam {
    const KIND: &'static str = "export_team";
    const QUEUE: &'static str = "upkeep";
    const TIMEOUT: Duration = Duration::from_secs(3600);

    fn check(&self) -> Result<(), Invalid> {
        if self.request_id > 0 { Ok(()) } else { Err(Invalid::new("request_id", "is the number of a request")) }
    }

    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
