//! The port to the object store: keys are only ever created, never overwritten. Two adapters: a folder (`file://`) and
//! an S3 bucket (`s3://`).

mod file;
mod multipart;
mod s3;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::job::Stop;

pub use file::FileStore;
pub use s3::S3Store;

/// How a creation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object is new.
    New,
    /// The key was there already; content addressing makes that the same bytes.
    AlreadyThere,
}

/// Why the store gave no result.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No object of that key.
    #[error("no object {0}")]
    NotFound(String),
    /// The store answered with an error, or not at all; safe to repeat.
    #[error("object store: {0}")]
    Unavailable(String),
    /// The store refuses us: our key, secret, bucket or permissions are wrong. A person must act.
    #[error("object store refused us: {0}")]
    Refused(String),
    /// The bytes are not those they were said to be; nothing was created.
    #[error("object {key}: {reason}")]
    Corrupt {
        /// Which object.
        key: String,
        /// How it was seen.
        reason: String,
    },
    /// Not a key this store takes.
    #[error("{0:?} is not an object key: use segments of letters, digits, '.', '_', '-' and '=', divided by '/'")]
    InvalidKey(String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::retry(error),
            StoreError::Refused(_) => Self::park(format!("object_store_config: {error}")),
            StoreError::NotFound(_) | StoreError::Corrupt { .. } | StoreError::InvalidKey(_) => Self::dead(error),
        }
    }
}

/// A store whose objects are written once.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Creates `key` with the bytes of a local file, whose SHA-256 is `sha256`, unless it is there already.
    /// At no moment does a reader see half an object.
    async fn create(&self, key: &str, file: &Path, sha256: [u8; 32]) -> Result<Created, StoreError>;

    /// The object's size in bytes.
    async fn size(&self, key: &str) -> Result<u64, StoreError>;

    /// Up to `length` bytes from `offset` on; fewer only at the object's end.
    async fn read(&self, key: &str, offset: u64, length: u64) -> Result<Bytes, StoreError>;

    /// Up to a thousand keys that begin with `prefix` (which ends with `/`), in order, behind `after`.
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StoreError>;

    /// Takes an object away; one that is not there is gone already.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Answers when the store can be reached (`/readyz`).
    async fn ping(&self) -> Result<(), StoreError>;
}

/// Where objects lie, and how to get at them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `file:///absolute/folder`, or `s3://bucket` with an optional `/prefix`.
    pub url: String,
    /// The S3 service's address (`https://nyc3.digitaloceanspaces.com`); Amazon's own for the region otherwise.
    #[serde(default, deserialize_with = "filled")]
    pub endpoint: Option<String>,
    /// The S3 region that requests are signed for.
    #[serde(default = "default_region")]
    pub region: String,
    /// The bucket stands in the path (`https://host/bucket/key`) and not in the host name.
    #[serde(default)]
    pub path_style: bool,
    /// The S3 access key's id.
    #[serde(default, deserialize_with = "filled")]
    pub access_key_id: Option<String>,
    /// The S3 access key's secret: from the environment or a file only.
    #[serde(default)]
    pub secret_access_key: Option<SecretString>,
}

/// An empty text means: not set.
fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Some(String::deserialize(deserializer)?).filter(|text| !text.is_empty()))
}

fn default_region() -> String {
    "us-east-1".into()
}

impl Config {
    /// A folder of this machine, for development and tests.
    pub fn folder(path: &Path) -> Self {
        Self {
            url: format!("file://{}", path.display()),
            endpoint: None,
            region: default_region(),
            path_style: false,
            access_key_id: None,
            secret_access_key: None,
        }
    }
}

/// What is wrong with a [`Config`].
#[derive(Debug, thiserror::Error)]
#[error("objects.{field}: {reason}")]
pub struct ConfigError {
    /// The setting.
    pub field: &'static str,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

/// Opens the store that `config` names. Does not reach out: [`ObjectStore::ping`] does.
pub fn open(config: &Config) -> Result<Arc<dyn ObjectStore>, ConfigError> {
    if let Some(path) = config.url.strip_prefix("file://") {
        if !path.starts_with('/') {
            let reason = format!("{:?} names no absolute folder; write file:///var/lib/longshore/objects", config.url);
            return Err(ConfigError { field: "url", reason });
        }
        return Ok(Arc::new(FileStore::open(path.into())));
    }
    if let Some(place) = config.url.strip_prefix("s3://") {
        return Ok(Arc::new(S3Store::open(place, config)?));
    }
    let reason = format!("{:?} starts with neither file:// nor s3://", config.url);
    Err(ConfigError { field: "url", reason })
}

/// Refuses keys that could leave the store's folder or mean two things. No segment starts with a dot, so that none is
/// `..` and none is the file adapter's own.
fn check_key(key: &str) -> Result<(), StoreError> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"._-=".contains(&b);
    let sound = |segment: &str| !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(letter);
    if key.len() <= 900 && key.split('/').all(sound) {
        Ok(())
    } else {
        Err(StoreError::InvalidKey(key.chars().take(100).collect()))
    }
}

/// A folder's key: what is listed by it lies below it.
fn check_prefix(prefix: &str) -> Result<&str, StoreError> {
    let folder = prefix.strip_suffix('/').ok_or_else(|| StoreError::InvalidKey(prefix.chars().take(100).collect()))?;
    check_key(folder).map(|()| folder)
}

/// Keys that one listing gives at most.
const LISTED: usize = 1000;

/// Content addressing makes the same key the same bytes; another size shows that somebody broke it.
fn same_size(key: &str, have: u64, offered: u64) -> Result<(), StoreError> {
    if have == offered {
        return Ok(());
    }
    let reason = format!("is there already with {have} bytes, and not the {offered} now offered");
    Err(StoreError::Corrupt { key: key.into(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_inside_the_store() {
        assert!(check_key("t/0000-1/raw/sha256/ab/abcd.csv").is_ok());
        for wrong in ["", "/", "/etc/passwd", "a//b", "a/", "../a", "a/../b", "a/./b", ".tmp/a", "a\\b", "a\0b", "a b", "ä"] {
            assert!(check_key(wrong).is_err(), "{wrong:?} was accepted");
        }
        assert!(check_key(&"a".repeat(901)).is_err());
    }

    #[test]
    fn a_wrong_address_is_refused_with_the_setting_named() {
        for wrong in ["", "/tmp", "file://relative", "http://x", "s3://", "s3:///prefix", "s3://bucket/../x"] {
            let config = Config { url: wrong.into(), ..Config::folder(Path::new("/tmp")) };
            let error = open(&config).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with("objects.url: "), "{wrong:?}: {error}");
        }
        let half = Config { url: "s3://bucket".into(), access_key_id: Some("id".into()), ..Config::folder(Path::new("/")) };
        let error = open(&half).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.starts_with("objects.secret_access_key: "), "{error}");
    }
}
