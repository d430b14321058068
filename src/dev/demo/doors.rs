//! The demo's connections: it comes in by the same doors as everybody, in the roles of the house.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use longshore_workers::{
    clock::{Clock as _, ShiftedClock},
    credits,
    datalake::object_store::{self, ObjectStore},
    db::{self, PoolSize},
    ids::TeamId,
    messages::senders::{self, Put},
};
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::{
    dev::stack::Stack,
    store::demo::{self, Figures},
};

/// The demo's connections.
pub(super) struct Doors {
    /// As the API: what a team does.
    pub api: PgPool,
    /// As an operator: teams, keys, credits, dead letters.
    pub operator: PgConnection,
    /// As an auditor: looks.
    pub auditor: PgConnection,
    /// Where files lie.
    pub objects: Arc<dyn ObjectStore>,
    /// The folder of those.
    pub folder: PathBuf,
    /// For files on their way.
    pub aside: PathBuf,
    clock: ShiftedClock,
}

impl Doors {
    pub async fn open(stack: &Stack, offset: TimeDelta) -> anyhow::Result<Self> {
        let database = stack.database();
        let connect = async |role: &str| PgConnection::connect(&database.url(role)?).await;
        let size = PoolSize { connections: 4, acquire_timeout: Duration::from_secs(20) };
        let folder = stack.folder().inner("objects")?;
        Ok(Self {
            api: db::guarded_pool(database.url("api")?.parse()?, size),
            operator: connect("operator").await.context("connecting as an operator")?,
            auditor: connect("auditor").await.context("connecting as an auditor")?,
            objects: object_store::open(&object_store::Config::folder(&folder))?,
            folder,
            aside: stack.folder().inner("demo")?,
            clock: ShiftedClock(offset),
        })
    }

    /// The time in which the stack's processes live.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Registers a number for a team, the first from `number` on that no earlier demo has taken; it carries all that is given it.
    pub async fn register(&mut self, team: TeamId, mut number: u64) -> anyhow::Result<String> {
        let fast = senders::Settings { per_second: Some(1000.0), burst: Some(1000), ..senders::Settings::default() };
        loop {
            let phone = format!("+{number}");
            let mut tx = self.operator.begin().await?;
            db::act_as(&mut tx, team).await?;
            let put = senders::put(&mut tx, team, &phone, &fast).await?;
            tx.commit().await?;
            if put != Put::Taken {
                return Ok(phone);
            }
            number += 2;
        }
    }

    pub async fn figures(&mut self, team: TeamId) -> Result<Figures, sqlx::Error> {
        demo::figures(&mut self.auditor, team).await
    }

    pub async fn captured_elsewhere(&mut self, teams: &[TeamId]) -> Result<i64, sqlx::Error> {
        demo::captured_elsewhere(&mut self.auditor, teams).await
    }

    pub async fn discrepancies(&mut self) -> Result<Vec<String>, sqlx::Error> {
        let found = credits::verify(&mut self.auditor).await?;
        Ok(found.into_iter().map(|one| format!("team {}: {}", one.team_id, one.what)).collect())
    }
}
