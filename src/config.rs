//! Every setting of a process: the compiled-in `config.toml`, then the file that `--config` names, then the environment.
//!
//! The only place that reads the environment. What no default names is refused, with its line or variable, because a
//! misspelt setting that is silently ignored is found in production.

mod check;
mod layers;
mod problem;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment,
    error::{Actual, Kind},
    providers::Serialized,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use toml::Value;

use layers::{Layers, is_secret};
pub use problem::{ConfigError, Source};

use crate::{
    api::{Tuning, cors::Origins, rate::Quota},
    queue::plan::Thresholds,
    scheduler::declared::Declared,
    telemetry::LogFormat,
    workers::{
        datalake::object_store,
        failpoints,
        rules::Rules,
        secrets::{self, Keyring},
        vendors::{self, receiver},
    },
};

/// `config.toml` as it was compiled in.
pub const DEFAULTS: &str = include_str!("../config.toml");
/// Names the file to read where no `--config` does.
pub const FILE_VARIABLE: &str = "LONGSHORE_CONFIG";
/// Names the folder of Postgres' programs for the local stack.
pub const PG_BIN_VARIABLE: &str = "LONGSHORE_PG_BIN";

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Schedules to put in place.
    #[serde(default)]
    pub schedules: Vec<Declared>,
    /// Postgres.
    pub database: Database,
    /// How a worker process claims and runs.
    pub worker: Worker,
    /// Which plans for dead letters need a second person.
    pub dead: Thresholds,
    /// How often the scheduler looks.
    pub scheduler: Scheduler,
    /// The HTTP door.
    pub api: Api,
    /// Health and metrics of each process.
    pub admin: Admin,
    /// The object store.
    pub objects: object_store::Config,
    /// The vendors.
    pub vendors: vendors::Config,
    /// What secrets are sealed with.
    #[serde(default)]
    pub secrets: secrets::Config,
    /// Webhooks to teams' own servers.
    #[serde(default)]
    pub webhooks: vendors::receiver::Rules,
    /// What the job kinds are told.
    #[serde(default)]
    pub rules: Rules,
    /// Logs.
    pub log: Log,
    /// The clock.
    pub clock: Clock,
    #[serde(skip)]
    keyring: Keyring,
    #[serde(skip)]
    settings: Vec<Setting>,
    #[serde(skip)]
    pg_bin: Option<PathBuf>,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The address, with its password.
    pub url: Option<SecretString>,
    /// How long a caller waits for a free connection.
    #[serde(rename = "acquire_timeout_seconds", deserialize_with = "seconds")]
    pub acquire_timeout: Duration,
    /// For statements of the engine, the API and the scheduler.
    #[serde(rename = "statement_timeout_seconds", deserialize_with = "seconds")]
    pub statement_timeout: Duration,
    /// For statements of handlers.
    #[serde(rename = "handler_statement_timeout_seconds", deserialize_with = "seconds")]
    pub handler_statement_timeout: Duration,
    /// PgBouncer in transaction mode stands between.
    pub pgbouncer: bool,
    /// The address past it.
    pub direct_url: Option<SecretString>,
    /// Connections by duty.
    pub pools: Pools,
}

impl Database {
    /// The address, or what to do about its absence.
    pub fn url(&self) -> Result<&str, ConfigError> {
        self.url.as_ref().map(SecretString::expose_secret).ok_or_else(|| {
            ConfigError::one(
                "no database is named: set DATABASE_URL (postgres://role:password@host/database), or try `longshore dev`, which brings its own",
            )
        })
    }
}

/// `[database.pools]`: connections of one process.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pools {
    /// The engine, beside the connections that are one task's alone.
    pub engine: u32,
    /// The handlers of a worker.
    pub handlers: u32,
    /// Requests.
    pub api: u32,
    /// Requests that are never shed.
    pub reserve: u32,
}

/// `[worker]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Queues to claim from; empty: all.
    pub queues: Vec<String>,
    /// Jobs at once, of each queue.
    pub slots: u32,
    /// How long a silent worker keeps its jobs.
    #[serde(rename = "lease_seconds", deserialize_with = "seconds")]
    pub lease: Duration,
    /// How often it renews.
    #[serde(rename = "beat_seconds", deserialize_with = "seconds")]
    pub beat: Duration,
    /// How often an idle one looks for work.
    #[serde(rename = "poll_milliseconds", deserialize_with = "milliseconds")]
    pub poll: Duration,
    /// How long jobs may run on while the process stops.
    #[serde(rename = "grace_seconds", deserialize_with = "seconds")]
    pub grace: Duration,
}

/// `[scheduler]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheduler {
    /// How often it looks.
    #[serde(rename = "tick_seconds", deserialize_with = "seconds")]
    pub tick: Duration,
    /// How long plans, batches, dead letters and ticks are kept once they are settled.
    pub settled_days: i32,
}

/// `[api]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Where it listens.
    pub bind: SocketAddr,
    /// Where vendors reach it.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Origins whose pages may read answers.
    pub cors_origins: Vec<String>,
    /// Requests of one key a second, in all processes.
    pub requests_per_second: u32,
    /// Of which so many at once.
    pub requests_at_once: u32,
    /// Callers that wait for a change at once.
    pub waiting: u32,
    /// Of them so many of one key.
    pub waiting_per_key: u32,
}

