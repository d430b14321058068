//! Sends one mail, at most once.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::{Invalid, Job};

#[cfg(feature = "handlers")]
mod run;
#[cfg(feature = "handlers")]
pub use run::LONGEST_DISPATCH;

/// Sends a planned message as a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendEmail {
    /// The message, as it was planned.
    pub message_id: i64,
}

impl Job for SendEmail {
    const KIND: &'static str = "send_email";
    const QUEUE: &'static str = "messages";
    // Shorter than a lease, longer than the locks and the dispatch deadline together.
    const TIMEOUT: Duration = Duration::from_secs(25);

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
