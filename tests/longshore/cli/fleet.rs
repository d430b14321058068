//! Two teams, a kind of job that fails as it is told, and the binary.

use std::process::{Command, Output, Stdio};

use longshore::workers::{
    ctx::Ctx,
    ids::{JobId, TeamId},
    job::{Done, Invalid, Job, Outcome, RetryPolicy, Stop},
    registry::Registry,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::support::{Stepper, TestDb, services};

/// Carries a note, or says why it can't.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CarryNote {
    /// It dies of this; an empty one succeeds.
    pub trouble: String,
}

impl Job for CarryNote {
    const KIND: &'static str = "carry_note";
    const QUEUE: &'static str = "notes";
    const RETRY: RetryPolicy = RetryPolicy::attempts(3);
    const PRICE: i64 = 2;

    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }

    async fn run(&self, _: &Ctx) -> Outcome {
        match self.trouble.as_str() {
            "" => Ok(Done::NOTHING),
            "later" => Err(Stop::park("waits for a stamp")),
            trouble => Err(Stop::dead(anyhow::anyhow!("{trouble}"))),
        }
    }
}

/// What a run of the binary gave.
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its data.
    pub stdout: String,
    /// Its words.
    pub stderr: String,
    line: String,
}

impl Ran {
    /// Hides what differs from run to run.
    pub fn mask(&mut self, text: &str, mask: &str) {
        for field in [&mut self.stdout, &mut self.stderr, &mut self.line] {
            *field = field.replace(text, mask);
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {self}"))
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$ longshore {}\n{}", self.line, self.stdout)?;
        if !self.stderr.is_empty() {
            write!(f, "--- stderr\n{}", self.stderr)?;
        }
        write!(f, "--- exit {}", self.code)
    }
}

/// The binary with nothing of our own environment but what a test says.
pub fn binary(url: &str, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command.args(words(line)).env_clear().env("USER", "ann").stdin(Stdio::null());
    if !url.is_empty() {
        command.env("DATABASE_URL", url);
    }
    if line.starts_with("webhooks ") {
        // What its secrets are sealed with.
        command.env("LONGSHORE_SECRETS__KEYS", "test=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    }
    command
}

/// Splits as a shell does, single quotes included.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('\'').enumerate();
    let pieces = quoted.flat_map(|(at, piece)| match at % 2 {
        0 => piece.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        _ => vec![piece.to_owned()],
    });
    pieces.collect()
}

pub fn ran(line: &str, output: Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran {
        code: output.status.code().expect("a code"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
        line: line.into(),
    }
}

pub fn run_at(url: &str, line: &str) -> Ran {
    ran(line, binary(url, line).output().expect("the binary"))
}

/// Two teams and a worker driven by hand.
pub struct Fleet {
    pub db: TestDb,
    pub acme: TeamId,
    pub globex: TeamId,
    pub stepper: Stepper,
}

impl Fleet {
    pub async fn new() -> Self {
        let db = TestDb::new().await;
        let (acme, globex) = (db.team("acme").await, db.team("globex").await);
        let stepper = Stepper::new(&db, Registry::new().add::<CarryNote>(), services(&db)).await;
        Self { db, acme, globex, stepper }
    }

    /// With three dead letters: two of acme, one of globex, an hour between them.
    pub async fn with_dead_letters() -> (Self, [JobId; 3]) {
        let fleet = Self::new().await;
        let mut jobs = [JobId(0); 3];
        let notes = [(fleet.acme, "the Mailbox is full"), (fleet.acme, "no such address"), (fleet.globex, "the mailbox is full")];
        for (at, (team, trouble)) in notes.into_iter().enumerate() {
            jobs[at] = fleet.enqueue(team, trouble).await;
        }
        fleet.stepper.drain("notes").await;
        for (at, job) in jobs.iter().enumerate() {
            let aged = "update queue.dead set died_at = now() - make_interval(hours => 3 - $1) where job_id = $2";
            sqlx::query(aged).bind(at as i32).bind(job.0).execute(&fleet.db.admin).await.expect("an aged letter");
        }
        (fleet, jobs)
    }

    pub async fn enqueue(&self, team: TeamId, trouble: &str) -> JobId {
        self.stepper.enqueue(team, &CarryNote { trouble: trouble.into() }).await
    }

    /// Runs the binary as the operator.
    pub fn run(&self, line: &str) -> Ran {
        run_at(&self.db.url("operator"), line)
    }

    /// How many dead letters nobody has settled.
    pub async fn open_letters(&self) -> i64 {
        let open = "select count(*) from queue.dead where replayed_at is null and discarded_at is null";
        sqlx::query_scalar(open).fetch_one(&self.db.admin).await.expect("a count")
    }

    /// How many jobs were ever accepted.
    pub async fn jobs(&self) -> i64 {
        sqlx::query_scalar("select count(*) from queue.jobs").fetch_one(&self.db.admin).await.expect("a count")
    }
}

/// Compares several runs with their snapshot; what differs from run to run is masked.
pub fn snapshot(name: &str, runs: &[Ran]) {
    let text = runs.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "[uuid]");
    settings.add_filter(r"\b20\d\d-\d\d-\d\dT[0-9:.]+(Z|\+00:00)", "[time]");
    settings.add_filter(r"\b20\d\d-\d\d-\d\d\b", "[day]");
    settings.add_filter(r"lsk_live_\w+", "[key]");
    settings.add_filter(r"127\.0\.0\.1:\d+/t\d+", "[database]");
    settings.bind(|| insta::assert_snapshot!(format!("cli_{name}"), text));
}
