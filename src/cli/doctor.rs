//! `longshore doctor`: is this set-up fit to run? A line for everything that was looked at: what is wrong, where, what to do.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use super::{
    env::Env,
    problem::{Exit, Problem},
};
use crate::{
    config::Config,
    store::{
        doctor as facts, migrate,
        migrate::Standing,
        wall::{self, Duty, Finding},
    },
    workers::{
        self,
        clock::{Clock as _, SystemClock},
        datalake::object_store,
    },
};

/// What to look at.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Looks as this process would, with its rights; as any of them if not said
    #[arg(long, value_name = "PROCESS")]
    process: Option<Process>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Process {
    Api,
    Worker,
    Scheduler,
}

impl Process {
    const fn duty(this: Option<Self>) -> Duty {
        match this {
            Some(Self::Api) => Duty::Api,
            Some(Self::Worker) => Duty::Worker,
            Some(Self::Scheduler) => Duty::Scheduler,
            None => Duty::Any,
        }
    }
}

/// The oldest Postgres whose views can run with their caller's rights.
const OLDEST_POSTGRES: i32 = 150_000;
/// A clock that is off by more makes keys live too long, and quiet hours begin too late.
const MOST_SKEW: TimeDelta = TimeDelta::seconds(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    /// Works, and may surprise.
    Note,
    Fault,
}

/// One line of the report.
#[derive(Debug, Clone, Serialize)]
struct Line {
    check: &'static str,
    verdict: Verdict,
    what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_do: Option<String>,
    /// The rule of the wall that is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

#[derive(Debug, Default)]
struct Report(Vec<Line>);

impl Report {
    fn ok(&mut self, check: &'static str, what: impl Into<String>) {
        self.0.push(Line { check, verdict: Verdict::Ok, what: what.into(), to_do: None, rule: None });
    }

    fn note(&mut self, check: &'static str, what: impl Into<String>, to_do: impl Into<String>) {
        self.0.push(Line { check, verdict: Verdict::Note, what: what.into(), to_do: Some(to_do.into()), rule: None });
    }

    fn fault(&mut self, check: &'static str, what: impl Into<String>, to_do: impl Into<String>) {
        self.0.push(Line { check, verdict: Verdict::Fault, what: what.into(), to_do: Some(to_do.into()), rule: None });
    }

    fn findings(&mut self, check: &'static str, findings: Vec<Finding>, otherwise: impl Into<String>) {
        if findings.is_empty() {
            return self.ok(check, otherwise);
        }
        self.0.extend(findings.into_iter().map(|Finding { rule, place, what, to_do }| Line {
            check,
            verdict: Verdict::Fault,
            what: format!("{place} {what}"),
            to_do: Some(to_do),
            rule: Some(rule),
        }));
    }

    fn faults(&self) -> usize {
        self.0.iter().filter(|line| line.verdict == Verdict::Fault).count()
    }
}

/// Runs `longshore doctor`.
pub async fn run(wanted: &Arguments, env: &Env) -> Result<Exit, Problem> {
    let mut report = Report::default();
    match env.load_config() {
        // What is not read can't be followed: nothing else is known of this set-up.
        Err(error) => {
            for problem in error.0 {
                report.fault("configuration", problem, "`longshore config show` lists every setting and where it came from");
            }
        }
        Ok(config) => {
            configuration(&config, &mut report);
            database(wanted, &config, env, &mut report).await;
            objects(&config, &mut report).await;
        }
    }
    print(&report, env)?;
    Ok(if report.faults() == 0 { Exit::Done } else { Exit::Failed })
}

fn print(report: &Report, env: &Env) -> Result<(), Problem> {
    if env.out.json {
        return env.out.json(&json!({ "sound": report.faults() == 0, "checks": report.0 }));
    }
    for line in &report.0 {
        let mark = match line.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Fault => "FAULT",
        };
        let to_do = line.to_do.as_ref().map(|to_do| format!("; to do: {to_do}")).unwrap_or_default();
        // One line each, whatever stands in it.
        let text = format!("{}{to_do}", line.what).replace(['\n', '\r'], " ");
        env.out.line(&format!("{mark:<5}  {:<13}  {text}", line.check))?;
    }
    env.out.say(&match report.faults() {
        0 => "this set-up is sound".to_owned(),
        1 => "1 fault".to_owned(),
        many => format!("{many} faults"),
    });
    Ok(())
}

