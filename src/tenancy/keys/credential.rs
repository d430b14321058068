//! The text of a credential: `lsk_live_<id>_<secret>_<checksum>`, or `lsk_oper_…` for an operator's token.
//!
//! The id is public and finds the row; the secret is 256 random bits, so a plain SHA-256 keeps it (a slow hash would burn
//! processor on every call and protect nothing that can't be guessed anyway); the checksum tells a mistyped or truncated
//! key from a wrong one before any question to the database.

use std::fmt;

use longshore_workers::clock::Random;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

const ID_LENGTH: usize = 12;
// 62^43 is a little more than 2^256.
const SECRET_LENGTH: usize = 43;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// What a credential is, as its first letters say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A team's key.
    Key,
    /// An operator's, who acts for the team for a day at most.
    Token,
}

impl Sort {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Key => "lsk_live_",
            Self::Token => "lsk_oper_",
        }
    }
}

/// A credential just made.
pub(super) struct Made {
    pub key_id: String,
    pub digest: [u8; 32],
    pub text: SecretString,
}

/// Makes a credential of 256 random bits.
pub(super) fn make(sort: Sort, random: &dyn Random) -> Made {
    let (key_id, secret) = (new_id(random), new_secret(random));
    let body = format!("{}{key_id}_{secret}", sort.prefix());
    Made { digest: digest(&secret), text: SecretString::from(format!("{body}_{}", checksum(&body))), key_id }
}

/// A credential whose checksum holds. Whether it opens anything, the database knows.
pub struct ParsedKey {
    /// The public id.
    pub key_id: String,
    /// What it says it is.
    pub sort: Sort,
    digest: [u8; 32],
}

impl ParsedKey {
    /// Whether both are the same credential; takes as long whatever their secrets differ in.
    pub fn is_same(&self, other: &Self) -> bool {
        self.key_id == other.key_id && self.sort == other.sort && self.is_kept_as(&other.digest)
    }

    /// Whether its secret is the one that is kept as `digest`; takes as long whatever they differ in.
    pub fn is_kept_as(&self, digest: &[u8]) -> bool {
        bool::from(digest.ct_eq(&self.digest))
    }

    /// What is kept of its secret.
    #[cfg(feature = "dev")]
    pub(crate) const fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

impl fmt::Debug for ParsedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedKey").field("key_id", &self.key_id).field("sort", &self.sort).finish_non_exhaustive()
    }
}

/// A text that can't be a key: mistyped, cut off, or something else altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key, or one that was mistyped or cut off; a key looks like lsk_live_<id>_<secret>_<checksum>")]
pub struct Malformed;

/// Reads a credential.
pub fn parse(text: &str) -> Result<ParsedKey, Malformed> {
    let (body, sum) = text.rsplit_once('_').ok_or(Malformed)?;
    let (sort, rest) =
        [Sort::Key, Sort::Token].into_iter().find_map(|sort| Some((sort, body.strip_prefix(sort.prefix())?))).ok_or(Malformed)?;
    let (key_id, secret) = rest.split_once('_').ok_or(Malformed)?;
    let sound = key_id.len() == ID_LENGTH
        && key_id.bytes().all(|b| BASE36.contains(&b))
        && secret.len() == SECRET_LENGTH
        && secret.bytes().all(|b| b.is_ascii_alphanumeric())
        && sum == checksum(body);
    if !sound {
        return Err(Malformed);
    }
    Ok(ParsedKey { key_id: key_id.into(), sort, digest: digest(secret) })
}

/// A key, and guesses at it that have most of its secret right.
#[cfg(feature = "dev")]
pub(crate) struct Guesses {
    pub right: SecretString,
    pub near: Vec<SecretString>,
}

/// Makes a key and `count` guesses at it, all of them sound in form.
#[cfg(feature = "dev")]
pub(crate) fn guesses(count: usize, random: &dyn Random) -> Guesses {
    // The last letters are another secret's: so many that no two guesses are the same.
    const TAIL: usize = 6;
    let (key_id, secret) = (new_id(random), new_secret(random));
    let text = |secret: &str| {
        let body = format!("{}{key_id}_{secret}", Sort::Key.prefix());
        SecretString::from(format!("{body}_{}", checksum(&body)))
    };
    let near = |other: String| text(&format!("{}{}", &secret[..SECRET_LENGTH - TAIL], &other[SECRET_LENGTH - TAIL..]));
    Guesses { near: (0..count).map(|_| near(new_secret(random))).collect(), right: text(&secret) }
}

