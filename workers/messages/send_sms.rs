//! Sends one message, at most once.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::{Invalid, Job};

#[cfg(feature = "handlers")]
mod answer;
#[cfg(feature = "handlers")]
mod ask;
#[cfg(feature = "handlers")]
mod gate;
#[cfg(feature = "handlers")]
mod run;
#[cfg(feature = "handlers")]
mod together;
#[cfg(feature = "handlers")]
pub use self::{ask::parked_as, run::LONGEST_DISPATCH, together::Sends};

/// Sends a planned message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendSms {
    /// The message, as it was planned.
    pub message_id: i64,
}

impl Job for SendSms {
    const KIND: &'static str = "send_sms";
    const QUEUE: &'static str = "messages";
    // What most texts cost: one segment. A longer one costs as many times more ([rules.messages] segment_credits).
    const PRICE: i64 = 1;
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
