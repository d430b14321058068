//! Reads an e-mail address in the one form in which it is kept: small letters, nothing around it.

use crate::datalake::leads;

/// An address as it is kept, or what is wrong with it. Such as need quotes or other scripts are refused: what a mail server
/// makes of them can't be foreseen.
pub fn read(text: &str) -> Result<String, String> {
    let read = leads::email(text.trim())?.to_lowercase();
    let (local, domain) = read.split_once('@').ok_or("is not an e-mail address")?;
    let is_local = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
    let is_domain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let sound = (1..=64).contains(&local.len())
        && local.chars().all(is_local)
        && domain.contains('.')
        && domain.len() <= 253
        && domain
            .split('.')
            .all(|label| !label.is_empty() && label.chars().all(is_domain) && !label.starts_with('-') && !label.ends_with('-'))
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && read.len() <= 254;
    if sound { Ok(read) } else { Err("is not an e-mail address that can be written to".into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_address_has_one_form() {
        assert_eq!(read(" Ada.Lovelace+x@Example.COM "), Ok("ada.lovelace+x@example.com".into()));
        for wrong in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a b@example.com",
            "ada@example",
            "a@b@example.com",
            "a..b@example.com",
            "ada@-example.com",
            "ada@example..com",
            "ada@example.com\r\nBcc: x@example.com",
            "<ada@example.com>",
            "ädä@example.com",
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_can_stand_in_a_command_to_a_mail_server(text in "\\PC{0,80}") {
            if let Ok(address) = read(&text) {
                prop_assert!(address.is_ascii() && !address.contains(['<', '>', ' ', '\r', '\n', '"', ',', ';', ':']));
                prop_assert_eq!(read(&address), Ok(address.clone()));
            }
        }
    }
}
