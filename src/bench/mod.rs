//! `longshore bench`: how fast the engine is, each figure beside bare SQL over the same tables in the same run.
//!
//! One file a measurement ([`drain`], [`enqueue`], …), each with its sizes and its `run`. They work on databases of their
//! own ([`place`]), fill them ([`fill`]), let real worker processes at them ([`crew`] starts and hears them, [`worker`] is
//! what runs there), let a bare loop at them ([`bare`]), and read what it cost from the processes' own accounting ([`cpu`]).
//! `docs/BENCH.md` says how each figure is meant.

mod api;
mod bare;
mod campaign;
mod cpu;
mod crew;
mod fill;
mod http;
mod kind;
mod meter;
mod place;
mod report;
mod texts;
mod worker;

pub mod backlog;
pub mod cycle;
pub mod drain;
pub mod enqueue;
pub mod enroll;
pub mod fair;
pub mod front;
pub mod gates;
pub mod keys;
pub mod limits;
pub mod memory;
pub mod pickup;
pub mod processes;
pub mod send;
pub mod sequence;
pub mod singles;

use std::{
    fs::{self, File},
    path::PathBuf,
};

use anyhow::Context as _;

pub use api::serve as serve_api;
pub use place::Place;
pub use report::{Conditions, Line};
pub use worker::{Manner, work};

use place::{Database, Server};

/// Jobs that a worker process runs at once where throughput is measured.
const SLOTS: u32 = 1000;

/// A measurement and its sizes.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each is documented where its sizes are")]
pub enum Measurement {
    Drain(drain::Sizes),
    Enqueue(enqueue::Sizes),
    Api(front::Sizes),
    Cycle(cycle::Sizes),
    Singles(singles::Sizes),
    Pickup(pickup::Sizes),
    Backlog(backlog::Sizes),
    Fair(fair::Sizes),
    Limits(limits::Sizes),
    Processes(processes::Sizes),
    Memory(memory::Sizes),
    Keys(keys::Sizes),
    Enroll(enroll::Sizes),
    Sequence(sequence::Sizes),
    Send(send::Sizes),
    Gates(gates::Sizes),
}

impl Measurement {
    /// Every measurement, its usual sizes multiplied by `scale`.
    pub fn all(scale: f64) -> Vec<Self> {
        vec![
            Self::Drain(drain::Sizes::scaled(scale)),
            Self::Enqueue(enqueue::Sizes::scaled(scale)),
            Self::Api(front::Sizes::scaled(scale)),
            Self::Cycle(cycle::Sizes::scaled(scale)),
            Self::Singles(singles::Sizes::scaled(scale)),
            Self::Pickup(pickup::Sizes::scaled(scale)),
            Self::Backlog(backlog::Sizes::scaled(scale)),
            Self::Fair(fair::Sizes::scaled(scale)),
            Self::Limits(limits::Sizes::scaled(scale)),
            Self::Processes(processes::Sizes::scaled(scale)),
            Self::Memory(memory::Sizes::scaled(scale)),
            Self::Keys(keys::Sizes::scaled(scale)),
            Self::Enroll(enroll::Sizes::scaled(scale)),
            Self::Sequence(sequence::Sizes::scaled(scale)),
            Self::Send(send::Sizes::scaled(scale)),
            Self::Gates(gates::Sizes::scaled(scale)),
        ]
    }
}

/// `usual` times `scale`, but at least `least`, so that a small scale still measures something.
fn scaled(usual: u64, scale: f64, least: u64) -> u64 {
    ((usual as f64 * scale) as u64).max(least)
}

/// What hears of a run.
pub trait Audience: Send {
    /// Under which conditions all that follows was measured. Comes first.
    fn conditions(&mut self, conditions: &Conditions) -> anyhow::Result<()>;
    /// One figure.
    fn line(&mut self, line: &Line) -> anyhow::Result<()>;
    /// What is being done now, for somebody who waits.
    fn say(&mut self, words: &str);
}

/// A server to measure on, and what every measurement needs beside it.
pub struct Bench<'a> {
    server: Server,
    executable: PathBuf,
    /// What the processes of the run log.
    log: PathBuf,
    payload: usize,
    audience: &'a mut dyn Audience,
}

impl<'a> Bench<'a> {
    /// Starts or reaches the server. `executable` is this program, which plays the worker processes; `payload` the bytes
    /// of each job's payload as JSON.
    pub async fn open(place: Place, executable: PathBuf, payload: usize, audience: &'a mut dyn Audience) -> anyhow::Result<Self> {
        let log = place.temporary.join(format!("longshore-bench-{}.log", std::process::id()));
        let server = Server::open(place).await?;
        audience.conditions(&Conditions::look(&server, payload).await?)?;
        Ok(Self { server, executable, log, payload, audience })
    }

    /// Runs one measurement to its end. Its databases are gone then.
    pub async fn measure(&mut self, measurement: &Measurement) -> anyhow::Result<()> {
        let measured = match measurement {
            Measurement::Drain(sizes) => Box::pin(drain::run(self, sizes)).await,
            Measurement::Enqueue(sizes) => Box::pin(enqueue::run(self, sizes)).await,
            Measurement::Api(sizes) => Box::pin(front::run(self, sizes)).await,
            Measurement::Cycle(sizes) => Box::pin(cycle::run(self, sizes)).await,
            Measurement::Singles(sizes) => Box::pin(singles::run(self, sizes)).await,
            Measurement::Pickup(sizes) => Box::pin(pickup::run(self, sizes)).await,
            Measurement::Backlog(sizes) => Box::pin(backlog::run(self, sizes)).await,
            Measurement::Fair(sizes) => Box::pin(fair::run(self, sizes)).await,
            Measurement::Limits(sizes) => Box::pin(limits::run(self, sizes)).await,
            Measurement::Processes(sizes) => Box::pin(processes::run(self, sizes)).await,
            Measurement::Memory(sizes) => Box::pin(memory::run(self, sizes)).await,
            Measurement::Keys(sizes) => Box::pin(keys::run(self, sizes)).await,
            Measurement::Enroll(sizes) => Box::pin(enroll::run(self, sizes)).await,
            Measurement::Sequence(sizes) => Box::pin(sequence::run(self, sizes)).await,
            Measurement::Send(sizes) => Box::pin(send::run(self, sizes)).await,
            Measurement::Gates(sizes) => Box::pin(gates::run(self, sizes)).await,
        };
        let swept = self.sweep().await;
        measured.with_context(|| format!("the last that its processes logged:\n{}", self.log_tail()))?;
        swept
    }

    /// Drops every database this run made. For whoever stopped [`Bench::measure`] halfway.
    pub async fn sweep(&mut self) -> anyhow::Result<()> {
        self.server.sweep().await
    }

    /// A database of this measurement's own, with the schema, the kind, and `teams` teams.
    async fn database(&mut self, teams: usize) -> anyhow::Result<Database> {
        self.server.database(teams).await
    }

    fn log(&self) -> anyhow::Result<File> {
        File::options().create(true).append(true).open(&self.log).with_context(|| self.log.display().to_string())
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    fn report(&mut self, line: &Line) -> anyhow::Result<()> {
        self.audience.line(line)
    }

    fn say(&mut self, words: &str) {
        self.audience.say(words);
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.log);
    }
}
