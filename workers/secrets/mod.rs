//! Secrets that a team entrusts to the house: sealed in their column, opened where they are used, never shown again.
//!
//! A secret is encrypted under a data key of its team, and the data key is wrapped by a key of the configured keyring
//! (decision 9). Each is bound to its place: team, table, row, column. A value moved anywhere else, or changed, is refused.
//! Any table of a team may have such a column: a `bytea` that holds what [`seal`] returned.
//!
//! ```text
//! sealed value:  1 (version) | data key's number, 4 bytes | nonce, 12 bytes | ciphertext | tag, 16 bytes
//! ```

mod cipher;
mod keyring;
pub mod rotate_secrets;

use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroize as _};
use sqlx::PgConnection;

use crate::{clock::Random, ids::TeamId, job::Stop};
use cipher::{KEY_LENGTH, Key, NONCE_LENGTH, Refused};
pub use keyring::{Config, Keyring};

/// The form that sealed values have.
const VERSION: u8 = 1;
const HEADER: usize = 1 + 4 + NONCE_LENGTH;
/// Bytes that a secret may have.
pub const LONGEST: usize = 4096;
/// A secret of fewer characters shows none of them.
const SHOWS_FROM: usize = 20;

/// Why a secret was not sealed or opened. None of them shows anything of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Nobody gave this process keys.
    #[error(
        "secrets can't be stored: no keyring is configured; set LONGSHORE_SECRETS__KEYS, or secrets.keys_file to a file with ID=KEY lines"
    )]
    NoKeyring,
    /// The team's data key is wrapped by a key that this process was not given.
    #[error("the key {0:?} is not in this process's keyring (secrets.keys); `longshore secrets status` says what lies under it")]
    UnknownKey(String),
    /// Too long, or nothing at all.
    #[error("a secret has 1 to {LONGEST} bytes")]
    Length,
    /// Changed, moved from elsewhere, or under a key that is gone.
    #[error("the secret can't be opened: it was changed, belongs elsewhere, or its key is gone")]
    Refused,
    /// The database refused or did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl From<Refused> for SecretError {
    fn from(_: Refused) -> Self {
        Self::Refused
    }
}

impl From<SecretError> for Stop {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Database(error) => error.into(),
            // Cured by a configuration, not by another payload.
            SecretError::NoKeyring | SecretError::UnknownKey(_) => Self::retry(error),
            SecretError::Length | SecretError::Refused => Self::dead(error),
        }
    }
}

/// Where a secret stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The table, with its schema: `longshore.team_settings`.
    pub table: &'a str,
    /// What the row goes by within its team and table.
    pub row: &'a str,
    /// The column.
    pub column: &'a str,
}

impl Place<'_> {
    fn bound_to(&self, team: TeamId) -> Vec<u8> {
        cipher::bound_to("longshore secret", team, &[self.table.as_bytes(), self.row.as_bytes(), self.column.as_bytes()])
    }
}

/// Seals a secret for its place. `conn` is in a transaction under the team's row-level security.
pub async fn seal(
    conn: &mut PgConnection,
    keyring: &Keyring,
    random: &dyn Random,
    team: TeamId,
    place: Place<'_>,
    secret: &SecretString,
) -> Result<Vec<u8>, SecretError> {
    let secret = secret.expose_secret();
    if secret.is_empty() || secret.len() > LONGEST {
        return Err(SecretError::Length);
    }
    let (number, key) = key_to_seal_with(conn, keyring, random, team).await?;
    let nonce = cipher::nonce(random);
    let ciphertext = cipher::encrypt(&key, nonce, &place.bound_to(team), secret.as_bytes())?;
    Ok([&[VERSION][..], &number.to_be_bytes(), &nonce, &ciphertext].concat())
}

/// Opens what was sealed for this place. `conn` is in a transaction under the team's row-level security.
pub async fn open(
    conn: &mut PgConnection,
    keyring: &Keyring,
    team: TeamId,
    place: Place<'_>,
    sealed: &[u8],
) -> Result<SecretString, SecretError> {
    let (number, nonce, ciphertext) = taken_apart(sealed).ok_or(SecretError::Refused)?;
    let found = sqlx::query_file_as!(DataKey, "secrets/data_key.sql", team.0, number).fetch_optional(conn).await?;
    let key = found.ok_or(SecretError::Refused)?.unwrap(keyring, team)?;
    let plain = cipher::decrypt(&key, nonce, &place.bound_to(team), ciphertext)?;
    let text = std::str::from_utf8(plain.expose_secret()).map_err(|_| SecretError::Refused)?;
    Ok(SecretString::from(text))
}

