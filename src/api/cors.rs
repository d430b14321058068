//! Which pages of other origins may read answers: those that the configuration names, and no other.
//!
//! A page sends its key itself; there are no cookies, so credentials are never allowed, and neither is `*`.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

/// What a page may send.
const SENT: &str =
    "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, traceparent, x-request-id";
/// What a page may read, beside what every page may.
const READ: &str = "etag, idempotency-replayed, location, ratelimit, ratelimit-limit, ratelimit-policy, ratelimit-remaining, \
                    ratelimit-reset, retry-after, x-request-id";

/// The origins that a configuration names.
#[derive(Debug, Clone, Default)]
pub struct Origins(Vec<HeaderValue>);

impl Origins {
    /// Those of the configuration, which has looked at them ([`fault`]).
    pub fn new(named: &[String]) -> Self {
        Self(named.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect())
    }

    /// The origin of a request, if it is one of ours.
    pub(super) fn of(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        self.0.iter().find(|known| *known == origin).cloned()
    }

    /// The answer to a page of `origin` that asks what it may do.
    pub(super) fn preflight(origin: Option<&HeaderValue>, request: &Request) -> Option<Response> {
        let asks = request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || origin.is_none() {
            return None;
        }
        let said = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, SENT),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ];
        Some((StatusCode::NO_CONTENT, said).into_response())
    }

    /// Lets a page of `origin` read the answer.
    pub(super) fn dress(&self, headers: &mut HeaderMap, origin: Option<HeaderValue>) {
        if self.0.is_empty() {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(READ));
        }
    }
}

/// What is wrong with an origin that somebody wrote down.
pub fn fault(origin: &str) -> Option<&'static str> {
    let Some(host) = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")) else {
        return Some("must be an origin like https://app.example.com; neither * nor null is one");
    };
    let sound = host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]".contains(&b));
    (host.is_empty() || !sound).then_some("must be an origin: scheme, host in small letters, and port, without a path or a slash")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_origin_is_one() {
        for sound in ["https://app.example.com", "http://localhost:3000", "http://[::1]:8080"] {
            assert_eq!(fault(sound), None, "{sound}");
        }
        for wrong in
            ["*", "null", "", "https://", "https://*.example.com", "https://a.example/", "app.example.com", "https://A.example"]
        {
            assert!(fault(wrong).is_some(), "{wrong} was taken");
        }
    }
}
