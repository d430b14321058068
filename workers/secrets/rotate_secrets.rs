//! Puts every team's data keys under another key of the keyring.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::{Invalid, Job};

#[cfg(feature = "handlers")]
mod run;

/// Puts every team's data keys under another key of the keyring, so that the older ones are no longer needed. A job of the
/// house's own team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSecrets {
    /// The id of the key to put them under: not simply each worker's current one, so that workers whose configurations
    /// differ for a while do not undo each other's work.
    pub to: String,
}

impl Job for RotateSecrets {
    const KIND: &'static str = "rotate_secrets";
    const QUEUE: &'static str = "upkeep";
    const TIMEOUT: Duration = Duration::from_secs(300);

    fn check(&self) -> Result<(), Invalid> {
        if self.to.is_empty() || self.to.len() > 32 {
            return Err(Invalid::new("to", "must be the id of a key of the keyring, 1 to 32 characters"));
        }
        Ok(())
    }

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
