//! Workers in processes of their own: this very test binary, told to be one.

use std::{
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use longshore::workers::{self, failpoints};
use tokio_util::sync::CancellationToken;

use super::{
    PATIENCE, database,
    fleet::{POLL, run, work},
    kinds, load, services,
};

/// Where the database is, and that the process shall be a worker.
pub const WORKER: &str = "LONGSHORE_TEST_WORKER";
/// The boot id of a process that runs suspects alone.
const SUSPECTS: &str = "LONGSHORE_TEST_SUSPECTS";
/// The folder of the object store: the worker knows every kind, and its vendors keep books.
pub const OBJECTS: &str = "LONGSHORE_TEST_OBJECTS";

/// A worker; with a boot id, one that runs suspects alone. What is set to fail in us does not fail in it.
pub(super) fn worker_command(url: &str, suspects: Option<uuid::Uuid>) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("our own path"));
    command
        .args(["--exact", "support::process::be_a_worker", "--ignored", "--nocapture"])
        .env(WORKER, url)
        .env(SUSPECTS, suspects.map(|boot| boot.to_string()).unwrap_or_default())
        .env_remove(failpoints::VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A worker in a process of its own.
pub struct WorkerProcess(Child);

impl WorkerProcess {
    pub(super) fn start(url: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = worker_command(url, None);
        command.envs(environment.iter().copied());
        Self(command.spawn().expect("a worker process"))
    }

    pub fn kill(mut self) {
        self.0.kill().expect("a kill");
        self.0.wait().expect("its end");
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.0.id().to_string()]).status().expect("kill");
        assert!(status.success(), "kill {signal}");
    }

    /// Whether it still runs.
    pub fn lives(&mut self) -> bool {
        self.0.try_wait().expect("a look").is_none()
    }

    pub fn wait(mut self) -> ExitStatus {
        self.0.wait().expect("its end")
    }

    /// Waits until it has ended by itself; fails when it lives on.
    pub async fn end(mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait().expect("a look") {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited {PATIENCE:?} for the process to end");
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test: what a [`WorkerProcess`] runs. It ends with its parent, whose end of its standard input closes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a worker process for other tests"]
#[expect(clippy::disallowed_methods, reason = "a test reads the environment it runs in")]
async fn be_a_worker() {
    let Ok(url) = std::env::var(WORKER) else { return };
    let suspects: Option<uuid::Uuid> = std::env::var(SUSPECTS).ok().and_then(|boot| boot.parse().ok());
    if let Ok(text) = std::env::var(failpoints::VARIABLE) {
        failpoints::set(&text).expect("failpoints");
    }
    let stop = CancellationToken::new();
    let asked = stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        if suspects.is_none() {
            std::process::exit(9);
        }
        asked.cancel();
    });
    let asked = stop.clone();
    tokio::spawn(async move {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a signal handler");
        term.recv().await;
        asked.cancel();
    });
    let pool = database::pool(&url, 10);
    let (registry, services) = match std::env::var(OBJECTS) {
        Ok(folder) => (workers::registry().add::<kinds::Scripted>(), load::services(pool, Path::new(&folder))),
        Err(_) => (kinds::registry(), services::services_over(pool)),
    };
    match suspects {
        None => work(url, services, registry, 20, POLL, stop).await,
        Some(boot) => {
            let (engine, queues) = (database::pool(&url, 4), registry.queues().into_iter().map(str::to_owned).collect());
            let alone = Some((boot, Duration::from_millis(300)));
            run(url, engine, services, registry, queues, 1, POLL, alone, stop).await;
        }
    }
}
