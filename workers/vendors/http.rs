//! HTTP as every vendor's client uses it: a deadline on each request, no redirects, bounded answers, the chosen TLS
//! provider; and what a failed exchange says about whether the request took effect.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, redirect::Policy};

use super::VendorError;

/// A client whose requests end within `deadline`, answers included.
pub fn client(vendor: &'static str, deadline: Duration) -> Result<Client, VendorError> {
    // An error says that somebody installed a provider before us, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .timeout(deadline)
        .connect_timeout(deadline.min(Duration::from_secs(5)))
        .redirect(Policy::none())
        .build()
        .map_err(|error| VendorError::Config { vendor, code: 0, reason: format!("no HTTP client: {}", words(error)) })
}

/// Sends a request that may take effect. What failed before it was sent may be tried again; after that nobody knows.
pub async fn send(vendor: &'static str, request: RequestBuilder) -> Result<Response, VendorError> {
    request.send().await.map_err(|error| {
        let (refused, unsent) = (error.is_builder(), error.is_connect());
        let reason = words(error);
        match (refused, unsent) {
            (true, _) => VendorError::Config { vendor, code: 0, reason },
            (_, true) => VendorError::Retryable { vendor, reason },
            _ => VendorError::UnknownOutcome { vendor, reason },
        }
    })
}

/// Reads an answer of at most `most` bytes. The request has taken effect by then, so what can't be read is unknown.
pub async fn read(vendor: &'static str, mut response: Response, most: usize) -> Result<Vec<u8>, VendorError> {
    let unknown = |reason: String| VendorError::UnknownOutcome { vendor, reason };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unknown(words(error)))? {
        if body.len() + chunk.len() > most {
            return Err(unknown(format!("the answer is longer than {most} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// How long a `retry-after` header asks us to wait, at most a day. The date form is not used by our vendors.
pub fn retry_after(response: &Response) -> Option<Duration> {
    let seconds: u64 = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(86_400)))
}

/// An error with its causes, and without the address, which may name a person.
fn words(error: reqwest::Error) -> String {
    format!("{:#}", anyhow::Error::new(error.without_url()))
}
