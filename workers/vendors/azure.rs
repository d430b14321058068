//! Azure OpenAI: writes texts. A call has no effect but its cost, so it may be repeated; tokens are counted against the
//! deployment's limits when it begins, by the size of the question and `max_tokens`.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, StatusCode, Url, header::HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{VendorError, http};
use crate::messages::generator::{Generated, Prompt, TextGenerator, Written};

/// The vendor's name in records, logs and figures.
pub const VENDOR: &str = "azure";
/// An answer of a few hundred tokens has some kilobytes.
const LONGEST_ANSWER: usize = 256 * 1024;

/// How Azure OpenAI is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The resource: `https://NAME.openai.azure.com`. Empty: no text can be written, in words that say so.
    pub base_url: String,
    /// The deployment of a chat model.
    pub deployment: String,
    /// The version of the API.
    pub api_version: String,
    /// The resource's key, from the environment or a file.
    pub api_key: SecretString,
    /// How long one call may take.
    pub timeout_milliseconds: u64,
    /// What a team pays for 1000 tokens, in credits; 0: nothing.
    pub credits_per_1000_tokens: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_url: String::new(),
            deployment: String::new(),
            api_version: "2024-10-21".into(),
            api_key: SecretString::default(),
            timeout_milliseconds: 30_000,
            credits_per_1000_tokens: 1,
        }
    }
}

/// A client of one deployment.
pub struct Azure {
    client: Client,
    url: Option<Url>,
    key: HeaderValue,
    credits_per_1000: i64,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    model: String,
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Deserialize)]
struct Choice {
    finish_reason: Option<String>,
    #[serde(default)]
    message: Message,
}

#[derive(Default, Deserialize)]
struct Message {
    content: Option<String>,
}

#[derive(Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: i32,
    #[serde(default)]
    completion_tokens: i32,
}

impl Azure {
    /// A client for this configuration; nothing is called yet.
    pub fn new(config: &Config) -> Result<Self, VendorError> {
        let refuse = |reason: String| VendorError::Config { vendor: VENDOR, code: 0, reason };
        let is_set = !config.base_url.is_empty() && !config.deployment.is_empty() && !config.api_key.expose_secret().is_empty();
        let url = if is_set { Some(address(config).map_err(refuse)?) } else { None };
        let mut key = HeaderValue::from_str(config.api_key.expose_secret())
            .map_err(|_| refuse("api_key holds characters that a header can't".into()))?;
        key.set_sensitive(true);
        let total = Duration::from_millis(config.timeout_milliseconds.max(1));
        let deadlines = http::Deadlines { connect: total.min(Duration::from_secs(5)), total };
        let client = http::client(deadlines).map_err(|error| refuse(format!("the HTTP client: {error}")))?;
        Ok(Self { client, url, key, credits_per_1000: config.credits_per_1000_tokens.into() })
    }
}

fn address(config: &Config) -> Result<Url, String> {
    let wrong = || "vendors.azure.base_url must be an http or https address, like https://NAME.openai.azure.com".to_owned();
    let mut url = Url::parse(&config.base_url).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong());
    }
    let segments = ["openai", "deployments", &config.deployment, "chat", "completions"];
    url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(segments);
    url.query_pairs_mut().append_pair("api-version", &config.api_version);
    Ok(url)
}

#[async_trait]
impl TextGenerator for Azure {
    fn name(&self) -> &'static str {
        VENDOR
    }

    fn quote(&self, prompt: &Prompt) -> i64 {
        // A token is some four characters of English, and never less than a byte: three is careful for what we ask.
        let asked = (prompt.system.len() + prompt.user.len()) / 3 + 16;
        self.price(i64::try_from(asked).unwrap_or(i64::MAX / 4) + i64::from(prompt.max_tokens))
    }

    fn price(&self, tokens: i64) -> i64 {
        (tokens.max(0).saturating_mul(self.credits_per_1000)).saturating_add(999) / 1000
    }

    async fn generate(&self, prompt: &Prompt) -> Result<Written, VendorError> {
        let Some(url) = self.url.clone() else {
            let reason = "set vendors.azure.base_url, vendors.azure.deployment and vendors.azure.api_key".into();
            return Err(VendorError::Config { vendor: VENDOR, code: 0, reason });
        };
        let body = json!({
            "messages": [{ "role": "system", "content": prompt.system }, { "role": "user", "content": prompt.user }],
            "max_tokens": prompt.max_tokens,
            "temperature": 0.7,
            "n": 1,
        });
        let request = self.client.post(url).header("api-key", self.key.clone()).json(&body);
        let response = http::send(VENDOR, request).await?;
        let (status, retry_after) = (response.status(), wait_asked(&response));
        let body = http::read(VENDOR, response, LONGEST_ANSWER).await;
        if status.is_success() { written(&body?) } else { refusal(status, retry_after, &body.unwrap_or_default()) }
    }
}

/// How long an answer asks us to wait: in milliseconds where it says so, else in seconds.
fn wait_asked(response: &reqwest::Response) -> Option<Duration> {
    let header = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let exact = header("retry-after-ms").map(|ms| Duration::from_millis(ms.min(86_400_000)));
    exact.or_else(|| http::retry_after(response))
}

