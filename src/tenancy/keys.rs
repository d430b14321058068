//! API keys: `lsk_live_<id>_<secret>_<checksum>`, shown once, stored as a digest.
//!
//! The id is public and finds the row; the secret is 256 random bits, so a plain SHA-256 keeps it (a slow hash would burn
//! processor on every call and protect nothing that can't be guessed anyway); the checksum tells a mistyped or truncated
//! key from a wrong one before any question to the database.

use std::{fmt, str::FromStr};

use chrono::{DateTime, NaiveDate, Utc};
use longshore_workers::{clock::Random, ids::TeamId};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use subtle::ConstantTimeEq as _;

use super::audit::{self, Deed};

const PREFIX: &str = "lsk_live_";
const ID_LENGTH: usize = 12;
// 62^43 is a little more than 2^256.
const SECRET_LENGTH: usize = 43;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

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
    /// A key that would be born dead.
    #[error("the key would have expired already, at {0}")]
    Expired(DateTime<Utc>),
    /// The team has no such live key.
    #[error("the team has no live key {0:?}")]
    NotFound(String),
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
}

/// Makes a key for a team. Its text is in the answer and nowhere else.
pub async fn create(
    conn: &mut PgConnection,
    team: TeamId,
    name: &str,
    scopes: &[Scope],
    expires_at: Option<DateTime<Utc>>,
    random: &dyn Random,
) -> Result<NewKey, KeyError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(KeyError::InvalidName);
    }
    if scopes.is_empty() {
        return Err(KeyError::NoScope);
    }
    let mut scopes: Vec<String> = scopes.iter().map(|scope| scope.name().to_owned()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let key_id = new_id(random);
    let secret = new_secret(random);
    let digest = digest(&secret);
    let stored = sqlx::query_file_scalar!("src/tenancy/keys/create.sql", team.0, key_id, name, &digest, &scopes, expires_at)
        .fetch_optional(&mut *conn)
        .await?;
    if let (None, Some(end)) = (stored, expires_at) {
        return Err(KeyError::Expired(end));
    }
    let (target, after) = (format!("key {key_id}"), json!({ "name": name, "scopes": scopes, "expires_at": expires_at }));
    audit::record(conn, Some(team), &Deed { action: "key.create", target: &target, after: Some(after), ..Deed::default() })
        .await?;
    let body = format!("{PREFIX}{key_id}_{secret}");
    let text = SecretString::from(format!("{body}_{}", checksum(&body)));
    Ok(NewKey { key_id, text })
}

/// A team's keys, ended ones included.
pub async fn list(conn: &mut PgConnection, team: TeamId) -> Result<Vec<KeyView>, KeyError> {
    Ok(sqlx::query_file_as!(KeyView, "src/tenancy/keys/list.sql", team.0).fetch_all(conn).await?)
}

/// Ends a key. Processes that cache keys notice within [`CACHE_SECONDS`] seconds.
pub async fn revoke(conn: &mut PgConnection, team: TeamId, key_id: &str) -> Result<(), KeyError> {
    let not_found = || KeyError::NotFound(key_id.chars().take(64).collect());
    if key_id.contains('\0') {
        return Err(not_found());
    }
    let ended = sqlx::query_file_scalar!("src/tenancy/keys/revoke.sql", team.0, key_id).fetch_optional(&mut *conn).await?;
    ended.ok_or_else(not_found)?;
    let target = format!("key {key_id}");
    audit::record(conn, Some(team), &Deed { action: "key.revoke", target: &target, ..Deed::default() }).await?;
    Ok(())
}

/// How long a process may go on believing in a key it has checked.
pub const CACHE_SECONDS: i64 = 5;

/// A credential whose checksum holds. Whether it opens anything, the database knows.
pub struct ParsedKey {
    /// The public id.
    pub key_id: String,
    digest: [u8; 32],
}

impl ParsedKey {
    /// Whether both are the same credential; takes as long whatever they differ in.
    pub fn is_same(&self, other: &Self) -> bool {
        self.key_id == other.key_id && bool::from(self.digest.ct_eq(&other.digest))
    }
}

impl fmt::Debug for ParsedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// A text that can't be a key: mistyped, cut off, or something else altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key, or one that was mistyped or cut off; a key looks like lsk_live_<id>_<secret>_<checksum>")]
pub struct Malformed;

/// Reads a credential.
pub fn parse(text: &str) -> Result<ParsedKey, Malformed> {
    let (body, sum) = text.rsplit_once('_').ok_or(Malformed)?;
    let (key_id, secret) = body.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(Malformed)?;
    let sound = key_id.len() == ID_LENGTH
        && key_id.bytes().all(|b| BASE36.contains(&b))
        && secret.len() == SECRET_LENGTH
        && secret.bytes().all(|b| b.is_ascii_alphanumeric())
        && sum == checksum(body);
    if !sound {
        return Err(Malformed);
    }
    Ok(ParsedKey { key_id: key_id.into(), digest: digest(secret) })
}

