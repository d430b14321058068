//! What a run says: its conditions once, then a line a figure.

use std::{fs, time::Duration};

use serde::Serialize;
use sqlx::Connection as _;

use super::place::Server;

/// Under which conditions figures were measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conditions {
    /// Processors that this process may use.
    pub cpus: usize,
    /// Their name.
    pub cpu: String,
    /// The server's version.
    pub postgres: String,
    /// The server's setting.
    pub fsync: String,
    /// The server's setting.
    pub synchronous_commit: String,
    /// The server's setting.
    pub shared_buffers: String,
    /// The server's setting.
    pub max_wal_size: String,
    /// The server's setting.
    pub autovacuum: String,
    /// Of each job, as Postgres writes the JSON.
    pub payload_bytes: usize,
    /// Of the machine over 1, 5 and 15 minutes, before anything was measured.
    pub load_average: String,
    /// `release` or `debug`.
    pub build: &'static str,
    /// Whether jobs and outcomes stay in their tables.
    pub history: &'static str,
    /// Whether the server's processor time could be read.
    pub server_is_here: bool,
}

impl Conditions {
    pub(super) async fn look(server: &Server, payload_bytes: usize) -> anyhow::Result<Self> {
        let mut conn = server.connect().await?;
        let settings: Vec<(String, String)> = sqlx::query_as(
            "select name, current_setting(name) from pg_settings where name in \
             ('server_version', 'fsync', 'synchronous_commit', 'shared_buffers', 'max_wal_size', 'autovacuum')",
        )
        .fetch_all(&mut conn)
        .await?;
        conn.close().await?;
        let setting = |wanted: &str| {
            let found = settings.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Ok(Self {
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: model.map_or_else(|| "unknown".into(), |(_, name)| name.trim().to_owned()),
            postgres: setting("server_version"),
            fsync: setting("fsync"),
            synchronous_commit: setting("synchronous_commit"),
            shared_buffers: setting("shared_buffers"),
            max_wal_size: setting("max_wal_size"),
            autovacuum: setting("autovacuum"),
            payload_bytes,
            load_average: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            history: "kept",
            server_is_here: server.cpu().is_some(),
        })
    }
}

/// One figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Line {
    /// The measurement.
    pub what: &'static str,
    /// Which of its cases, in words.
    pub case: String,
    /// Bare SQL over the same tables, or the state that others are compared with.
    pub baseline: bool,
    /// Jobs, or samples.
    pub n: u64,
    /// How long it took.
    pub seconds: f64,
    /// Jobs a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs_per_s: Option<f64>,
    /// The server's processor time a job, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpu_us: Option<f64>,
    /// The processor time a job of whoever asked it, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cpu_us: Option<f64>,
    /// Half were at least as fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// 95 of 100 were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<f64>,
    /// 99 of 100 were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// What is not a speed: memory, a ratio.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

impl Line {
    /// A figure of ours.
    pub(super) fn ours(what: &'static str, case: impl Into<String>) -> Self {
        Self { what, case: case.into(), ..Self::default() }
    }

    /// A figure to compare ours with.
    pub(super) fn baseline(what: &'static str, case: impl Into<String>) -> Self {
        Self { baseline: true, ..Self::ours(what, case) }
    }

    /// With what a throughput came to.
    pub(super) fn pace(mut self, pace: &Pace) -> Self {
        let a_job = |time: Duration| rounded(time.as_secs_f64() * 1e6 / pace.n.max(1) as f64, 2);
        self.n = pace.n;
        self.seconds = rounded(pace.seconds, 3);
        self.jobs_per_s = Some(pace.per_second().round());
        self.server_cpu_us = pace.server.map(a_job);
        self.client_cpu_us = Some(a_job(pace.client));
        self
    }

    /// With what waits came to.
    pub(super) fn waits(mut self, mut waits: Vec<f64>, seconds: f64) -> Self {
        waits.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = ((waits.len() as f64 * share).ceil() as usize).clamp(1, waits.len().max(1)) - 1;
            waits.get(place).map(|ms| rounded(*ms, 3))
        };
        self.n = waits.len() as u64;
        self.seconds = rounded(seconds, 3);
        (self.p50_ms, self.p95_ms, self.p99_ms) = (at(0.5), at(0.95), at(0.99));
        self
    }

    /// With something more to say.
    pub(super) fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

/// So many jobs in so long, at such a cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Pace {
    pub n: u64,
    pub seconds: f64,
    /// None where the server is elsewhere.
    pub server: Option<Duration>,
    pub client: Duration,
}

impl Pace {
    pub fn per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.n as f64 / self.seconds } else { 0.0 }
    }

    /// This one against another, in hundredths.
    pub fn percent_of(&self, other: &Self) -> f64 {
        if other.per_second() > 0.0 { (100.0 * self.per_second() / other.per_second()).round() } else { 0.0 }
    }
}

impl std::ops::Add for Pace {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            n: self.n + more.n,
            seconds: self.seconds + more.seconds,
            server: self.server.zip(more.server).map(|(one, other)| one + other),
            client: self.client + more.client,
        }
    }
}

pub(super) fn rounded(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (value * factor).round() / factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_sample_that_so_many_do_not_exceed() {
        let line = Line::ours("x", "y").waits((1..=100).map(f64::from).rev().collect(), 1.0);
        assert_eq!((line.p50_ms, line.p95_ms, line.p99_ms), (Some(50.0), Some(95.0), Some(99.0)));
        let one = Line::ours("x", "y").waits(vec![7.0], 1.0);
        assert_eq!((one.p50_ms, one.p99_ms), (Some(7.0), Some(7.0)));
        assert_eq!(Line::ours("x", "y").waits(Vec::new(), 1.0).p50_ms, None);
    }
}
