//! Writes down for a person what is known of them in one team.

use super::ExportPerson;
use crate::{ctx::Ctx, job::Outcome, people::export};

impl ExportPerson {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let mut tx = ctx.fenced_tx().await?;
        sqlx::query_file!("people/erase_person/find.sql", ctx.team().0, self.request_id).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        export::write(ctx, self.request_id, true).await
    }
}
