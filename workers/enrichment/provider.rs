//! The port through which people are looked up.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::vendors::VendorError;

/// What is known of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonQuery {
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// The employer's web domain.
    pub domain: Option<String>,
}

/// What a vendor knew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonFound {
    /// The vendor's answer, whole; `None` when it knew nobody.
    pub person: Option<Value>,
    /// What the vendor charged.
    pub credits: i64,
}

/// Finds people at one vendor.
#[async_trait]
pub trait PersonProvider: Send + Sync {
    /// The vendor's name, as the ledger and the records have it.
    fn name(&self) -> &'static str;

    /// The most credits that `query` can cost.
    fn quote(&self, query: &PersonQuery) -> i64;

    /// Looks a person up. [`VendorError::UnknownOutcome`] whenever it may have been charged.
    async fn find(&self, query: &PersonQuery) -> Result<PersonFound, VendorError>;
}