impl Api {
    /// What one key may ask for.
    pub fn quota(&self) -> Quota {
        Quota { per_second: self.requests_per_second, burst: self.requests_at_once }
    }

    /// What of it is the door's: all but the keyring, which is not of this section.
    pub fn tuning(&self, pools: Pools) -> Tuning {
        Tuning {
            quota: self.quota(),
            waiting: self.waiting as usize,
            waiting_per_key: self.waiting_per_key as usize,
            origins: Origins::new(&self.cors_origins),
            reserve: pools.reserve,
            keyring: Keyring::default(),
            webhooks: receiver::Rules::default(),
        }
    }
}

/// `[admin]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Where it listens.
    pub bind: SocketAddr,
    /// What /metrics demands, if anything.
    pub token: Option<SecretString>,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// Which lines there are: a level, or directives.
    pub level: String,
}

/// `[clock]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// Seconds to add to the machine's time.
    pub offset_seconds: i64,
}

/// One value in force, for people to look at: a secret is masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its dotted key.
    pub key: String,
    /// Its value as TOML writes it, or `••••`.
    pub value: String,
    /// `default`, `FILE:LINE`, `env NAME` or `file PATH`.
    pub source: String,
}

/// The variable that sets a key: `LONGSHORE_WORKER__SLOTS` for `worker.slots`.
pub fn variable(key: &str) -> String {
    layers::variable_of(key)
}

/// The names of the variables that are settings of this process: a process it starts is given its own.
pub fn own_variables() -> impl Iterator<Item = String> {
    let ours = |name: &String| name.starts_with("LONGSHORE_") || ["DATABASE_URL", "PORT"].contains(&name.as_str());
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(ours)
}

impl Config {
    /// Reads the settings of this process.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        // A variable that is not Unicode can't be one of ours.
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let variables: BTreeMap<String, String> = variables.collect();
        if let Some(text) = variables.get(failpoints::VARIABLE).filter(|text| !text.is_empty()) {
            failpoints::set(text).map_err(|fault| ConfigError::one(format!("{}: {fault}", failpoints::VARIABLE)))?;
        }
        Self::load_from(path, variables.into_iter())
    }

    /// Reads the settings from a file and an environment of the caller's choice.
    pub fn load_from(path: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let variables: BTreeMap<String, String> = environment.collect();
        let named = variables.get(FILE_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
        let mut layers = Layers::defaults(DEFAULTS)?;
        if let Some(path) = path.or(named.as_deref()) {
            layers.add_file(path);
        }
        layers.add_environment(&variables);
        layers.add_secrets(&variables);
        let mut config = match Figment::from(Serialized::defaults(layers.table())).extract::<Self>() {
            Ok(config) => config,
            Err(error) => {
                let problems: Vec<_> = error.into_iter().map(|error| typed_problem(&error, &layers)).collect();
                return Err(ConfigError([layers.problems, problems].concat()));
            }
        };
        let source = |key: &str| layers.settings.get(key).map_or(Source::Default, |(_, source)| source.clone());
        config.check(&mut |key, problem| {
            layers.problems.push(format!("{key} {problem} ({})", source(key)));
        });
        match Keyring::read(&config.secrets) {
            Ok(keyring) => config.keyring = keyring,
            Err(faults) => {
                let from = source("secrets.keys");
                layers.problems.extend(faults.iter().map(|fault| format!("secrets.keys {fault} ({from})")));
            }
        }
        if !layers.problems.is_empty() {
            return Err(ConfigError(layers.problems));
        }
        if let Some(url) = &config.api.public_url {
            config.vendors.twilio.status_callback_url = format!("{}/v1/webhooks/twilio/status", url.trim_end_matches('/'));
        }
        config.settings = layers.settings.iter().map(|(key, (value, source))| shown(key, value, source)).collect();
        config.pg_bin = variables.get(PG_BIN_VARIABLE).map(PathBuf::from);
        Ok(config)
    }

    /// Every value in force and where it came from, by key.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// The keys that secrets are sealed with.
    pub fn keyring(&self) -> Keyring {
        self.keyring.clone()
    }

    /// Where Postgres' programs are, when somebody said so.
    pub fn pg_bin(&self) -> Option<&Path> {
        self.pg_bin.as_deref()
    }
}

/// What serde found, with the key and where its value came from.
fn typed_problem(error: &figment::Error, layers: &Layers) -> String {
    let key = error.path.join(".");
    // One of a list has its source from the list.
    let named = layers.settings.get(&key).or_else(|| layers.settings.get(error.path.first()?));
    let source = named.map(|(_, source)| format!(" ({source})")).unwrap_or_default();
    if is_secret(&key) {
        return format!("{key} can't be read{source}");
    }
    let fault = match &error.kind {
        Kind::UnknownVariant(found, known) => format!("must be one of {}, not {found:?}", known.join(", ")),
        Kind::InvalidValue(Actual::Signed(number), _) if *number < 0 => format!("must not be negative, as {number} is"),
        Kind::Message(message) => format!("can't be read: {message}"),
        other => format!("can't be read: {other}"),
    };
    format!("{key} {fault}{source}")
}

fn shown(key: &str, value: &Value, source: &Source) -> Setting {
    let value = if is_secret(key) { "••••".to_owned() } else { value.to_string() };
    Setting { key: key.to_owned(), value, source: source.to_string() }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|seconds| Duration::from_secs(seconds.into()))
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|milliseconds| Duration::from_millis(milliseconds.into()))
}
