//! Backlog: claim and finish beside a million ready jobs, beside ten million scheduled ones, and while an idle transaction
//! keeps the vacuum from forgetting anything; beside the same with empty tables.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::{
    Bench, SLOTS,
    bare::Loop,
    crew::{self, Crew},
    drain::by_bare_loop,
    fill,
    meter::Meter,
    place::Database,
    report::{Line, Pace},
    scaled,
    worker::Manner,
};

/// How much lies about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Jobs that are taken through in each state.
    pub jobs: u64,
    /// Ready jobs that stay.
    pub backlog: u64,
    /// Scheduled jobs that stay.
    pub scheduled: u64,
    /// Teams that share a backlog.
    pub teams: usize,
    /// How long the idle transaction stays open; nothing, and this part is left out.
    pub pin: Duration,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self {
            jobs: scaled(100_000, scale, 200),
            backlog: scaled(1_000_000, scale, 500),
            scheduled: scaled(10_000_000, scale, 500),
            teams: usize::try_from(scaled(1000, scale, 10)).unwrap_or(1000),
            pin: Duration::from_secs(scaled(60, scale, 1)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    SameTeam,
    OtherTeams,
    Scheduled,
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    let mut empty = None;
    for state in [State::Empty, State::SameTeam, State::OtherTeams, State::Scheduled] {
        let case = match state {
            State::Empty => "empty tables".to_owned(),
            State::SameTeam => format!("{} ready of the same team", sizes.backlog),
            State::OtherTeams => format!("{} ready of {} teams", sizes.backlog, sizes.teams),
            State::Scheduled => format!("{} scheduled, {} ready", sizes.scheduled, sizes.backlog),
        };
        bench.say(&format!("backlog: arranging {case}"));
        let mut db = arranged(bench, sizes, state).await?;
        bench.say("backlog: the bare loop, then a worker process");
        let bare = by_bare_loop(&mut db, sizes.jobs).await?;
        let (ours, handled) = crew::drain_of_more(bench, &mut db, sizes.jobs).await?;
        db.nothing_lost(bare.n + handled).await?;
        let (bare_empty, ours_empty) = *empty.get_or_insert((bare, ours));
        let line = Line::baseline("backlog", format!("bare loop, {case}"));
        bench.report(&line.pace(&bare).with("percent_of_empty", bare.percent_of(&bare_empty)))?;
        let line = Line::ours("backlog", format!("one worker process, {case}"));
        bench.report(&line.pace(&ours).with("percent_of_empty", ours.percent_of(&ours_empty)))?;
        // Ten million jobs are gigabytes.
        drop(db);
        bench.sweep().await?;
    }
    if sizes.pin > Duration::ZERO { pinned(bench, sizes).await } else { Ok(()) }
}

/// A database in that state, with enough ready jobs for two drains.
async fn arranged(bench: &mut Bench<'_>, sizes: &Sizes, state: State) -> anyhow::Result<Database> {
    let payload = bench.payload;
    let mut db = bench.database(sizes.teams).await?;
    let team = db.team();
    match state {
        State::Empty => {}
        State::SameTeam => fill::backlog(&mut db, team, sizes.backlog, payload).await?,
        State::OtherTeams => {
            let teams = db.teams.clone();
            let each = (sizes.backlog / teams.len().max(1) as u64).max(1);
            for team in teams {
                fill::backlog(&mut db, team, each, payload).await?;
            }
        }
        State::Scheduled => {
            fill::backlog(&mut db, team, sizes.backlog, payload).await?;
            fill::scheduled(&mut db, team, sizes.scheduled, payload).await?;
        }
    }
    // The loop may take two claims too many, and the worker is stopped with its slots full.
    fill::backlog(&mut db, team, 2 * sizes.jobs + 4 * u64::from(SLOTS), payload).await?;
    db.tidy().await?;
    Ok(db)
}

/// Rounds of filling and draining while a transaction holds a snapshot, and the same without it.
async fn pinned(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    let mut without = Vec::new();
    let how_long = sizes.pin;
    // As long without: the history grows by millions, and that is not the pin's doing.
    for pin in [false, true] {
        let state = if pin { "a snapshot pinned" } else { "no snapshot pinned" };
        for by in [By::Bare, By::Worker] {
            bench.say(&format!("backlog: rounds of {} jobs for {how_long:?}, {state}", sizes.jobs / 2));
            let mut db = bench.database(1).await?;
            let _holder = if pin { Some(pin_snapshot(&db).await?) } else { None };
            let rounds = rounds(bench, &mut db, by, how_long, (sizes.jobs / 2).max(1)).await?;
            // What it comes to in the end: the last third of the time.
            let last = rounds.iter().rev().take(rounds.len().div_ceil(3));
            let late = last.copied().reduce(|sum, round| sum + round).unwrap_or_default();
            let line = match by {
                By::Bare => Line::baseline("backlog", format!("bare loop, {state} for {} s", how_long.as_secs())),
                By::Worker => Line::ours("backlog", format!("one worker process, {state} for {} s", how_long.as_secs())),
            };
            let mut line = line.pace(&late).with("rounds", rounds.len());
            if let Some(first) = rounds.first() {
                line = line.with("first_jobs_per_s", first.per_second().round());
            }
            if pin {
                let free = without.iter().find(|(other, _)| *other == by).map_or(Pace::default(), |(_, pace)| *pace);
                line = line.with("percent_of_unpinned", late.percent_of(&free));
            } else {
                without.push((by, late));
            }
            bench.report(&line)?;
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Bare,
    Worker,
}

/// An idle transaction that sees the tables as they are now, until it is dropped.
async fn pin_snapshot(db: &Database) -> anyhow::Result<PgConnection> {
    let mut holder = db.connect_as_owner().await?;
    let pin = "begin isolation level repeatable read; select count(*) from queue.queues";
    sqlx::raw_sql(pin).execute(&mut holder).await?;
    Ok(holder)
}

/// Fills and drains by turns until the time is over; answers what each drain came to.
async fn rounds(bench: &Bench<'_>, db: &mut Database, by: By, how_long: Duration, jobs: u64) -> anyhow::Result<Vec<Pace>> {
    let (began, team, mut paces) = (Instant::now(), db.team(), Vec::new());
    let mut total = 0;
    match by {
        By::Bare => {
            let mut bare_loop = Loop::start(db).await?;
            while began.elapsed() < how_long || paces.is_empty() {
                fill::backlog(db, team, jobs, bench.payload).await?;
                let pace = bare_loop.drain(db, jobs).await?;
                total += pace.n;
                paces.push(pace);
            }
        }
        By::Worker => {
            // One process for all rounds: what it remembers of the queue is part of how it copes.
            let manner = Manner { slots: SLOTS, sleep: Duration::ZERO };
            let mut crew = Crew::start(bench, db, 1, manner).await?;
            crew.go().await?;
            while began.elapsed() < how_long || paces.is_empty() {
                fill::pause(db).await?;
                fill::backlog(db, team, jobs, bench.payload).await?;
                paces.push(round(db, &mut crew, total, jobs).await?);
                total += jobs;
            }
            crew.stop().await?;
            crew.dismiss().await?;
        }
    }
    db.nothing_lost(total).await?;
    Ok(paces)
}

/// Times a drain from the moment it is seen to be under way: how soon an idle worker looks is not the question here.
async fn round(db: &mut Database, crew: &mut Crew, handled: u64, jobs: u64) -> anyhow::Result<Pace> {
    let whole = Meter::with_client(db, crew.cpu());
    fill::resume(db).await?;
    crew.handled(handled + 1).await?;
    let underway = Meter::with_client(db, crew.cpu());
    let early = crew.handled_so_far() - handled;
    crew.handled(handled + jobs).await?;
    let (meter, n) = if early < jobs { (underway, jobs - early) } else { (whole, jobs) };
    Ok(meter.read_with_client(db, n, crew.cpu()))
}
