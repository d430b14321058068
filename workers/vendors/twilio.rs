//! Twilio's way of sending text messages: its wire format, what its answers mean ([`errors`]), its webhooks' signatures.
//!
//! Twilio has no idempotency key. So every status callback carries our own ids in its address, and a message whose
//! outcome is unknown is looked for among those that Twilio lists for the recipient.

mod deactivations;
pub mod errors;
pub mod signature;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use self::errors::Phase;
pub use self::signature::{sign, verify_signature};
use super::{
    VendorError,
    http::{self, Deadlines, Plain},
};
use crate::messages::gateway::{Accepted, OutboundSms, Reconciled, SmsGateway};

/// The vendor's name in records, logs and figures.
pub const VENDOR: &str = "twilio";

// An answer about one message has some 1 kB; a page of the list has at most PAGE of them.
const LONGEST_ANSWER: usize = 1 << 20;
const PAGE: u16 = 100;
// Enough for anybody we may text; a recipient with more texts than this is nobody's handset.
const MOST_PAGES: usize = 20;
// Twilio's dates have whole seconds, and its clock is not ours.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(5);

/// How Twilio is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where Twilio is: `https://api.twilio.com`, or the sandbox's address.
    pub base_url: String,
    /// Our account: `AC…`. Empty: every call is refused, in words that say so.
    pub account_sid: String,
    /// The account's token, from the environment or a file. It signs the webhooks too.
    pub auth_token: SecretString,
    /// Where Twilio reports what became of a message: the API's public address and `/v1/webhooks/twilio/status`. Empty: no
    /// reports are asked for.
    pub status_callback_url: String,
    /// How long a request may take before its outcome counts as unknown.
    pub timeout_milliseconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_url: "https://api.twilio.com".into(),
            account_sid: String::new(),
            auth_token: SecretString::default(),
            status_callback_url: String::new(),
            timeout_milliseconds: 10_000,
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An address in the configuration is none.
    #[error("{setting} = {value:?} is not an http(s) address")]
    Address {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        value: String,
    },
    /// The HTTP client could not be built.
    #[error("the HTTP client for Twilio: {0}")]
    Client(#[from] reqwest::Error),
}

/// A client of one account.
pub struct Twilio {
    http: Client,
    base: Url,
    account: String,
    token: SecretString,
    callback: Option<Url>,
}

#[derive(Deserialize)]
struct Message {
    sid: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    body: Option<String>,
    // A number in a string, as Twilio sends it.
    #[serde(default)]
    num_segments: Option<String>,
    #[serde(default)]
    date_created: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Message>,
    next_page_uri: Option<String>,
}

impl Message {
    fn into_accepted(self) -> Accepted {
        let segments = self.num_segments.and_then(|count| count.parse().ok()).unwrap_or(1);
        Accepted { vendor_id: self.sid, segments }
    }

    fn is(&self, message: &OutboundSms, since: DateTime<Utc>) -> bool {
        let created = self.date_created.as_deref().and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        self.from.as_deref() == Some(message.from.as_str())
            && self.body.as_deref() == Some(message.body.as_str())
            && created.is_some_and(|created| created >= since)
    }
}

impl Twilio {
    /// A client; nothing is called yet.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let base = address("vendors.twilio.base_url", &config.base_url)?;
        let callback = match config.status_callback_url.as_str() {
            "" => None,
            url => Some(address("vendors.twilio.status_callback_url", url)?),
        };
        let total = Duration::from_millis(config.timeout_milliseconds.max(1));
        let http = http::client(Deadlines { connect: total.min(Duration::from_secs(3)), total })?;
        Ok(Self { http, base, account: config.account_sid.clone(), token: config.auth_token.clone(), callback })
    }

    fn url(&self, path: &str) -> Result<Url, VendorError> {
        self.base.join(path).map_err(|e| config_error(format!("{path}: {e}")))
    }

    fn messages_url(&self) -> Result<Url, VendorError> {
        if self.account.is_empty() || self.token.expose_secret().is_empty() {
            return Err(config_error("set vendors.twilio.account_sid and vendors.twilio.auth_token".into()));
        }
        self.url(&format!("/2010-04-01/Accounts/{}/Messages.json", self.account))
    }

    /// The callback's address with our ids, which are part of what Twilio signs.
    fn callback_for(&self, message: &OutboundSms) -> Option<String> {
        let mut url = self.callback.clone()?;
        url.query_pairs_mut().append_pair("m", &message.message_id.to_string()).append_pair("t", &message.team.to_string());
        // For Twilio alone: call again when we did not answer. It is neither sent nor signed.
        url.set_fragment(Some("rc=5&rp=5xx,ct,rt"));
        Some(url.into())
    }

    async fn page(&self, url: Url) -> Result<Page, VendorError> {
        let request = self.http.get(url).basic_auth(&self.account, Some(self.token.expose_secret()));
        let response = request.send().await.map_err(|e| errors::lost(Phase::Read, e))?;
        let body = answer(Phase::Read, response).await?;
        serde_json::from_slice(&body).map_err(|e| errors::unreadable(Phase::Read, &e))
    }
}

