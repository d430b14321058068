//! What a team has set: read by jobs inside their transaction, under the team's row-level security.

pub mod catalogue;

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    ids::TeamId,
    secrets::{self, Keyring, Place, SecretError},
};

/// A team's settings, with the defaults of what it has not set.
#[derive(Debug, Clone, Default)]
pub struct Settings(BTreeMap<String, Value>);

impl Settings {
    /// Reads them. What another build stored and this one can't use is as if it were not set.
    pub async fn load(conn: &mut PgConnection, team: TeamId) -> Result<Self, sqlx::Error> {
        let rows = sqlx::query_file!("settings/load.sql", team.0).fetch_all(conn).await?;
        let mut values: BTreeMap<String, Value> =
            catalogue::CATALOGUE.iter().filter_map(|known| Some((known.name.to_owned(), known.default()?))).collect();
        let usable = rows.into_iter().filter(|row| catalogue::find(&row.name).is_ok_and(|known| known.read(&row.value).is_ok()));
        values.extend(usable.map(|row| (row.name, row.value)));
        Ok(Self(values))
    }

    /// These and no others, for tests.
    #[cfg(test)]
    pub(crate) fn from_values<const N: usize>(values: [(&str, Value); N]) -> Self {
        Self(values.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A whole number.
    pub fn whole(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    /// True or false.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    /// An array.
    pub fn array(&self, name: &str) -> Option<&[Value]> {
        self.0.get(name)?.as_array().map(Vec::as_slice)
    }

    /// What texts may name of the team: `company` for `brand.company`.
    pub fn brand(&self) -> BTreeMap<String, String> {
        let texts =
            self.0.iter().filter_map(|(name, value)| Some((name.strip_prefix("brand.")?.to_owned(), value.as_str()?.to_owned())));
        texts.collect()
    }
}

/// Where a setting's secret stands.
pub fn place(name: &str) -> Place<'_> {
    Place { table: "longshore.team_settings", row: name, column: "secret" }
}

/// A secret that the team has set, opened; `None` where it has not.
pub async fn secret(
    conn: &mut PgConnection,
    keyring: &Keyring,
    team: TeamId,
    name: &str,
) -> Result<Option<SecretString>, SecretError> {
    let sealed = sqlx::query_file_scalar!("settings/secret.sql", team.0, name).fetch_optional(&mut *conn).await?.flatten();
    match sealed {
        Some(sealed) => Ok(Some(secrets::open(conn, keyring, team, place(name), &sealed).await?)),
        None => Ok(None),
    }
}

/// Whether a flag is on for a team. One that nobody has defined is off.
pub async fn flag(conn: &mut PgConnection, team: TeamId, name: &str) -> Result<bool, sqlx::Error> {
    Ok(sqlx::query_file_scalar!("settings/flag.sql", team.0, name).fetch_one(conn).await?.unwrap_or(false))
}

/// What was read a moment ago, for jobs that would otherwise ask thousands of times a second.
#[derive(Debug, Default)]
pub struct Lately {
    settings: Recent<TeamId, Arc<Settings>>,
    flags: Recent<(TeamId, String), bool>,
}

impl Lately {
    /// A team's settings, at most [`Recent::SECONDS`] old.
    pub async fn settings(
        &self,
        conn: &mut PgConnection,
        team: TeamId,
        now: DateTime<Utc>,
    ) -> Result<Arc<Settings>, sqlx::Error> {
        if let Some(known) = self.settings.find(&team, now) {
            return Ok(known);
        }
        let settings = Arc::new(Settings::load(conn, team).await?);
        self.settings.keep(team, settings.clone(), now);
        Ok(settings)
    }

    /// A flag, where it was asked for in the last seconds.
    pub fn flag(&self, team: TeamId, name: &str, now: DateTime<Utc>) -> Option<bool> {
        self.flags.find(&(team, name.to_owned()), now)
    }

    /// Keeps what a flag was.
    pub fn keep_flag(&self, team: TeamId, name: &str, on: bool, now: DateTime<Utc>) {
        self.flags.keep((team, name.to_owned()), on, now);
    }
}

/// Values that are believed for a few seconds. Of bounded size: where it is full, what is old goes.
#[derive(Debug)]
struct Recent<K, V>(Mutex<HashMap<K, (DateTime<Utc>, V)>>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// How long a value is believed.
    const SECONDS: i64 = 3;
    const MOST: usize = 10_000;

    fn find(&self, key: &K, now: DateTime<Utc>) -> Option<V> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(at, _)| is_fresh(*at, now)).map(|(_, value)| value.clone())
    }

    fn keep(&self, key: K, value: V, now: DateTime<Utc>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::MOST {
            known.retain(|_, (at, _)| is_fresh(*at, now));
        }
        if known.len() < Self::MOST {
            known.insert(key, (now, value));
        }
    }
}

/// A clock that was set back makes nothing younger.
fn is_fresh(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at <= now && now - at < TimeDelta::seconds(Recent::<(), ()>::SECONDS)
}
