//! Twilio's daily list of numbers in the United States that carriers took back: an address that leads to a file, a number a line.

use chrono::NaiveDate;
use reqwest::{StatusCode, Url, header};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::{LONGEST_ANSWER, Twilio, VENDOR, answer, config_error, errors, errors::Phase};
use crate::vendors::{VendorError, http};

/// Some hundred thousand numbers a day, of at most 17 bytes each.
const LARGEST_LIST: usize = 32 << 20;

#[derive(Deserialize)]
struct Pointer {
    redirect_to: String,
}

pub(super) async fn pull(twilio: &Twilio, day: NaiveDate) -> Result<Vec<String>, VendorError> {
    if twilio.account.is_empty() || twilio.token.expose_secret().is_empty() {
        return Err(config_error("set vendors.twilio.account_sid and vendors.twilio.auth_token".into()));
    }
    let mut url = list_url(&twilio.base).ok_or_else(|| config_error("base_url has no host".into()))?;
    url.query_pairs_mut().append_pair("Date", &day.to_string());
    let request = twilio.http.get(url).basic_auth(&twilio.account, Some(twilio.token.expose_secret()));
    let response = request.send().await.map_err(|e| errors::lost(Phase::Read, e))?;
    let place = place(response).await?;
    let place = Url::parse(&place).map_err(|e| config_error(format!("the list lies at no address: {e}")))?;
    // A list that anybody on the way could write would let them silence anybody.
    if place.scheme() != "https" && twilio.base.scheme() == "https" {
        return Err(config_error("the list does not lie behind https".into()));
    }
    // Its address is its credential: ours stays here.
    let response = twilio.http.get(place).send().await.map_err(|e| errors::lost(Phase::Read, e))?;
    if !response.status().is_success() {
        return Err(VendorError::Retryable { vendor: VENDOR, reason: format!("the list: HTTP {}", response.status()) });
    }
    let body = http::body(response, LARGEST_LIST).await.map_err(|e| errors::unreadable(Phase::Read, &e))?;
    Ok(numbers(&String::from_utf8_lossy(&body)))
}

/// The list has a host of its own; the sandbox has one for all.
fn list_url(base: &Url) -> Option<Url> {
    let mut url = base.join("/v1/Deactivations").ok()?;
    if let Some(rest) = base.host_str()?.strip_prefix("api.") {
        url.set_host(Some(&format!("messaging.{rest}"))).ok()?;
    }
    Some(url)
}

async fn place(response: reqwest::Response) -> Result<String, VendorError> {
    if response.status() != StatusCode::TEMPORARY_REDIRECT {
        let body = answer(Phase::Read, response).await?;
        let pointer: Pointer = serde_json::from_slice(&body).map_err(|e| errors::unreadable(Phase::Read, &e))?;
        return Ok(pointer.redirect_to);
    }
    let named = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(named) = named {
        return Ok(named);
    }
    let body = http::body(response, LONGEST_ANSWER).await.map_err(|e| errors::unreadable(Phase::Read, &e))?;
    let pointer: Pointer = serde_json::from_slice(&body).map_err(|e| errors::unreadable(Phase::Read, &e))?;
    Ok(pointer.redirect_to)
}

/// The numbers of a list as we store them. What is none is passed over.
fn numbers(list: &str) -> Vec<String> {
    let number = |line: &str| {
        let field = line.split([',', ';', '\t']).next().unwrap_or_default();
        let digits: String = field.chars().filter(char::is_ascii_digit).collect();
        match (digits.len(), digits.starts_with('1')) {
            (10, _) => Some(format!("+1{digits}")),
            (11, true) => Some(format!("+{digits}")),
            _ => None,
        }
    };
    list.lines().filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_however_the_list_writes_them() {
        let list = "phone_number\n+12125550100\n12125550101,2026-11-20\n2125550102\r\n(212) 555-0103\n+442079460000\n\nx";
        assert_eq!(numbers(list), ["+12125550100", "+12125550101", "+12125550102", "+12125550103"]);
    }

    #[test]
    fn the_list_has_a_host_of_its_own_at_twilio_and_the_sandboxs_in_the_sandbox() {
        let at = |base: &str| list_url(&Url::parse(base).expect("an address")).expect("another").to_string();
        assert_eq!(at("https://api.twilio.com"), "https://messaging.twilio.com/v1/Deactivations");
        assert_eq!(at("http://127.0.0.1:9999"), "http://127.0.0.1:9999/v1/Deactivations");
    }

    proptest! {
        #[test]
        fn whatever_the_list_holds_only_numbers_come_of_it(list in "[0-9+,() \na-z]{0,200}") {
            for number in numbers(&list) {
                prop_assert!(number.len() == 12 && number.starts_with("+1"));
            }
        }
    }
}
