//! From a credential to who asks: checked against what is stored, and what it may do.

use chrono::{DateTime, Utc};
use longshore_workers::ids::TeamId;
use sqlx::PgConnection;

use super::{Malformed, ParsedKey, Rate, Scope, Sort, known_scopes, parse};

/// How long a process may go on believing in a key it has checked.
pub const CACHE_SECONDS: i64 = 5;

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
    /// Its own rate.
    pub rate: Option<Rate>,
    /// Who acts, where it is an operator's token.
    pub person: Option<String>,
}

impl Principal {
    /// How it stands in records.
    pub fn name(&self) -> String {
        match &self.person {
            Some(person) => format!("operator {person}"),
            None => format!("key {}", self.key_id),
        }
    }

    /// Whether it may hand on all of these: nobody gives what they lack.
    pub fn may_grant(&self, scopes: &[Scope]) -> bool {
        scopes.iter().all(|scope| self.may(*scope))
    }

    /// Whether it may hand on such a rate. Where it has one, a key of its making that had more would lift it.
    pub fn may_grant_rate(&self, rate: Option<Rate>) -> bool {
        self.rate.is_none_or(|own| own.covers(rate))
    }

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
    let same = key.is_kept_as(expected);
    let sort = |person: &Option<String>| if person.is_some() { Sort::Token } else { Sort::Key };
    let Some(stored) = stored.filter(|stored| same && sort(&stored.person) == key.sort) else {
        return Err(AuthError::Unknown);
    };
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
        scopes: known_scopes(&stored.scopes),
        expires_at: stored.expires_at,
        rate: Rate::kept(stored.per_second, stored.burst),
        person: stored.person,
    })
}
