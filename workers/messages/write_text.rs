//! Has a model write the text of one message; where it can't, the template's text stays.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::{Invalid, Job};

#[cfg(feature = "handlers")]
mod run;

/// Writes the text of a planned message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteText {
    /// The message, as it was planned.
    pub message_id: i64,
}

impl Job for WriteText {
    const KIND: &'static str = "write_text";
    const QUEUE: &'static str = "texts";
    // Two questions, each of up to `vendors.azure.timeout_milliseconds`.
    const TIMEOUT: Duration = Duration::from_secs(150);

    fn check(&self) -> Result<(), Invalid> {
        if self.message_id < 1 {
            return Err(Invalid::new("message_id", format!("must be the id of a message, not {}", self.message_id)));
        }
        Ok(())
    }

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
