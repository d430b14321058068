//! From a Bearer key to a team and what it may do there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use chrono::{DateTime, Duration, Utc};
use longshore_workers::{db, ids::TeamId};
use sqlx::PgPool;
use tracing::{Span, field};

use super::{
    Api, ApiState,
    conventions::{Lane, Place},
    error::{ApiError, Code},
    rate::Seen,
};
use crate::tenancy::keys::{self, AuthError, CACHE_SECONDS, ParsedKey, Principal, Rate, Scope};

/// Who asks. A handler that takes one answers nobody without a valid key.
#[derive(Debug, Clone)]
pub struct Caller {
    principal: Principal,
    key: Arc<ParsedKey>,
}

impl Caller {
    /// The team it speaks for.
    pub fn team(&self) -> TeamId {
        self.principal.team
    }

    /// How it stands in records: the public id of its key, or the name of the operator who acts.
    pub fn name(&self) -> String {
        self.principal.name()
    }

    /// Whether an operator acts for the team, with a token of some hours.
    pub fn is_operator(&self) -> bool {
        self.principal.person.is_some()
    }

    /// Refuses one that would hand on what it lacks.
    pub fn may_grant(&self, scopes: &[Scope]) -> Result<(), ApiError> {
        if self.principal.may_grant(scopes) {
            return Ok(());
        }
        Err(ApiError::new(Code::MissingScope, "A key can't grant scopes that it lacks."))
    }

    /// Its key's own rate.
    pub fn rate(&self) -> Option<Rate> {
        self.principal.rate
    }

    /// Refuses one that would hand on more than its own rate.
    pub fn may_grant_rate(&self, rate: Option<Rate>) -> Result<(), ApiError> {
        if self.principal.may_grant_rate(rate) {
            return Ok(());
        }
        Err(ApiError::new(Code::MissingScope, "A key that has a rate can't grant a higher one, or none."))
    }

    /// The public id of its key.
    pub fn key_id(&self) -> &str {
        &self.principal.key_id
    }

    /// Refuses a key that was ended meanwhile: for those who stay longer than a request does.
    pub async fn still_good(&self, api: &ApiState) -> Result<(), ApiError> {
        check(api, &api.pool, &self.key).await.map(drop)
    }

    /// Refuses a key that may not do this.
    pub fn needs(&self, scope: Scope) -> Result<(), ApiError> {
        if self.principal.may(scope) {
            return Ok(());
        }
        Err(ApiError::new(Code::MissingScope, format!("This needs a key with the scope `{scope}`.")))
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let refused = |why: String| ApiError::header(Code::Unauthenticated, "Authorization", why);
        let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
            return Err(refused("Send `Authorization: Bearer <API key>`.".into()));
        };
        let credential = value.to_str().ok().and_then(|text| text.split_once(' '));
        let Some((_, text)) = credential.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            return Err(refused("Only `Bearer <API key>` is understood.".into()));
        };
        let key = Arc::new(keys::parse(text.trim()).map_err(|error| refused(error.to_string()))?);
        let lane = parts.extensions.get::<Lane>().copied().unwrap_or_default();
        // What is never shed does not wait behind what is, either.
        let principal =
            if lane == Lane::Reserved { check_reserved(api, &key).await? } else { check(api, &api.pool, &key).await? };
        Span::current().record("team.id", field::display(principal.team)).record("key.id", &principal.key_id);
        if lane == Lane::Open
            && let Some(place) = parts.extensions.get::<Place>()
            && !place.is_of(api, principal.team)
        {
            return Err(ApiError::new(Code::Busy, "Too many requests of the team are in hand. Try again in a moment."));
        }
        if lane == Lane::Open
            && let Some(standing) = api.rates.take(&principal.key_id, principal.rate, api.clock.now())
        {
            if let Some(seen) = parts.extensions.get::<Seen>() {
                seen.set(standing);
            }
            if let Some(seconds) = standing.refused {
                return Err(ApiError::later(Code::RateLimited, "The key makes more requests than its rate allows.", seconds));
            }
        }
        Ok(Self { principal, key })
    }
}

/// [`check`] by the connections that are kept for what is never shed. One question at a time: whoever has no key at all may
/// make up as many as they like, and the other connections are for those who proved theirs, and for a STOP.
async fn check_reserved(api: &ApiState, key: &Arc<ParsedKey>) -> Result<Principal, ApiError> {
    if let Some(principal) = api.keys.find(key, api.clock.now()) {
        return Ok(principal);
    }
    let _turn = api.reserve_turn.acquire().await.map_err(ApiError::internal)?;
    check(api, &api.reserve, key).await
}

async fn check(api: &ApiState, pool: &PgPool, key: &Arc<ParsedKey>) -> Result<Principal, ApiError> {
    let now = api.clock.now();
    if let Some(principal) = api.keys.find(key, now) {
        return Ok(principal);
    }
    let mut work = db::work(pool).await?;
    let principal = match keys::authenticate_parsed(&mut work, key, now).await {
        Ok(principal) => {
            work.done().await?;
            principal
        }
        Err(AuthError::Database(error)) => return Err(error.into()),
        Err(error) => return Err(ApiError::header(Code::Unauthenticated, "Authorization", error.to_string())),
    };
    api.keys.remember(key.clone(), principal.clone(), now);
    Ok(principal)
}

/// Keys that were checked a moment ago, so that a busy key costs one question every few seconds.
#[derive(Default)]
pub struct KeyCache(Mutex<HashMap<String, Known>>);

struct Known {
    key: Arc<ParsedKey>,
    principal: Principal,
    checked_at: DateTime<Utc>,
}

impl KeyCache {
    const MOST: usize = 10_000;

    fn find(&self, key: &ParsedKey, now: DateTime<Utc>) -> Option<Principal> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = known.get(&key.key_id)?;
        let good = one.is_fresh(now) && one.principal.expires_at.is_none_or(|end| now < end) && one.key.is_same(key);
        good.then(|| one.principal.clone())
    }

    fn remember(&self, key: Arc<ParsedKey>, principal: Principal, now: DateTime<Utc>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::MOST {
            known.retain(|_, one| one.is_fresh(now));
        }
        if known.len() < Self::MOST {
            known.insert(key.key_id.clone(), Known { key, principal, checked_at: now });
        }
    }

    /// Has the key asked for again.
    pub(super) fn forget(&self, key_id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key_id);
    }
}

impl Known {
    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        // A clock that was set back must not keep a revoked key alive.
        self.checked_at <= now && now - self.checked_at < Duration::seconds(CACHE_SECONDS)
    }
}