fn configuration(config: &Config, report: &mut Report) {
    let settings = config.settings();
    let changed = settings.iter().filter(|setting| setting.source != "default").count();
    report.ok("configuration", format!("{} settings, {changed} not at their defaults", settings.len()));
    if !config.admin.bind.ip().is_loopback() && config.admin.token.is_none() {
        let what = format!("admin.bind is {}: whoever reaches it reads the metrics", config.admin.bind);
        report.note("configuration", what, "set LONGSHORE_ADMIN__TOKEN, or bind it to 127.0.0.1");
    }
    if config.api.public_url.as_deref().is_some_and(|url| url.starts_with("http://") && !is_local(url)) {
        report.note(
            "configuration",
            "api.public_url is not https: keys and texts would travel in the clear",
            "put TLS before the API",
        );
    }
    if config.clock.offset_seconds != 0 {
        let what = format!("processes live {} seconds from the machine's time", config.clock.offset_seconds);
        report.note("configuration", what, "unset clock.offset_seconds where this is no rehearsal");
    }
}

fn is_local(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or_default();
    host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]")
}

async fn database(wanted: &Arguments, config: &Config, env: &Env, report: &mut Report) {
    let begun = Instant::now();
    let mut database = match env.look(config).await {
        Ok(database) => database,
        Err(problem) => return report.fault("database", problem.what(), problem.to_do().unwrap_or("check DATABASE_URL")),
    };
    let connected_in = begun.elapsed();
    let place = database.place();
    let mut tx = match database.begin_as_connected().await {
        Ok(tx) => tx,
        Err(problem) => return report.fault("database", problem.what(), "look at the server's log"),
    };
    if let Err(error) = look(&mut tx, wanted, config, &place, connected_in, report).await {
        report.fault("database", format!("a question was not answered: {error}"), "look at the server's log");
    }
    drop(tx);
    waking(config, env, report).await;
}

/// Asks the database everything, in one transaction as the processes would.
async fn look(
    conn: &mut PgConnection,
    wanted: &Arguments,
    config: &Config,
    place: &str,
    connected_in: Duration,
    report: &mut Report,
) -> Result<(), sqlx::Error> {
    let before = SystemClock.now();
    let server = facts::server(conn).await?;
    let after = SystemClock.now();
    // Behind the number some builds name their packager.
    let version = server.version.split(' ').next().unwrap_or_default();
    report.ok("database", format!("{place}, Postgres {version}, reached in {} ms", connected_in.as_millis()));
    if server.version_number < OLDEST_POSTGRES {
        report.fault("database", format!("Postgres {version} is too old"), "use Postgres 15 or newer");
    }
    if !server.fsync {
        report.fault(
            "database",
            "fsync is off: an accepted job may be lost with the machine",
            "set fsync = on in postgresql.conf",
        );
    }
    clock(before, after, server.now, report);
    match migrate::standing(conn).await? {
        Standing::Fits { newer: 0 } => report.ok("migrations", "as new as this build, its functions too"),
        Standing::Fits { newer } => report.ok("migrations", format!("{newer} newer than this build, which bears them")),
        // Older tables would only be found wanting by rules that came later.
        Standing::Behind { missing } => {
            report.fault("migrations", format!("{missing} missing"), "longshore migrate");
            return Ok(());
        }
        Standing::Differs { version } => {
            let what = format!("{version} was changed after it had been applied");
            report.fault("migrations", what, "run the build that this database belongs to");
            return Ok(());
        }
    }
    let role = wall::role(conn, Process::duty(wanted.process)).await?;
    report.findings("role", role, format!("{} is held by row-level security, and has no more than its duty", server.role));
    let found = wall::everything(conn).await?;
    report.findings(
        "wall",
        found,
        "every table of a team's data forces its policies; keys, rights and functions are as they must be",
    );
    pools(config, &server, report);
    kinds(conn, report).await?;
    if let Some(there) = facts::partitions(conn).await? {
        if there {
            report.ok("partitions", "made for the next ten million jobs");
        } else {
            report.fault(
                "partitions",
                "the next ten million job ids have none: enqueues would fail",
                "start a scheduler, which makes them",
            );
        }
    }
    fleet(conn, report).await
}

fn clock(before: chrono::DateTime<Utc>, after: chrono::DateTime<Utc>, there: chrono::DateTime<Utc>, report: &mut Report) {
    // It was asked at some moment between the two.
    let skew = if there < before { before - there } else { (there - after).max(TimeDelta::zero()) };
    if skew <= MOST_SKEW {
        return report.ok("clock", "this machine's and the database's agree");
    }
    let what = format!("this machine's is {} seconds from the database's", skew.num_seconds());
    report.fault("clock", what, "keep both with NTP: expiry of keys and quiet hours go by the one, leases by the other");
}

