//! A real Prometheus that scrapes real processes each second, for as long as a test wants it.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{PATIENCE, http};

/// Installs `prometheus` and `promtool`, without starting a service.
pub const INSTALL: &str = "apt-get install -y --no-install-recommends prometheus";

/// A Prometheus server. It ends with this value, or with this process.
pub struct Prometheus {
    addr: SocketAddr,
    guard: Child,
    folder: TempDir,
}

impl Prometheus {
    /// Scrapes `targets` with the house's own rules loaded.
    pub async fn start(program: &Path, targets: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts.yml");
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: ['{rules}']\n\
             scrape_configs: [{{job_name: longshore, file_sd_configs: [{{files: [targets.json], refresh_interval: 1s}}]}}]\n"
        );
        std::fs::write(folder.path().join("prometheus.yml"), config).expect("a configuration");
        write_targets(folder.path(), targets);
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a free port").port();
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // The shell ends the server when our end of its standard input closes, however we end.
        let guard = Command::new("/bin/sh")
            .args(["-c", r#""$@" >server.log 2>&1 </dev/null & server=$!; read -r _; kill $server; wait $server"#, "prometheus"])
            .arg(program)
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={addr}"))
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .expect("a Prometheus");
        let server = Self { addr, guard, folder };
        server.until("it is ready", async || http::get(addr, "/-/ready").await.is_ok_and(|(status, _)| status == 200)).await;
        server
    }

    /// Scrapes these from now on.
    pub fn retarget(&self, targets: &[SocketAddr]) {
        write_targets(self.folder.path(), targets);
    }

    /// The series that `expression` gives now.
    pub async fn query(&self, expression: &str) -> Vec<Value> {
        let path = format!("/api/v1/query?query={}", http::encoded(expression));
        let (_, body) = http::get(self.addr, &path).await.expect("an answer");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(answer["status"], "success", "{expression}: {body}");
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }

    /// Whether `expression` gives a number now.
    pub async fn has_data(&self, expression: &str) -> bool {
        self.query(expression).await.iter().any(|series| series["value"][1].as_str().is_some_and(|value| value != "NaN"))
    }

    /// Waits until every target was scraped `times` times.
    pub async fn scraped(&self, targets: usize, times: u32) {
        let counted = format!("count(count_over_time(up{{job=\"longshore\"}}[5m]) >= {times}) >= {targets}");
        self.until("every target was scraped", async || self.has_data(&counted).await).await;
    }

    async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition().await {
            assert!(Instant::now() < deadline, "waited {PATIENCE:?} until {what}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn write_targets(folder: &Path, targets: &[SocketAddr]) {
    let targets: Vec<_> = targets.iter().map(SocketAddr::to_string).collect();
    let list = serde_json::json!([{ "targets": targets }]).to_string();
    // Whole or not at all: the server may look at any moment.
    std::fs::write(folder.join("targets.new"), list).expect("targets");
    std::fs::rename(folder.join("targets.new"), folder.join("targets.json")).expect("targets");
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