/// Who is asking: what a checked credential stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The team it speaks for.
    pub team: TeamId,
    /// The key's public id.
    pub key_id: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When the key ends.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Principal {
    /// Whether it may do that.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

/// Why a credential was refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// It can't be a key.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No such key, or not its secret: one answer for both.
    #[error("the API key is not known")]
    Unknown,
    /// The right secret of a key that was ended.
    #[error("the API key was revoked")]
    Revoked,
    /// The right secret of a key whose time is over.
    #[error("the API key expired at {0}")]
    Expired(DateTime<Utc>),
    /// The database refused or did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Checks a credential against the stored digest. An unknown id costs the same work as a wrong secret.
pub async fn authenticate(conn: &mut PgConnection, text: &str, now: DateTime<Utc>) -> Result<Principal, AuthError> {
    authenticate_parsed(conn, &parse(text)?, now).await
}

/// [`authenticate`], for a credential that was read before.
pub async fn authenticate_parsed(conn: &mut PgConnection, key: &ParsedKey, now: DateTime<Utc>) -> Result<Principal, AuthError> {
    let stored = sqlx::query_file!("src/tenancy/keys/find.sql", key.key_id).fetch_optional(&mut *conn).await?;
    let expected = stored.as_ref().map_or(&[0; 32][..], |stored| &stored.digest);
    let same = bool::from(expected.ct_eq(&key.digest));
    let Some(stored) = stored.filter(|_| same) else { return Err(AuthError::Unknown) };
    if stored.revoked_at.is_some() {
        return Err(AuthError::Revoked);
    }
    if let Some(ended) = stored.expires_at.filter(|end| *end <= now) {
        return Err(AuthError::Expired(ended));
    }
    if !stored.used_today {
        sqlx::query_file!("src/tenancy/keys/touch.sql", key.key_id).fetch_one(conn).await?;
    }
    Ok(Principal {
        team: TeamId(stored.team_id),
        key_id: key.key_id.clone(),
        // A scope that a newer build stored opens nothing here.
        scopes: stored.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
        expires_at: stored.expires_at,
    })
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn new_id(random: &dyn Random) -> String {
    let mut id = String::with_capacity(ID_LENGTH);
    while id.len() < ID_LENGTH {
        let mut bytes = [0; 2 * ID_LENGTH];
        random.fill(&mut bytes);
        // 252 is the largest multiple of 36 in a byte: past it the letters would not be evenly likely.
        let even = bytes.iter().filter(|byte| **byte < 252).map(|byte| char::from(BASE36[usize::from(byte % 36)]));
        id.extend(even.take(ID_LENGTH - id.len()));
    }
    id
}

fn new_secret(random: &dyn Random) -> String {
    let mut bits = [0; 32];
    random.fill(&mut bits);
    base62(bits)
}

/// The whole number in base 62, always of the same length.
fn base62(mut bits: [u8; 32]) -> String {
    let mut digits = [0; SECRET_LENGTH];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0;
        for byte in &mut bits {
            let value = remainder * 256 + u32::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *digit = BASE62[remainder as usize];
    }
    digits.iter().copied().map(char::from).collect()
}

/// CRC-32 (IEEE), six base-62 digits.
fn checksum(body: &str) -> String {
    let mut crc = u32::MAX;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let mut rest = !crc;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use longshore_workers::clock::SeededRandom;
    use proptest::prelude::*;

    use super::*;

    fn text(random: &dyn Random) -> String {
        let body = format!("{PREFIX}{}_{}", new_id(random), new_secret(random));
        format!("{body}_{}", checksum(&body))
    }

    #[test]
    fn the_checksum_is_crc_32() {
        // The check value that every description of CRC-32 gives: 0xCBF43926.
        let mut rest: u32 = 0xCBF4_3926;
        let mut expected = Vec::new();
        for _ in 0..6 {
            expected.insert(0, char::from(BASE62[(rest % 62) as usize]));
            rest /= 62;
        }
        assert_eq!(checksum("123456789"), expected.iter().collect::<String>());
    }

    #[test]
    fn base_62_keeps_every_bit() {
        assert_eq!(base62([0; 32]), "0".repeat(SECRET_LENGTH));
        let mut one = [0; 32];
        one[31] = 61;
        assert!(base62(one).ends_with("0z"));
        let largest = base62([255; 32]);
        assert_eq!(largest.len(), SECRET_LENGTH);
        assert_ne!(largest, base62([254; 32]));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let text = text(&SeededRandom::new(7));
        let shown = format!("{:?}", parse(&text).expect("a key"));
        assert!(!shown.contains("digest"), "{shown}");
        assert!(!shown.contains(&text[22..60]), "{shown}");
    }

    proptest! {
        #[test]
        fn every_key_made_is_read_again(seed: u64) {
            let random = SeededRandom::new(seed);
            let text = text(&random);
            let parsed = parse(&text).expect("a key");
            prop_assert_eq!(&parsed.key_id, &text[9..21]);
        }

        #[test]
        fn one_wrong_character_is_noticed_without_a_database(seed: u64, at in 0_usize..72, with in "[ -~]") {
            let text = text(&SeededRandom::new(seed));
            let at = at % text.len();
            prop_assume!(text[at..=at] != with);
            let mut wrong = text.clone();
            wrong.replace_range(at..=at, &with);
            prop_assert!(parse(&wrong).is_err(), "{}", wrong);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = parse(&text);
            let _ = parse(&format!("{PREFIX}{text}"));
        }
    }
}
