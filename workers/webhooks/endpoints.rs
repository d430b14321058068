//! Where a team's webhooks go to: set, changed, given a new secret, taken away. Each change leaves its entry in the audit log.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;

use super::{events, sign};
use crate::{
    clock::Random,
    ids::{EndpointId, TeamId},
    secrets::{self, Keyring, Place, SecretError},
    vendors::receiver::{Rules, place},
};

/// Endpoints that one team may have.
pub const MOST: i64 = 20;
/// Hours that a secret goes on signing beside its successor, where nothing is said.
pub const KEEP_HOURS: i32 = 24;
/// And at most.
pub const KEEP_HOURS_MOST: i32 = 168;
/// Characters of a description.
const LONGEST_DESCRIPTION: usize = 200;
const MOST_KINDS: usize = 50;

/// An endpoint. Its secrets are shown by nobody again.
#[derive(Debug, Clone, Serialize)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// The address.
    pub url: String,
    /// What people call it.
    pub description: String,
    /// What it is told.
    pub events: Vec<String>,
    /// Of jobs of these kinds alone; none: of all.
    pub kinds: Option<Vec<String>>,
    /// Since when it has taken nothing, though it was tried.
    pub failing_since: Option<DateTime<Utc>>,
    /// Since when nothing is sent to it.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Why.
    pub disabled_reason: Option<String>,
    /// Secrets that sign now: two while one is replaced.
    pub secrets: i64,
    /// Until when the older one signs.
    pub old_secret_until: Option<DateTime<Utc>>,
    /// Since when it is there.
    pub created_at: DateTime<Utc>,
}

/// An endpoint as somebody wants it. What is `None` stays as it is, or has its default.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The address.
    pub url: Option<String>,
    /// What people call it.
    pub description: Option<String>,
    /// What it is told.
    pub events: Option<Vec<String>>,
    /// Of which kinds of jobs; an empty list: of all.
    pub kinds: Option<Vec<String>>,
    /// Whether anything is sent to it.
    pub enabled: Option<bool>,
}

/// Why an endpoint is not set.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// A value that can't be.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which one.
        field: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The team has no such endpoint.
    #[error("the team has no such endpoint")]
    Missing,
    /// There are enough.
    #[error("a team has at most {MOST} endpoints")]
    TooMany,
    /// Its secret can't be kept.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database refused or did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

fn invalid(field: &'static str, reason: impl Into<String>) -> EndpointError {
    EndpointError::Invalid { field, reason: reason.into() }
}

impl Wanted {
    /// Refuses what could never work. `kinds` are those that this build knows.
    pub fn check(&self, rules: &Rules, known: impl Fn(&str) -> bool) -> Result<(), EndpointError> {
        if let Some(url) = &self.url {
            place::check(url, rules).map_err(|wrong| invalid("url", wrong.to_string()))?;
        }
        if let Some(description) = &self.description
            && (description.chars().count() > LONGEST_DESCRIPTION || description.chars().any(char::is_control))
        {
            return Err(invalid("description", format!("at most {LONGEST_DESCRIPTION} characters, in one line")));
        }
        if let Some(wanted) = &self.events {
            if wanted.is_empty() {
                return Err(invalid("events", "name at least one event"));
            }
            if let Some(unknown) = wanted.iter().find(|name| !events::EVENTS.iter().any(|event| event.name == **name)) {
                let names: Vec<_> = events::EVENTS.iter().map(|event| event.name).collect();
                return Err(invalid("events", format!("there is no event {unknown:?}; there are {}", names.join(", "))));
            }
        }
        if let Some(kinds) = &self.kinds {
            if kinds.len() > MOST_KINDS {
                return Err(invalid("kinds", format!("at most {MOST_KINDS} kinds")));
            }
            if let Some(unknown) = kinds.iter().find(|kind| !known(kind)) {
                return Err(invalid("kinds", format!("there is no kind of job {unknown:?}")));
            }
        }
        Ok(())
    }

    fn sorted(list: Option<&Vec<String>>) -> Option<Vec<String>> {
        let mut list = list?.clone();
        list.sort_unstable();
        list.dedup();
        Some(list)
    }
}

/// A team's endpoints, the oldest first.
pub async fn list(conn: &mut PgConnection, team: TeamId) -> Result<Vec<Endpoint>, sqlx::Error> {
    some(conn, team, None).await
}

/// One endpoint.
pub async fn find(conn: &mut PgConnection, team: TeamId, id: EndpointId) -> Result<Endpoint, EndpointError> {
    some(conn, team, Some(id)).await?.pop().ok_or(EndpointError::Missing)
}

