//! `longshore bench`: how fast the engine is on this machine, each figure beside bare SQL.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, value_parser};
use serde_json::json;

use super::{
    env::Env,
    output::{Column, Output, Table},
    problem::{Exit, Problem},
};
use crate::{
    bench::{self, Audience, Bench, Conditions, Line, Manner, Measurement, Place},
    shutdown::Shutdown,
};

/// What is measured, and the processes that it is measured on.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measures how fast the engine is on this machine, beside bare SQL over the same tables (docs/BENCH.md)
    Bench(Measure),
    #[command(hide = true)]
    BenchWorker(Worker),
    #[command(hide = true)]
    BenchApi,
}

/// What to measure, and where.
#[derive(Debug, Args)]
pub struct Measure {
    #[command(subcommand)]
    what: What,
    /// Bytes of each job's payload: 100 and 1024 are what docs/BENCH.md states
    #[arg(long, global = true, value_name = "BYTES", default_value_t = 100, value_parser = value_parser!(u32).range(13..=200_000))]
    payload: u32,
    /// A server of yours, as a superuser, instead of one that goes with the run; databases made there are dropped
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Ready jobs that do nothing, one worker process
    Drain {
        /// How many
        #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u64).range(1..))]
        jobs: u64,
        /// Jobs in a row of the ready table: 200, as bulk producers leave them, or 1
        #[arg(long, default_value_t = 200, value_parser = chunk)]
        chunk: u32,
    },
    /// The HTTP API: how long a caller waits at a rate, what goes through, batches, and memory
    Api {
        /// Requests a second, whatever becomes of those before
        #[arg(long, default_value_t = 200, value_parser = value_parser!(u64).range(1..=100_000))]
        rate: u64,
        /// For so many seconds
        #[arg(long, default_value_t = 30, value_parser = value_parser!(u64).range(1..=3600))]
        seconds: u64,
        /// Connections
        #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=500))]
        connections: u32,
        /// Jobs one by one, as fast as they go
        #[arg(long, default_value_t = 50_000, value_parser = value_parser!(u64).range(1..))]
        singles: u64,
        /// Batches of a thousand
        #[arg(long, default_value_t = 50, value_parser = value_parser!(u64).range(1..))]
        batches: u64,
    },
    /// Jobs put in: in bulk, one by one, over HTTP
    Enqueue {
        /// How many in bulk
        #[arg(long, default_value_t = 500_000, value_parser = value_parser!(u64).range(1..))]
        jobs: u64,
        /// How many one by one
        #[arg(long, default_value_t = 50_000, value_parser = value_parser!(u64).range(1..))]
        singles: u64,
        /// Producers that put them in one by one
        #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..=100))]
        producers: u32,
        /// Connections to the API, each number a case of its own
        #[arg(long, default_value = "16,256", value_delimiter = ',', value_parser = value_parser!(u32).range(1..=500))]
        connections: Vec<u32>,
    },
    /// Jobs put in and drained at once
    Cycle {
        /// How many
        #[arg(long, default_value_t = 200_000, value_parser = value_parser!(u64).range(1..))]
        jobs: u64,
    },
    /// A drain of jobs that were put in one by one
    Singles {
        /// How many
        #[arg(long, default_value_t = 50_000, value_parser = value_parser!(u64).range(1..))]
        jobs: u64,
        /// Producers that put them in
        #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..=100))]
        producers: u32,
    },
    /// How soon an idle fleet starts a job
    Pickup {
        /// How many jobs, one at a time
        #[arg(long, default_value_t = 300, value_parser = value_parser!(u64).range(1..))]
        samples: u64,
        /// The pause between two, on average
        #[arg(long, value_name = "MILLISECONDS", default_value_t = 150)]
        gap: u64,
        /// Jobs the worker may run at once
        #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..=10_000))]
        slots: u32,
    },
    /// Claims beside many ready and many scheduled jobs, and while a snapshot is pinned
    Backlog {
        /// Jobs to take through in each state
        #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u64).range(2..))]
        jobs: u64,
        /// Ready jobs that stay
        #[arg(long, default_value_t = 1_000_000)]
        backlog: u64,
        /// Scheduled jobs that stay
        #[arg(long, default_value_t = 10_000_000)]
        scheduled: u64,
        /// Teams that share a backlog
        #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(1..=100_000))]
        teams: u32,
        /// How long the snapshot is pinned; 0 leaves this part out
        #[arg(long, default_value_t = 60)]
        pin_seconds: u64,
    },
    /// How soon a job starts while another team has a million
    Fair {
        /// Teams
        #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(2..=100_000))]
        teams: u32,
        /// Ready jobs of one of them
        #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..))]
        backlog: u64,
        /// Jobs of the others, one at a time
        #[arg(long, default_value_t = 200, value_parser = value_parser!(u64).range(1..))]
        samples: u64,
        /// Jobs the worker may run at once
        #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..=10_000))]
        slots: u32,
        /// How long each handler sleeps
        #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
        sleep: u64,
    },
    /// How long a claim takes where every lane is at its limit
    Limits {
        /// Lanes
        #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=10_000))]
        lanes: u32,
        /// Jobs that each may run at once
        #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..=1000))]
        at_once: u32,
        /// Ready jobs of all lanes together
        #[arg(long, default_value_t = 1_000_000)]
        blocked: u64,
        /// Claims
        #[arg(long, default_value_t = 5000, value_parser = value_parser!(u64).range(1..))]
        samples: u64,
    },
    /// Several worker processes on one queue, beside one
    Processes {
        /// Jobs in all
        #[arg(long, default_value_t = 200_000, value_parser = value_parser!(u64).range(1..))]
        jobs: u64,
        /// Worker processes
        #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..=20))]
        processes: u32,
    },
    /// Memory of a worker whose slots are all taken
    Memory {
        /// Jobs in flight
        #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(1..=10_000))]
        jobs: u32,
        /// How long each sleeps
        #[arg(long, value_name = "MILLISECONDS", default_value_t = 500, value_parser = value_parser!(u64).range(1..=50_000))]
        sleep: u64,
        /// How long to go on
        #[arg(long, default_value_t = 60, value_parser = value_parser!(u64).range(1..))]
        seconds: u64,
    },
    /// Whether the time that a wrong key takes says how far it was right (Welch's t)
    Keys {
        /// Wrong keys, half of them nearly right
        #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1000..))]
        samples: u64,
    },
    /// Every lead of a team into a campaign, and previews of it
    Enroll {
        /// How many
        #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..=100_000_000))]
        leads: u64,
        /// Previews
        #[arg(long, default_value_t = 200, value_parser = value_parser!(u64).range(1..))]
        previews: u64,
    },
    /// Due steps of a campaign into messages and their send jobs
    Sequence {
        /// How many
        #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..=100_000_000))]
        due: u64,
    },
    /// Text messages through every gate and the vendor's door, by worker processes
    Send {
        /// How many
        #[arg(long, default_value_t = 20_000, value_parser = value_parser!(u64).range(1..))]
        messages: u64,
        /// Worker processes
        #[arg(long, default_value_t = 2, value_parser = value_parser!(u32).range(1..=20))]
        processes: u32,
        /// Teams that share them, each with its own numbers and credits
        #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..=1000))]
        teams: u32,
        /// How long the vendor takes to answer
        #[arg(long, value_name = "MILLISECONDS", default_value_t = 50)]
        latency: u64,
    },
    /// What the gates of one message take, beside a million opt-outs and a million consents
    Gates {
        /// Numbers on the suppression list
        #[arg(long, default_value_t = 1_000_000)]
        suppressions: u64,
        /// Consents on record
        #[arg(long, default_value_t = 1_000_000)]
        consents: u64,
        /// Messages
        #[arg(long, default_value_t = 2000, value_parser = value_parser!(u64).range(1..=100_000))]
        samples: u64,
    },
    /// All of them, one after another: about half an hour
    All {
        /// Multiplies every size
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
    },
}

