//! A process of the stack: one of the fleet's roles, which tells its addresses when it is ready and never outlives us.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{ChildStdin, Command},
    time::timeout,
};

use crate::config::own_variables;

/// How long a role may take to become ready.
const READY: Duration = Duration::from_secs(60);

/// Runs a program and waits for it; beside it, a reader waits on our end of a pipe. When that closes, because we dropped
/// it or died of whatever, the program is asked to stop, and made to after a while.
const GUARD: &str = r#"
    exec 3<&0
    "$@" </dev/null 3<&- &
    child=$!
    (
        read -r _
        kill -TERM $child
        left=350
        while [ $left -gt 0 ] && kill -0 $child; do sleep 0.1; left=$((left - 1)); done
        kill -KILL $child
    ) <&3 >/dev/null 2>&1 &
    reader=$!
    wait $child
    status=$?
    kill $reader 2>/dev/null
    exit $status
"#;

/// Why a role did not start.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be run at all.
    #[error("{name} could not be started: {source}")]
    Spawn {
        /// Which.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It ended, or said nothing in time.
    #[error("{name} {fault}; the end of {log}:\n{tail}")]
    NotReady {
        /// Which.
        name: String,
        /// What it did instead.
        fault: String,
        /// Where it logs.
        log: PathBuf,
        /// The last lines there.
        tail: String,
    },
}

/// The first line a role prints.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// Its process.
    pub pid: u32,
    /// Where it answers /livez, /readyz and /metrics.
    pub admin: String,
    /// Where the API listens, if it is one.
    pub api: Option<String>,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Role {
    /// How it is called in messages and logs (`worker 1`).
    pub name: String,
    /// The words after the program's name.
    pub words: Vec<String>,
    /// All of its environment that is ours.
    pub environment: Vec<(String, String)>,
}

/// A running role. Dropping it stops it.
#[derive(Debug)]
pub struct Child {
    /// How it is called.
    pub name: String,
    /// What it said when it was ready.
    pub ready: Ready,
    guard: tokio::process::Child,
    leash: Option<ChildStdin>,
}

impl Child {
    /// Starts a role and waits until it is ready. Its log goes to a file of its name in `logs`.
    pub async fn start(executable: &Path, role: &Role, logs: &Path) -> Result<Self, ChildError> {
        let name = role.name.clone();
        let log = logs.join(format!("{}.log", name.replace(' ', "-")));
        let spawn = |source| ChildError::Spawn { name: name.clone(), source };
        let stderr = File::options().create(true).append(true).open(&log).map_err(spawn)?;
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(GUARD).arg("longshore-role").arg(executable).args(&role.words);
        // What the caller's shell sets for other programs must not reach the fleet.
        for variable in own_variables() {
            command.env_remove(variable);
        }
        let mut guard = command
            .envs(role.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // Its own group: Ctrl-C at a terminal reaches us first, and the stack is stopped in order.
            .process_group(0)
            .spawn()
            .map_err(spawn)?;
        let leash = guard.stdin.take();
        let mut lines = BufReader::new(guard.stdout.take().ok_or_else(|| spawn(io::ErrorKind::BrokenPipe.into()))?).lines();
        let fault = match timeout(READY, lines.next_line()).await {
            Ok(Ok(Some(line))) => match serde_json::from_str(&line) {
                Ok(ready) => {
                    // Nobody reads on, but a full pipe would stop the role.
                    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                    return Ok(Self { name, ready, guard, leash });
                }
                Err(_) => format!("printed {line:?} instead of its addresses"),
            },
            Ok(Ok(None)) => match guard.wait().await {
                Ok(status) => format!("ended before it was ready ({status})"),
                Err(error) => format!("ended before it was ready ({error})"),
            },
            Ok(Err(error)) => format!("could not be read ({error})"),
            Err(_) => format!("was not ready after {READY:?}"),
        };
        drop(leash);
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n");
        Err(ChildError::NotReady { name, fault, log, tail })
    }

    /// Kills it as a power cut would, without any chance to tidy up, and waits until it is gone.
    pub async fn kill(mut self) -> io::Result<ExitStatus> {
        let pid = self.ready.pid.to_string();
        let status = Command::new("kill").args(["-KILL", &pid]).stdin(Stdio::null()).status().await?;
        if !status.success() {
            return Err(io::Error::other(format!("kill -KILL {pid} failed")));
        }
        self.guard.wait().await
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(mut self) -> io::Result<ExitStatus> {
        drop(self.leash.take());
        self.guard.wait().await
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        // `Child::wait` closes standard input first, which would be the signal to stop; ours was taken out before.
        self.guard.wait().await
    }
}
