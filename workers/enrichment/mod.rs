//! Enrichment: paid vendor calls, each reserved before it is made.

pub mod calls;
pub mod enrich_person;
pub mod provider;

use serde::Deserialize;

/// What the configuration says of enrichment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// For how many days a vendor's answer, "nobody" included, is not asked for again.
    pub fresh_days: i32,
}

impl Default for Rules {
    fn default() -> Self {
        Self { fresh_days: 90 }
    }
}