/// How a worker process of the bench works.
#[derive(Debug, Args)]
pub struct Worker {
    #[arg(long)]
    slots: u32,
    #[arg(long)]
    sleep_ms: u64,
    #[arg(long)]
    sends: bool,
}

fn chunk(text: &str) -> Result<u32, String> {
    match text {
        "200" => Ok(200),
        "1" => Ok(1),
        _ => Err("200 or 1".into()),
    }
}

impl What {
    fn measurements(&self) -> Vec<Measurement> {
        let milliseconds = Duration::from_millis;
        vec![match self {
            Self::All { scale } => return Measurement::all(*scale),
            Self::Drain { jobs, chunk } => Measurement::Drain(bench::drain::Sizes { jobs: *jobs, in_chunks: *chunk > 1 }),
            Self::Enqueue { jobs, singles, producers, connections } => Measurement::Enqueue(bench::enqueue::Sizes {
                bulk: *jobs,
                singles: *singles,
                producers: *producers as usize,
                connections: connections.iter().map(|one| *one as usize).collect(),
            }),
            Self::Api { rate, seconds, connections, singles, batches } => Measurement::Api(bench::front::Sizes {
                rate: *rate,
                seconds: *seconds,
                connections: *connections as usize,
                singles: *singles,
                batches: *batches,
            }),
            Self::Cycle { jobs } => Measurement::Cycle(bench::cycle::Sizes { jobs: *jobs }),
            Self::Singles { jobs, producers } => {
                Measurement::Singles(bench::singles::Sizes { jobs: *jobs, producers: *producers as usize })
            }
            Self::Pickup { samples, gap, slots } => {
                Measurement::Pickup(bench::pickup::Sizes { samples: *samples, gap: milliseconds(*gap), slots: *slots })
            }
            Self::Backlog { jobs, backlog, scheduled, teams, pin_seconds } => Measurement::Backlog(bench::backlog::Sizes {
                jobs: *jobs,
                backlog: *backlog,
                scheduled: *scheduled,
                teams: *teams as usize,
                pin: Duration::from_secs(*pin_seconds),
            }),
            Self::Fair { teams, backlog, samples, slots, sleep } => Measurement::Fair(bench::fair::Sizes {
                teams: *teams as usize,
                backlog: *backlog,
                samples: *samples,
                slots: *slots,
                sleep: milliseconds(*sleep),
            }),
            Self::Limits { lanes, at_once, blocked, samples } => Measurement::Limits(bench::limits::Sizes {
                lanes: *lanes as usize,
                at_once: *at_once,
                blocked: *blocked,
                samples: *samples,
            }),
            Self::Processes { jobs, processes } => {
                Measurement::Processes(bench::processes::Sizes { jobs: *jobs, processes: *processes as usize })
            }
            Self::Memory { jobs, sleep, seconds } => {
                Measurement::Memory(bench::memory::Sizes { jobs: *jobs, sleep: milliseconds(*sleep), seconds: *seconds })
            }
            Self::Enroll { leads, previews } => Measurement::Enroll(bench::enroll::Sizes { leads: *leads, previews: *previews }),
            Self::Sequence { due } => Measurement::Sequence(bench::sequence::Sizes { due: *due }),
            Self::Send { messages, processes, teams, latency } => Measurement::Send(bench::send::Sizes {
                messages: *messages,
                processes: *processes as usize,
                teams: *teams as usize,
                latency: milliseconds(*latency),
            }),
            Self::Gates { suppressions, consents, samples } => {
                Measurement::Gates(bench::gates::Sizes { suppressions: *suppressions, consents: *consents, samples: *samples })
            }
            Self::Keys { samples } => Measurement::Keys(bench::keys::Sizes { samples: *samples }),
        }]
    }
}

