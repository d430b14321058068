//! Apollo.io: looks people up. It charges 1 credit when it knows somebody, 8 more with a mobile number, and nothing
//! otherwise; it has no idempotency key, so a call whose answer is lost may have been charged.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, StatusCode, header::HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::{VendorError, http};
use crate::enrichment::provider::{PersonFound, PersonProvider, PersonQuery};

const VENDOR: &str = "apollo";
/// A person's record has some tens of kilobytes.
const LONGEST_ANSWER: usize = 1024 * 1024;
const FOR_A_PERSON: i64 = 1;
const FOR_A_MOBILE: i64 = 8;

/// How Apollo is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where its API lies, without `/api/v1`.
    pub base_url: String,
    /// The key, from the environment or a file.
    pub api_key: SecretString,
    /// How long one call may take.
    pub timeout_milliseconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { base_url: "https://api.apollo.io".into(), api_key: SecretString::default(), timeout_milliseconds: 20_000 }
    }
}

/// A client of Apollo.
pub struct Apollo {
    client: Client,
    match_url: String,
    key: HeaderValue,
}

impl Apollo {
    /// A client for this configuration.
    pub fn new(config: &Config) -> Result<Self, VendorError> {
        let refuse = |reason: &str| VendorError::Config { vendor: VENDOR, code: 0, reason: reason.into() };
        let match_url = format!("{}/api/v1/people/match", config.base_url.trim_end_matches('/'));
        match reqwest::Url::parse(&match_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {}
            _ => return Err(refuse("base_url must be an http or https address, like https://api.apollo.io")),
        }
        let mut key = HeaderValue::from_str(config.api_key.expose_secret())
            .map_err(|_| refuse("api_key holds characters that a header can't"))?;
        key.set_sensitive(true);
        let total = Duration::from_millis(config.timeout_milliseconds.max(1));
        let deadlines = http::Deadlines { connect: total.min(Duration::from_secs(5)), total };
        let client = http::client(deadlines).map_err(|error| refuse(&format!("the HTTP client: {error}")))?;
        Ok(Self { client, match_url, key })
    }
}

#[async_trait]
impl PersonProvider for Apollo {
    fn name(&self) -> &'static str {
        VENDOR
    }

    fn quote(&self, _: &PersonQuery) -> i64 {
        FOR_A_PERSON + FOR_A_MOBILE
    }

    async fn find(&self, query: &PersonQuery) -> Result<PersonFound, VendorError> {
        let fields = [
            ("first_name", &query.first_name),
            ("last_name", &query.last_name),
            ("email", &query.email),
            ("domain", &query.domain),
        ];
        let asked: Vec<_> = fields.into_iter().filter_map(|(name, value)| value.as_deref().map(|value| (name, value))).collect();
        let request = self
            .client
            .post(&self.match_url)
            .header("x-api-key", self.key.clone())
            .header("accept", "application/json")
            .header("content-length", "0")
            .query(&asked);
        let response = http::send(VENDOR, request).await?;
        let (status, retry_after) = (response.status(), http::retry_after(&response));
        if status.is_server_error() {
            return Err(VendorError::UnknownOutcome { vendor: VENDOR, reason: format!("answered {status}") });
        }
        let body = http::read(VENDOR, response, LONGEST_ANSWER).await;
        if status.is_success() { found(&body?) } else { Err(refusal(status, retry_after, &body.unwrap_or_default())) }
    }
}

