//! Datalake: files in, rows out, each once.
//!
//! A file is its bytes: [`upload`] stores them under their SHA-256 and gives the same bytes the same file id, under
//! whatever name they come. [`ingest_file`] loads them in chunks: [`records`] splits bytes into records, [`leads`] says
//! what a record means, [`chunk`] writes one stretch of rows together with the place where reading goes on.

pub mod chunk;
pub mod ingest_file;
pub mod leads;
pub mod object_store;
pub mod parse;
pub mod records;
mod states;
pub mod upload;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A file that was uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct FileId(pub i64);

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a file holds, and so what its rows become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dataset {
    /// People to write to: `longshore.leads`.
    Leads,
}

impl Dataset {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leads => "leads",
        }
    }
}

impl FromStr for Dataset {
    type Err = UnknownDataset;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "leads" => Ok(Self::Leads),
            other => Err(UnknownDataset(other.chars().take(64).collect())),
        }
    }
}

/// What is wrong with a text that should have named a dataset.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a dataset; known: leads")]
pub struct UnknownDataset(String);

/// The family's section of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Bytes of a file that are read, and loaded in one transaction, at a time.
    pub chunk_bytes: u32,
    /// A file with more rejected rows than this share of them fails.
    pub max_reject_rate: f64,
    /// The share is looked at from this many rows on.
    pub reject_rate_after_rows: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { chunk_bytes: 1024 * 1024, max_reject_rate: 0.2, reject_rate_after_rows: 1000 }
    }
}
