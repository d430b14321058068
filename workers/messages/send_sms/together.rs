//! What the sends of a process do together: their gates, and the records of what the vendor took.

use std::sync::Arc;

use super::{answer::Records, gate::Gates};
use crate::{coalesce::Coalescer, db, job::Stop};

/// Gathers the sends of a process, team by team.
pub struct Sends {
    pub(super) gates: Arc<Coalescer<Gates>>,
    pub(super) records: Arc<Coalescer<Records>>,
}

impl Default for Sends {
    fn default() -> Self {
        Self { gates: Coalescer::new(Gates), records: Coalescer::new(Records) }
    }
}

/// Whether one message may have spoiled the transaction for the others: its lease was lost, or a statement was refused.
pub(super) fn is_of_one(stop: &Stop) -> bool {
    match stop {
        Stop::Fenced | Stop::Dead(_) => true,
        Stop::Retry { error, .. } => error.downcast_ref::<sqlx::Error>().is_some_and(db::is_about_rows),
        _ => false,
    }
}

pub(super) fn broke_off() -> Stop {
    Stop::retry(anyhow::anyhow!("the transaction that held this message broke off"))
}