/// Runs `longshore bench …`, or one of the processes it starts.
pub async fn run(command: Command, env: &Env) -> Result<Exit, Problem> {
    match command {
        Command::Bench(wanted) => Box::pin(measure(wanted, env)).await,
        Command::BenchWorker(Worker { slots, sleep_ms, sends }) => {
            let manner = Manner { slots, sleep: Duration::from_millis(sleep_ms) };
            Box::pin(bench::work(env.config()?, manner, sends)).await.map(|()| Exit::Done).map_err(told)
        }
        Command::BenchApi => bench::serve_api(env.config()?).await.map(|()| Exit::Done).map_err(told),
    }
}

async fn measure(wanted: Measure, env: &Env) -> Result<Exit, Problem> {
    let shutdown = Shutdown::on_signals().map_err(|error| told(error.into()))?;
    let executable: PathBuf = std::env::current_exe().map_err(|error| told(error.into()))?;
    let programs = env.config()?.pg_bin().map(ToOwned::to_owned);
    let place = Place { url: wanted.database_url, programs, temporary: std::env::temp_dir() };
    if cfg!(debug_assertions) {
        env.out.say("This is a debug build: its figures say nothing. `cargo run --release -- bench …` measures.");
    }
    let mut teller = Teller { out: &env.out, table: Table::new(COLUMNS) };
    let mut bench = Bench::open(place, executable, wanted.payload as usize, &mut teller).await.map_err(not_open)?;
    let work = async {
        for measurement in wanted.what.measurements() {
            bench.measure(&measurement).await?;
        }
        anyhow::Ok(())
    };
    let ended = tokio::select! {
        ended = Box::pin(work) => Some(ended),
        () = shutdown.stop().cancelled() => None,
    };
    if ended.is_none() {
        bench.sweep().await.map_err(told)?;
    }
    drop(bench);
    if !env.out.json {
        env.out.table(&teller.table)?;
    }
    match ended {
        Some(ended) => ended.map(|()| Exit::Done).map_err(told),
        None => Ok(Exit::Interrupted),
    }
}

