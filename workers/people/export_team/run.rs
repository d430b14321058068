//! Writes down everything of a team.

use super::ExportTeam;
use crate::{
    ctx::Ctx,
    job::Outcome,
    people::{export, requests},
};

impl ExportTeam {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        if let Some(done) = requests::carried_out(ctx, self.request_id).await? {
            return Ok(done);
        }
        export::write(ctx, self.request_id, false).await
    }
}
