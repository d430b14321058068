//! Delivers one event to one endpoint of a team's own.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::{Invalid, Job, RetryPolicy};

mod run;

/// Delivers an event that was written down for an endpoint. Enqueued by the database, with what it tells of; what is sent stands
/// there, not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverWebhook {
    /// The delivery, as it was written down.
    pub delivery_id: i64,
}

impl Job for DeliverWebhook {
    const KIND: &'static str = "deliver_webhook";
    // A queue of its own: what strangers' servers take their time for is nobody else's wait.
    const QUEUE: &'static str = "webhooks";
    // Half a minute, a minute, two … four hours: over about a day.
    const RETRY: RetryPolicy =
        RetryPolicy { attempts: 16, first_delay: Duration::from_secs(20), max_delay: Duration::from_secs(4 * 3600) };
    // Longer than any receiver is waited for.
    const TIMEOUT: Duration = Duration::from_secs(45);

    fn check(&self) -> Result<(), Invalid> {
        if self.delivery_id < 1 {
            return Err(Invalid::new("delivery_id", format!("must be the id of a delivery, not {}", self.delivery_id)));
        }
        Ok(())
    }

    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
