//! API keys, shown once and stored as a digest; and operators' tokens, which are keys of a day that name a person.
//!
//! A key is replaced without a gap: the one that [`rotate`] makes lives beside the old one for as long as it takes to put it
//! everywhere, and no third may join them.

mod credential;
mod principal;
mod rate;

use std::{fmt, str::FromStr, time::Duration};

use chrono::{DateTime, NaiveDate, Utc};
use longshore_workers::{clock::Random, ids::TeamId};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::audit::{self, Deed};
use crate::store::jobs::interval;

#[cfg(feature = "dev")]
pub(crate) use credential::guesses;
pub use credential::{Malformed, ParsedKey, Sort, is_id, parse};
pub use principal::{AuthError, CACHE_SECONDS, Principal, authenticate, authenticate_parsed};
pub use rate::Rate;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Put jobs in.
    Enqueue,
    /// Look at jobs.
    Read,
    /// Cancel jobs.
    Cancel,
    /// Replay and discard dead letters.
    Dead,
    /// Set, hold, run and take away schedules.
    Schedules,
    /// Create, activate and pause campaigns.
    Campaigns,
    /// Upload files.
    Lake,
    /// Everything a team may do.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 8] =
        [Self::Enqueue, Self::Read, Self::Cancel, Self::Dead, Self::Schedules, Self::Campaigns, Self::Lake, Self::Admin];
    /// What a key gets when nothing is said.
    pub const STANDARD: [Self; 3] = [Self::Enqueue, Self::Read, Self::Cancel];

    /// Its stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enqueue => "enqueue",
            Self::Read => "read",
            Self::Cancel => "cancel",
            Self::Dead => "dead",
            Self::Schedules => "schedules",
            Self::Campaigns => "campaigns",
            Self::Lake => "lake",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| KeyError::UnknownScope(text.chars().take(64).collect()))
    }
}

/// Why a key was not made or ended.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No such scope.
    #[error("there is no scope {0:?}; there are enqueue, read, cancel, dead, schedules, campaigns, lake and admin")]
    UnknownScope(String),
    /// A key that may do nothing.
    #[error("a key needs at least one scope")]
    NoScope,
    /// A name that no key may have.
    #[error("a key's name has 1 to 100 characters and no control characters")]
    InvalidName,
    /// No rate.
    #[error("a key's rate is 1 to 1,000,000 requests a second, of which 1 to 10,000,000 at once; and no burst is without a rate")]
    InvalidRate,
    /// A key that would be born dead.
    #[error("the key would have expired already, at {0}")]
    Expired(DateTime<Utc>),
    /// The team has no such live key.
    #[error("the team has no live key {0:?}")]
    NotFound(String),
    /// An operator's token is not replaced.
    #[error("{0:?} is an operator's token: make a new one")]
    IsToken(String),
    /// Two keys that replace each other live already.
    #[error("{0:?} and the key beside it live already: revoke one of the two, or wait for the older one's end")]
    TwoLive(String),
    /// A time that is too short or too long.
    #[error("{what} is from {from} to {to}")]
    OutOfRange {
        /// Which.
        what: &'static str,
        /// The least.
        from: &'static str,
        /// The most.
        to: &'static str,
    },
    /// The database refused or did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A key just made: the only time its text is seen.
#[derive(Debug)]
pub struct NewKey {
    /// Its public id.
    pub key_id: String,
    /// The whole credential. Show it once.
    pub text: SecretString,
}

/// A key that takes another's place.
#[derive(Debug)]
pub struct Replacement {
    /// The new one.
    pub key: NewKey,
    /// What both are called.
    pub name: String,
    /// What both may do.
    pub scopes: Vec<String>,
    /// When the new one ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the old one ends.
    pub old_expires_at: DateTime<Utc>,
}

/// A stored key, as lists show it.
#[derive(Debug, Clone, Serialize)]
pub struct KeyView {
    /// Its public id.
    pub key_id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was ended.
    pub revoked_at: Option<DateTime<Utc>>,
    /// The day it was last used.
    pub last_used_on: Option<NaiveDate>,
    /// The first of the keys that replaced each other, itself among them.
    pub lineage: String,
    /// Requests that it may make a second, where it has a rate of its own.
    pub per_second: Option<i32>,
    /// Of which so many at once.
    pub burst: Option<i32>,
    /// Who acts with it, where it is an operator's token.
    pub person: Option<String>,
}

