//! A team's settings as people see and change them: typed, masked, and never overwritten unseen.

use chrono::{DateTime, Utc};
use longshore_workers::{
    clock::Random,
    ids::TeamId,
    secrets::{self, Keyring, SecretError},
    settings::{
        catalogue::{self, CATALOGUE, Known, Type, Wanted, Wrong},
        place,
    },
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::audit::{self, Deed};

/// A setting and how it stands for a team.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SettingView {
    /// Its name.
    #[schema(example = "brand.company")]
    pub name: &'static str,
    /// `text`, `number`, `boolean`, `array` or `secret`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What holds: as it was set, else the default. Of a secret only its mask: `••••cdef`.
    pub value: Option<Value>,
    /// What holds where nothing is set.
    pub default: Option<Value>,
    /// The team has set it.
    pub is_set: bool,
    /// Another with each change; 0 where nothing is set.
    pub version: i64,
    /// When it was set.
    pub updated_at: Option<DateTime<Utc>>,
    /// Who set it.
    pub updated_by: Option<String>,
    /// What it is for, and its bounds.
    pub description: &'static str,
}

/// What a change relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The setting is at this version; 0: it is not set.
    Version(i64),
    /// However it stands.
    Any,
}

/// Who changes a setting, and what of it was seen.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// `key <id>` or `operator <name>`.
    pub by: &'a str,
    /// What the change relies on.
    pub seen: Seen,
}

/// Why a setting was not changed or found.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// Not such a setting, or not such a value.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// Somebody else changed it meanwhile.
    #[error("{name} was changed meanwhile: it is at version {now}")]
    Stale {
        /// The setting.
        name: &'static str,
        /// Where it is.
        now: i64,
    },
    /// It could not be sealed.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database refused or did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

struct Row {
    name: String,
    value: Option<Value>,
    shown: Option<String>,
    version: i64,
    updated_at: DateTime<Utc>,
    updated_by: String,
}

fn view(known: &'static Known, row: Option<Row>) -> SettingView {
    let default = known.default();
    let (is_set, version) = (row.is_some(), row.as_ref().map_or(0, |row| row.version));
    let (updated_at, updated_by) = row.as_ref().map(|row| (row.updated_at, row.updated_by.clone())).unzip();
    let value = row.and_then(|row| row.value.or_else(|| row.shown.map(Value::from))).or_else(|| default.clone());
    SettingView {
        name: known.name,
        kind: known.kind.name(),
        value,
        default,
        is_set,
        version,
        updated_at,
        updated_by,
        description: known.about,
    }
}

/// Every setting, by name. `conn` is under the team's row-level security, here and below.
pub async fn list(conn: &mut PgConnection, team: TeamId) -> Result<Vec<SettingView>, sqlx::Error> {
    let mut rows = sqlx::query_file_as!(Row, "src/tenancy/settings/list.sql", team.0).fetch_all(conn).await?;
    let mut take = |name: &str| rows.iter().position(|row| row.name == name).map(|at| rows.swap_remove(at));
    Ok(CATALOGUE.iter().map(|known| view(known, take(known.name))).collect())
}

/// One setting.
pub async fn find(conn: &mut PgConnection, team: TeamId, name: &str) -> Result<SettingView, SettingError> {
    let known = catalogue::find(name)?;
    let row = sqlx::query_file_as!(Row, "src/tenancy/settings/find.sql", team.0, name).fetch_optional(conn).await?;
    Ok(view(known, row))
}

/// Sets one, and records it. The transaction should commit next.
pub async fn set(
    conn: &mut PgConnection,
    (keyring, random): (&Keyring, &dyn Random),
    team: TeamId,
    known: &'static Known,
    wanted: &Wanted,
    change: Change<'_>,
) -> Result<SettingView, SettingError> {
    let before = look(conn, team, known, change.seen).await?;
    let (value, sealed, shown) = match wanted {
        Wanted::Plain(value) => (Some(value), None, None),
        Wanted::Secret(secret) => {
            let sealed = secrets::seal(conn, keyring, random, team, place(known.name), secret).await?;
            (None, Some(sealed), Some(secrets::shown(secret)))
        }
    };
    let stands = sqlx::query_file_as!(
        Row,
        "src/tenancy/settings/set.sql",
        team.0,
        known.name,
        value,
        sealed,
        shown,
        change.by,
        expected(change.seen)
    )
    .fetch_optional(&mut *conn)
    .await?;
    // Nobody had set it when we looked, and somebody has by now.
    let Some(stands) = stands else {
        let now = find(conn, team, known.name).await?.version;
        return Err(SettingError::Stale { name: known.name, now });
    };
    let after = view(known, Some(stands));
    record(conn, team, "setting.set", &before, Some(&after)).await?;
    Ok(after)
}

/// Takes one away, so that its default holds, and records it; false where it was not set.
pub async fn unset(conn: &mut PgConnection, team: TeamId, name: &str, change: Change<'_>) -> Result<bool, SettingError> {
    let known = catalogue::find(name)?;
    let before = look(conn, team, known, change.seen).await?;
    let gone = sqlx::query_file!("src/tenancy/settings/unset.sql", team.0, name).execute(&mut *conn).await?.rows_affected();
    if gone > 0 {
        record(conn, team, "setting.unset", &before, None).await?;
    }
    Ok(gone > 0)
}

fn expected(seen: Seen) -> Option<i64> {
    match seen {
        Seen::Version(version) => Some(version),
        Seen::Any => None,
    }
}

/// Holds the setting's row, and makes sure that it is what was seen.
async fn look(conn: &mut PgConnection, team: TeamId, known: &'static Known, seen: Seen) -> Result<SettingView, SettingError> {
    let row = sqlx::query_file_as!(Row, "src/tenancy/settings/hold.sql", team.0, known.name).fetch_optional(conn).await?;
    let stands = view(known, row);
    match seen {
        Seen::Version(version) if version != stands.version => Err(SettingError::Stale { name: known.name, now: stands.version }),
        _ => Ok(stands),
    }
}

async fn record(
    conn: &mut PgConnection,
    team: TeamId,
    action: &str,
    before: &SettingView,
    after: Option<&SettingView>,
) -> Result<(), sqlx::Error> {
    let told = |view: &SettingView| view.is_set.then(|| json!({ "value": view.value, "version": view.version }));
    let deed = Deed { action, target: before.name, before: told(before), after: after.and_then(told), ..Deed::default() };
    audit::record(conn, Some(team), &deed).await.map(drop)
}

/// Whether a value of the setting may be shown.
pub fn is_secret(known: &Known) -> bool {
    known.kind == Type::Secret
}
