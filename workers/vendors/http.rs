//! The one HTTP client of the vendors: deadlines, one TLS provider, no redirects, and no answer larger than agreed.

use std::{sync::Once, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, redirect};

use super::VendorError;

/// How long a vendor may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// To be connected.
    pub connect: Duration,
    /// For the whole request, answer read.
    pub total: Duration,
}

/// A client. It follows no redirect (a credential would follow it), asks no proxy and repeats nothing by itself: a request
/// that was lost may have been taken.
pub fn client(deadlines: Deadlines) -> Result<Client, reqwest::Error> {
    builder(deadlines).build()
}

/// Such a client, before it is made.
pub(super) fn builder(deadlines: Deadlines) -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    // Refused when somebody chose before us, and then theirs serves as well.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    Client::builder()
        .connect_timeout(deadlines.connect)
        .timeout(deadlines.total)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("longshore/", env!("CARGO_PKG_VERSION")))
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection or the deadline.
    #[error("the answer broke off: {0}")]
    Broken(#[from] Plain),
    /// More than agreed.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// An HTTP error that does not show the address: it may hold an account or a phone number.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Plain(String);

impl From<reqwest::Error> for Plain {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        // The cause says what the headline does not: "connection reset", "timed out".
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(deeper) = cause {
            text = format!("{text}: {deeper}");
            cause = deeper.source();
        }
        Self(text)
    }
}

/// Reads an answer of at most `limit` bytes.
pub async fn body(mut response: Response, limit: usize) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(Plain::from)? {
        if body.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Sends a request that may take effect. What failed before it was sent may be tried again; after that nobody knows.
pub async fn send(vendor: &'static str, request: RequestBuilder) -> Result<Response, VendorError> {
    request.send().await.map_err(|error| {
        let (refused, unsent) = (error.is_builder(), error.is_connect());
        let reason = Plain::from(error).to_string();
        match (refused, unsent) {
            (true, _) => VendorError::Config { vendor, code: 0, reason },
            (_, true) => VendorError::Retryable { vendor, reason },
            _ => VendorError::UnknownOutcome { vendor, reason },
        }
    })
}

/// Reads an answer as [`body`] does. The request has taken effect by then, so what can't be read is unknown.
pub async fn read(vendor: &'static str, response: Response, most: usize) -> Result<Bytes, VendorError> {
    body(response, most).await.map_err(|error| VendorError::UnknownOutcome { vendor, reason: error.to_string() })
}

/// How long a `retry-after` header asks us to wait, at most a day. The date form is not used by our vendors.
pub fn retry_after(response: &Response) -> Option<Duration> {
    let seconds: u64 = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(86_400)))
}
