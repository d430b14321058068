//! Puts every team's data keys under another key of the keyring.
//!
//! Only the data keys are wrapped anew, never a value: a reader finds either wrapping whole in one row. A chunk is one fenced
//! transaction with its checkpoint, so a run that is cut off goes on with the next chunk, and one that is repeated finds
//! nothing to do.

use std::time::Duration;

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::RotateSecrets;
use crate::{
    ctx::Ctx,
    failpoint,
    ids::TeamId,
    job::{Outcome, Stop},
    secrets::{Keyring, SecretError, unwrap, wrap},
};

/// Data keys of one transaction.
const CHUNK: i32 = 200;

/// Up to where a rotation is.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Point {
    team: Uuid,
    number: i32,
    rewrapped: i64,
    refused: i64,
}

impl RotateSecrets {
    pub(super) async fn work(&self, ctx: &Ctx) -> Outcome {
        let keyring = &ctx.services().keyring;
        if !keyring.ids().any(|id| id == self.to) {
            // Another worker may have it already, or this one after its next start.
            let fault = SecretError::UnknownKey(self.to.clone());
            return Err(Stop::Retry { error: fault.into(), after: Some(Duration::from_secs(30)) });
        }
        let mut point: Point = ctx.last_checkpoint().await?.unwrap_or_default();
        loop {
            ctx.check_cancelled()?;
            let mut tx = ctx.fenced_tx().await?;
            let (next, found) = self.chunk(&mut tx, ctx, keyring, point).await?;
            point = next;
            if found == 0 {
                let left = left_behind(&mut tx, &self.to).await?;
                if point.refused == 0 && left.is_empty() {
                    return ctx.complete(tx, json!({ "to": self.to, "rewrapped": point.rewrapped })).await;
                }
                let Point { rewrapped, refused, .. } = point;
                // Under a key that we have: made behind us by a process with an older configuration, or held by another rotation.
                if refused == 0 && left.iter().all(|(id, _)| keyring.ids().any(|known| known == id)) {
                    ctx.checkpoint(&mut tx, rewrapped, None, Point { rewrapped, ..Point::default() }).await?;
                    tx.commit().await?;
                    return Err(Stop::snooze(Duration::from_secs(1), "data keys were made or held meanwhile"));
                }
                ctx.checkpoint(&mut tx, rewrapped, None, Point::default()).await?;
                tx.commit().await?;
                let ids = left.iter().map(|(id, count)| format!("{id} ({count})")).collect::<Vec<_>>().join(", ");
                return Err(Stop::dead(anyhow!(
                    "{rewrapped} data keys are under {:?} now, {refused} could not be opened; left under: {ids}",
                    self.to
                )));
            }
            ctx.checkpoint(&mut tx, point.rewrapped, None, point).await?;
            failpoint!(BeforeCommit);
            tx.commit().await?;
            failpoint!(AfterCommit);
        }
    }

    async fn chunk(&self, conn: &mut PgConnection, ctx: &Ctx, keyring: &Keyring, mut at: Point) -> Result<(Point, usize), Stop> {
        let known: Vec<String> = keyring.ids().map(str::to_owned).collect();
        let rows = sqlx::query_file!("secrets/rotate_secrets/chunk.sql", self.to, &known, at.team, at.number, CHUNK)
            .fetch_all(&mut *conn)
            .await?;
        let (mut teams, mut numbers, mut was, mut nonces, mut wrapped) = (vec![], vec![], vec![], vec![], vec![]);
        for row in &rows {
            (at.team, at.number) = (row.team_id, row.number);
            let team = TeamId(row.team_id);
            let key = unwrap(keyring, team, row.number, &row.master_key, &row.nonce, &row.wrapped);
            let Ok((nonce, bytes)) = key.and_then(|key| wrap(keyring, &*ctx.services().random, team, row.number, &self.to, &key))
            else {
                at.refused += 1;
                continue;
            };
            teams.push(row.team_id);
            numbers.push(row.number);
            was.push(row.nonce.clone());
            nonces.push(nonce.to_vec());
            wrapped.push(bytes);
        }
        let done =
            sqlx::query_file_scalar!("secrets/rotate_secrets/rewrap.sql", &teams, &numbers, &was, self.to, &nonces, &wrapped)
                .fetch_one(conn)
                .await?;
        at.rewrapped += i64::from(done);
        Ok((at, rows.len()))
    }
}

/// How many data keys are still under which other keys.
async fn left_behind(conn: &mut PgConnection, to: &str) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let rows = sqlx::query_file!("secrets/rotate_secrets/left.sql", to).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.master_key, row.data_keys)).collect())
}
