//! Counts a team's leads by what campaigns choose by, so that a form can offer tags and a preview can count without reading
//! every lead.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::RefreshTags;
use crate::{ctx::Ctx, ids::TeamId, job::Outcome};

/// A tag and how many leads carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tag {
    /// The tag.
    pub tag: String,
    /// Leads that carried it when it was counted.
    pub leads: i64,
    /// When that was.
    pub refreshed_at: DateTime<Utc>,
}

impl RefreshTags {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let mut tx = ctx.fenced_tx().await?;
        let tags =
            sqlx::query_file_scalar!("enrollment/refresh_tags/count.sql", ctx.team().0, ctx.now()).fetch_one(&mut *tx).await?;
        sqlx::query_file!("enrollment/refresh_tags/forget_audience.sql", ctx.team().0).execute(&mut *tx).await?;
        let groups = sqlx::query_file_scalar!("enrollment/refresh_tags/count_audience.sql", ctx.team().0, ctx.now())
            .fetch_one(&mut *tx)
            .await?;
        ctx.complete(tx, serde_json::json!({ "tags": tags, "groups": groups })).await
    }
}

/// The team's tags as they were counted last, the most used first.
pub async fn list(conn: &mut PgConnection, team: TeamId, most: i64) -> Result<Vec<Tag>, sqlx::Error> {
    sqlx::query_file_as!(Tag, "enrollment/refresh_tags/list.sql", team.0, most).fetch_all(conn).await
}
