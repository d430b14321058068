//! Twilio's webhooks: what became of a message, and what people write back.
//!
//! No key comes with them; the signature over the public address, its query and the form is the credential. The team of a
//! status report stands in the signed query, that of an incoming text is found by our number. An answer is given only when
//! the report is committed, so that Twilio calls again otherwise.

use std::{sync::Arc, time::Duration};

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, FromRequest, Request, State},
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
    routing::post,
};
use longshore_workers::{
    db,
    ids::TeamId,
    messages::{
        inbox::{self, Inbound},
        status::{self, Applied, Report},
    },
    vendors::twilio::{VENDOR, signature, verify_signature},
};
use secrecy::SecretString;
use serde_json::{Map, Value};
use sqlx::PgPool;
use tracing::{info, warn};

use super::error::{ApiError, Code};

/// Where Twilio reports what became of a message.
pub const STATUS_PATH: &str = "/v1/webhooks/twilio/status";
/// Where Twilio passes on what people write.
pub const INBOUND_PATH: &str = "/v1/webhooks/twilio/inbound";

// Twilio's forms have some 2 kB; a text has at most 1600 characters.
const LARGEST_FORM: usize = 64 * 1024;
/// One that takes longer is given up: until it is read nobody knows who sends it, and the places of what is never shed are few.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the webhooks need.
#[derive(Clone)]
pub struct Hooks {
    /// Connections as `longshore_api`.
    pub pool: PgPool,
    /// Those for what people write back: an opt-out must not wait behind anything.
    pub reserve: PgPool,
    /// The account's token, with which Twilio signs.
    pub auth_token: SecretString,
    /// The address under which Twilio reaches us, without a slash at the end: what it signed, whatever a proxy made of it.
    pub public_url: String,
}

type Params = Vec<(String, String)>;

/// A form that came in time.
struct Prompt(Params);

impl<S: Send + Sync> FromRequest<S> for Prompt {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        form_within(PATIENCE, request, state).await.map(Self)
    }
}

async fn form_within<S: Send + Sync>(patience: Duration, request: Request, state: &S) -> Result<Params, ApiError> {
    match tokio::time::timeout(patience, Form::<Params>::from_request(request, state)).await {
        Ok(Ok(Form(params))) => Ok(params),
        Ok(Err(refused)) => Err(ApiError::new(Code::of_status(refused.status()), "The body is not the form that Twilio sends.")),
        Err(_) => Err(ApiError::new(Code::RequestTimeout, format!("The form did not arrive within {patience:?}."))),
    }
}

/// The routes. To be merged under the conventions of the API.
pub fn router<S: Clone + Send + Sync + 'static>(hooks: Hooks) -> Router<S> {
    Router::new()
        .route(STATUS_PATH, post(report_status))
        .route(INBOUND_PATH, post(receive_text))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(Arc::new(hooks))
}

async fn report_status(
    State(hooks): State<Arc<Hooks>>,
    uri: Uri,
    headers: HeaderMap,
    Prompt(params): Prompt,
) -> Result<Response, ApiError> {
    hooks.check(STATUS_PATH, &uri, &headers, &params)?;
    let asked: Params = axum::extract::Query::try_from_uri(&uri).map(|query| query.0).unwrap_or_default();
    let team: TeamId = field(&asked, "t")
        .and_then(|team| team.parse().ok())
        .ok_or_else(|| ApiError::new(Code::InvalidRequest, "The address lacks the team (`t`) that we put there."))?;
    let sid = needed(&params, "MessageSid")?;
    let word = needed(&params, "MessageStatus")?;
    let raw = as_json(&params);
    let report = Report {
        vendor: VENDOR,
        vendor_id: sid,
        message_id: field(&asked, "m").and_then(|id| id.parse().ok()),
        status: word,
        error_code: field(&params, "ErrorCode").and_then(|code| code.parse().ok()),
        raw: &raw,
    };
    let mut tx = db::begin_as(&hooks.pool, team).await?;
    let applied = status::apply_status(&mut tx, team, &report).await?;
    tx.commit().await?;
    if applied == Applied::NoMessage {
        warn!(team.id = %team, message = report.message_id, "a status report for a message that the team does not have");
    }
    Ok(empty())
}

