//! The real binary as an API process: its addresses, everything it prints, and how much memory it has.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{PATIENCE, TestDb};

/// Runs the program with its output in files, and ends it when our end of its standard input closes, however we end.
const GUARD: &str =
    r#"exec 3<&0 2>/dev/null; "$@" </dev/null 3<&- >stdout 2>stderr & child=$!; read -r _ <&3; kill -9 $child; wait $child"#;

/// `longshore api` on a database. It ends with this value, or with this process.
pub struct ApiProcess {
    pub api: SocketAddr,
    pub admin: SocketAddr,
    pub pid: u32,
    guard: Child,
    folder: TempDir,
}

impl ApiProcess {
    pub async fn start(db: &TestDb, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "longshore-api", env!("CARGO_BIN_EXE_longshore"), "api"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("DATABASE_URL", db.url("api"))
            .envs([("LONGSHORE_API__BIND", "127.0.0.1:0"), ("LONGSHORE_LOG__FORMAT", "json")])
            .envs(settings.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .expect("an API process");
        let until = Instant::now() + PATIENCE;
        let said: Value = loop {
            let said = std::fs::read_to_string(folder.path().join("stdout")).unwrap_or_default();
            if let Some(said) = said.split_once('\n').and_then(|(line, _)| serde_json::from_str(line).ok()) {
                break said;
            }
            let log = || std::fs::read_to_string(folder.path().join("stderr")).unwrap_or_default();
            assert!(Instant::now() < until, "the API process is not ready after {PATIENCE:?}: {}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let address = |name: &str| said[name].as_str().expect("an address").parse().expect("an address");
        let pid = said["pid"].as_u64().expect("a number") as u32;
        Self { api: address("api"), admin: address("admin"), pid, guard, folder }
    }

    /// Everything that it has printed.
    pub fn printed(&self) -> String {
        let read = |name: &str| {
            let bytes = std::fs::read(self.folder.path().join(name)).expect("its output");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        read("stdout") + &read("stderr")
    }

    /// Resident memory, in KiB.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(Path::new("/proc").join(self.pid.to_string()).join("status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Threads and open files: what a caller could use up beside memory.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(Path::new("/proc").join(self.pid.to_string()).join("fd")).expect("its files").count()
    }
}

impl Drop for ApiProcess {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
