//! Writes down for a person what is known of them in one team.

use super::ExportPerson;
use crate::{
    ctx::Ctx,
    job::Outcome,
    people::{export, requests},
};

impl ExportPerson {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        if let Some(done) = requests::carried_out(ctx, self.request_id).await? {
            return Ok(done);
        }
        let mut tx = ctx.fenced_tx().await?;
        requests::find(&mut tx, ctx.team(), self.request_id).await?;
        tx.commit().await?;
        export::write(ctx, self.request_id, true).await
    }
}
