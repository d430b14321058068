//! The keys that the configuration gives: several, so that secrets under an older one can still be opened, and one that is
//! current.

use std::{collections::BTreeMap, fmt, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use serde::Deserialize;

use super::cipher::{KEY_LENGTH, Key};

/// `[secrets]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `ID=KEY`, one a line or separated by commas; a key is 32 random bytes in base64.
    pub keys: Option<SecretString>,
    /// The id of the key that new secrets are put under.
    pub current: Option<String>,
}

/// The keys of a process. Empty where none is configured: then secrets can be neither stored nor opened.
#[derive(Clone, Default)]
pub struct Keyring {
    keys: Arc<BTreeMap<String, Key>>,
    current: String,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("ids", &self.ids().collect::<Vec<_>>()).field("current", &self.current).finish()
    }
}

impl Keyring {
    /// Reads the keys, or says all that is wrong with them: ids and lengths, never a key.
    pub fn read(config: &Config) -> Result<Self, Vec<String>> {
        let mut keys = BTreeMap::new();
        let mut faults = Vec::new();
        let text = config.keys.as_ref().map(SecretString::expose_secret).unwrap_or_default();
        let entries = text.split(['\n', ',']).map(str::trim).filter(|entry| !entry.is_empty() && !entry.starts_with('#'));
        for (at, entry) in entries.enumerate() {
            match read_key(entry) {
                Ok((id, _)) if keys.contains_key(id) => faults.push(format!("has the key {id} twice")),
                Ok((id, key)) => drop(keys.insert(id.to_owned(), key)),
                Err(fault) => faults.push(format!("entry {} {fault}", at + 1)),
            }
        }
        let current = match (config.current.as_deref(), keys.len()) {
            (None, 0) if text.is_empty() => String::new(),
            (None, 1) => keys.keys().next().cloned().unwrap_or_default(),
            (Some(id), _) if keys.contains_key(id) => id.to_owned(),
            (Some(id), _) => {
                faults.push(format!("has no key {id:?}, which secrets.current names"));
                String::new()
            }
            (None, 0) if faults.is_empty() => {
                faults.push("holds no key".into());
                String::new()
            }
            (None, _) => {
                faults.push("has several keys: secrets.current must say which one new secrets are put under".into());
                String::new()
            }
        };
        if faults.is_empty() { Ok(Self { keys: Arc::new(keys), current }) } else { Err(faults) }
    }

    /// The ids of its keys.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// The id of the key that new secrets are put under; `None` where there are no keys.
    pub fn current(&self) -> Option<&str> {
        Some(self.current.as_str()).filter(|id| !id.is_empty())
    }

    pub(super) fn key(&self, id: &str) -> Option<&Key> {
        self.keys.get(id)
    }
}

fn read_key(entry: &str) -> Result<(&str, Key), String> {
    let (id, text) = entry.split_once('=').ok_or("is not ID=KEY")?;
    let (id, text) = (id.trim(), text.trim());
    let sound =
        (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
    if !sound {
        return Err("has no sound id: up to 32 small letters, digits and - _ .".into());
    }
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(text).map_err(|_| format!("({id}) is not base64"))?);
    if bytes.len() != KEY_LENGTH {
        return Err(format!("({id}) has {} bytes, not {KEY_LENGTH}: make one with `openssl rand -base64 32`", bytes.len()));
    }
    if bytes.iter().all(|byte| *byte == bytes[0]) {
        return Err(format!("({id}) is one byte over and over: make one with `openssl rand -base64 32`"));
    }
    Ok((id, Key::init_with_mut(|key: &mut [u8; KEY_LENGTH]| key.copy_from_slice(&bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn read(keys: &str, current: Option<&str>) -> Result<Keyring, String> {
        let keys = (!keys.is_empty()).then(|| SecretString::from(keys));
        Keyring::read(&Config { keys, current: current.map(Into::into) }).map_err(|faults| faults.join("; "))
    }

    #[test]
    fn several_keys_have_one_that_is_current() {
        let ring = read(&format!("# ours\n2026-05 = {A}\n2026-11={A}"), Some("2026-11")).unwrap();
        assert_eq!((ring.ids().collect::<Vec<_>>(), ring.current()), (vec!["2026-05", "2026-11"], Some("2026-11")));
        assert_eq!(read(&format!("a={A}"), None).unwrap().current(), Some("a"));
        assert_eq!(read("", None).unwrap().current(), None);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_key() {
        for (keys, current, fault) in [
            (format!("a={A},b={A}"), None, "several keys"),
            (format!("a={A}"), Some("b"), "no key \"b\""),
            (format!("a={A},a={A}"), Some("a"), "the key a twice"),
            ("a=c2VjcmV0".into(), None, "has 6 bytes, not 32"),
            ("a=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into(), None, "over and over"),
            ("a=no base64 at all!".into(), None, "(a) is not base64"),
            (A.trim_end_matches('=').into(), None, "entry 1 is not ID=KEY"),
            (format!("A B={A}"), None, "no sound id"),
            ("# nothing".into(), None, "holds no key"),
            (String::new(), Some("a"), "no key \"a\""),
        ] {
            let said = read(&keys, current).expect_err(fault);
            assert!(said.contains(fault), "{said}");
            assert!(!said.contains("AAEC") && !said.contains("c2Vj"), "{said}");
        }
    }

    #[test]
    fn a_keyring_shows_ids_alone() {
        let shown = format!("{:?}", read(&format!("a={A}"), None).unwrap());
        assert_eq!(shown, r#"Keyring { ids: ["a"], current: "a" }"#);
    }
}
