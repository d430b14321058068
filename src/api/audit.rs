//! A team's audit log over HTTP: what was done by its keys, and to it by operators.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::{DateTime, Utc};
use longshore_workers::db;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    auth::Caller,
    error::ApiError,
    extract::{Asked, page_limit},
    openapi::Refusals,
    polled::polled,
};
use crate::{
    tenancy::audit::{self, Filter, Seen},
    tenancy::keys::Scope,
};

/// Which entries are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only this action (`key.revoke`), or all of a noun (`key`).
    #[param(max_length = 100)]
    action: Option<String>,
    /// Only by this one: `key 0a1b2c3d4e5f`, `operator ada`.
    #[param(max_length = 200)]
    actor: Option<String>,
    /// Only from then on.
    since: Option<DateTime<Utc>>,
    /// Only before then.
    until: Option<DateTime<Utc>>,
    /// Go on behind this entry: the `next` of the page before.
    after: Option<i64>,
    /// How many at most: 1 to 1,000.
    #[serde(default = "fifty")]
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: i64,
}

const fn fifty() -> i64 {
    50
}

/// A page of entries, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditPage {
    entries: Vec<AuditEntry>,
    /// The next page's `after`; left out where no more follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

/// What somebody did.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Its number in the team's chain: 1, 2, 3 … without a gap.
    seq: i64,
    at: DateTime<Utc>,
    /// `key <id>` or `operator <name>`; else the role of a process.
    #[schema(example = "key 0a1b2c3d4e5f")]
    actor: String,
    #[schema(example = "dead.replay")]
    action: String,
    #[schema(example = "job_42")]
    target: String,
    reason: Option<String>,
    /// How it was, where that says something.
    before: Option<Value>,
    /// How it is.
    after: Option<Value>,
    /// SHA-256 over this entry and the hash of the one before.
    hash: String,
}

/// List audit entries.
///
/// What somebody with power did for the team or to it, the newest first. Entries are never changed or taken back.
#[utoipa::path(get, path = "/v1/audit", operation_id = "listAudit", tag = "audit", security(("key" = ["admin"])), params(ListQuery),
    responses((status = 200, description = "A page", body = AuditPage), Refusals))]
pub async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(wanted): Asked<ListQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.needs(Scope::Admin)?;
    let ListQuery { action, actor, since, until, after, limit } = wanted;
    let limit = page_limit(limit)?;
    let filter = Filter { team: Some(caller.team()), action, actor, since, until, below: after };
    let mut tx = db::begin_as(&api.pool, caller.team()).await?;
    let found = audit::list(&mut tx, &filter, limit).await?;
    tx.commit().await?;
    let next = found.last().filter(|_| found.len() as i64 == limit).map(|one| one.seq);
    polled(&headers, &AuditPage { entries: found.into_iter().map(AuditEntry::from).collect(), next })
}

impl From<Seen> for AuditEntry {
    fn from(seen: Seen) -> Self {
        let Seen { seq, at, actor, action, target, reason, before, after, hash, .. } = seen;
        Self { seq, at, actor, action, target, reason, before, after, hash }
    }
}
