//! Twilio's signature of a webhook: HMAC-SHA1 of the address and the sorted parameters, with the account's token.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

/// The header that carries it.
pub const HEADER: &str = "X-Twilio-Signature";

/// The signature of a request to `url` (as Twilio was given it, query included) with these form parameters.
pub fn sign(auth_token: &SecretString, url: &str, params: &[(String, String)]) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in params {
        // A parameter that comes twice with the same value counts once.
        sorted.entry(name).or_default().insert(value);
    }
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(auth_token.expose_secret().as_bytes()) else { return String::new() };
    mac.update(url.as_bytes());
    for (name, values) in sorted {
        for value in values {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Whether `signature` is Twilio's. Compared in constant time; the default port may have been written or not.
pub fn verify_signature(auth_token: &SecretString, url: &str, params: &[(String, String)], signature: &str) -> bool {
    // An empty token would let anybody sign.
    if auth_token.expose_secret().is_empty() {
        return false;
    }
    spellings(url)
        .iter()
        .map(|url| sign(auth_token, url, params).as_bytes().ct_eq(signature.as_bytes()))
        .fold(false, |any, same| any | bool::from(same))
}

/// The address as it was given, and with the scheme's own port added or left out.
fn spellings(url: &str) -> Vec<String> {
    let mut all = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return all };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, tail) = rest.split_at(end);
    let Some(port) = Url::parse(url).ok().and_then(|parsed| match parsed.scheme() {
        "https" => Some(":443"),
        "http" => Some(":80"),
        _ => None,
    }) else {
        return all;
    };
    // The part behind a bracket or the host itself; an IPv6 address has colons of its own.
    let has_port = host.rsplit(']').next().is_some_and(|last| last.contains(':'));
    match host.strip_suffix(port) {
        Some(bare) => all.push(format!("{scheme}://{bare}{tail}")),
        None if !has_port => all.push(format!("{scheme}://{host}{port}{tail}")),
        None => {}
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOLDEN: &str = "mpmETnyjrLUTtWgUEj3uYmS6TmQ=";
    const URL: &str = "https://hooks.example.com:8443/v1/twilio/status?msg=01J000&t=a%20b";

    fn token() -> SecretString {
        "12345".into()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn golden() -> Vec<(String, String)> {
        pairs(&[
            ("MessageSid", "SM1"),
            ("MessageStatus", "delivered"),
            ("To", "+15551230001"),
            ("From", "+15559990000"),
            ("Body", "Café ☕ & more"),
            ("ErrorCode", ""),
            ("RawDlrDoneDate", "2611212100"),
            ("MessagingServiceSid", "MG1"),
        ])
    }

    #[test]
    fn it_agrees_with_twilios_own_libraries() {
        assert_eq!(sign(&token(), URL, &golden()), GOLDEN);
        assert!(verify_signature(&token(), URL, &golden(), GOLDEN));
        let repeated = pairs(&[("A", "b"), ("A", "a"), ("A", "b")]);
        assert_eq!(sign(&token(), "https://hooks.example.com/v1/cb", &repeated), "ZR54g7KySCtwYIo6iCOI2kY5iNo=");
    }

    #[test]
    fn the_default_port_may_be_written_or_not() {
        let without = sign(&token(), "https://hooks.example.com/v1/cb?x=1", &golden());
        assert!(verify_signature(&token(), "https://hooks.example.com:443/v1/cb?x=1", &golden(), &without));
        let with = sign(&token(), "http://[::1]:80/v1/cb", &golden());
        assert!(verify_signature(&token(), "http://[::1]/v1/cb", &golden(), &with));
        assert!(!verify_signature(&token(), "https://hooks.example.com:8443/v1/cb?x=1", &golden(), &without));
    }

    #[test]
    fn without_a_token_nobody_is_believed() {
        let empty = SecretString::from("");
        assert!(!verify_signature(&empty, URL, &golden(), &sign(&empty, URL, &golden())));
    }

    proptest! {
        #[test]
        fn any_change_is_noticed(
            params in prop::collection::vec(("[A-Za-z]{1,8}", ".{0,12}"), 1..6), at in 0usize..6, other in ".{1,12}",
        ) {
            let signature = sign(&token(), URL, &params);
            prop_assert!(verify_signature(&token(), URL, &params, &signature));
            let mut changed = params.clone();
            let at = at % changed.len();
            changed[at].1.push_str(&other);
            prop_assert!(!verify_signature(&token(), URL, &changed, &signature));
            let moved = format!("{URL}&m=2");
            prop_assert!(!verify_signature(&token(), &moved, &params, &signature));
            prop_assert!(!verify_signature(&"12346".into(), URL, &params, &signature));
        }

        #[test]
        fn no_address_makes_it_panic(url in ".{0,60}") {
            let _ = verify_signature(&token(), &url, &golden(), "x");
        }
    }
}
