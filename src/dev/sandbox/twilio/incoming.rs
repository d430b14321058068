//! What comes in through Twilio on command: texts that people write, and the daily list of numbers that carriers took back.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::NaiveDate;
use longshore_workers::vendors::twilio::{sign, signature};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Twilio, refuse, unknown_account};

/// A text that somebody writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incoming {
    /// Who writes.
    pub from: String,
    /// To which number of ours.
    pub to: String,
    /// What.
    pub body: String,
    /// The webhook; if not said, the one beside the last status callback's.
    #[serde(default)]
    pub url: Option<String>,
    /// What Twilio took it for: STOP, START or HELP.
    #[serde(default)]
    pub opt_out_type: Option<String>,
    /// How often it is delivered: Twilio repeats what was not answered in time.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

/// What our webhook answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The HTTP status; 0: none came.
    pub status: u16,
    /// The TwiML.
    pub body: String,
}

type Lists = BTreeMap<NaiveDate, Vec<String>>;

pub(super) fn routes() -> Router<Twilio> {
    Router::new()
        .route("/_sandbox/inbound", post(write))
        .route("/_sandbox/deactivations", post(deactivate))
        .route("/_sandbox/deactivations/{file}", get(list))
        .route("/v1/Deactivations", get(point))
}

impl Twilio {
    /// Delivers a text to our webhook, signed, as often as it says, and tells what was answered each time.
    pub async fn write(&self, text: &Incoming) -> Vec<Answer> {
        let number = {
            let mut inner = self.inner();
            inner.written += 1;
            inner.written
        };
        let hash = Sha256::digest(format!("{number} {} {}", text.from, text.body));
        let sid = format!("SM{}", hex::encode(&hash[..16]));
        let Some(url) = text.url.clone().or_else(|| self.beside_the_callback()) else { return Vec::new() };
        let mut form = vec![
            ("MessageSid".to_owned(), sid.clone()),
            ("SmsSid".to_owned(), sid),
            ("AccountSid".to_owned(), self.account.to_string()),
            ("From".to_owned(), text.from.clone()),
            ("To".to_owned(), text.to.clone()),
            ("Body".to_owned(), text.body.clone()),
            ("NumMedia".to_owned(), "0".to_owned()),
            ("ApiVersion".to_owned(), "2010-04-01".to_owned()),
        ];
        form.extend(text.opt_out_type.clone().map(|kind| ("OptOutType".to_owned(), kind)));
        let signature = sign(&self.token, &url, &form);
        let mut answers = Vec::new();
        for _ in 0..text.times.max(1) {
            let request = self.caller.client().post(&url).header(signature::HEADER, &signature).form(&form);
            answers.push(match request.send().await {
                Ok(answer) => Answer { status: answer.status().as_u16(), body: answer.text().await.unwrap_or_default() },
                Err(_) => Answer { status: 0, body: String::new() },
            });
        }
        answers
    }

    /// Lists these numbers as taken back on that day.
    pub fn deactivate(&self, day: NaiveDate, phones: Vec<String>) {
        self.inner().deactivated.entry(day).or_default().extend(phones);
    }

    fn beside_the_callback(&self) -> Option<String> {
        let mut url: Url = self.inner().last_callback.clone()?;
        url.set_path(&url.path().replace("/status", "/inbound"));
        url.set_query(None);
        url.set_fragment(None);
        Some(url.into())
    }
}

async fn write(State(twilio): State<Twilio>, Json(text): Json<Incoming>) -> Json<Vec<Answer>> {
    Json(twilio.write(&text).await)
}

async fn deactivate(State(twilio): State<Twilio>, Json(lists): Json<Lists>) -> StatusCode {
    for (day, phones) in lists {
        twilio.deactivate(day, phones);
    }
    StatusCode::NO_CONTENT
}

/// Says where the day's list lies, as Twilio does.
async fn point(State(twilio): State<Twilio>, headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let account: Arc<str> = twilio.account.clone();
    if !twilio.knows(&account, &headers) {
        return unknown_account();
    }
    let day = query.get("Date").and_then(|day| day.parse::<NaiveDate>().ok());
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let Some(day) = day else { return refuse((StatusCode::BAD_REQUEST, 20001, "Date is required, as YYYY-MM-DD.")) };
    let place = format!("http://{host}/_sandbox/deactivations/{day}.txt");
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place.clone())], Json(json!({ "redirect_to": place }))).into_response()
}

async fn list(State(twilio): State<Twilio>, Path(file): Path<String>) -> Response {
    let day = file.strip_suffix(".txt").and_then(|day| day.parse::<NaiveDate>().ok());
    let Some(day) = day else { return StatusCode::NOT_FOUND.into_response() };
    twilio.inner().deactivated.get(&day).map(|phones| phones.join("\n")).unwrap_or_default().into_response()
}