#[async_trait]
impl SmsGateway for Twilio {
    fn name(&self) -> &'static str {
        VENDOR
    }

    async fn send(&self, message: &OutboundSms) -> Result<Accepted, VendorError> {
        // Twilio may queue a text that long and no longer; beyond the legal hours it gives up (30036) instead of waking
        // somebody.
        let validity = message.valid_for.as_secs().clamp(1, 36_000).to_string();
        let mut form = vec![
            ("To", message.to.clone()),
            ("From", message.from.clone()),
            ("Body", message.body.clone()),
            ("ValidityPeriod", validity),
        ];
        form.extend(self.callback_for(message).map(|url| ("StatusCallback", url)));
        let request = self.http.post(self.messages_url()?).form(&form);
        let request = request.basic_auth(&self.account, Some(self.token.expose_secret()));
        let response = request.send().await.map_err(|e| errors::lost(Phase::Write, e))?;
        let body = answer(Phase::Write, response).await?;
        let created: Message = serde_json::from_slice(&body).map_err(|e| errors::unreadable(Phase::Write, &e))?;
        Ok(created.into_accepted())
    }

    async fn find(&self, message: &OutboundSms, attempted_at: DateTime<Utc>) -> Result<Reconciled, VendorError> {
        let since = attempted_at - CLOCKS_APART;
        let mut url = self.messages_url()?;
        // Twilio can filter by the day sent, but a queued message was sent on no day; so the dates are compared here.
        url.query_pairs_mut().append_pair("To", &message.to).append_pair("PageSize", &PAGE.to_string());
        for _ in 0..MOST_PAGES {
            let page = self.page(url).await?;
            if let Some(found) = page.messages.into_iter().find(|listed| listed.is(message, since)) {
                return Ok(Reconciled::Found(found.into_accepted()));
            }
            let Some(next) = page.next_page_uri else { return Ok(Reconciled::Absent) };
            url = self.url(&next)?;
            if url.origin() != self.base.origin() {
                return Err(config_error("the next page lies on another host".into()));
            }
        }
        Err(VendorError::Retryable { vendor: VENDOR, reason: format!("more than {MOST_PAGES} pages for one recipient") })
    }

    async fn deactivated(&self, day: NaiveDate) -> Result<Vec<String>, VendorError> {
        deactivations::pull(self, day).await
    }
}

/// The body of a good answer, or what a bad one means.
async fn answer(phase: Phase, response: reqwest::Response) -> Result<bytes::Bytes, VendorError> {
    let status = response.status();
    let retry_after = http::retry_after(&response).filter(|_| status == StatusCode::TOO_MANY_REQUESTS);
    let body = http::body(response, LONGEST_ANSWER).await;
    if status.is_success() {
        return body.map_err(|e| errors::unreadable(phase, &e));
    }
    // An error whose body is lost is still an error: its status says enough.
    let body = body.unwrap_or_default();
    Err(errors::classify(phase, status.as_u16(), &body, retry_after))
}

fn address(setting: &'static str, value: &str) -> Result<Url, SetupError> {
    let parsed = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    parsed.ok_or_else(|| SetupError::Address { setting, value: value.to_owned() })
}

fn config_error(reason: String) -> VendorError {
    VendorError::Config { vendor: VENDOR, code: 0, reason }
}

/// Keeps the way an HTTP error is told in one place.
fn told(error: reqwest::Error) -> String {
    Plain::from(error).to_string()
}