async fn some(conn: &mut PgConnection, team: TeamId, id: Option<EndpointId>) -> Result<Vec<Endpoint>, sqlx::Error> {
    sqlx::query_file_as!(Endpoint, "webhooks/endpoints/list.sql", team.0, id.map(|id| id.0)).fetch_all(conn).await
}

/// Sets a new endpoint, and tells its secret: the only time that it is seen. `wanted` was checked. `conn` is in a transaction
/// under the team's row-level security; the entry in the audit log is its last statement.
pub async fn create(
    conn: &mut PgConnection,
    keyring: &Keyring,
    random: &dyn Random,
    team: TeamId,
    wanted: &Wanted,
) -> Result<(Endpoint, SecretString), EndpointError> {
    let url = wanted.url.as_deref().ok_or_else(|| invalid("url", "an endpoint has an address"))?;
    let events = Wanted::sorted(wanted.events.as_ref()).ok_or_else(|| invalid("events", "name at least one event"))?;
    let kinds = Wanted::sorted(wanted.kinds.as_ref()).filter(|kinds| !kinds.is_empty());
    sqlx::query_file!("webhooks/endpoints/queue_up.sql", team.0).fetch_one(&mut *conn).await?;
    let made = sqlx::query_file_scalar!(
        "webhooks/endpoints/create.sql",
        team.0,
        url,
        wanted.description.as_deref().unwrap_or_default(),
        &events,
        kinds.as_deref(),
        MOST,
        (wanted.enabled == Some(false)).then_some(OFF),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let id = EndpointId(made.ok_or(EndpointError::TooMany)?);
    let secret = add_secret(conn, keyring, random, team, id, 1).await?;
    let endpoint = find(conn, team, id).await?;
    audit(conn, team, "webhook.create", id, None, None, Some(endpoint.for_the_record())).await?;
    Ok((endpoint, secret))
}

/// Why an endpoint is disabled that somebody switched off.
const OFF: &str = "switched off";

/// Changes an endpoint. Enabling it anew takes back why it was disabled, and its failures. `wanted` was checked.
pub async fn update(conn: &mut PgConnection, team: TeamId, id: EndpointId, wanted: &Wanted) -> Result<Endpoint, EndpointError> {
    let before = hold(conn, team, id).await?;
    let (events, kinds) = (Wanted::sorted(wanted.events.as_ref()), Wanted::sorted(wanted.kinds.as_ref()));
    sqlx::query_file!(
        "webhooks/endpoints/update.sql",
        team.0,
        id.0,
        wanted.url.as_deref(),
        wanted.description.as_deref(),
        events.as_deref(),
        kinds.as_deref(),
        wanted.enabled,
        OFF,
    )
    .execute(&mut *conn)
    .await?;
    let after = find(conn, team, id).await?;
    if after.disabled_at.is_some() && before.disabled_at.is_none() {
        hurry(conn, team, id).await?;
    }
    audit(conn, team, "webhook.update", id, None, Some(before.for_the_record()), Some(after.for_the_record())).await?;
    Ok(after)
}

/// Gives an endpoint a new secret, and tells it. The one before signs beside it for `keep_hours` more; older ones are gone.
pub async fn rotate(
    conn: &mut PgConnection,
    keyring: &Keyring,
    random: &dyn Random,
    team: TeamId,
    id: EndpointId,
    keep_hours: i32,
) -> Result<(Endpoint, SecretString), EndpointError> {
    if !(0..=KEEP_HOURS_MOST).contains(&keep_hours) {
        return Err(invalid("keep_hours", format!("0 to {KEEP_HOURS_MOST} hours")));
    }
    hold(conn, team, id).await?;
    let newest =
        sqlx::query_file_scalar!("webhooks/endpoints/retire_secrets.sql", team.0, id.0, keep_hours).fetch_one(&mut *conn).await?;
    let secret = add_secret(conn, keyring, random, team, id, newest + 1).await?;
    let endpoint = find(conn, team, id).await?;
    let after = json!({ "secret": newest + 1, "old_secret_until": endpoint.old_secret_until });
    audit(conn, team, "webhook.rotate", id, None, Some(json!({ "secret": newest })), Some(after)).await?;
    Ok((endpoint, secret))
}

/// Takes an endpoint away, with its secrets. What waits for it comes to its end now, undelivered.
pub async fn delete(conn: &mut PgConnection, team: TeamId, id: EndpointId) -> Result<(), EndpointError> {
    let before = hold(conn, team, id).await?;
    hurry(conn, team, id).await?;
    sqlx::query_file!("webhooks/endpoints/delete.sql", team.0, id.0).execute(&mut *conn).await?;
    audit(conn, team, "webhook.delete", id, None, Some(before.for_the_record()), None).await?;
    Ok(())
}

/// Disables an endpoint for a reason that was found, not wanted. False: it is gone or disabled already.
pub async fn disable(conn: &mut PgConnection, team: TeamId, id: EndpointId, reason: &str) -> Result<bool, EndpointError> {
    let disabled = sqlx::query_file!("webhooks/endpoints/disable.sql", team.0, id.0, reason).execute(&mut *conn).await?;
    if disabled.rows_affected() == 0 {
        return Ok(false);
    }
    hurry(conn, team, id).await?;
    let (before, after) = (json!({ "enabled": true }), json!({ "enabled": false }));
    audit(conn, team, "webhook.disable", id, Some(reason), Some(before), Some(after)).await?;
    Ok(true)
}

/// Notes whether an endpoint has taken something. When it has taken nothing for `days`, it is to be disabled: true.
pub async fn note(conn: &mut PgConnection, team: TeamId, id: EndpointId, taken: bool, days: i32) -> Result<bool, sqlx::Error> {
    let overdue = sqlx::query_file_scalar!("webhooks/endpoints/note.sql", team.0, id.0, taken, days);
    Ok(overdue.fetch_optional(conn).await?.unwrap_or(false))
}

/// The secrets that sign now, the newest first.
pub async fn live_secrets(
    conn: &mut PgConnection,
    keyring: &Keyring,
    team: TeamId,
    id: EndpointId,
) -> Result<Vec<SecretString>, SecretError> {
    let rows = sqlx::query_file!("webhooks/endpoints/live_secrets.sql", team.0, id.0).fetch_all(&mut *conn).await?;
    let mut secrets = Vec::with_capacity(rows.len());
    for row in rows {
        let name = row_name(id, row.number);
        secrets.push(secrets::open(conn, keyring, team, place_of(&name), &row.sealed).await?);
    }
    Ok(secrets)
}

fn row_name(id: EndpointId, number: i32) -> String {
    format!("{}/{number}", id.0)
}

fn place_of(row: &str) -> Place<'_> {
    Place { table: "longshore.webhook_secrets", row, column: "sealed" }
}

