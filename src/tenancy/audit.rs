//! The audit log: deeds written down in their own transaction, read back, and proven unchanged (docs/AUDIT.md).

pub mod proof;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use longshore_workers::ids::TeamId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;

/// What somebody did.
#[derive(Debug, Clone, Default)]
pub struct Deed<'a> {
    /// `noun.verb`.
    pub action: &'a str,
    /// To what.
    pub target: &'a str,
    /// Why, where it is not what the transaction says.
    pub reason: Option<&'a str>,
    /// How it was. No secret, nothing of a person.
    pub before: Option<Value>,
    /// How it is.
    pub after: Option<Value>,
}

/// Writes a deed down, as the last statement of its transaction; `None` is the house. Returns its number in the chain. Who did it
/// is who the transaction says (`app.actor`), else the database role.
pub async fn record(conn: &mut PgConnection, team: Option<TeamId>, deed: &Deed<'_>) -> Result<i64, sqlx::Error> {
    let Deed { action, target, reason, before, after } = deed;
    let (team, before, after) = (team.map(|team| team.0), before.as_ref(), after.as_ref());
    sqlx::query_file_scalar!("src/tenancy/audit/record.sql", team, action, target, *reason, before, after).fetch_one(conn).await
}

/// An entry as it is hashed: moments and values in their one written form. Also a line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Whose chain.
    pub team_id: TeamId,
    /// Its number in the chain.
    pub seq: i64,
    /// When: UTC, microseconds.
    pub at: String,
    /// Who.
    pub actor: String,
    /// Did what.
    pub action: String,
    /// To what.
    pub target: String,
    /// Why.
    pub reason: Option<String>,
    /// How it was, as Postgres writes a `jsonb`.
    pub before: Option<String>,
    /// How it is.
    pub after: Option<String>,
    /// The hash of the entry before.
    pub previous: String,
    /// The hash.
    pub hash: String,
}

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Whose chain.
    pub team_id: TeamId,
    /// The number of its newest entry.
    pub seq: i64,
    /// That entry's hash.
    pub hash: String,
}

/// What a reading of the log gives: a chain's entries in order, and behind them its head. Also a line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// An entry.
    Entry(Box<Entry>),
    /// The end of its chain.
    Head {
        /// It.
        head: Head,
    },
}

/// Reads whole chains, of one team or of all, entry by entry. In a transaction with one snapshot, or an entry that is written
/// meanwhile looks like one too many.
pub async fn read<E: From<sqlx::Error>>(
    conn: &mut PgConnection,
    team: Option<TeamId>,
    mut each: impl FnMut(Line) -> Result<(), E>,
) -> Result<(), E> {
    let chains = sqlx::query_file_scalar!("src/tenancy/audit/chains.sql", team.map(|team| team.0)).fetch_all(&mut *conn).await?;
    for chain in chains {
        let mut entries = sqlx::query_file_as!(Entry, "src/tenancy/audit/entries.sql", chain).fetch(&mut *conn);
        while let Some(entry) = entries.try_next().await? {
            each(Line::Entry(Box::new(entry)))?;
        }
        drop(entries);
        let head = sqlx::query_file_as!(Head, "src/tenancy/audit/head.sql", chain).fetch_optional(&mut *conn).await?;
        if let Some(head) = head {
            each(Line::Head { head })?;
        }
    }
    Ok(())
}

/// Which entries are listed. What is `None` does not narrow.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this chain.
    pub team: Option<TeamId>,
    /// This action, or every one of this noun (`queue`).
    pub action: Option<String>,
    /// By whom, exactly.
    pub actor: Option<String>,
    /// Then or later.
    pub since: Option<DateTime<Utc>>,
    /// Before then.
    pub until: Option<DateTime<Utc>>,
    /// With a lower number in their chain.
    pub below: Option<i64>,
}

/// An entry for people.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// Whose chain.
    pub team_id: TeamId,
    /// The team's name, while it has one.
    pub team: Option<String>,
    /// Its number in the chain.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// Did what.
    pub action: String,
    /// To what.
    pub target: String,
    /// Why.
    pub reason: Option<String>,
    /// How it was.
    pub before: Option<Value>,
    /// How it is.
    pub after: Option<Value>,
    /// Its hash.
    pub hash: String,
}

/// The newest entries that match.
pub async fn list(conn: &mut PgConnection, filter: &Filter, limit: i64) -> Result<Vec<Seen>, sqlx::Error> {
    let Filter { team, action, actor, since, until, below } = filter;
    let (team, action, actor) = (team.map(|team| team.0), action.as_deref(), actor.as_deref());
    sqlx::query_file_as!(Seen, "src/tenancy/audit/list.sql", team, action, actor, *since, *until, *below, limit)
        .fetch_all(conn)
        .await
}
