//! Puts the schedules of the configuration in place when a scheduler starts. A pause by somebody stays. What a configuration
//! no longer declares is reported and left: a process that was started with the wrong file must not take schedules away.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use longshore_workers::{clock::Clock, db, job::Invalid, registry::Registry};
use serde::Deserialize;
use serde_json::{Map, Value};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    cron::{CronError, next_tick},
    due::is_refused,
};
use crate::{
    store::schedules::{self, Schedule, Wanted},
    tenancy::teams::{self, TeamError},
};

/// How long until what could not be put in place is tried again: its team may have been created meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// One `[[schedules]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// Its name, unique in its team.
    pub name: String,
    /// Its team: name or id.
    pub team: String,
    /// The kind of job it enqueues.
    pub kind: String,
    /// With this payload.
    #[serde(default)]
    pub payload: Map<String, Value>,
    /// When.
    pub cron: String,
    /// By which clocks.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// What becomes of ticks that nobody was there to fire.
    #[serde(default)]
    pub missed: Missed,
    /// Ticks that `catch_up` makes up for at most.
    #[serde(default = "hundred")]
    pub catch_up_most: i32,
}

/// What becomes of ticks that nobody was there to fire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They are skipped.
    Skip,
    /// One job stands for all.
    #[default]
    RunOnce,
    /// Each gets its job.
    CatchUp,
}

impl Missed {
    const fn stored(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::RunOnce => "run_once",
            Self::CatchUp => "catch_up",
        }
    }
}

fn utc() -> String {
    "UTC".into()
}

const fn hundred() -> i32 {
    100
}

impl Declared {
    /// What keeps it from ever being put in place, in words that follow its name.
    pub fn fault(&self) -> Option<String> {
        if !schedules::is_name(&self.name) {
            return Some("can't be a schedule's name: small letters, digits, and _ . -, a letter first, 100 at most".into());
        }
        if !(1..=10_000).contains(&self.catch_up_most) {
            return Some(format!("makes up for 1 to 10000 ticks, not {}", self.catch_up_most));
        }
        // Whether it fires at all does not depend on the day.
        next_tick(&self.cron, &self.time_zone, DateTime::<Utc>::UNIX_EPOCH).err().map(|error| format!("never fires: {error}"))
    }
}

/// What is to be put in place, and with what.
pub struct Putting {
    /// Connections as the scheduler's role.
    pub pool: PgPool,
    /// The kinds of this build.
    pub registry: Arc<Registry>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// As configured.
    pub schedules: Vec<Declared>,
}

impl Putting {
    /// Reports what is declared no more, and tries until what is declared is in place.
    pub async fn run(self, stop: CancellationToken) {
        match self.forgotten().await {
            Ok(forgotten) => {
                for (team, name) in forgotten {
                    let remedy = format!("longshore schedules delete {name} --team '{team}'");
                    warn!(schedule = name, team, "no longer declared, and left as it is; to take it away: {remedy}");
                }
            }
            Err(error) => warn!("could not look for schedules that are declared no more: {error}"),
        }
        while !stop.is_cancelled() {
            match self.put().await {
                Ok(0) => return,
                Ok(missing) => warn!(missing, "declared schedules could not be put in place, trying again"),
                Err(error) => warn!("could not put the declared schedules in place, trying again: {error}"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(PATIENCE) => {}
            }
        }
    }

    /// Puts what is declared in place, each by itself; returns how many could not be.
    pub async fn put(&self) -> Result<usize, sqlx::Error> {
        let mut missing = 0;
        for one in &self.schedules {
            let (name, team) = (&one.name, &one.team);
            match self.put_one(one).await {
                Ok(true) => info!(schedule = name, team, "declared schedule created"),
                Ok(false) => {}
                Err(Fault::Database(error)) if !is_refused(&error) => return Err(error),
                Err(fault) => {
                    warn!(schedule = name, team, "the declared schedule can't be put in place: {fault}");
                    missing += 1;
                }
            }
        }
        Ok(missing)
    }

    async fn put_one(&self, one: &Declared) -> Result<bool, Fault> {
        let team = teams::find(&mut *db::work(&self.pool).await?, &one.team).await.map_err(|error| match error {
            TeamError::Database(error) => Fault::Database(error),
            other => Fault::Team(other),
        })?;
        let payload = Value::Object(one.payload.clone());
        let kind = self.registry.get(&one.kind);
        if let Some(kind) = kind {
            kind.check(payload.clone())?;
        }
        let wanted = Wanted {
            name: &one.name,
            kind: kind.map_or(&one.kind, |kind| kind.name),
            payload: &payload,
            cron: &one.cron,
            time_zone: &one.time_zone,
            missed: one.missed.stored(),
            catch_up_most: one.catch_up_most,
            next_due_at: next_tick(&one.cron, &one.time_zone, self.clock.now())?,
            declared: true,
        };
        let mut tx = db::begin_as(&self.pool, team.team_id).await?;
        let new = schedules::put(&mut tx, team.team_id, &wanted).await?;
        tx.commit().await?;
        Ok(new)
    }

    /// Schedules that a configuration declared once, and this one does not: team and name.
    pub async fn forgotten(&self) -> Result<Vec<(String, String)>, sqlx::Error> {
        let all = schedules::list(&mut *db::work(&self.pool).await?, None).await?;
        let declared = |one: &Schedule| {
            let named = |wanted: &Declared| {
                wanted.name == one.name && (wanted.team == one.team || wanted.team == one.team_id.to_string())
            };
            self.schedules.iter().any(named)
        };
        Ok(all.into_iter().filter(|one| one.declared && !declared(one)).map(|one| (one.team, one.name)).collect())
    }
}

/// Why a declared schedule is not in place.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Team(TeamError),
    #[error(transparent)]
    Payload(#[from] Invalid),
    #[error(transparent)]
    Pattern(#[from] CronError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}