fn pools(config: &Config, server: &facts::Server, report: &mut Report) {
    let pools = config.database.pools;
    let queues = match config.worker.queues.len() {
        0 => workers::registry().queues().len(),
        named => named,
    };
    // As a worker counts them: a claimer for each queue, records, the heartbeat, the bell.
    let worker = i64::from(pools.engine) + i64::from(pools.handlers) + queues as i64 + 3;
    let all = worker + i64::from(pools.api) + i64::from(pools.engine);
    let room = i64::from(server.max_connections) - i64::from(server.reserved);
    let asked = format!("an API, a worker and a scheduler ask for {} + {worker} + {} connections", pools.api, pools.engine);
    if config.database.pgbouncer {
        report.ok("pools", format!("{asked}, from the pooler"));
    } else if all > room {
        report.fault(
            "pools",
            format!("{asked}, and the server allows {room}"),
            "raise max_connections, or lower [database.pools]",
        );
    } else {
        report.ok("pools", format!("{asked} of {room} ({} in use now)", server.connected));
    }
}

async fn kinds(conn: &mut PgConnection, report: &mut Report) -> Result<(), sqlx::Error> {
    let announced = facts::kinds(conn).await?;
    let registry = workers::registry();
    let missing: Vec<_> = registry
        .iter()
        .filter(|kind| !announced.iter().any(|had| had.kind == kind.name && i32::from(had.version) >= i32::from(kind.version)))
        .map(|kind| kind.name)
        .collect();
    if !missing.is_empty() {
        let what = format!("the database does not know {}: enqueues of them are refused", missing.join(", "));
        report.fault("kinds", what, "longshore migrate announces them, as does any process that starts");
        return Ok(());
    }
    let ours: Vec<_> = registry.iter().map(|kind| kind.name).collect();
    let strange: Vec<_> = announced.iter().map(|had| had.kind.as_str()).filter(|kind| !ours.contains(kind)).collect();
    if strange.is_empty() {
        report.ok("kinds", format!("all {} of this build are known", ours.len()));
    } else {
        let what = format!("other builds run {}, which this one leaves to them", strange.join(", "));
        report.note("kinds", what, "nothing, while workers of those builds run");
    }
    Ok(())
}

async fn fleet(conn: &mut PgConnection, report: &mut Report) -> Result<(), sqlx::Error> {
    let alive = facts::alive(conn).await?;
    let many = |role: &str| alive.iter().find(|one| one.role == role).map_or(0, |one| one.processes);
    let (apis, workers, schedulers) = (many("api"), many("worker"), many("scheduler"));
    let what = format!("alive: {apis} API, {workers} workers, {schedulers} schedulers");
    if workers == 0 || schedulers == 0 {
        report.note("fleet", what, "start `longshore worker` and `longshore scheduler` (docs/runbook/no-worker.md)");
        return Ok(());
    }
    report.ok("fleet", what);
    if facts::measured(conn).await?.is_none_or(|seconds| seconds > 60.0) {
        let to_do = "look at the scheduler's log (docs/runbook/depth-unknown.md)";
        report.note("fleet", "the queues were not measured in the last minute", to_do);
    }
    Ok(())
}

/// Whether workers can be woken, or must poll.
async fn waking(config: &Config, env: &Env, report: &mut Report) {
    if !config.database.pgbouncer {
        return report.ok("waking", "workers are woken by notice (LISTEN)");
    }
    let poll = config.worker.poll;
    if config.database.direct_url.is_none() {
        let what = format!("there is no LISTEN through a pooler: workers look every {poll:?}");
        return report.note("waking", what, "set LONGSHORE_DATABASE__DIRECT_URL to an address past it, or leave it so");
    }
    match env.session().await {
        Ok(_) => report.ok("waking", "workers are woken by notice, past the pooler (database.direct_url)"),
        Err(problem) => {
            report.fault("waking", format!("database.direct_url: {}", problem.what()), "correct the address past the pooler")
        }
    }
}

async fn objects(config: &Config, report: &mut Report) {
    let to_do = "check [objects] and its credentials; uploads and ingestion need it";
    let store = match object_store::open(&config.objects) {
        Ok(store) => store,
        Err(error) => return report.fault("objects", error.to_string(), to_do),
    };
    match tokio::time::timeout(Duration::from_secs(5), store.ping()).await {
        Ok(Ok(())) => report.ok("objects", format!("{} answers", config.objects.url)),
        Ok(Err(error)) => report.fault("objects", format!("{}: {error}", config.objects.url), to_do),
        Err(_) => report.fault("objects", format!("{} does not answer within 5 seconds", config.objects.url), to_do),
    }
}
