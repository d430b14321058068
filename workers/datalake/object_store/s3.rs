//! Objects in an S3 bucket, or in one of the services that speak its language (Spaces, SeaweedFS, R2).
//!
//! Every write is conditional (`If-None-Match: *`): the service lets one of any number of racing writers through and
//! answers the others 412. A 409 means that a race is still open, so it is asked again.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use secrecy::ExposeSecret as _;

use super::{Config, ConfigError, Created, LISTED, ObjectStore, StoreError, check_key, check_prefix, multipart, same_size};

/// Larger files go up in parts.
const MULTIPART_FROM: u64 = 8 * 1024 * 1024;
/// How often a write that met another one is tried again.
const CONFLICTS: u32 = 6;

/// A bucket, or the part of one below a prefix.
#[derive(Debug, Clone)]
pub struct S3Store {
    pub(super) client: Client,
    pub(super) bucket: String,
    prefix: String,
}

impl S3Store {
    /// The bucket and prefix that stand behind `s3://`.
    pub(super) fn open(place: &str, config: &Config) -> Result<Self, ConfigError> {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = prefix.trim_end_matches('/');
        if check_key(bucket).is_err() || (!prefix.is_empty() && check_key(prefix).is_err()) {
            let reason = format!("{:?} names no bucket; write s3://bucket or s3://bucket/prefix", config.url);
            return Err(ConfigError { field: "url", reason });
        }
        let needed = |field| ConfigError { field, reason: "is needed for an s3:// store".into() };
        let id = config.access_key_id.as_deref().ok_or_else(|| needed("access_key_id"))?;
        let secret = config.secret_access_key.as_ref().ok_or_else(|| needed("secret_access_key"))?;
        let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(60))
            .operation_timeout(Duration::from_secs(300))
            .build();
        let mut settings = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .region(Region::new(config.region.clone()))
            .credentials_provider(Credentials::new(id, secret.expose_secret(), None, None, "longshore"))
            .force_path_style(config.path_style)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            // We give SHA-256 ourselves; the SDK's own trailing checksums are not understood everywhere.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        settings.set_endpoint_url(config.endpoint.clone());
        Ok(Self { client: Client::from_conf(settings.build()), bucket: bucket.into(), prefix: prefix.into() })
    }

    fn full(&self, key: &str) -> Result<String, StoreError> {
        check_key(key)?;
        Ok(if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) })
    }

    async fn put(&self, key: &str, file: &Path, sha256: [u8; 32]) -> Result<Created, Failed> {
        let body = ByteStream::from_path(file).await.map_err(|error| Failed::local(file, &error))?;
        let put = self.client.put_object().bucket(&self.bucket).key(key).body(body);
        let put = put.checksum_sha256(BASE64_STANDARD.encode(sha256)).if_none_match("*");
        put.send().await.map_err(|error| Failed::of(key, &error))?;
        Ok(Created::New)
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn create(&self, key: &str, file: &Path, sha256: [u8; 32]) -> Result<Created, StoreError> {
        let full = self.full(key)?;
        let size = tokio::fs::metadata(file).await.map_err(|error| Failed::local(file, &error).into_error(key))?.len();
        let mut conflicts = 0;
        loop {
            let sent = match size {
                0..MULTIPART_FROM => self.put(&full, file, sha256).await,
                _ => multipart::create(self, &full, file, size, sha256).await,
            };
            match sent {
                Ok(created) => return Ok(created),
                Err(Failed::Exists) => {
                    same_size(key, self.size(key).await?, size)?;
                    return Ok(Created::AlreadyThere);
                }
                Err(Failed::Conflict) if conflicts < CONFLICTS => {
                    tokio::time::sleep(Duration::from_millis(50 << conflicts)).await;
                    conflicts += 1;
                }
                Err(failed) => return Err(failed.into_error(key)),
            }
        }
    }

    async fn size(&self, key: &str) -> Result<u64, StoreError> {
        let full = self.full(key)?;
        let head = self.client.head_object().bucket(&self.bucket).key(&full).send().await;
        let head = head.map_err(|error| Failed::of(&full, &error).into_error(key))?;
        let size = head.content_length().and_then(|length| u64::try_from(length).ok());
        size.ok_or_else(|| StoreError::Unavailable(format!("{key}: the answer has no length")))
    }

    async fn read(&self, key: &str, offset: u64, length: u64) -> Result<Bytes, StoreError> {
        let full = self.full(key)?;
        if length == 0 {
            return Ok(Bytes::new());
        }
        let range = format!("bytes={offset}-{}", offset.saturating_add(length - 1));
        let answer = self.client.get_object().bucket(&self.bucket).key(&full).range(range).send().await;
        let answer = match answer.map_err(|error| Failed::of(&full, &error)) {
            Err(Failed::PastTheEnd) => return Ok(Bytes::new()),
            other => other.map_err(|failed| failed.into_error(key))?,
        };
        // A service that ignores the range would send the whole object.
        if answer.content_length().is_none_or(|sent| u64::try_from(sent).is_ok_and(|sent| sent > length)) {
            return Err(StoreError::Unavailable(format!("{key}: the service sent more than the range asked for")));
        }
        let bytes = answer.body.collect().await.map_err(|error| StoreError::Unavailable(format!("{key}: {error}")))?;
        Ok(bytes.into_bytes())
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        let full = format!("{}/", self.full(check_prefix(prefix)?)?);
        let after = after.map(|after| self.full(after)).transpose()?;
        let page = self.client.list_objects_v2().bucket(&self.bucket).prefix(&full).set_start_after(after);
        let page = page.max_keys(LISTED as i32).send().await.map_err(|error| Failed::of(&full, &error).into_error(prefix))?;
        let ours = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let keys = page.contents().iter().filter_map(|object| object.key()?.get(ours..));
        Ok(keys.map(str::to_owned).collect())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let full = self.full(key)?;
        let gone = self.client.delete_object().bucket(&self.bucket).key(&full).send().await;
        match gone.map_err(|error| Failed::of(&full, &error)) {
            Ok(_) | Err(Failed::Missing) => Ok(()),
            Err(failed) => Err(failed.into_error(key)),
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let head = self.client.head_bucket().bucket(&self.bucket).send().await;
        match head.map_err(|error| Failed::of(&self.bucket, &error)) {
            Ok(_) => Ok(()),
            Err(Failed::Missing) => Err(StoreError::Refused(format!("there is no bucket {}", self.bucket))),
            Err(failed) => Err(failed.into_error(&self.bucket)),
        }
    }
}

/// What an S3 answer means.
#[derive(Debug)]
pub(super) enum Failed {
    Exists,
    Conflict,
    Missing,
    PastTheEnd,
    Corrupt(String),
    Refused(String),
    Unavailable(String),
}

impl Failed {
    pub(super) fn local(file: &Path, error: &dyn std::fmt::Display) -> Self {
        Self::Unavailable(format!("{}: {error}", file.display()))
    }

    pub(super) fn of<E>(what: &str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let status = error.raw_response().map_or(0, |answer| answer.status().as_u16());
        let code = error.code().unwrap_or("no code");
        let said = || match error.message() {
            Some(message) => format!("{what}: {status} {code}: {message}"),
            None if status == 0 => format!("{what}: {}", aws_sdk_s3::error::DisplayErrorContext(error)),
            None => format!("{what}: {status} {code}"),
        };
        match (status, code) {
            (412, _) => Self::Exists,
            (409, _) => Self::Conflict,
            (404, "NoSuchBucket") => Self::Refused(said()),
            (404, "NoSuchUpload") => Self::Conflict,
            (404, _) => Self::Missing,
            (416, _) => Self::PastTheEnd,
            (400, "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch") => {
                Self::Corrupt(said())
            }
            (400 | 401 | 403, _) => Self::Refused(said()),
            _ => Self::Unavailable(said()),
        }
    }

    fn into_error(self, key: &str) -> StoreError {
        match self {
            Self::Missing => StoreError::NotFound(key.into()),
            Self::Corrupt(reason) => StoreError::Corrupt { key: key.into(), reason },
            Self::Refused(reason) => StoreError::Refused(reason),
            Self::Unavailable(reason) => StoreError::Unavailable(reason),
            Self::Conflict => StoreError::Unavailable(format!("{key}: other writers keep it busy")),
            Self::Exists | Self::PastTheEnd => StoreError::Unavailable(format!("{key}: an answer that does not fit")),
        }
    }
}
