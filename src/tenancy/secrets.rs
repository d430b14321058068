//! The keyring as an operator sees it: which of its keys wraps how much, and the job that puts all of it under one.

use std::collections::{BTreeMap, BTreeSet};

use longshore_workers::{
    enqueue::{self, EnqueueError, Enqueued, KeyScope, Options},
    ids::TeamId,
    secrets::{Keyring, rotate_secrets::RotateSecrets},
};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use super::audit::{self, Deed};

/// How a key of the keyring stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// New secrets are put under it.
    Current,
    /// Something lies under it still.
    Needed,
    /// Nothing lies under it: it may leave the configuration.
    NoLongerNeeded,
    /// Something lies under it, and this process was not given it: that can't be opened.
    Missing,
}

/// One key, and what lies under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyUse {
    /// Its id.
    pub key: String,
    /// How it stands.
    pub state: State,
    /// Teams' data keys that it wraps.
    pub data_keys: i64,
    /// Of so many teams.
    pub teams: i64,
}

/// Every key that is configured here or wraps something, by id.
pub async fn status(conn: &mut PgConnection, keyring: &Keyring) -> Result<Vec<KeyUse>, sqlx::Error> {
    let used = sqlx::query_file!("src/tenancy/secrets/status.sql").fetch_all(conn).await?;
    let used: BTreeMap<String, (i64, i64)> = used.into_iter().map(|row| (row.master_key, (row.data_keys, row.teams))).collect();
    let ids: BTreeSet<&str> = keyring.ids().chain(used.keys().map(String::as_str)).collect();
    let all = ids.into_iter().map(|id| {
        let (data_keys, teams) = used.get(id).copied().unwrap_or_default();
        let state = match (keyring.ids().any(|known| known == id), keyring.current() == Some(id)) {
            (false, _) => State::Missing,
            (_, true) => State::Current,
            (true, false) if data_keys > 0 => State::Needed,
            (true, false) => State::NoLongerNeeded,
        };
        KeyUse { key: id.to_owned(), state, data_keys, teams }
    });
    Ok(all.collect())
}

/// Gives the workers the job that puts everything under the key `to`; the one that is at it already, where one is.
pub async fn rotate(conn: &mut PgConnection, to: &str, by: &str) -> Result<Enqueued, EnqueueError> {
    let options = Options {
        key: Some(to.to_owned()),
        key_scope: KeyScope::WhileUnfinished,
        correlation: Some(by.to_owned()),
        ..Options::default()
    };
    let job = enqueue::one(conn, TeamId::HOUSE, &RotateSecrets { to: to.to_owned() }, options).await?;
    let after = Some(json!({ "to": to, "job": job.job, "deduplicated": job.deduplicated }));
    audit::record(conn, None, &Deed { action: "keyring.rotate", target: to, after, ..Deed::default() }).await?;
    Ok(job)
}