/// Makes a key for a team. Its text is in the answer and nowhere else. Like all that changes keys here it writes down who did it
/// (as the transaction says: `app.actor`), as the last statement: end the transaction then.
pub async fn create(
    conn: &mut PgConnection,
    team: TeamId,
    name: &str,
    scopes: &[Scope],
    expires_at: Option<DateTime<Utc>>,
    random: &dyn Random,
) -> Result<NewKey, KeyError> {
    create_with(conn, team, name, scopes, (expires_at, None), random).await
}

/// [`create`], with an end and a rate of its own.
pub async fn create_with(
    conn: &mut PgConnection,
    team: TeamId,
    name: &str,
    scopes: &[Scope],
    (expires_at, rate): (Option<DateTime<Utc>>, Option<Rate>),
    random: &dyn Random,
) -> Result<NewKey, KeyError> {
    let (name, scopes) = (valid_name(name)?, stored_scopes(scopes)?);
    let made = credential::make(Sort::Key, random);
    let (per_second, burst) = rate.map(|rate| (rate.per_second, rate.burst)).unzip();
    let stored = sqlx::query_file_scalar!(
        "src/tenancy/keys/create.sql",
        team.0,
        made.key_id,
        name,
        &made.digest,
        &scopes,
        expires_at,
        per_second,
        burst
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let (None, Some(end)) = (stored, expires_at) {
        return Err(KeyError::Expired(end));
    }
    let after = json!({ "scopes": scopes, "expires_at": expires_at, "rate": rate });
    write_down(conn, team, "key.create", &format!("key {}", made.key_id), None, Some(after)).await?;
    Ok(NewKey { key_id: made.key_id, text: made.text })
}

/// The longest life of an operator's token.
pub const TOKEN_HOURS: u32 = 24;

/// Makes an operator's token: a key of some hours that says in every record who acted with it.
pub async fn token(
    conn: &mut PgConnection,
    team: TeamId,
    person: &str,
    scopes: &[Scope],
    hours: u32,
    random: &dyn Random,
) -> Result<(NewKey, DateTime<Utc>), KeyError> {
    let (person, scopes) = (valid_name(person)?, stored_scopes(scopes)?);
    if !(1..=TOKEN_HOURS).contains(&hours) {
        return Err(KeyError::OutOfRange { what: "a token's life", from: "1 hour", to: "24 hours" });
    }
    let made = credential::make(Sort::Token, random);
    let life = interval(Duration::from_secs(u64::from(hours) * 3600));
    let ends = sqlx::query_file_scalar!("src/tenancy/keys/token.sql", team.0, made.key_id, person, &made.digest, &scopes, life)
        .fetch_one(&mut *conn)
        .await?;
    let (target, after) = (format!("token {} for {person}", made.key_id), json!({ "scopes": scopes, "expires_at": ends }));
    write_down(conn, team, "token.create", &target, None, Some(after)).await?;
    Ok((NewKey { key_id: made.key_id, text: made.text }, ends))
}

/// How long an old key lives beside its replacement where nothing is said.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);
/// How long it may.
pub const LONGEST_GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

/// What may be known of a live key before it is replaced: by it a caller decides whether it may be.
#[derive(Debug)]
pub struct Held {
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Its own rate.
    pub rate: Option<Rate>,
}

/// Locks a live key until the transaction ends, so that [`rotate`] finds what was decided on.
pub async fn hold(conn: &mut PgConnection, team: TeamId, key_id: &str) -> Result<Held, KeyError> {
    if !is_id(key_id) {
        return Err(not_found(key_id));
    }
    let found = sqlx::query_file!("src/tenancy/keys/lock.sql", team.0, key_id).fetch_optional(conn).await?;
    let found = found.ok_or_else(|| not_found(key_id))?;
    if found.person.is_some() {
        return Err(KeyError::IsToken(key_id.to_owned()));
    }
    Ok(Held { scopes: known_scopes(&found.scopes), rate: Rate::kept(found.per_second, found.burst) })
}

/// Makes a key of the same name, scopes, rate and life, and lets the old one live on for `grace` at most. In a transaction: the old
/// key is locked first.
pub async fn rotate(
    conn: &mut PgConnection,
    team: TeamId,
    key_id: &str,
    grace: Duration,
    random: &dyn Random,
) -> Result<Replacement, KeyError> {
    if grace > LONGEST_GRACE {
        return Err(KeyError::OutOfRange { what: "the grace of an old key", from: "0", to: "30 days" });
    }
    hold(conn, team, key_id).await?;
    let made = credential::make(Sort::Key, random);
    let replaced =
        sqlx::query_file!("src/tenancy/keys/replace.sql", team.0, key_id, made.key_id, &made.digest[..], interval(grace))
            .fetch_optional(&mut *conn)
            .await?;
    let replaced = replaced.ok_or_else(|| KeyError::TwoLive(key_id.to_owned()))?;
    let after = json!({ "new": made.key_id, "scopes": replaced.scopes, "expires_at": replaced.expires_at,
        "old_expires_at": replaced.old_expires_at });
    write_down(conn, team, "key.rotate", &format!("key {key_id}"), None, Some(after)).await?;
    Ok(Replacement {
        key: NewKey { key_id: made.key_id, text: made.text },
        name: replaced.name,
        scopes: replaced.scopes,
        expires_at: replaced.expires_at,
        old_expires_at: replaced.old_expires_at,
    })
}

fn valid_name(name: &str) -> Result<&str, KeyError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(KeyError::InvalidName);
    }
    Ok(name)
}

