//! AES-256-GCM, and to what a ciphertext is bound: the only file that names ring.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use secrecy::{ExposeSecret as _, SecretBox};

use crate::{clock::Random, ids::TeamId};

/// Bytes of a key.
pub(super) const KEY_LENGTH: usize = 32;
/// Bytes of a nonce.
pub(super) const NONCE_LENGTH: usize = 12;

/// 256 bits that no log, no error and no `Debug` shows; wiped when they are dropped.
pub(super) type Key = SecretBox<[u8; KEY_LENGTH]>;

/// Wrong key, wrong place, or changed bytes: which of them, the cipher can't tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

/// 96 fresh bits.
pub(super) fn nonce(random: &dyn Random) -> [u8; NONCE_LENGTH] {
    let mut nonce = [0; NONCE_LENGTH];
    random.fill(&mut nonce);
    nonce
}

/// A fresh key.
pub(super) fn key(random: &dyn Random) -> Key {
    Key::init_with_mut(|key: &mut [u8; KEY_LENGTH]| random.fill(key))
}

/// Encrypts; the tag stands at the end. A nonce is used once under a key.
pub(super) fn encrypt(key: &Key, nonce: [u8; NONCE_LENGTH], bound_to: &[u8], plain: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
    bytes.extend_from_slice(plain);
    let sealed = cipher(key)?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), &mut bytes);
    sealed.map_err(|_| Refused)?;
    Ok(bytes)
}

/// Decrypts what is whole and in its place.
pub(super) fn decrypt(
    key: &Key,
    nonce: [u8; NONCE_LENGTH],
    bound_to: &[u8],
    sealed: &[u8],
) -> Result<SecretBox<Vec<u8>>, Refused> {
    let mut bytes = SecretBox::new(Box::new(sealed.to_vec()));
    let inner = secrecy::ExposeSecretMut::expose_secret_mut(&mut bytes);
    let plain = cipher(key)?.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), inner);
    let length = plain.map_err(|_| Refused)?.len();
    inner.truncate(length);
    Ok(bytes)
}

fn cipher(key: &Key) -> Result<LessSafeKey, Refused> {
    UnboundKey::new(&AES_256_GCM, key.expose_secret()).map(LessSafeKey::new).map_err(|_| Refused)
}

/// What a ciphertext is bound to: what it is, whose, and where it stands. Each part follows its length, so that no two places
/// are ever the same bytes (`a` + `bc` and `ab` + `c`).
pub(super) fn bound_to(what: &str, team: TeamId, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [what.as_bytes(), team.0.as_bytes()].into_iter().chain(parts.iter().copied()) {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretBox;
    use uuid::Uuid;

    use super::*;

    fn key_of(byte: u8) -> Key {
        SecretBox::new(Box::new([byte; KEY_LENGTH]))
    }

    /// NIST's test case 16 of the GCM specification (AES-256, 60 bytes, 20 bytes bound to).
    #[test]
    fn it_is_aes_256_gcm_as_the_specification_has_it() {
        let bytes = |hex: &str| hex::decode(hex).unwrap();
        let array = |hex: &str| <[u8; KEY_LENGTH]>::try_from(bytes(hex)).unwrap();
        let key = SecretBox::new(Box::new(array("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")));
        let nonce = <[u8; NONCE_LENGTH]>::try_from(bytes("cafebabefacedbaddecaf888")).unwrap();
        let plain = bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let aad = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let sealed = encrypt(&key, nonce, &aad, &plain).unwrap();
        assert_eq!(
            hex::encode(&sealed),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662\
             76fc6ece0f4e1768cddf8853bb2d551b"
        );
        assert_eq!(*decrypt(&key, nonce, &aad, &sealed).unwrap().expose_secret(), plain);
    }

    #[test]
    fn a_key_is_never_shown() {
        assert!(!format!("{:?}", key_of(7)).contains('7'));
    }

    proptest! {
        #[test]
        fn every_changed_bit_is_noticed(plain in prop::collection::vec(any::<u8>(), 0..80), bit in any::<prop::sample::Index>(), what in 0..4) {
            let (key, nonce, bound) = (key_of(1), [2; NONCE_LENGTH], b"here".to_vec());
            let sealed = encrypt(&key, nonce, &bound, &plain).unwrap();
            let flip = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                let bit = bit.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            };
            let opened = match what {
                0 => decrypt(&key, nonce, &bound, &flip(&sealed)),
                1 => decrypt(&key, flip(&nonce).try_into().unwrap(), &bound, &sealed),
                2 => decrypt(&key, nonce, &flip(&bound), &sealed),
                _ => decrypt(&SecretBox::new(Box::new(flip(&[1; KEY_LENGTH]).try_into().unwrap())), nonce, &bound, &sealed),
            };
            prop_assert!(opened.is_err());
            let whole = decrypt(&key, nonce, &bound, &sealed).unwrap();
            prop_assert_eq!(whole.expose_secret(), &plain);
        }

        #[test]
        fn two_places_are_never_the_same_bytes(a in prop::collection::vec("[ab]{0,3}", 3), b in prop::collection::vec("[ab]{0,3}", 3)) {
            let team = TeamId(Uuid::nil());
            let of = |parts: &[String]| bound_to("x", team, &parts.iter().map(String::as_bytes).collect::<Vec<_>>());
            prop_assert_eq!(of(&a) == of(&b), a == b);
        }
    }
}
