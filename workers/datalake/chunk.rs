//! Writes one stretch of a file's rows together with the place where reading goes on: both are there, or neither.
//!
//! Rows go in by `insert … select from unnest(arrays)` and not by COPY: Postgres refuses COPY into a table with row-level
//! security, and by way of a temporary table 20,000 leads cost the server as much (0.70 s of processor time against
//! 0.69 s, both in chunks of 2,000 and 10,000), and catalogue rows besides.

use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

use super::{
    FileId,
    parse::{Batch, Reject, Row},
};
use crate::{failpoint, ids::TeamId};

/// What became of a file's rows so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Records read.
    pub rows_in: i64,
    /// Leads that are new.
    pub rows_loaded: i64,
    /// Rows in `longshore.rejects`.
    pub rows_rejected: i64,
    /// Rows whose number the team had already.
    pub rows_duplicate: i64,
    /// Consents that are new.
    pub consents: i64,
    /// Consents left out because they have no date.
    pub consent_undated: i64,
    /// Engagements we do not know, taken as medium.
    pub engagement_unknown: i64,
}

/// Writes `batch`, read between the bytes `from` and `to`, in the caller's transaction. `None` when another job has read
/// on since: then the transaction is to be dropped.
pub async fn write(
    conn: &mut PgConnection,
    team: TeamId,
    file: FileId,
    batch: &Batch,
    (from, to): (i64, i64),
    resume: &Value,
) -> Result<Option<Counts>, sqlx::Error> {
    if sqlx::query_file!("datalake/chunk/hold_place.sql", team.0, file.0, from).fetch_optional(&mut *conn).await?.is_none() {
        return Ok(None);
    }
    let loaded = insert_leads(conn, team, file, &batch.rows).await?;
    failpoint!(MidChunk);
    let consents = insert_consents(conn, team, file, &batch.rows).await?;
    insert_rejects(conn, team, file, &batch.rejects).await?;
    let count = |wanted: fn(&Row) -> bool| batch.rows.iter().filter(|row| wanted(row)).count() as i64;
    let counts = sqlx::query_file_as!(
        Counts,
        "datalake/chunk/advance.sql",
        team.0,
        file.0,
        to,
        resume,
        (batch.rows.len() + batch.rejects.len()) as i64,
        loaded,
        batch.rejects.len() as i64,
        consents,
        count(|row| row.lead.consent_undated),
        count(|row| row.lead.engagement_unknown),
    );
    counts.fetch_one(conn).await.map(Some)
}

async fn insert_leads(conn: &mut PgConnection, team: TeamId, file: FileId, rows: &[Row]) -> Result<i64, sqlx::Error> {
    if rows.is_empty() {
        return Ok(0);
    }
    let texts = |of: fn(&Row) -> Option<&str>| rows.iter().map(of).collect::<Vec<_>>();
    let tags: Vec<_> = rows.iter().map(|row| row.lead.tags.join("\u{1f}")).collect();
    let done = sqlx::query_file!(
        "datalake/chunk/insert_leads.sql",
        team.0,
        file.0,
        &rows.iter().map(|row| row.record).collect::<Vec<_>>(),
        &texts(|row| Some(&row.lead.phone)) as _,
        &texts(|row| row.lead.email.as_deref()) as _,
        &texts(|row| row.lead.first_name.as_deref()) as _,
        &texts(|row| row.lead.last_name.as_deref()) as _,
        &texts(|row| row.lead.company.as_deref()) as _,
        &texts(|row| row.lead.domain.as_deref()) as _,
        &texts(|row| row.lead.city.as_deref()) as _,
        &texts(|row| row.lead.state) as _,
        &texts(|row| row.lead.zip.as_deref()) as _,
        &tags,
        &texts(|row| Some(row.lead.engagement.name())) as _,
    );
    Ok(done.execute(conn).await?.rows_affected() as i64)
}

async fn insert_consents(conn: &mut PgConnection, team: TeamId, file: FileId, rows: &[Row]) -> Result<i64, sqlx::Error> {
    let given: Vec<_> = rows.iter().filter_map(|row| Some((row, row.lead.consent.as_ref()?))).collect();
    if given.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query_file!(
        "datalake/chunk/insert_consents.sql",
        team.0,
        file.0,
        &given.iter().map(|(row, _)| row.record).collect::<Vec<_>>(),
        &given.iter().map(|(row, _)| row.lead.phone.clone()).collect::<Vec<_>>(),
        &given.iter().map(|(_, consent)| consent.level.to_owned()).collect::<Vec<_>>(),
        &given.iter().map(|(_, consent)| consent.at).collect::<Vec<_>>(),
    );
    Ok(done.execute(conn).await?.rows_affected() as i64)
}

async fn insert_rejects(conn: &mut PgConnection, team: TeamId, file: FileId, rejects: &[Reject]) -> Result<(), sqlx::Error> {
    if rejects.is_empty() {
        return Ok(());
    }
    let columns: Vec<_> = rejects.iter().map(|reject| reject.column.as_deref()).collect();
    let insert = sqlx::query_file!(
        "datalake/chunk/insert_rejects.sql",
        team.0,
        file.0,
        &rejects.iter().map(|reject| reject.record).collect::<Vec<_>>(),
        &rejects.iter().map(|reject| reject.line).collect::<Vec<_>>(),
        &columns as _,
        &rejects.iter().map(|reject| reject.reason.clone()).collect::<Vec<_>>(),
        &rejects.iter().map(|reject| reject.raw.clone()).collect::<Vec<_>>(),
    );
    insert.execute(conn).await?;
    Ok(())
}