/// As much of a secret as may be seen ever after: its last four characters where it is long enough that they help nobody.
pub fn shown(secret: &SecretString) -> String {
    let characters: Vec<char> = secret.expose_secret().chars().collect();
    let tail = &characters[characters.len().saturating_sub(4)..];
    let plain = tail.iter().all(char::is_ascii_graphic);
    let tail = if characters.len() >= SHOWS_FROM && plain { tail } else { &[] };
    format!("••••{}", tail.iter().collect::<String>())
}

fn taken_apart(sealed: &[u8]) -> Option<(i32, [u8; NONCE_LENGTH], &[u8])> {
    let (header, ciphertext) = sealed.split_at_checked(HEADER)?;
    let (version, rest) = header.split_first()?;
    let (number, nonce) = rest.split_first_chunk::<4>()?;
    (*version == VERSION).then_some((i32::from_be_bytes(*number), nonce.try_into().ok()?, ciphertext))
}

/// A data key as it is stored.
struct DataKey {
    number: i32,
    master_key: String,
    born_under: String,
    nonce: Vec<u8>,
    wrapped: Vec<u8>,
}

impl DataKey {
    fn unwrap(&self, keyring: &Keyring, team: TeamId) -> Result<Key, SecretError> {
        unwrap(keyring, team, self.number, &self.master_key, &self.nonce, &self.wrapped)
    }
}

fn wrapping_bound_to(team: TeamId, number: i32, master: &str) -> Vec<u8> {
    cipher::bound_to("longshore data key", team, &[&number.to_be_bytes(), master.as_bytes()])
}

fn unwrap(keyring: &Keyring, team: TeamId, number: i32, master: &str, nonce: &[u8], wrapped: &[u8]) -> Result<Key, SecretError> {
    let with = keyring.key(master).ok_or_else(|| SecretError::UnknownKey(master.to_owned()))?;
    let nonce = nonce.try_into().map_err(|_| SecretError::Refused)?;
    let plain = cipher::decrypt(with, nonce, &wrapping_bound_to(team, number, master), wrapped)?;
    let mut bytes: [u8; KEY_LENGTH] = plain.expose_secret().as_slice().try_into().map_err(|_| SecretError::Refused)?;
    let key = Key::init_with_mut(|key: &mut [u8; KEY_LENGTH]| key.copy_from_slice(&bytes));
    bytes.zeroize();
    Ok(key)
}

/// A data key under `master`: its nonce and its ciphertext.
fn wrap(
    keyring: &Keyring,
    random: &dyn Random,
    team: TeamId,
    number: i32,
    master: &str,
    key: &Key,
) -> Result<([u8; NONCE_LENGTH], Vec<u8>), SecretError> {
    let with = keyring.key(master).ok_or_else(|| SecretError::UnknownKey(master.to_owned()))?;
    let nonce = cipher::nonce(random);
    Ok((nonce, cipher::encrypt(with, nonce, &wrapping_bound_to(team, number, master), key.expose_secret())?))
}

/// The team's newest data key. One that was born under another key of the keyring than the current one is left to what it has
/// sealed: whoever learnt an old key, and a data key through it, reads nothing that is stored from now on.
async fn key_to_seal_with(
    conn: &mut PgConnection,
    keyring: &Keyring,
    random: &dyn Random,
    team: TeamId,
) -> Result<(i32, Key), SecretError> {
    let current = keyring.current().ok_or(SecretError::NoKeyring)?;
    // Twice: somebody else may make the same number between our look and our insert.
    for _ in 0..2 {
        let newest = sqlx::query_file_as!(DataKey, "secrets/newest_key.sql", team.0).fetch_optional(&mut *conn).await?;
        let number = match newest {
            Some(newest) if newest.born_under == current => return Ok((newest.number, newest.unwrap(keyring, team)?)),
            Some(newest) => newest.number + 1,
            None => 1,
        };
        let key = cipher::key(random);
        let (nonce, wrapped) = wrap(keyring, random, team, number, current, &key)?;
        let made =
            sqlx::query_file!("secrets/make_key.sql", team.0, number, current, &nonce, &wrapped).execute(&mut *conn).await?;
        if made.rows_affected() == 1 {
            return Ok((number, key));
        }
    }
    Err(SecretError::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_secret_shows_nothing_of_itself() {
        for (secret, expected) in [
            ("x", "••••"),
            ("nineteen characters", "••••"),
            ("sk_live_0123456789abcdef", "••••cdef"),
            ("ends with something ü", "••••"),
        ] {
            assert_eq!(shown(&SecretString::from(secret)), expected);
        }
    }

    #[test]
    fn what_is_no_sealed_value_is_not_taken_apart() {
        assert!(taken_apart(&[]).is_none() && taken_apart(&[1; HEADER - 1]).is_none());
        assert!(taken_apart(&[2; HEADER + 16]).is_none(), "another version");
        assert!(taken_apart(&[1; HEADER + 16]).is_some());
    }
}
