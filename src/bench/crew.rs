//! Worker processes as the bench leads them: this program again, told to be workers (`worker.rs` has what is said).

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    sync::{mpsc, watch},
};

use super::{Bench, SLOTS, kind::Start, meter::Meter, place::Database, report::Pace, worker::Manner};
use crate::{bench::cpu, config::own_variables};

/// A crew that gets nowhere for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// Worker processes of one database. They end with it.
pub struct Crew {
    hands: Vec<Hand>,
    progress: watch::Receiver<Progress>,
    /// When those handlers started that tell.
    pub starts: mpsc::UnboundedReceiver<Start>,
}

struct Hand {
    child: Child,
    words: Option<ChildStdin>,
    pid: u32,
}

#[derive(Debug, Default)]
struct Progress {
    handled: Vec<u64>,
    ready: usize,
    ended: usize,
    gone: usize,
}

impl Crew {
    /// Starts so many processes and waits until they are connected. None claims yet.
    pub async fn start(bench: &Bench<'_>, db: &Database, processes: usize, manner: Manner) -> anyhow::Result<Self> {
        Self::start_as(bench, db, processes, manner, |_| {}).await
    }

    /// The same, each process with what `prepare` adds to its command.
    pub async fn start_as(
        bench: &Bench<'_>,
        db: &Database,
        processes: usize,
        manner: Manner,
        prepare: impl Fn(&mut Command),
    ) -> anyhow::Result<Self> {
        let (tell, progress) = watch::channel(Progress { handled: vec![0; processes], ..Progress::default() });
        let (told, starts) = mpsc::unbounded_channel();
        let mut hands = Vec::new();
        for place in 0..processes {
            let mut command = process(bench, db, "worker")?;
            command.args(["bench-worker", "--slots", &manner.slots.to_string()]);
            command.args(["--sleep-ms", &manner.sleep.as_millis().to_string()]);
            prepare(&mut command);
            let mut child = command.spawn().context("starting a worker process")?;
            let lines = BufReader::new(child.stdout.take().context("its output")?).lines();
            let (tell, told) = (tell.clone(), told.clone());
            tokio::spawn(async move {
                let mut lines = lines;
                while let Ok(Some(line)) = lines.next_line().await {
                    hear(&line, place, &tell, &told);
                }
                tell.send_modify(|progress| progress.gone += 1);
            });
            let words = child.stdin.take();
            hands.push(Hand { pid: child.id().context("its number")?, words, child });
        }
        let mut crew = Self { hands, progress, starts };
        crew.until("get ready", |progress| progress.ready == processes).await?;
        Ok(crew)
    }

    /// Lets them claim.
    pub async fn go(&mut self) -> anyhow::Result<()> {
        self.tell("go\n").await
    }

    /// Waits until `n` handlers have run in all.
    pub async fn handled(&mut self, n: u64) -> anyhow::Result<()> {
        self.until("handle the jobs", |progress| progress.handled.iter().sum::<u64>() >= n).await
    }

    /// How many handlers have run.
    pub fn handled_so_far(&self) -> u64 {
        self.progress.borrow().handled.iter().sum()
    }

    /// Stops them in order: all they ran is recorded then. They still exist, so that their accounts can be read.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.tell("stop\n").await?;
        let all = self.hands.len();
        self.until("stop", |progress| progress.ended == all).await
    }

    /// Lets them go.
    pub async fn dismiss(mut self) -> anyhow::Result<()> {
        for hand in &mut self.hands {
            drop(hand.words.take());
            hand.child.wait().await?;
        }
        Ok(())
    }

    /// What they have used of the processors so far.
    pub fn cpu(&self) -> Duration {
        self.hands.iter().map(|hand| cpu::of_process(hand.pid)).sum()
    }

    /// Memory they hold, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.hands.iter().filter_map(|hand| cpu::resident_kib(hand.pid)).sum()
    }

    async fn tell(&mut self, word: &str) -> anyhow::Result<()> {
        for hand in &mut self.hands {
            if let Some(words) = &mut hand.words {
                words.write_all(word.as_bytes()).await.context("a worker process is gone")?;
                words.flush().await?;
            }
        }
        Ok(())
    }

    async fn until(&mut self, what: &str, so: impl Fn(&Progress) -> bool) -> anyhow::Result<()> {
        let mut seen = self.handled_so_far();
        loop {
            let last = seen;
            let waiting = self.progress.wait_for(|now| so(now) || now.gone > 0 || now.handled.iter().sum::<u64>() != last);
            match tokio::time::timeout(PATIENCE, waiting).await {
                Ok(Ok(now)) if so(&now) => return Ok(()),
                Ok(Ok(now)) if now.gone == 0 => seen = now.handled.iter().sum(),
                Err(_) => bail!("the worker processes did not {what} within {PATIENCE:?}; {seen} jobs were handled"),
                _ => bail!("a worker process ended before it could {what}"),
            }
        }
    }
}

fn hear(line: &str, place: usize, tell: &watch::Sender<Progress>, told: &mpsc::UnboundedSender<Start>) {
    let Ok(Value::Object(said)) = serde_json::from_str(line) else { return };
    if let Some(starts) = said.get("started") {
        for start in serde_json::from_value::<Vec<Start>>(starts.clone()).unwrap_or_default() {
            let _ = told.send(start);
        }
        return;
    }
    tell.send_modify(|progress| {
        if let (Some(handled), Some(mine)) = (said.get("handled").and_then(Value::as_u64), progress.handled.get_mut(place)) {
            *mine = handled;
        }
        progress.ready += usize::from(said.contains_key("ready"));
        progress.ended += usize::from(said.contains_key("ended"));
    });
}

/// This program again, with a database of the bench and none of our own settings. It ends with us.
pub(super) fn process(bench: &Bench<'_>, db: &Database, role: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(&bench.executable);
    for variable in own_variables() {
        command.env_remove(variable);
    }
    command
        .env("DATABASE_URL", db.url(role))
        // As much as in production; it goes to a file whose end is shown when something fails.
        .env("LONGSHORE_LOG__FORMAT", "json")
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(bench.log()?)
        .kill_on_drop(true);
    Ok(command)
}

/// Has worker processes drain the `n` jobs that are ready, and says what that cost. The clock runs from the word to begin
/// until the last job is recorded.
pub async fn drain(bench: &Bench<'_>, db: &mut Database, processes: usize, n: u64) -> anyhow::Result<Pace> {
    let (pace, handled) = timed(bench, db, processes, n, true).await?;
    anyhow::ensure!(handled == n, "{n} jobs were ready, and {handled} were handled");
    Ok(pace)
}

/// Has one of them drain `n` jobs where more are ready: the clock runs until `n` handlers have run. Answers also how many
/// it had handled when it had stopped.
pub async fn drain_of_more(bench: &Bench<'_>, db: &mut Database, n: u64) -> anyhow::Result<(Pace, u64)> {
    timed(bench, db, 1, n, false).await
}

async fn timed(bench: &Bench<'_>, db: &mut Database, processes: usize, n: u64, to_the_end: bool) -> anyhow::Result<(Pace, u64)> {
    let manner = Manner { slots: SLOTS, sleep: Duration::ZERO };
    let mut crew = Crew::start(bench, db, processes, manner).await?;
    let meter = Meter::with_client(db, crew.cpu());
    crew.go().await?;
    crew.handled(n).await?;
    if to_the_end {
        db.all_recorded().await?;
    }
    let pace = meter.read_with_client(db, crew.handled_so_far(), crew.cpu());
    crew.stop().await?;
    let handled = crew.handled_so_far();
    crew.dismiss().await?;
    Ok((pace, handled))
}
