//! Which addresses (URLs) an endpoint may have.

use std::net::IpAddr;

use reqwest::Url;

use super::{Rules, address};

/// Characters that an address may have.
pub const LONGEST: usize = 2048;

/// Why a webhook can't go to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Not an address.
    #[error("write an absolute address, as in https://example.com/webhooks")]
    NoUrl,
    /// Too long.
    #[error("an address has at most {LONGEST} characters")]
    TooLong,
    /// Not https.
    #[error("webhooks go to https:// addresses alone")]
    Scheme,
    /// A name or a password in it.
    #[error("an address must hold no name and no password: deliveries are signed instead")]
    Credentials,
    /// A part that is not sent.
    #[error("an address has no fragment (#…)")]
    Fragment,
    /// A port of something else.
    #[error("webhooks go to port 443 or to one from 1024 on")]
    Port,
    /// Not on the public network.
    #[error("the address is not public")]
    NotPublic,
}

/// Looks at an address, without asking anybody what its name stands for.
pub fn check(text: &str, rules: &Rules) -> Result<Url, Wrong> {
    if text.len() > LONGEST {
        return Err(Wrong::TooLong);
    }
    // What a reader and a parser could take for two different things is refused.
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(Wrong::NoUrl);
    }
    let url = Url::parse(text).map_err(|_| Wrong::NoUrl)?;
    let least = match url.scheme() {
        "https" => 443,
        "http" if rules.allow_http => 80,
        _ => return Err(Wrong::Scheme),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::Credentials);
    }
    if url.fragment().is_some() {
        return Err(Wrong::Fragment);
    }
    if !url.port_or_known_default().is_some_and(|port| port == least || port == 443 || port >= 1024) {
        return Err(Wrong::Port);
    }
    // Numbers of any spelling (0x7f.1, 2130706433) are an address of the usual form by now.
    let host = url.host_str().ok_or(Wrong::NoUrl)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(literal) = bare.parse::<IpAddr>()
        && !address::admits(literal, rules.allow_private)
    {
        return Err(Wrong::NotPublic);
    }
    Ok(url)
}

/// The host of an address: as much of it as records may show.
pub fn host(text: &str) -> Option<String> {
    Url::parse(text).ok()?.host_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_https_public_and_bare() {
        let strict = Rules::default();
        for good in [
            "https://example.com/webhooks?team=1",
            "https://example.com:8443/",
            "https://EXAMPLE.com",
            "https://1.1.1.1/x",
            "https://[2606:4700:4700::1111]/",
            "https://bücher.example/",
        ] {
            assert!(check(good, &strict).is_ok(), "{good}");
        }
        for (wrong, why) in [
            ("", Wrong::NoUrl),
            ("example.com", Wrong::NoUrl),
            ("https://", Wrong::NoUrl),
            ("https://exa mple.com/", Wrong::NoUrl),
            ("https://example.com\\@127.0.0.1/", Wrong::NoUrl),
            ("http://example.com/", Wrong::Scheme),
            ("ftp://example.com/", Wrong::Scheme),
            ("file:///etc/passwd", Wrong::Scheme),
            ("https://user@example.com/", Wrong::Credentials),
            ("https://user:secret@example.com/", Wrong::Credentials),
            ("https://example.com/#top", Wrong::Fragment),
            ("https://example.com:22/", Wrong::Port),
            ("https://example.com:80/", Wrong::Port),
            ("https://example.com:0/", Wrong::Port),
            ("https://127.0.0.1/", Wrong::NotPublic),
            ("https://127.1/", Wrong::NotPublic),
            ("https://0x7f.1/", Wrong::NotPublic),
            ("https://2130706433/", Wrong::NotPublic),
            ("https://0177.0.0.1/", Wrong::NotPublic),
            ("https://169.254.169.254/latest/meta-data", Wrong::NotPublic),
            ("https://[::1]/", Wrong::NotPublic),
            ("https://[::ffff:10.0.0.1]/", Wrong::NotPublic),
            ("https://[fd00:ec2::254]/", Wrong::NotPublic),
            ("https://１２７.0.0.1/", Wrong::NotPublic),
        ] {
            assert_eq!(check(wrong, &strict).map(|_| ()), Err(why), "{wrong}");
        }
        assert_eq!(check(&format!("https://example.com/{}", "x".repeat(LONGEST)), &strict), Err(Wrong::TooLong));
    }

    #[test]
    fn a_local_stack_may_be_looser_but_not_with_metadata() {
        let loose = Rules { allow_http: true, allow_private: true, ..Rules::default() };
        assert!(check("http://127.0.0.1:9000/", &loose).is_ok() && check("http://localhost/", &loose).is_ok());
        assert_eq!(check("http://169.254.169.254/", &loose), Err(Wrong::NotPublic));
        assert_eq!(check("http://10.0.0.1:22/", &loose), Err(Wrong::Port));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(https?://)?[\\PC]{0,40}") {
            let _ = check(&text, &Rules::default());
        }

        #[test]
        fn a_number_of_any_spelling_is_looked_at(bits: u32) {
            let address = std::net::Ipv4Addr::from_bits(bits);
            let public = address::special(IpAddr::V4(address)).is_none();
            for spelling in [format!("https://{address}/"), format!("https://{bits}/"), format!("https://0x{bits:x}/")] {
                prop_assert_eq!(check(&spelling, &Rules::default()).is_ok(), public, "{}", spelling);
            }
        }
    }
}
