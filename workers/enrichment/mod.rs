//! Enrichment: paid vendor calls, each reserved before it is made.

pub mod provider;