async fn add_secret(
    conn: &mut PgConnection,
    keyring: &Keyring,
    random: &dyn Random,
    team: TeamId,
    id: EndpointId,
    number: i32,
) -> Result<SecretString, SecretError> {
    let secret = sign::new_secret(random);
    let sealed = secrets::seal(conn, keyring, random, team, place_of(&row_name(id, number)), &secret).await?;
    sqlx::query_file!("webhooks/endpoints/add_secret.sql", team.0, id.0, number, sealed).execute(conn).await?;
    Ok(secret)
}

/// Holds an endpoint until the transaction ends.
async fn hold(conn: &mut PgConnection, team: TeamId, id: EndpointId) -> Result<Endpoint, EndpointError> {
    sqlx::query_file!("webhooks/endpoints/hold.sql", team.0, id.0)
        .fetch_optional(&mut *conn)
        .await?
        .ok_or(EndpointError::Missing)?;
    find(conn, team, id).await
}

async fn hurry(conn: &mut PgConnection, team: TeamId, id: EndpointId) -> Result<(), sqlx::Error> {
    sqlx::query_file!("webhooks/endpoints/hurry.sql", team.0, id.0).fetch_one(conn).await?;
    Ok(())
}

impl Endpoint {
    /// What the audit log keeps: of the address, which may hold a token, its host and its digest.
    fn for_the_record(&self) -> Value {
        let host = place::host(&self.url);
        json!({
            "host": host,
            "url_sha256": hex::encode(Sha256::digest(&self.url)),
            "events": self.events,
            "kinds": self.kinds,
            "enabled": self.disabled_at.is_none(),
        })
    }
}

async fn audit(
    conn: &mut PgConnection,
    team: TeamId,
    action: &str,
    id: EndpointId,
    reason: Option<&str>,
    before: Option<Value>,
    after: Option<Value>,
) -> Result<(), sqlx::Error> {
    sqlx::query_file!("webhooks/endpoints/audit.sql", team.0, action, id.to_string(), reason, before, after)
        .fetch_one(conn)
        .await?;
    Ok(())
}