/// Whether a text could be a key's public id.
pub fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|b| BASE36.contains(&b))
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn new_id(random: &dyn Random) -> String {
    let mut id = String::with_capacity(ID_LENGTH);
    while id.len() < ID_LENGTH {
        let mut bytes = [0; 2 * ID_LENGTH];
        random.fill(&mut bytes);
        // 252 is the largest multiple of 36 in a byte: past it the letters would not be evenly likely.
        let even = bytes.iter().filter(|byte| **byte < 252).map(|byte| char::from(BASE36[usize::from(byte % 36)]));
        id.extend(even.take(ID_LENGTH - id.len()));
    }
    id
}

fn new_secret(random: &dyn Random) -> String {
    let mut bits = [0; 32];
    random.fill(&mut bits);
    base62(bits)
}

/// The whole number in base 62, always of the same length.
fn base62(mut bits: [u8; 32]) -> String {
    let mut digits = [0; SECRET_LENGTH];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0;
        for byte in &mut bits {
            let value = remainder * 256 + u32::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *digit = BASE62[remainder as usize];
    }
    digits.iter().copied().map(char::from).collect()
}

/// CRC-32 (IEEE), six base-62 digits.
fn checksum(body: &str) -> String {
    let mut crc = u32::MAX;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let mut rest = !crc;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use longshore_workers::clock::SeededRandom;
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn text(random: &dyn Random) -> String {
        make(Sort::Key, random).text.expose_secret().to_owned()
    }

    #[test]
    fn the_checksum_is_crc_32() {
        // The check value that every description of CRC-32 gives: 0xCBF43926.
        let mut rest: u32 = 0xCBF4_3926;
        let mut expected = Vec::new();
        for _ in 0..6 {
            expected.insert(0, char::from(BASE62[(rest % 62) as usize]));
            rest /= 62;
        }
        assert_eq!(checksum("123456789"), expected.iter().collect::<String>());
    }

    #[test]
    fn base_62_keeps_every_bit() {
        assert_eq!(base62([0; 32]), "0".repeat(SECRET_LENGTH));
        let mut one = [0; 32];
        one[31] = 61;
        assert!(base62(one).ends_with("0z"));
        let largest = base62([255; 32]);
        assert_eq!(largest.len(), SECRET_LENGTH);
        assert_ne!(largest, base62([254; 32]));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let text = text(&SeededRandom::new(7));
        let shown = format!("{:?}", parse(&text).expect("a key"));
        assert!(!shown.contains("digest"), "{shown}");
        assert!(!shown.contains(&text[22..60]), "{shown}");
    }

    #[test]
    fn a_token_is_told_from_a_key_and_one_can_not_be_turned_into_the_other() {
        let token = make(Sort::Token, &SeededRandom::new(3)).text.expose_secret().to_owned();
        assert_eq!(parse(&token).map(|parsed| parsed.sort), Ok(Sort::Token));
        assert!(token.starts_with("lsk_oper_"));
        assert!(parse(&token.replace("_oper_", "_live_")).is_err(), "the checksum covers the first letters");
    }

    proptest! {
        #[test]
        fn every_key_made_is_read_again(seed: u64) {
            let random = SeededRandom::new(seed);
            let text = text(&random);
            let parsed = parse(&text).expect("a key");
            prop_assert_eq!(&parsed.key_id, &text[9..21]);
        }

        #[test]
        fn one_wrong_character_is_noticed_without_a_database(seed: u64, at in 0_usize..72, with in "[ -~]") {
            let text = text(&SeededRandom::new(seed));
            let at = at % text.len();
            prop_assume!(text[at..=at] != with);
            let mut wrong = text.clone();
            wrong.replace_range(at..=at, &with);
            prop_assert!(parse(&wrong).is_err(), "{}", wrong);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = parse(&text);
            let _ = parse(&format!("lsk_live_{text}"));
        }
    }
}