const COLUMNS: [Column; 11] = [
    Column::Text("WHAT"),
    Column::Text("CASE"),
    Column::Text("BASELINE"),
    Column::Number("N"),
    Column::Number("SECONDS"),
    Column::Number("JOBS/S"),
    Column::Number("SERVER µs"),
    Column::Number("CLIENT µs"),
    Column::Number("P50 ms"),
    Column::Number("P95 ms"),
    Column::Number("P99 ms"),
];

/// JSON as it comes; or a table at the end, and what is going on meanwhile.
struct Teller<'a> {
    out: &'a Output,
    table: Table,
}

impl Audience for Teller<'_> {
    fn conditions(&mut self, conditions: &Conditions) -> anyhow::Result<()> {
        if self.out.json {
            return Ok(self.out.line(&json!({ "conditions": conditions }).to_string())?);
        }
        let Conditions { cpus, cpu, postgres, fsync, synchronous_commit, payload_bytes, load_average, build, .. } = conditions;
        self.out.line(&format!(
            "{cpus} x {cpu}, load {load_average}; Postgres {postgres}, fsync {fsync}, synchronous_commit {synchronous_commit}; \
             payload {payload_bytes} bytes, history kept; {build} build"
        ))?;
        Ok(())
    }

    fn line(&mut self, line: &Line) -> anyhow::Result<()> {
        if self.out.json {
            return Ok(self.out.line(&serde_json::to_string(line)?)?);
        }
        let number = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| value.to_string());
        let more: Vec<_> = line.more.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let case = if more.is_empty() { line.case.clone() } else { format!("{} ({})", line.case, more.join(", ")) };
        self.table.row([
            line.what.to_owned(),
            case,
            if line.baseline { "yes" } else { "" }.to_owned(),
            line.n.to_string(),
            line.seconds.to_string(),
            number(line.jobs_per_s),
            number(line.server_cpu_us),
            number(line.client_cpu_us),
            number(line.p50_ms),
            number(line.p95_ms),
            number(line.p99_ms),
        ]);
        Ok(())
    }

    fn say(&mut self, words: &str) {
        self.out.say(words);
    }
}

fn not_open(error: anyhow::Error) -> Problem {
    let exit = if error.is::<sqlx::Error>() { Exit::Unreachable } else { Exit::Failed };
    Problem::new(exit, format!("{error:#}"))
}

fn told(error: anyhow::Error) -> Problem {
    match error.downcast::<Problem>() {
        Ok(problem) => problem,
        Err(error) => Problem::new(Exit::Failed, format!("{error:#}")),
    }
}