/// What an answer that is not a success means. Its own sentence may repeat whom we asked for, so only its code is kept.
fn refusal(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> VendorError {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let is_code = |code: &&str| code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let said_code = said["error_code"].as_str().filter(is_code).unwrap_or("no error_code");
    let (vendor, code, reason) = (VENDOR, i64::from(status.as_u16()), format!("{status}, {said_code}"));
    match status.as_u16() {
        429 => VendorError::RateLimited { vendor, retry_after },
        // The request may still be at work behind a gateway that gave up on it.
        408 => VendorError::UnknownOutcome { vendor, reason },
        // A wrong key, plan or address concerns every job, not this one.
        300..=399 | 401 | 402 | 403 | 404 | 405 => VendorError::Config { vendor, code, reason },
        _ => VendorError::Refused { vendor, code, reason },
    }
}

/// Reads a success: who was found, and what that cost. What can't be read may have been charged.
fn found(body: &[u8]) -> Result<PersonFound, VendorError> {
    let unknown = |reason: &str| VendorError::UnknownOutcome { vendor: VENDOR, reason: reason.into() };
    let mut answer: Value = serde_json::from_slice(body).map_err(|_| unknown("answered with something else than JSON"))?;
    if !answer.is_object() {
        return Err(unknown("answered with something else than an object"));
    }
    let person = Some(answer["person"].take()).filter(|person| person.as_object().is_some_and(|fields| !fields.is_empty()));
    let credits = match &answer["credits_consumed"] {
        Value::Null => person.as_ref().map_or(0, price),
        given => given.as_i64().filter(|credits| *credits >= 0).ok_or_else(|| unknown("credits_consumed is not a count"))?,
    };
    Ok(PersonFound { person, credits })
}

/// What a person costs by Apollo's price list.
fn price(person: &Value) -> i64 {
    let of_type = |entry: &Value, field: &str| entry[field].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("mobile"));
    let lists = [&person["phone_numbers"], &person["contact"]["phone_numbers"]];
    let mobile =
        lists.into_iter().filter_map(Value::as_array).flatten().any(|entry| of_type(entry, "type") || of_type(entry, "type_cd"));
    if mobile { FOR_A_PERSON + FOR_A_MOBILE } else { FOR_A_PERSON }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(answer: Value) -> Result<PersonFound, VendorError> {
        found(answer.to_string().as_bytes())
    }

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).unwrap()
    }

    #[test]
    fn nobody_found_costs_nothing() {
        for answer in [json!({ "person": null }), json!({}), json!({ "person": {} })] {
            assert_eq!(read(answer).unwrap(), PersonFound { person: None, credits: 0 });
        }
    }

    #[test]
    fn a_person_costs_1_and_a_mobile_8_more_unless_the_answer_says_otherwise() {
        let plain = json!({ "id": "p1" });
        let mobile = json!({ "id": "p1", "contact": { "phone_numbers": [{ "type": "work" }, { "type": "mobile" }] } });
        let hooked = json!({ "id": "p1", "phone_numbers": [{ "type_cd": "mobile" }] });
        assert_eq!(read(json!({ "person": plain })).unwrap().credits, 1);
        assert_eq!(read(json!({ "person": mobile })).unwrap().credits, 9);
        assert_eq!(read(json!({ "person": hooked })).unwrap().credits, 9);
        assert_eq!(read(json!({ "person": plain, "credits_consumed": 3 })).unwrap().credits, 3);
        assert_eq!(read(json!({ "person": null, "credits_consumed": 2 })).unwrap(), PersonFound { person: None, credits: 2 });
    }

    #[test]
    fn a_success_that_cannot_be_read_may_have_been_charged() {
        let unreadable =
            [&b"<html>"[..], b"", b"[]", b"{\"person\":", b"{\"credits_consumed\":-1}", b"{\"credits_consumed\":\"9\"}"];
        for body in unreadable {
            assert!(matches!(found(body), Err(VendorError::UnknownOutcome { .. })), "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn each_refusal_has_its_meaning() {
        let after = Some(Duration::from_secs(17));
        let says = |code| refusal(status(code), after, b"Invalid access credentials.");
        assert!(matches!(says(401), VendorError::Config { code: 401, .. }));
        assert!(matches!(says(403), VendorError::Config { code: 403, .. }));
        assert!(matches!(says(404), VendorError::Config { .. }));
        assert!(matches!(says(422), VendorError::Refused { code: 422, .. }));
        assert!(matches!(says(429), VendorError::RateLimited { retry_after, .. } if retry_after == after));
        assert!(matches!(says(408), VendorError::UnknownOutcome { .. }));
    }

    #[test]
    fn a_refusal_does_not_repeat_whom_we_asked_for() {
        let body = json!({ "error": "no such person: ann@example.com", "error_code": "ann@example.com" }).to_string();
        let said = refusal(status(422), None, body.as_bytes()).to_string();
        assert!(!said.contains("ann"), "{said}");
        let coded = json!({ "error_code": "API_INACCESSIBLE" }).to_string();
        assert!(refusal(status(403), None, coded.as_bytes()).to_string().contains("API_INACCESSIBLE"));
    }

    #[test]
    fn a_wrong_address_or_key_is_told_at_the_start() {
        let address = Config { base_url: "api.apollo.io".into(), ..Config::default() };
        assert!(matches!(Apollo::new(&address), Err(VendorError::Config { .. })));
        let key = Config { api_key: SecretString::from("a\nb"), ..Config::default() };
        assert!(matches!(Apollo::new(&key), Err(VendorError::Config { .. })));
        assert!(Apollo::new(&Config::default()).is_ok());
    }

    proptest! {
        #[test]
        fn no_answer_panics_or_pays_us(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(found) = found(&body) {
                prop_assert!(found.credits >= 0);
            }
        }
    }
}
