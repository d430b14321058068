//! Apollo as it answers over HTTP, with a record of what it charged. Who is known, and with what, is decided by the
//! person's e-mail address (or name and domain) and the seed; so it is the same in every run.
//!
//! Addresses at `nobody.example` are never known, those at `plain.example` always, without a mobile number, those at
//! `mobile.example` always, with one. It misbehaves by a share of its requests, or in the next ones, in order.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 429 with `retry-after`; charges nothing.
    RateLimit,
    /// 500; charges nothing.
    ErrorBefore,
    /// Charges, then 500.
    ErrorAfter,
    /// Charges, then says nothing.
    HangAfter,
    /// Charges, then breaks the connection off.
    ResetAfter,
}

/// How it behaves. `PUT /_sandbox/apollo` takes this as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Decides who is known and which requests fail.
    pub seed: u64,
    /// Of 100 people, so many are known.
    pub known_percent: u64,
    /// Of 100 people who are known, so many have a mobile number.
    pub mobile_percent: u64,
    /// What the next requests meet, in order; `null` is none.
    pub next: VecDeque<Option<Fault>>,
    /// Of 1000 requests, so many meet the fault.
    pub per_mille: BTreeMap<Fault, u64>,
    /// What `retry-after` says.
    pub retry_after_seconds: u64,
    /// How long it says nothing.
    pub hang_seconds: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            seed: 1,
            known_percent: 80,
            mobile_percent: 25,
            next: VecDeque::new(),
            per_mille: BTreeMap::new(),
            retry_after_seconds: 1,
            hang_seconds: 3600,
        }
    }
}

/// One request that it understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Counted from 1.
    pub request: u64,
    /// The key that pays.
    pub key: String,
    /// Its id for the person; `None` when it knew nobody.
    pub person: Option<String>,
    /// What it charged.
    pub credits: i64,
    /// What the caller got instead of the answer, if anything.
    pub fault: Option<Fault>,
}

/// Apollo's side: how it behaves, and what it charged.
#[derive(Debug, Clone, Default)]
pub struct Apollo(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    behaviour: Behaviour,
    requests: u64,
    charges: Vec<Charge>,
}

/// Whom a request names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    first_name: String,
    last_name: String,
    name: String,
    email: String,
    domain: String,
    organization_name: String,
    linkedin_url: String,
    id: String,
}

impl Apollo {
    /// Behaves so from now on; what it charged stays on record.
    pub fn behave(&self, behaviour: Behaviour) {
        self.inner().behaviour = behaviour;
    }

    /// Misbehaves in the next requests, in order.
    pub fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.inner().behaviour.next.extend(faults.into_iter().map(Some));
    }

    /// What it charged, request by request.
    pub fn charges(&self) -> Vec<Charge> {
        self.inner().charges.clone()
    }

    /// What it charged in all.
    pub fn total(&self) -> i64 {
        self.inner().charges.iter().map(|charge| charge.credits).sum()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its routes: `POST /api/v1/people/match`, `GET /_sandbox/charges`, `PUT /_sandbox/apollo`.
pub fn router(apollo: Apollo) -> Router {
    Router::new()
        .route("/api/v1/people/match", post(people_match))
        .route("/_sandbox/charges", get(charges))
        .route("/_sandbox/apollo", put(behave))
        .with_state(apollo)
}

async fn people_match(State(apollo): State<Apollo>, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    let Some(key) = headers.get("x-api-key").and_then(|key| key.to_str().ok()).filter(|key| !key.is_empty()) else {
        return (StatusCode::UNAUTHORIZED, "Invalid access credentials.").into_response();
    };
    let Some(identity) = asked.identity() else {
        let error = json!({ "error": "Please provide at least one of: email, id, linkedin_url, or name with domain" });
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(error)).into_response();
    };
    let (fault, person, behaviour) = apollo.inner().take(key, &identity, &asked);
    match fault {
        None => Json(json!({ "person": person })).into_response(),
        Some(Fault::RateLimit) => {
            let error =
                json!({ "error": "The maximum number of api calls allowed for api/v1/people/match is 1000 times per minute." });
            let wait = behaviour.retry_after_seconds.to_string();
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, wait)], Json(error)).into_response()
        }
        Some(Fault::ErrorBefore | Fault::ErrorAfter) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": "Internal server error" }))).into_response()
        }
        Some(Fault::HangAfter) => {
            tokio::time::sleep(Duration::from_secs(behaviour.hang_seconds)).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        Some(Fault::ResetAfter) => {
            let cut = stream::once(async { Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset)) });
            Body::from_stream(cut).into_response()
        }
    }
}

/// `second_charges` counts charges for somebody that the same key had paid for already.
async fn charges(State(apollo): State<Apollo>) -> Json<Value> {
    let charges = apollo.charges();
    let mut by_key: BTreeMap<&str, i64> = BTreeMap::new();
    let mut paid: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for charge in &charges {
        *by_key.entry(&charge.key).or_default() += charge.credits;
        if let Some(person) = charge.person.as_deref().filter(|_| charge.credits > 0) {
            *paid.entry((&charge.key, person)).or_default() += 1;
        }
    }
    Json(json!({
        "requests": charges.len(),
        "credits": by_key.values().sum::<i64>(),
        "second_charges": paid.values().map(|times| times - 1).sum::<u64>(),
        "by_key": by_key,
        "charges": charges,
    }))
}

async fn behave(State(apollo): State<Apollo>, Json(behaviour): Json<Behaviour>) -> StatusCode {
    apollo.behave(behaviour);
    StatusCode::NO_CONTENT
}