/// Reads a success.
fn written(body: &[u8]) -> Result<Written, VendorError> {
    let unknown = |reason: &str| VendorError::UnknownOutcome { vendor: VENDOR, reason: reason.into() };
    let answer: Answer = serde_json::from_slice(body).map_err(|_| unknown("answered with something else than a completion"))?;
    let Usage { prompt_tokens, completion_tokens } = answer.usage;
    let (prompt_tokens, completion_tokens) = (prompt_tokens.max(0), completion_tokens.max(0));
    let Some(choice) = answer.choices.into_iter().next() else { return Err(unknown("answered with no choice")) };
    if choice.finish_reason.as_deref() == Some("content_filter") {
        return Ok(Written::Filtered { tokens: i64::from(prompt_tokens) + i64::from(completion_tokens) });
    }
    let model = answer.model.chars().filter(|c| !c.is_control()).take(100).collect();
    Ok(Written::Text(Generated {
        text: choice.message.content.unwrap_or_default(),
        whole: choice.finish_reason.as_deref() == Some("stop"),
        model,
        prompt_tokens,
        completion_tokens,
    }))
}

/// What an answer that is not a success means. Its own sentence may repeat what we asked, so only its code is kept.
fn refusal(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Result<Written, VendorError> {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let is_code = |code: &&str| code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let said = said["error"]["code"].as_str().filter(is_code).unwrap_or("no code");
    let (vendor, code, reason) = (VENDOR, i64::from(status.as_u16()), format!("{status}, {said}"));
    Err(match (status.as_u16(), said) {
        (400, "content_filter") => return Ok(Written::Filtered { tokens: 0 }),
        (429, _) => VendorError::RateLimited { vendor, retry_after },
        // A wrong key, address or deployment concerns every job, not this one.
        (300..=399 | 401 | 403 | 404 | 405, _) => VendorError::Config { vendor, code, reason },
        (408 | 500..=599, _) => VendorError::Retryable { vendor, reason },
        _ => VendorError::Refused { vendor, code, reason },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn configured() -> Config {
        Config {
            base_url: "https://house.openai.azure.com/".into(),
            deployment: "small chat".into(),
            api_key: "a-key".to_owned().into(),
            ..Config::default()
        }
    }

    fn read(answer: Value) -> Result<Written, VendorError> {
        written(answer.to_string().as_bytes())
    }

    #[test]
    fn the_address_names_deployment_and_version() {
        let url = address(&configured()).expect("an address");
        let expected = "https://house.openai.azure.com/openai/deployments/small%20chat/chat/completions?api-version=2024-10-21";
        assert_eq!(url.as_str(), expected);
        assert!(address(&Config { base_url: "house".into(), ..configured() }).is_err());
    }

    #[test]
    fn an_answer_is_a_text_a_stump_or_filtered() {
        let answer = |finish: &str| {
            json!({ "model": "gpt", "choices": [{ "finish_reason": finish, "message": { "content": "Hi" } }],
                "usage": { "prompt_tokens": 10, "completion_tokens": 2 } })
        };
        assert!(matches!(read(answer("stop")), Ok(Written::Text(Generated { whole: true, prompt_tokens: 10, .. }))));
        assert!(matches!(read(answer("length")), Ok(Written::Text(Generated { whole: false, .. }))));
        assert!(matches!(read(answer("content_filter")), Ok(Written::Filtered { tokens: 12 })));
        for unreadable in [&b"<html>"[..], b"", b"{}", b"[]"] {
            assert!(matches!(written(unreadable), Err(VendorError::UnknownOutcome { .. })));
        }
    }

    #[test]
    fn each_refusal_has_its_meaning_and_repeats_nothing_of_what_was_asked() {
        let after = Some(Duration::from_secs(6));
        let says = |status: u16, code: &str| {
            let body = json!({ "error": { "code": code, "message": "about ada@example.com" } }).to_string();
            refusal(StatusCode::from_u16(status).expect("a status"), after, body.as_bytes())
        };
        assert_eq!(says(400, "content_filter").expect("an answer"), Written::Filtered { tokens: 0 });
        assert!(matches!(says(429, "429"), Err(VendorError::RateLimited { retry_after, .. }) if retry_after == after));
        assert!(matches!(says(401, "x"), Err(VendorError::Config { code: 401, .. })));
        assert!(matches!(says(404, "DeploymentNotFound"), Err(VendorError::Config { .. })));
        assert!(matches!(says(503, "x"), Err(VendorError::Retryable { .. })));
        let refused = says(400, "context_length_exceeded").expect_err("a refusal").to_string();
        assert!(refused.contains("context_length_exceeded") && !refused.contains("ada"), "{refused}");
    }

    #[test]
    fn a_quote_covers_what_a_call_can_cost() {
        let azure = Azure::new(&configured()).expect("a client");
        let prompt = Prompt { system: "x".repeat(3000), user: "y".repeat(600), max_tokens: 300 };
        assert_eq!((azure.quote(&prompt), azure.price(900), azure.price(1001), azure.price(0)), (2, 1, 2, 0));
        let free = Azure::new(&Config { credits_per_1000_tokens: 0, ..configured() }).expect("a client");
        assert_eq!(free.quote(&prompt), 0);
    }

    proptest! {
        #[test]
        fn no_answer_panics(body in prop::collection::vec(any::<u8>(), 0..200), status in 200u16..600) {
            let _ = written(&body);
            let _ = refusal(StatusCode::from_u16(status).expect("a status"), None, &body);
        }
    }
}
