//! Loads an uploaded file, each row once: in chunks, each committed together with the place where reading goes on.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::{Invalid, Job};

#[cfg(feature = "handlers")]
mod run;

/// Loads one uploaded file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IngestFile {
    /// The file, as the upload gave it.
    pub file_id: i64,
}

impl Job for IngestFile {
    const KIND: &'static str = "ingest_file";
    const QUEUE: &'static str = "datalake";
    const TIMEOUT: Duration = Duration::from_secs(60 * 60);

    fn check(&self) -> Result<(), Invalid> {
        if self.file_id > 0 { Ok(()) } else { Err(Invalid::new("file_id", "must be the id of an uploaded file, from 1 on")) }
    }

    #[cfg(feature = "handlers")]
    async fn run(&self, ctx: &crate::ctx::Ctx) -> crate::job::Outcome {
        self.work(ctx).await
    }
}
