//! Writes down everything of a team.

use super::ExportTeam;
use crate::{ctx::Ctx, job::Outcome, people::export};

impl ExportTeam {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        export::write(ctx, self.request_id, false).await
    }
}
