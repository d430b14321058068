//! Services for a test: a chosen clock, seeded randomness, and vendors that answer only where a test says so.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use chrono::{DateTime, TimeZone as _, Utc};
use longshore::workers::{
    clock::{SeededRandom, TestClock},
    ctx::Services,
    datalake::object_store::{Created, ObjectStore, StoreError},
    enrichment::provider::{PersonFound, PersonProvider, PersonQuery},
    messages::{
        email::mailer::{Mailer, OutboundMail},
        gateway::{Accepted, OutboundSms, Reconciled, SmsGateway},
        generator::{Prompt, TextGenerator, Written},
        voice::NoVoice,
    },
    rules::Rules,
    secrets::{Config, Keyring},
    settings::Lately,
    vendors::{
        VendorError, Vendors,
        receiver::{Receivers, Rules as WebhookRules, SystemResolver},
    },
};

use sha2::{Digest as _, Sha256};
use sqlx::PgPool;

use super::TestDb;

/// Tuesday, 18:00 UTC: early afternoon or late morning all over the continental United States.
pub fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 17, 18, 0, 0).single().expect("a moment")
}

/// Services whose vendors refuse every call: replace what the test needs.
pub fn services(db: &TestDb) -> Services {
    services_over(db.pool("worker"))
}

/// The same over a pool of the worker's role.
pub fn services_over(pool: PgPool) -> Services {
    Services {
        pool,
        clock: Arc::new(TestClock::at(noon())),
        random: Arc::new(SeededRandom::new(1)),
        vendors: Vendors {
            sms: Arc::new(Nobody),
            people: Arc::new(Nobody),
            texts: Arc::new(Nobody),
            mail: Arc::new(Nobody),
            voice: Arc::new(NoVoice),
        },
        objects: Arc::new(Nobody),
        rules: Rules::default(),
        keyring: keyring("test"),
        lately: Lately::default(),
        sends: longshore::workers::messages::send_sms::Sends::default(),
        receivers: Receivers::new(local(), Arc::new(SystemResolver)),
    }
}

/// Rules under which webhooks may go to a receiver of the test's own.
pub fn local() -> WebhookRules {
    WebhookRules { allow_http: true, allow_private: true, ..WebhookRules::default() }
}

/// A keyring whose keys follow from their names; the last one is current.
pub fn keyring(names: &str) -> Keyring {
    let key = |name: &str| format!("{name}={}", BASE64_STANDARD.encode(Sha256::digest(name)));
    let keys: Vec<_> = names.split(' ').map(key).collect();
    let current = names.split(' ').next_back().map(str::to_owned);
    Keyring::read(&Config { keys: Some(keys.join(",").into()), current }).expect("a keyring")
}

struct Nobody;

fn not_expected() -> VendorError {
    VendorError::Config { vendor: "test", code: 0, reason: "this test expects no vendor call".into() }
}

#[async_trait]
impl SmsGateway for Nobody {
    async fn send(&self, _: &OutboundSms) -> Result<Accepted, VendorError> {
        Err(not_expected())
    }

    async fn find(&self, _: &OutboundSms, _: DateTime<Utc>) -> Result<Reconciled, VendorError> {
        Err(not_expected())
    }
}

#[async_trait]
impl TextGenerator for Nobody {
    fn name(&self) -> &'static str {
        "nobody"
    }

    fn quote(&self, _: &Prompt) -> i64 {
        1
    }

    fn price(&self, _: i64) -> i64 {
        1
    }

    async fn generate(&self, _: &Prompt) -> Result<Written, VendorError> {
        Err(not_expected())
    }
}

#[async_trait]
impl Mailer for Nobody {
    async fn send(&self, _: &OutboundMail, _: Duration) -> Result<Accepted, VendorError> {
        Err(not_expected())
    }
}

#[async_trait]
impl PersonProvider for Nobody {
    fn name(&self) -> &'static str {
        "nobody"
    }

    fn quote(&self, _: &PersonQuery) -> i64 {
        1
    }

    async fn find(&self, _: &PersonQuery) -> Result<PersonFound, VendorError> {
        Err(not_expected())
    }
}

#[async_trait]
impl ObjectStore for Nobody {
    async fn create(&self, _: &str, _: &Path, _: [u8; 32]) -> Result<Created, StoreError> {
        Err(StoreError::Unavailable("this test expects no object store".into()))
    }

    async fn size(&self, key: &str) -> Result<u64, StoreError> {
        Err(StoreError::NotFound(key.into()))
    }

    async fn read(&self, key: &str, _: u64, _: u64) -> Result<Bytes, StoreError> {
        Err(StoreError::NotFound(key.into()))
    }

    async fn list(&self, _: &str, _: Option<&str>) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn delete(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
