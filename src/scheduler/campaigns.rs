//! Campaigns whose time has come: scheduled ones are activated, and active ones with a due step begin a run, whichever team's
//! they are.
//!
//! One query finds what is due of all teams; a run of a campaign is a job among the team's other jobs, so teams get their turns
//! by the queue's own fairness. A turn works for so long at most and the next one goes on where it stopped. Several schedulers
//! share the work: what one has in hand another passes over, and a campaign has one run under way.
//!
//! What campaigns do by themselves besides stands in one place too (`longshore.watch_campaigns`): one whose texts carriers take for spam
//! too often is paused, and one in which nobody is left is completed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use longshore_workers::{
    clock::{Clock, Random},
    db,
    vendors::twilio::errors::Book,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::store::campaigns::{self, Place};

/// How often it is looked for what is due.
pub const EVERY: Duration = Duration::from_secs(10);
/// How long one turn works.
pub const BUDGET: Duration = Duration::from_secs(20);
/// Campaigns that one transaction looks at.
const HAND: i32 = 500;
/// Changes of figures that one transaction folds.
const FOLD: i32 = 20_000;

/// What a turn did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turn {
    /// Campaigns activated.
    pub activated: i32,
    /// Runs enqueued.
    pub runs: i32,
    /// Whether its time was over before its work was.
    pub cut_short: bool,
}

/// Where the next turn goes on.
#[derive(Debug, Default)]
pub struct Round {
    place: Option<Place>,
}

impl Round {
    /// Starts what is due by `now`, for `budget` at most. The moment is the process's, as it is in every run of a campaign.
    pub async fn turn(&mut self, pool: &PgPool, now: DateTime<Utc>, budget: Duration) -> Result<Turn, sqlx::Error> {
        let until = Instant::now() + budget;
        let mut did = Turn::default();
        loop {
            let mut work = db::work(pool).await?;
            let activated = campaigns::activate_due(&mut work, now, HAND).await?;
            work.done().await?;
            did.activated += activated;
            if activated < HAND {
                break;
            }
            if Instant::now() >= until {
                did.cut_short = true;
                return Ok(did);
            }
        }
        loop {
            let mut work = db::work(pool).await?;
            let (next, runs) = campaigns::run_due(&mut work, self.place, now, HAND).await?;
            work.done().await?;
            self.place = next;
            did.runs += runs;
            if next.is_none() {
                return Ok(did);
            }
            if Instant::now() >= until {
                did.cut_short = true;
                return Ok(did);
            }
        }
    }
}

/// Folds the figures that changed since the last time; returns how many changes there were.
pub async fn fold(pool: &PgPool) -> Result<i64, sqlx::Error> {
    let mut all = 0;
    loop {
        let mut work = db::work(pool).await?;
        let folded = campaigns::fold(&mut work, FOLD).await?;
        work.done().await?;
        all += i64::from(folded);
        if folded < FOLD {
            return Ok(all);
        }
    }
}

/// What became of active campaigns by themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watched {
    /// Paused: carriers took too many of their texts for spam.
    pub paused: i32,
    /// Completed: nobody was left in them for as long as is asked.
    pub completed: i32,
}

/// Looks after every active campaign, once.
pub async fn watch(pool: &PgPool, now: DateTime<Utc>, quiet: Option<Duration>) -> anyhow::Result<Watched> {
    let book = Book::shipped()?;
    let mut did = Watched::default();
    let mut place = None;
    loop {
        let mut work = db::work(pool).await?;
        let (next, paused, completed) = campaigns::watch(&mut work, place, book, quiet, now, HAND).await?;
        work.done().await?;
        did.paused += paused;
        did.completed += completed;
        place = next;
        if place.is_none() {
            return Ok(did);
        }
    }
}

/// Starts what is due, folds figures and looks after active campaigns, until it is told to stop. One in which nobody has been left for
/// `quiet` is completed.
pub async fn run(pool: PgPool, quiet: Option<Duration>, clock: Arc<dyn Clock>, random: Arc<dyn Random>, stop: CancellationToken) {
    let mut round = Round::default();
    while !stop.is_cancelled() {
        match round.turn(&pool, clock.now(), BUDGET).await {
            Ok(Turn { activated, runs, cut_short }) => {
                if activated > 0 {
                    info!(activated, runs, "scheduled campaigns begin");
                }
                if cut_short {
                    warn!(activated, runs, "more campaigns are due than one turn could start; the next one goes on there");
                    continue;
                }
            }
            Err(error) => warn!("due campaigns could not be started, trying again: {error}"),
        }
        if let Err(error) = fold(&pool).await {
            warn!("campaigns' figures could not be folded, trying again: {error}");
        }
        match watch(&pool, clock.now(), quiet).await {
            Ok(Watched { paused: 0, completed: 0 }) => {}
            Ok(Watched { paused, completed }) => info!(paused, completed, "campaigns were paused or completed by themselves"),
            Err(error) => warn!("active campaigns could not be looked after, trying again: {error:#}"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(EVERY.mul_f64(0.75 + 0.5 * random.unit())) => {}
        }
    }
}