fn stored_scopes(scopes: &[Scope]) -> Result<Vec<String>, KeyError> {
    if scopes.is_empty() {
        return Err(KeyError::NoScope);
    }
    let mut scopes: Vec<String> = scopes.iter().map(|scope| scope.name().to_owned()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

/// A scope that a newer build stored opens nothing here.
fn known_scopes(stored: &[String]) -> Vec<Scope> {
    stored.iter().filter_map(|scope| scope.parse().ok()).collect()
}

fn not_found(key_id: &str) -> KeyError {
    KeyError::NotFound(key_id.chars().take(64).collect())
}

/// A page of a team's keys, newest first, ended ones included, behind the key `after`.
pub async fn page(conn: &mut PgConnection, team: TeamId, after: Option<&str>, limit: i64) -> Result<Vec<KeyView>, sqlx::Error> {
    sqlx::query_file_as!(KeyView, "src/tenancy/keys/page.sql", team.0, after, limit).fetch_all(conn).await
}

/// How many of a team's keys live. Until the transaction ends nobody else counts, so that nobody makes one too many.
pub async fn count_live(conn: &mut PgConnection, team: TeamId) -> Result<i64, sqlx::Error> {
    sqlx::query_file!("src/tenancy/keys/queue_up.sql", team.0).fetch_one(&mut *conn).await?;
    sqlx::query_file_scalar!("src/tenancy/keys/count_live.sql", team.0).fetch_one(conn).await
}

/// A live key that has a rate of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyRate {
    /// Its public id.
    pub key: String,
    /// Requests a second.
    pub per_second: i32,
    /// Of which so many at once.
    pub burst: i32,
}

/// A team's live keys that have a rate of their own.
pub async fn rates(conn: &mut PgConnection, team: TeamId) -> Result<Vec<KeyRate>, sqlx::Error> {
    sqlx::query_file_as!(KeyRate, "src/tenancy/keys/rates.sql", team.0).fetch_all(conn).await
}

/// A team's keys, ended ones included.
pub async fn list(conn: &mut PgConnection, team: TeamId) -> Result<Vec<KeyView>, KeyError> {
    Ok(sqlx::query_file_as!(KeyView, "src/tenancy/keys/list.sql", team.0).fetch_all(conn).await?)
}

/// Ends a key. Processes that cache keys notice within [`CACHE_SECONDS`] seconds.
pub async fn revoke(conn: &mut PgConnection, team: TeamId, key_id: &str) -> Result<(), KeyError> {
    if !is_id(key_id) {
        return Err(not_found(key_id));
    }
    let ended = sqlx::query_file!("src/tenancy/keys/revoke.sql", team.0, key_id).fetch_optional(&mut *conn).await?;
    let ended = ended.ok_or_else(|| not_found(key_id))?;
    let (noun, action) = if ended.person.is_some() { ("token", "token.revoke") } else { ("key", "key.revoke") };
    let before = json!({ "scopes": ended.scopes, "expires_at": ended.expires_at });
    Ok(write_down(conn, team, action, &format!("{noun} {key_id}"), Some(before), None).await?)
}

/// Neither a key's name nor its secret: a name is anybody's words, and what is written down stays.
async fn write_down(
    conn: &mut PgConnection,
    team: TeamId,
    action: &str,
    target: &str,
    before: Option<Value>,
    after: Option<Value>,
) -> Result<(), sqlx::Error> {
    audit::record(conn, Some(team), &Deed { action, target, before, after, ..Deed::default() }).await?;
    Ok(())
}
