//! Customers' own servers, to which webhooks go: addresses that strangers chose. A request leaves only for a public one.
//!
//! The address itself is looked at when an endpoint is set and before every request ([`place`]); what its name stands for, when
//! it is connected to: every answer of the resolver must be admitted ([`address`]), and the connection goes to exactly one of
//! those that were looked at. No redirect is followed, no proxy is asked, and nothing an answer says is kept but its status.

pub mod address;
pub mod place;

use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
};
use serde::Deserialize;

use super::http::{self, Deadlines};

/// `[webhooks]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Plain http too.
    pub allow_http: bool,
    /// The machine itself and private networks too.
    pub allow_private: bool,
    /// How long a receiver may take, its answer read.
    pub timeout_milliseconds: u64,
    /// An endpoint that has taken nothing for so long is disabled.
    pub disable_after_days: i32,
}

impl Default for Rules {
    fn default() -> Self {
        Self { allow_http: false, allow_private: false, timeout_milliseconds: 15_000, disable_after_days: 5 }
    }
}

/// Says what addresses a name stands for.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// Every address of `host`.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// What a receiver answered: nothing else of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long it asked us to wait.
    pub retry_after: Option<Duration>,
}

/// Why there is no answer. The words are for the endpoint's owner: they hold neither the address nor what it resolved to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Not a place that webhooks go to.
    #[error("{0}")]
    Refused(String),
    /// Not in time.
    #[error("no answer within {0:?}")]
    TooLate(Duration),
    /// No connection, or one that broke.
    #[error("{0}")]
    Unreachable(String),
}

/// The way to customers' servers.
pub struct Receivers {
    rules: Rules,
    resolver: Arc<dyn Resolver>,
    client: OnceLock<Client>,
}

/// As much of an answer as is read, so that its connection can be used again.
const ANSWER_BYTES: usize = 8 * 1024;

impl Receivers {
    /// Under these rules, by this resolver.
    pub fn new(rules: Rules, resolver: Arc<dyn Resolver>) -> Self {
        Self { rules, resolver, client: OnceLock::new() }
    }

    /// What holds for them.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Posts a body to an address, once. `now` is for dates that the answer holds.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: String,
        now: DateTime<Utc>,
    ) -> Result<Answer, Unanswered> {
        let url = place::check(url, &self.rules).map_err(|wrong| Unanswered::Refused(wrong.to_string()))?;
        let mut request = self.client()?.post(url).header("content-type", "application/json").body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.map_err(|error| self.explain(&error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|value| waits(value.to_str().ok()?, now));
        // What else it says is read for the connection's sake alone, and within the same time.
        drop(http::body(response, ANSWER_BYTES).await);
        Ok(Answer { status, retry_after })
    }

    fn client(&self) -> Result<&Client, Unanswered> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let total = self.timeout();
        let checked = Checked { resolver: self.resolver.clone(), allow_private: self.rules.allow_private };
        let client = http::builder(Deadlines { connect: total.min(Duration::from_secs(10)), total })
            .dns_resolver(Arc::new(checked))
            .https_only(!self.rules.allow_http)
            .user_agent("longshore-webhooks/1")
            .build()
            .map_err(|error| Unanswered::Unreachable(format!("no client: {}", http::Plain::from(error))))?;
        Ok(self.client.get_or_init(|| client))
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.rules.timeout_milliseconds)
    }

    /// Puts a failure into words that show no address.
    fn explain(&self, error: &reqwest::Error) -> Unanswered {
        let mut cause = Some(error as &(dyn Error + 'static));
        let mut words = None;
        while let Some(one) = cause {
            if let Some(refused) = one.downcast_ref::<NotPublic>() {
                return Unanswered::Refused(refused.to_string());
            }
            if one.downcast_ref::<NoSuchName>().is_some() {
                return Unanswered::Unreachable(NoSuchName.to_string());
            }
            if let Some(io) = one.downcast_ref::<io::Error>() {
                // A refused certificate comes as invalid data, with its own words inside.
                words = Some(match (io.kind(), io.get_ref()) {
                    (io::ErrorKind::InvalidData, Some(inner)) => format!("TLS: {inner}"),
                    (kind, _) => kind.to_string(),
                });
            }
            cause = one.source();
        }
        if error.is_timeout() {
            return Unanswered::TooLate(self.timeout());
        }
        let headline = if error.is_connect() { "no connection" } else { "the connection broke" };
        Unanswered::Unreachable(words.map_or_else(|| headline.to_owned(), |words| format!("{headline}: {words}")))
    }
}

/// How long a `retry-after` asks to wait: seconds, or a date.
fn waits(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(value.trim()).ok()?.to_utc();
    Some((until - now).to_std().unwrap_or_default())
}

/// Hands reqwest only addresses that were looked at.
struct Checked {
    resolver: Arc<dyn Resolver>,
    allow_private: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the name stands for an address that is not public")]
struct NotPublic;

#[derive(Debug, thiserror::Error)]
#[error("no connection: the name can't be resolved")]
struct NoSuchName;

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, allow_private) = (self.resolver.clone(), self.allow_private);
        Box::pin(async move {
            let found = resolver.lookup(name.as_str()).await.map_err(|_| NoSuchName)?;
            if found.is_empty() {
                return Err(NoSuchName.into());
            }
            // One that is not is either a mistake or an attempt: the others are not trusted either.
            if !found.iter().all(|address| address::admits(*address, allow_private)) {
                return Err(NotPublic.into());
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn a_receiver_may_ask_for_time_in_seconds_or_by_a_date() {
        let now = Utc.with_ymd_and_hms(2026, 11, 17, 18, 0, 0).single().expect("a moment");
        assert_eq!(waits("30", now), Some(Duration::from_secs(30)));
        assert_eq!(waits("Tue, 17 Nov 2026 18:02:00 GMT", now), Some(Duration::from_secs(120)));
        assert_eq!(waits("Tue, 17 Nov 2026 17:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(waits("soon", now), None);
    }
}
