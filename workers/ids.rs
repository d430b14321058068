//! The ids that travel between modules: a wrong kind of id does not compile, and a log line explains itself.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// A tenant. It comes from a credential, never from a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct TeamId(pub Uuid);

impl TeamId {
    /// The house's own team, owner of maintenance jobs (migration 0006).
    pub const HOUSE: Self = Self(Uuid::from_u128(1));
}

impl fmt::Display for TeamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TeamId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// A job. Written `job_123` for people and over HTTP, a `bigint` in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct JobId(pub i64);

/// Jobs that belong together (`queue.open_batch`). Written `batch_7` for people and over HTTP, a `bigint` in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct BatchId(pub i64);

/// A campaign. A plain number everywhere: people call campaigns by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema, sqlx::Type)]
#[serde(transparent)]
#[schemars(transparent)]
#[sqlx(transparent)]
pub struct CampaignId(pub i64);

impl fmt::Display for CampaignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A plan for dead letters. Written `plan_7` for people and over HTTP, a `bigint` in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct PlanId(pub i64);

/// Where a team's webhooks go to. Written `ep_7` for people and over HTTP, a `bigint` in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct EndpointId(pub i64);

/// One event for one endpoint. Written `dlv_7` for people and over HTTP, a `bigint` in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct DeliveryId(pub i64);

/// What is wrong with a text that should have named an endpoint.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the id of an endpoint; one looks like ep_7")]
pub struct InvalidEndpointId(String);

/// What is wrong with a text that should have named a delivery.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the id of a delivery; one looks like dlv_7")]
pub struct InvalidDeliveryId(String);

/// What is wrong with a text that should have named a job.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a job id; one looks like job_123")]
pub struct InvalidJobId(String);

/// What is wrong with a text that should have named a plan.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a plan id; one looks like plan_7")]
pub struct InvalidPlanId(String);

/// What is wrong with a text that should have named a batch.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a batch id; one looks like batch_7")]
pub struct InvalidBatchId(String);

/// How a number is written with a prefix that says what it names.
macro_rules! written {
    ($id:ident, $prefix:literal, $invalid:ident) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $id {
            type Err = $invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let digits = text.strip_prefix($prefix).unwrap_or(text);
                let sound = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                match digits.parse() {
                    Ok(id) if sound => Ok(Self(id)),
                    _ => Err($invalid(text.chars().take(64).collect())),
                }
            }
        }

        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

written!(JobId, "job_", InvalidJobId);
written!(PlanId, "plan_", InvalidPlanId);
written!(EndpointId, "ep_", InvalidEndpointId);
written!(DeliveryId, "dlv_", InvalidDeliveryId);
written!(BatchId, "batch_", InvalidBatchId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_not_a_job() {
        assert_eq!("plan_7".parse::<PlanId>().ok(), Some(PlanId(7)));
        assert!("job_7".parse::<PlanId>().is_err() && "plan_7".parse::<JobId>().is_err());
        assert_eq!(PlanId(7).to_string(), "plan_7");
    }

    #[test]
    fn a_job_id_is_read_with_and_without_its_prefix() {
        assert_eq!("job_12".parse::<JobId>().ok(), Some(JobId(12)));
        assert_eq!("12".parse::<JobId>().ok(), Some(JobId(12)));
        for wrong in ["", "job_", "-1", "+1", "job_x", "99999999999999999999"] {
            assert!(wrong.parse::<JobId>().is_err(), "{wrong:?} was accepted");
        }
    }
}
