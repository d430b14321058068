//! An object store that does what networks do.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use longshore::workers::datalake::object_store::{Created, ObjectStore, StoreError};
use tokio::sync::Semaphore;

/// A store with a fault.
pub struct Odd {
    store: Arc<dyn ObjectStore>,
    keeps: bool,
    gate: Option<Arc<Gate>>,
}

/// Where a write waits.
pub struct Gate {
    /// Somebody stands before it.
    pub reached: Semaphore,
    /// They may pass.
    pub open: Semaphore,
}

impl Odd {
    /// One that takes nothing away, as one whose connection breaks there.
    pub fn that_keeps_everything(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, keeps: true, gate: None }
    }

    /// One that writes when it is told to.
    pub fn that_waits(store: Arc<dyn ObjectStore>) -> (Self, Arc<Gate>) {
        let gate = Arc::new(Gate { reached: Semaphore::new(0), open: Semaphore::new(0) });
        (Self { store, keeps: false, gate: Some(gate.clone()) }, gate)
    }
}

#[async_trait]
impl ObjectStore for Odd {
    async fn create(&self, key: &str, file: &Path, sha256: [u8; 32]) -> Result<Created, StoreError> {
        if let Some(gate) = &self.gate {
            gate.reached.add_permits(1);
            gate.open.acquire().await.expect("a gate").forget();
        }
        self.store.create(key, file, sha256).await
    }

    async fn size(&self, key: &str) -> Result<u64, StoreError> {
        self.store.size(key).await
    }

    async fn read(&self, key: &str, offset: u64, length: u64) -> Result<Bytes, StoreError> {
        self.store.read(key, offset, length).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        self.store.list(prefix, after).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        if self.keeps { Err(StoreError::Unavailable("a test pulled the cable".into())) } else { self.store.delete(key).await }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
}
