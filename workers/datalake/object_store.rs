//! The port to the object store: keys are only ever created, never overwritten.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;

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

    /// Answers when the store can be reached (`/readyz`).
    async fn ping(&self) -> Result<(), StoreError>;
}