impl Asked {
    /// What tells one person from another; `None` where a request names nobody.
    fn identity(&self) -> Option<String> {
        let name = if self.name.is_empty() { format!("{} {}", self.first_name, self.last_name) } else { self.name.clone() };
        let place = [&self.domain, &self.organization_name].into_iter().find(|text| !text.is_empty());
        let ids = [&self.email, &self.id, &self.linkedin_url].into_iter().find(|text| !text.is_empty());
        match (ids, place) {
            (Some(id), _) => Some(id.trim().to_lowercase()),
            (None, Some(place)) if !name.trim().is_empty() => Some(format!("{}@{place}", name.trim()).to_lowercase()),
            _ => None,
        }
    }
}

impl Inner {
    /// Takes one request: what it meets, and the answer; charged and on record.
    fn take(&mut self, key: &str, identity: &str, asked: &Asked) -> (Option<Fault>, Option<Value>, Behaviour) {
        self.requests += 1;
        let fault = match self.behaviour.next.pop_front() {
            Some(chosen) => chosen,
            None => self.behaviour.fault_of(self.requests),
        };
        let answered = !matches!(fault, Some(Fault::RateLimit | Fault::ErrorBefore));
        let (person, price) = if answered { self.behaviour.person(identity, asked) } else { (None, 0) };
        self.charges.push(Charge {
            request: self.requests,
            key: key.to_owned(),
            person: person.as_ref().and_then(|person| person["id"].as_str()).map(str::to_owned),
            credits: price,
            fault,
        });
        (fault, person, self.behaviour.clone())
    }
}

impl Behaviour {
    /// A number for a subject, the same for the same seed.
    fn draw(&self, purpose: &str, subject: &str) -> u64 {
        let digest = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(purpose).chain_update(subject).finalize();
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn fault_of(&self, request: u64) -> Option<Fault> {
        let mut left = self.draw("fault", &request.to_string()) % 1000;
        for (fault, share) in &self.per_mille {
            if left < *share {
                return Some(*fault);
            }
            left -= share;
        }
        None
    }

    /// Who that is, and what it costs to know.
    fn person(&self, identity: &str, asked: &Asked) -> (Option<Value>, i64) {
        let at = |domain: &str| identity.ends_with(domain);
        let known = at("@plain.example") || at("@mobile.example") || self.draw("known", identity) % 100 < self.known_percent;
        if !known || at("@nobody.example") {
            return (None, 0);
        }
        let mobile = at("@mobile.example") || !at("@plain.example") && self.draw("mobile", identity) % 100 < self.mobile_percent;
        let pick = |purpose: &str, choices: &[&str]| choices[self.draw(purpose, identity) as usize % choices.len()].to_owned();
        let number = self.draw("number", identity);
        let domain = asked.domain.clone();
        let mut phones = vec![json!({
            "raw_number": format!("+1 212-555-{:04}", number % 10_000),
            "sanitized_number": format!("+1212555{:04}", number % 10_000),
            "type": "work_hq",
            "status": "no_status",
        })];
        if mobile {
            phones.push(json!({
                "raw_number": format!("+1 917-555-{:04}", number / 7 % 10_000),
                "sanitized_number": format!("+1917555{:04}", number / 7 % 10_000),
                "type": "mobile",
                "status": "valid_number",
            }));
        }
        let person = json!({
            "id": format!("{:016x}{:08x}", self.draw("id", identity), number as u32),
            "first_name": if asked.first_name.is_empty() { pick("first", &["Ada", "Ben", "Chloe", "Dev", "Elena"]) } else { asked.first_name.clone() },
            "last_name": if asked.last_name.is_empty() { pick("last", &["Archer", "Brooks", "Castillo", "Doyle"]) } else { asked.last_name.clone() },
            "title": pick("title", &["Owner", "Managing Partner", "VP Sales", "Property Manager"]),
            "email": (!asked.email.is_empty()).then_some(&asked.email),
            "email_status": pick("status", &["verified", "verified", "likely to engage"]),
            "city": pick("city", &["Austin", "Denver", "Tampa", "Columbus"]),
            "organization": { "id": format!("{:016x}", self.draw("org", &domain)), "primary_domain": domain },
            "contact": { "phone_numbers": phones },
        });
        (Some(person), if mobile { 9 } else { 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(email: &str) -> Asked {
        Asked { email: email.into(), ..Asked::default() }
    }

    #[test]
    fn the_same_person_is_the_same_in_every_run() {
        let behaviour = Behaviour::default();
        for n in 0..100 {
            let email = format!("p{n}@example.com");
            assert_eq!(behaviour.person(&email, &asked(&email)), behaviour.person(&email, &asked(&email)));
        }
    }

    #[test]
    fn some_are_unknown_and_some_have_a_mobile() {
        let behaviour = Behaviour::default();
        let prices: Vec<i64> =
            (0..1000).map(|n| format!("p{n}@example.com")).map(|e| behaviour.person(&e, &asked(&e)).1).collect();
        let count = |price| prices.iter().filter(|p| **p == price).count();
        assert!((150..250).contains(&count(0)), "{}", count(0));
        assert!((150..250).contains(&count(9)), "{}", count(9));
    }

    #[test]
    fn faults_come_in_their_share() {
        let behaviour = Behaviour { per_mille: [(Fault::RateLimit, 20), (Fault::HangAfter, 20)].into(), ..Behaviour::default() };
        let met: Vec<_> = (0..5000).filter_map(|request| behaviour.fault_of(request)).collect();
        assert!((140..260).contains(&met.len()), "{}", met.len());
        assert!(met.contains(&Fault::RateLimit) && met.contains(&Fault::HangAfter) && !met.contains(&Fault::ErrorAfter));
    }
}
