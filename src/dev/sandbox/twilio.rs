//! Twilio as it answers over HTTP: create, list, fetch, status callbacks with real signatures, the magic numbers of its test
//! mode, and the ways in which it, or the network, can fail.

mod callbacks;
mod carrier;
mod faults;
mod incoming;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Form, Json, Router,
    extract::{ConnectInfo, Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use longshore_workers::{clock::Clock, messages::segments};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

pub use self::{
    faults::{Fault, Faults, Number},
    incoming::{Answer, Incoming},
};
use super::{Options, line::Cut};

/// One message that it took.
#[derive(Debug, Clone, Serialize)]
pub struct Accepted {
    /// `twilio`.
    pub vendor: &'static str,
    /// Its id.
    pub sid: String,
    /// Recipient.
    pub to: String,
    /// Sender.
    pub from: String,
    /// The text.
    pub body: String,
    /// Our message's id, from the callback's address.
    pub m: Option<String>,
    /// Our team's id, from the callback's address.
    pub t: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// For how many seconds it may be delivered.
    pub validity_seconds: u64,
    /// How far it is.
    pub status: &'static str,
    /// Why it was not delivered.
    pub error_code: Option<i32>,
    /// What the caller got instead of an answer, if anything.
    pub fault: Option<Fault>,
    /// How long it stands in its number's line before carriers get it.
    pub queued_milliseconds: u64,
}

/// Twilio's side: how it behaves, and what it took.
#[derive(Clone)]
pub struct Twilio {
    inner: Arc<Mutex<Inner>>,
    account: Arc<str>,
    token: SecretString,
    clock: Arc<dyn Clock>,
    caller: callbacks::Caller,
}

#[derive(Default)]
struct Inner {
    faults: Faults,
    accepted: Vec<Accepted>,
    by_recipient: HashMap<String, Vec<usize>>,
    calls: u64,
    refused: BTreeMap<String, u64>,
    calls_of: HashMap<String, u64>,
    calls_to: HashMap<String, u64>,
    lines: carrier::Lines,
    last_callback: Option<Url>,
    written: u64,
    deactivated: BTreeMap<NaiveDate, Vec<String>>,
}

/// What a create asks for.
struct Wanted {
    to: String,
    from: String,
    body: String,
    callback: Option<Url>,
    validity_seconds: u64,
}

type Refusal = (StatusCode, i64, &'static str);

impl Twilio {
    pub(super) fn new(options: &Options, stop: CancellationToken) -> Result<Self, reqwest::Error> {
        Ok(Self {
            inner: Arc::default(),
            account: options.account_sid.as_str().into(),
            token: options.auth_token.clone(),
            clock: options.clock.clone(),
            caller: callbacks::Caller::new(options, stop)?,
        })
    }

    /// Misbehaves so from now on; what it took stays on record.
    pub fn misbehave(&self, faults: Faults) {
        self.inner().faults = faults;
    }

    /// What it took, oldest first.
    pub fn accepted(&self) -> Vec<Accepted> {
        self.inner().accepted.clone()
    }

    /// How many it took.
    pub fn taken(&self) -> usize {
        self.inner().accepted.len()
    }

    /// Messages taken more than once: the same account, recipient, text and message id.
    pub fn second_sends(&self) -> usize {
        let inner = self.inner();
        let mut times: HashMap<(&str, &str, Option<&str>), usize> = HashMap::new();
        for one in &inner.accepted {
            *times.entry((&one.to, &one.body, one.m.as_deref())).or_default() += 1;
        }
        times.values().map(|times| times - 1).sum()
    }

    /// Requests to create that it understood.
    pub fn calls(&self) -> u64 {
        self.inner().calls
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self, account: &str, headers: &HeaderMap) -> bool {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let right = STANDARD.encode(format!("{}:{}", self.account, self.token.expose_secret()));
        account == &*self.account && sent.strip_prefix("Basic ") == Some(right.as_str())
    }

    /// Decides about a create, and takes the message if it is to be taken.
    fn decide(&self, wanted: &Wanted) -> (Option<Fault>, Result<Accepted, Refusal>) {
        let query = |name: &str| {
            let url = wanted.callback.as_ref()?;
            url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
        };
        let (m, now) = (query("m"), self.clock.now());
        let mut inner = self.inner();
        inner.calls += 1;
        let key = m.clone().unwrap_or_else(|| format!("{} {}", wanted.to, wanted.body));
        let nth = *inner.calls_of.entry(key.clone()).and_modify(|calls| *calls += 1).or_insert(1);
        let nth_to = *inner.calls_to.entry(wanted.to.clone()).and_modify(|calls| *calls += 1).or_insert(1);
        let fault = inner.faults.meet(&key, nth, &wanted.to, nth_to);
        if let Some(refusal) = magic(wanted).or_else(|| fault.and_then(Fault::refusal)) {
            *inner.refused.entry(refusal.1.to_string()).or_default() += 1;
            return (fault, Err(refusal));
        }
        if fault == Some(Fault::ResetBefore) {
            return (fault, Err((StatusCode::INTERNAL_SERVER_ERROR, 20500, "reset")));
        }
        let place = inner.accepted.len();
        let parts = segments::count(&wanted.body).segments;
        let Inner { faults, lines, .. } = &mut *inner;
        let Some(queued) = lines.enter(faults, &wanted.from, parts, now) else {
            *inner.refused.entry("21611".into()).or_default() += 1;
            let full =
                (StatusCode::TOO_MANY_REQUESTS, 21611, "The 'From' number has exceeded the maximum number of queued messages.");
            return (fault, Err(full));
        };
        inner.last_callback.clone_from(&wanted.callback);
        let hash = Sha256::digest(format!("{place} {} {now} {}", wanted.to, self.account));
        let accepted = Accepted {
            vendor: "twilio",
            sid: format!("SM{}", hex::encode(&hash[..16])),
            to: wanted.to.clone(),
            from: wanted.from.clone(),
            body: wanted.body.clone(),
            m,
            t: query("t"),
            at: now,
            validity_seconds: wanted.validity_seconds,
            status: "queued",
            error_code: None,
            fault,
            queued_milliseconds: u64::try_from(queued.as_millis()).unwrap_or(u64::MAX),
        };
        inner.by_recipient.entry(accepted.to.clone()).or_default().push(place);
        inner.accepted.push(accepted.clone());
        (fault, Ok(accepted))
    }

    /// Reports on a message until it has ended.
    fn report(&self, accepted: &Accepted, callback: Url) {
        let habits = self.inner().faults.callbacks(&accepted.sid, &accepted.to);
        let twilio = self.clone();
        let sid = accepted.sid.clone();
        self.caller.report(accepted.clone(), callback, habits, move |status, error_code| {
            let mut inner = twilio.inner();
            if let Some(one) = inner.accepted.iter_mut().rev().find(|one| one.sid == sid) {
                (one.status, one.error_code) = (status, error_code);
            }
        });
    }

    fn json(&self, one: &Accepted) -> Value {
        let date = one.at.to_rfc2822();
        json!({
            "account_sid": &*self.account, "api_version": "2010-04-01", "body": one.body, "date_created": date,
            "date_sent": (one.status != "queued").then_some(&date), "date_updated": date, "direction": "outbound-api",
            "error_code": one.error_code, "error_message": null, "from": one.from, "messaging_service_sid": null,
            "num_media": "0", "num_segments": segments::count(&one.body).segments.to_string(), "price": null, "price_unit": "USD",
            "sid": one.sid, "status": one.status, "to": one.to, "subresource_uris": {},
            "uri": format!("/2010-04-01/Accounts/{}/Messages/{}.json", self.account, one.sid),
        })
    }
}

/// Its routes.
pub fn router(twilio: Twilio) -> Router {
    Router::new()
        .route("/2010-04-01/Accounts/{account}/Messages.json", get(list).post(create))
        .route("/2010-04-01/Accounts/{account}/Messages/{sid}", get(fetch))
        .route("/_sandbox/accepted", get(async |State(twilio): State<Twilio>| Json(twilio.accepted())))
        .route("/_sandbox/summary", get(summary))
        .route("/_sandbox/faults", get(current_faults).post(set_faults))
        .merge(incoming::routes())
        .with_state(twilio)
}

async fn create(
    State(twilio): State<Twilio>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path(account): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Response {
    if !twilio.knows(&account, &headers) {
        return unknown_account();
    }
    let wanted = match Wanted::read(&form) {
        Ok(wanted) => wanted,
        Err(refusal) => return refuse(refusal),
    };
    let (retry_after, hang, latency) = {
        let Faults { retry_after_seconds, hang_milliseconds, latency_milliseconds, .. } = &twilio.inner().faults;
        (*retry_after_seconds, Duration::from_millis(*hang_milliseconds), Duration::from_millis(*latency_milliseconds))
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let (fault, decided) = twilio.decide(&wanted);
    if fault == Some(Fault::ResetBefore) {
        cut.off();
    }
    let accepted = match decided {
        Ok(accepted) => accepted,
        Err(refusal) if refusal.1 == 20429 => {
            return ([(header::RETRY_AFTER, retry_after.to_string())], refuse(refusal)).into_response();
        }
        Err(refusal) => return refuse(refusal),
    };
    if let Some(callback) = wanted.callback {
        twilio.report(&accepted, callback);
    }
    match fault {
        Some(Fault::ErrorAfter) => return refuse((StatusCode::INTERNAL_SERVER_ERROR, 20500, "Internal Server Error")),
        Some(Fault::HangAfter) => tokio::time::sleep(hang).await,
        Some(Fault::ResetAfter) => cut.off(),
        _ => {}
    }
    (StatusCode::CREATED, Json(twilio.json(&accepted))).into_response()
}

async fn list(
    State(twilio): State<Twilio>,
    Path(account): Path<String>,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if !twilio.knows(&account, &headers) {
        return unknown_account();
    }
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let (size, page) = (number("PageSize").unwrap_or(50).clamp(1, 1000), number("Page").unwrap_or(0));
    let inner = twilio.inner();
    let visible_until = twilio.clock.now() - TimeDelta::milliseconds(inner.faults.list_lag_milliseconds.into());
    let all: Vec<usize> = match query.get("To") {
        Some(to) => inner.by_recipient.get(to).cloned().unwrap_or_default(),
        None => (0..inner.accepted.len()).collect(),
    };
    // Newest first, as Twilio lists them.
    let found = all.iter().rev().map(|place| &inner.accepted[*place]).filter(|one| {
        one.at <= visible_until
            && query.get("From").is_none_or(|from| *from == one.from)
            && query.get("DateSent").is_none_or(|day| one.status != "queued" && one.at.date_naive().to_string() == *day)
    });
    let messages: Vec<Value> = found.skip(page * size).take(size + 1).map(|one| twilio.json(one)).collect();
    let more = messages.len() > size;
    let uri = |page: usize| {
        let mut url = reqwest::Url::parse("http://x/").ok()?;
        url.set_path(&format!("/2010-04-01/Accounts/{account}/Messages.json"));
        url.query_pairs_mut()
            .extend_pairs(query.iter().filter(|(name, _)| !matches!(name.as_str(), "Page" | "PageToken")))
            .append_pair("Page", &page.to_string())
            .append_pair("PageToken", &format!("PA{page}"));
        Some(format!("{}?{}", url.path(), url.query().unwrap_or_default()))
    };
    Json(json!({
        "messages": messages.into_iter().take(size).collect::<Vec<_>>(),
        "page": page, "page_size": size, "start": page * size, "first_page_uri": uri(0), "uri": uri(page),
        "next_page_uri": more.then(|| uri(page + 1)).flatten(),
    }))
    .into_response()
}

async fn fetch(State(twilio): State<Twilio>, Path((account, file)): Path<(String, String)>, headers: HeaderMap) -> Response {
    if !twilio.knows(&account, &headers) {
        return unknown_account();
    }
    let inner = twilio.inner();
    match inner.accepted.iter().find(|one| file.strip_suffix(".json") == Some(one.sid.as_str())) {
        Some(one) => Json(twilio.json(one)).into_response(),
        None => refuse((StatusCode::NOT_FOUND, 20404, "The requested resource was not found")),
    }
}

async fn summary(State(twilio): State<Twilio>) -> Json<Value> {
    let second_sends = twilio.second_sends();
    let (reported, unreported) = twilio.caller.counts();
    let inner = twilio.inner();
    let mut by_fault: BTreeMap<Fault, u64> = BTreeMap::new();
    for fault in inner.accepted.iter().filter_map(|one| one.fault) {
        *by_fault.entry(fault).or_default() += 1;
    }
    Json(json!({
        "calls": inner.calls, "accepted": inner.accepted.len(), "second_sends": second_sends,
        "accepted_without_answer": by_fault, "refused": inner.refused,
        "callbacks": { "answered": reported, "given_up": unreported },
    }))
}

async fn current_faults(State(twilio): State<Twilio>) -> Json<Faults> {
    Json(twilio.inner().faults.clone())
}

async fn set_faults(State(twilio): State<Twilio>, Json(faults): Json<Faults>) -> Json<Faults> {
    twilio.misbehave(faults.clone());
    Json(faults)
}

impl Wanted {
    fn read(form: &[(String, String)]) -> Result<Self, Refusal> {
        let field = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let bad = |code, what| Err((StatusCode::BAD_REQUEST, code, what));
        let Some(to) = field("To") else { return bad(21604, "A 'To' phone number is required.") };
        let Some(from) = field("From") else { return bad(21603, "A 'From' phone number is required.") };
        let Some(body) = field("Body").filter(|body| !body.is_empty()) else { return bad(21602, "Message body is required.") };
        if body.chars().count() > 1600 {
            return bad(21617, "The concatenated message body exceeds the 1600 character limit.");
        }
        let digits = to.strip_prefix('+').unwrap_or_default();
        if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return bad(21211, "The 'To' number is not a valid phone number.");
        }
        let validity_seconds = field("ValidityPeriod").map_or(Ok(36_000), |text| text.parse());
        let Some(validity_seconds) = validity_seconds.ok().filter(|seconds| (1..=36_000).contains(seconds)) else {
            return bad(21601, "ValidityPeriod must be 1 to 36000.");
        };
        let callback = field("StatusCallback").and_then(|url| Url::parse(&url).ok());
        Ok(Self { to, from, body, callback, validity_seconds })
    }
}

/// The numbers that Twilio's test mode refuses.
fn magic(wanted: &Wanted) -> Option<Refusal> {
    let bad = |code, what| Some((StatusCode::BAD_REQUEST, code, what));
    match (wanted.from.as_str(), wanted.to.as_str()) {
        ("+15005550001", _) => bad(21212, "The 'From' number is not a valid phone number."),
        ("+15005550007", _) => bad(21606, "The 'From' number is not a Twilio phone number of yours."),
        ("+15005550008", _) => bad(21611, "The 'From' number has exceeded the maximum number of queued messages."),
        (_, "+15005550001") => bad(21211, "The 'To' number is not a valid phone number."),
        (_, "+15005550002") => bad(21612, "The 'To' number can't be reached from the 'From' number."),
        (_, "+15005550003") => bad(21408, "Permission to send to this region has not been enabled."),
        (_, "+15005550004") => bad(21610, "Attempt to send to an unsubscribed recipient."),
        (_, "+15005550009") => bad(21614, "The 'To' number is not a mobile number."),
        _ => None,
    }
}

fn unknown_account() -> Response {
    refuse((StatusCode::UNAUTHORIZED, 20003, "Authenticate"))
}

fn refuse((status, code, message): Refusal) -> Response {
    let more = format!("https://www.twilio.com/docs/errors/{code}");
    (status, Json(json!({ "code": code, "message": message, "more_info": more, "status": status.as_u16() }))).into_response()
}