async fn receive_text(
    State(hooks): State<Arc<Hooks>>,
    uri: Uri,
    headers: HeaderMap,
    Prompt(params): Prompt,
) -> Result<Response, ApiError> {
    hooks.check(INBOUND_PATH, &uri, &headers, &params)?;
    let raw = as_json(&params);
    let text = Inbound {
        vendor: VENDOR,
        vendor_id: needed(&params, "MessageSid")?,
        sender: needed(&params, "From")?,
        recipient: needed(&params, "To")?,
        body: field(&params, "Body").unwrap_or_default(),
        hint: field(&params, "OptOutType"),
        raw: &raw,
    };
    let mut tx = db::begin(&hooks.reserve).await?;
    let mut teams = inbox::teams_of_sender(&mut tx, text.recipient, text.sender).await?;
    tx.commit().await?;
    if teams.is_empty() {
        // Kept in the house's own inbox, for somebody to look into.
        warn!("a text came in on a number that no team has registered or texted from");
        teams.push(TeamId::HOUSE);
    }
    let mut answer = None;
    for team in teams {
        let mut tx = db::begin_as(&hooks.reserve, team).await?;
        let received = inbox::receive(&mut tx, team, &text).await?;
        tx.commit().await?;
        info!(team.id = %team, meaning = received.meaning.as_str(), "a text came in");
        // One answer to one text, also where teams share a number.
        answer = answer.or(received.answer);
    }
    Ok(answer.as_deref().map_or_else(empty, say))
}

impl Hooks {
    fn check(&self, path: &str, uri: &Uri, headers: &HeaderMap, params: &Params) -> Result<(), ApiError> {
        let given = headers.get(signature::HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut url = format!("{}{path}", self.public_url.trim_end_matches('/'));
        if let Some(query) = uri.query() {
            url = format!("{url}?{query}");
        }
        if verify_signature(&self.auth_token, &url, params, given) {
            return Ok(());
        }
        warn!("a webhook came without Twilio's signature; if it is Twilio's own, look at api.public_url and the account's token");
        let detail = format!("{} is missing or does not fit this request.", signature::HEADER);
        Err(ApiError::header(Code::BadSignature, signature::HEADER, detail))
    }
}

fn field<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn needed<'a>(params: &'a Params, name: &str) -> Result<&'a str, ApiError> {
    let given = field(params, name).filter(|value| !value.is_empty());
    given.ok_or_else(|| ApiError::new(Code::InvalidRequest, format!("The form lacks {name}.")))
}

/// The form as it is kept. A NUL can't be stored.
fn as_json(params: &Params) -> Value {
    let text = |value: &String| Value::String(value.replace('\0', "\u{fffd}"));
    Value::Object(params.iter().map(|(name, value)| (name.replace('\0', "\u{fffd}"), text(value))).collect::<Map<_, _>>())
}

/// Twilio's "heard, nothing to say".
fn empty() -> Response {
    twiml("")
}

/// One text back to whoever wrote.
fn say(words: &str) -> Response {
    let mut text = String::with_capacity(words.len() + 20);
    for c in words.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            other => text.push(other),
        }
    }
    twiml(&format!("<Message>{text}</Message>"))
}

fn twiml(verbs: &str) -> Response {
    let document = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{verbs}</Response>");
    ([(header::CONTENT_TYPE, "text/xml")], document).into_response()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::{Body, Bytes};
    use futures_util::stream;

    use super::*;

    fn posted(body: Body, media: &str) -> Request {
        Request::post(INBOUND_PATH).header("content-type", media).body(body).expect("a request")
    }

    #[tokio::test]
    async fn a_form_is_not_waited_for() {
        let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let media = "application/x-www-form-urlencoded";
        let refused = form_within(Duration::from_millis(10), posted(never, media), &()).await.expect_err("it never came");
        assert_eq!(refused.code, Code::RequestTimeout);
        let taken = form_within(PATIENCE, posted(Body::from("From=%2B1&Body=STOP"), media), &()).await.expect("a form");
        assert_eq!(taken, [("From".to_owned(), "+1".to_owned()), ("Body".to_owned(), "STOP".to_owned())]);
        let other = form_within(PATIENCE, posted(Body::from("{}"), "application/json"), &()).await.expect_err("no form");
        assert_eq!(other.code, Code::UnsupportedMediaType);
    }
}
