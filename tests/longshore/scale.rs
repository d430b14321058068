//! `docs/SCALE.md` is computed: the model stands here, its inputs that can be measured are measured here, and the tables of
//! the document are what it comes to. So is what makes the schema ready to be distributed by team.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{
    Fleet, Stepper,
    kinds::{self, Scripted},
    services,
};

const DOCUMENT: &str = include_str!("../../docs/SCALE.md");

/// An input of the model.
struct Input {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// Where it comes from.
    from: &'static str,
}

const fn input(name: &'static str, value: f64, unit: &'static str, from: &'static str) -> Input {
    Input { name, value, unit, from }
}

const JOBS: Input = input("jobs a lead", 4.0, "", "chosen: one enrichment and a sequence of three texts");
const QUEUE_ROWS: Input = input("rows that the queue keeps of a job", 4.0, "", "checked: job, outcome, output, idempotency key");
const LEAD_ROWS: Input = input(
    "rows that the families keep of a lead",
    22.0,
    "",
    "the demo: lead, consent, enrollment, enrichment; call, intent, hold, three entries; three texts with a decision and two reports each",
);
const JOB_BYTES: Input = input("bytes that the queue keeps of a job", 930.0, "B", "checked: payload of 100 bytes, with indexes");
const LEAD_BYTES: Input = input(
    "bytes that the families keep of a lead",
    9_700.0,
    "B",
    "the demo of 4,000 rows: tables and indexes, rows as they are long",
);
const JOB_WAL: Input = input("write-ahead log of a job", 1_500.0, "B", "checked: in, claimed, completed in its own transaction");
const LEAD_WAL: Input = input("write-ahead log of a lead's own rows", 14_500.0, "B", "estimated: half as much again as the rows");
const PAGES: Input = input("whole pages in the log, on top", 2.0, "times", "estimated: checkpoints half an hour apart");
const ENQUEUE_CPU: Input = input("server time of a job enqueued in bulk", 7.0, "µs", "`longshore bench enqueue`");
const WORK_CPU: Input = input("server time of a claim, and an end of its own", 26.0, "µs", "`longshore bench singles`");
const HANDLER_CPU: Input =
    input("server time of a handler's own statements", 1_000.0, "µs", "a generous guess: some ten statements");
const HANDLER_SECONDS: Input = input("how long a job runs", 0.3, "s", "chosen: a vendor's answer");
const PEAK: Input = input("the busiest second against the mean", 3.0, "times", "chosen: texts go out in the legal hours");
const SLOTS: Input = input("jobs at once in a worker process", 32.0, "", "`config.toml`: 16 in each of two queues");
const CONNECTIONS: Input =
    input("connections of a worker process", 25.0, "", "`config.toml`: 4, 16; two claimers, records, heartbeat, bell");
const HISTORY_DAYS: Input = input("days that jobs are kept", 30.0, "", "the default");
const LEAD_DAYS: Input = input("days that leads are kept", 365.0, "", "chosen");
const FILL: Input = input("how full a server may be, processors and disk", 0.5, "", "chosen");
const NODE_CORES: Input = input("processors of the largest server", 64.0, "", "chosen: sold by every cloud");
const NODE_TB: Input = input("disk of the largest server", 32.0, "TB", "chosen: what can be restored within a day");
const CORE_TB: Input =
    input("disk in use to a processor, at most", 1.0, "TB", "chosen: memory for the indexes comes with processors");
const NODE_WAL: Input = input("write-ahead log of one server", 200.0, "MB/s", "chosen: one log writer on a fast disk");
const CORE_DOLLARS: Input = input(
    "a processor of a managed Postgres with its standby",
    0.17,
    "$/h",
    "about the list price of a large cloud in 2026; put yours here",
);
const DISK_DOLLARS: Input = input("a gigabyte of its disk, twice", 0.23, "$/month", "the same: 0.115 a copy");
const WORKER_DOLLARS: Input = input("a processor of the workers", 0.04, "$/h", "the same");

const INPUTS: [&Input; 25] = [
    &JOBS,
    &QUEUE_ROWS,
    &LEAD_ROWS,
    &JOB_BYTES,
    &LEAD_BYTES,
    &JOB_WAL,
    &LEAD_WAL,
    &PAGES,
    &ENQUEUE_CPU,
    &WORK_CPU,
    &HANDLER_CPU,
    &HANDLER_SECONDS,
    &PEAK,
    &SLOTS,
    &CONNECTIONS,
    &HISTORY_DAYS,
    &LEAD_DAYS,
    &FILL,
    &NODE_CORES,
    &NODE_TB,
    &CORE_TB,
    &NODE_WAL,
    &CORE_DOLLARS,
    &DISK_DOLLARS,
    &WORKER_DOLLARS,
];

/// What so many leads a day ask for.
struct Demand {
    leads: f64,
    jobs: f64,
    rows: f64,
    jobs_per_second: f64,
    queue_cores: f64,
    cores: f64,
    wal_gb: f64,
    wal_mb_per_second: f64,
    in_flight: f64,
    processes: f64,
    connections: f64,
    history_gb: f64,
    disk_gb: f64,
    servers: f64,
    server_cores: f64,
    dollars: f64,
}

const SECONDS_A_DAY: f64 = 86_400.0;
const HOURS_A_MONTH: f64 = 730.0;

fn demand(leads: f64) -> Demand {
    let jobs = leads * JOBS.value;
    let jobs_per_second = jobs / SECONDS_A_DAY * PEAK.value;
    let queue_cores = jobs_per_second * (ENQUEUE_CPU.value + WORK_CPU.value) / 1e6;
    let cores = queue_cores + jobs_per_second * HANDLER_CPU.value / 1e6;
    let wal = (jobs * JOB_WAL.value + leads * LEAD_WAL.value) * PAGES.value;
    let wal_mb_per_second = wal / SECONDS_A_DAY * PEAK.value / 1e6;
    let in_flight = jobs_per_second * HANDLER_SECONDS.value;
    let processes = (in_flight / SLOTS.value).ceil().max(2.0);
    let history_gb = jobs * JOB_BYTES.value * HISTORY_DAYS.value / 1e9;
    let disk_gb = history_gb + leads * LEAD_BYTES.value * LEAD_DAYS.value / 1e9;
    // As many servers as the scarcest of the three asks for.
    let by_cores = cores / (NODE_CORES.value * FILL.value);
    let by_disk = disk_gb / (NODE_TB.value * 1000.0 * FILL.value);
    let by_wal = wal_mb_per_second / NODE_WAL.value;
    let servers = by_cores.max(by_disk).max(by_wal).ceil().max(1.0);
    let by_memory = disk_gb / 1000.0 / servers / CORE_TB.value;
    let server_cores = (cores / servers / FILL.value).max(by_memory).max(2.0).log2().ceil().exp2();
    let dollars = HOURS_A_MONTH * (servers * server_cores * CORE_DOLLARS.value + processes * 0.5 * WORKER_DOLLARS.value)
        + disk_gb / FILL.value * DISK_DOLLARS.value;
    Demand {
        leads,
        jobs,
        rows: jobs * QUEUE_ROWS.value + leads * LEAD_ROWS.value,
        jobs_per_second,
        queue_cores,
        cores,
        wal_gb: wal / 1e9,
        wal_mb_per_second,
        in_flight,
        processes,
        // Two API processes and two schedulers beside them.
        connections: processes * CONNECTIONS.value + 2.0 * 11.0 + 2.0 * 5.0,
        history_gb,
        disk_gb,
        servers,
        server_cores,
        dollars,
    }
}

/// Three digits that mean something, as people write them.
fn short(value: f64) -> String {
    if value > 0.0 && value < 0.005 {
        return "< 0.01".to_owned();
    }
    let (value, unit) = match value {
        v if v >= 999.5e6 => (v / 1e9, " G"),
        v if v >= 999.5e3 => (v / 1e6, " M"),
        v if v >= 9_999.5 => (v / 1e3, " k"),
        v => (v, ""),
    };
    let digits = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

const LEADS: [f64; 5] = [1e4, 1e5, 1e6, 1e7, 1e8];

type Column = (&'static str, fn(&Demand) -> f64);

fn table(columns: &[Column]) -> String {
    let mut lines = vec![
        format!("| {} |", columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | ")),
        format!("|{}", "---:|".repeat(columns.len())),
    ];
    for leads in LEADS {
        let demand = demand(leads);
        lines.push(format!("| {} |", columns.iter().map(|(_, of)| short(of(&demand))).collect::<Vec<_>>().join(" | ")));
    }
    lines.join("\n")
}

/// The leads a day at which one server is as full as it may be, by what is scarce.
fn one_server_carries() -> String {
    let of = demand(1e6);
    let disk = NODE_TB.value * 1000.0 * FILL.value;
    let a_month = of.history_gb + 1e6 * LEAD_BYTES.value * 30.0 / 1e9;
    let rows = [
        ("processors".to_owned(), NODE_CORES.value * FILL.value / of.cores),
        ("processors, were the queue all of it".to_owned(), NODE_CORES.value * FILL.value / of.queue_cores),
        ("the log".to_owned(), NODE_WAL.value / of.wal_mb_per_second),
        (format!("disk, leads kept {} days", LEAD_DAYS.value), disk / of.disk_gb),
        ("disk, leads kept 30 days".to_owned(), disk / a_month),
    ];
    let rows = rows.map(|(scarce, millions)| format!("| {scarce} | {} |", short(millions * 1e6)));
    format!("| scarce | leads a day |\n|---|---:|\n{}", rows.join("\n"))
}

/// The document's tables, as the model has them.
fn tables() -> [String; 4] {
    let mut inputs = vec!["| input | value | from |".to_owned(), "|---|---:|---|".to_owned()];
    for Input { name, value, unit, from } in INPUTS {
        inputs.push(format!("| {name} | {} | {from} |", format!("{value} {unit}").trim()));
    }
    let work: [Column; 9] = [
        ("leads a day", |d| d.leads),
        ("jobs a day", |d| d.jobs),
        ("rows a day", |d| d.rows),
        ("jobs a second, at the peak", |d| d.jobs_per_second),
        ("processors, the queue's part", |d| d.queue_cores),
        ("processors, all of it", |d| d.cores),
        ("log a day, GB", |d| d.wal_gb),
        ("log at the peak, MB/s", |d| d.wal_mb_per_second),
        ("jobs in flight", |d| d.in_flight),
    ];
    let houses: [Column; 8] = [
        ("leads a day", |d| d.leads),
        ("worker processes", |d| d.processes),
        ("connections", |d| d.connections),
        ("jobs kept, GB", |d| d.history_gb),
        ("disk in all, GB", |d| d.disk_gb),
        ("servers", |d| d.servers),
        ("processors each", |d| d.server_cores),
        ("$ a month", |d| d.dollars),
    ];
    [inputs.join("\n"), table(&work), table(&houses), one_server_carries()]
}

#[test]
fn the_tables_of_the_document_are_what_the_model_comes_to() {
    let missing: Vec<_> = tables().into_iter().filter(|table| !DOCUMENT.contains(table)).collect();
    assert!(missing.is_empty(), "docs/SCALE.md should say:\n\n{}\n", missing.join("\n\n"));
}

#[test]
fn the_model_multiplies_as_one_would_by_hand() {
    let million = demand(1e6);
    assert_eq!((million.jobs, million.rows), (4e6, 38e6));
    assert_eq!(short(million.jobs_per_second), "139", "4 M in 86,400 s, three times as many at the peak");
    assert_eq!(short(million.history_gb), short(4e6 * JOB_BYTES.value * 30.0 / 1e9));
    let [ten_thousand, .., all] = LEADS.map(demand);
    assert_eq!((ten_thousand.servers, ten_thousand.processes), (1.0, 2.0), "never less than one, and a second to fall back on");
    assert!(all.servers > 1.0 && all.disk_gb / all.servers <= NODE_TB.value * 1000.0 * FILL.value, "no server beyond its size");
}

/// Bytes that a statement writes to the log. The commit's own record, some 50 bytes, is not among them.
async fn wal(fleet: &Fleet, statement: &str) -> f64 {
    let plan: Value = fleet.ask(format!("explain (analyze, wal, timing off, format json) {statement}")).await;
    plan[0]["Plan"]["WAL Bytes"].as_f64().expect("bytes")
}

#[tokio::test]
async fn the_rows_and_bytes_of_the_model_are_those_of_the_tables() {
    let fleet = Fleet::new().await;
    let steps = Stepper::new(&fleet.db, kinds::registry(), services(&fleet.db)).await;
    let (jobs, payload) = (2000, serde_json::to_value(Scripted::noted("nothing", &"x".repeat(69))).unwrap());
    let length: i32 = fleet.ask(format!("select length('{payload}'::jsonb::text)")).await;
    assert_eq!(length, 100, "the payload that docs/BENCH.md states");
    let mut log = 0.0;
    for part in 0..jobs / 1000 {
        let enqueue = format!(
            "select count(*) from queue.enqueue_many('{}', 'scripted', array_fill('{payload}'::jsonb, array[1000]), \
             idempotency_keys => array(select 'campaign 17, lead ' || {part} * 1000 + n from generate_series(1, 1000) n))",
            fleet.team
        );
        log += wal(&fleet, &enqueue).await;
    }
    let mut left = jobs;
    while left > 0 {
        // As a worker whose handlers end one by one, each in a transaction of its own.
        let nil = "00000000-0000-0000-0000-000000000000";
        log += wal(
            &fleet,
            &format!("select count(*) from queue.claim_leases('{}', 'scripts', 16, '{nil}', '{{scripted}}')", steps.boot),
        )
        .await;
        let held: Vec<(i64, i64)> =
            sqlx::query_as("select fence, unnest(open) from queue.leases").fetch_all(&fleet.db.admin).await.unwrap();
        assert!(!held.is_empty());
        left -= held.len();
        for (fence, job) in held {
            let complete =
                format!("select queue.complete('{}', {fence}, {job}, '{{\"text\": \"SM0123456789abcdef\"}}')", steps.boot);
            log += wal(&fleet, &complete).await + 50.0;
        }
    }
    let jobs = jobs as f64;
    let count = async |table: &str| fleet.ask::<i64>(format!("select count(*) from queue.{table}")).await as f64;
    let rows = count("jobs").await + count("outcomes").await + count("outputs").await + count("keys").await;
    assert_eq!(rows / jobs, QUEUE_ROWS.value);
    fleet.tell("vacuum queue.jobs_30d_0, queue.outcomes_30d_0, queue.outputs_30d_0, queue.keys").await;
    let kept = "select sum(pg_total_relation_size(c.oid))::bigint from pg_class c where c.relnamespace = 'queue'::regnamespace
        and c.relkind = 'r' and c.relname in ('jobs_30d_0', 'outcomes_30d_0', 'outputs_30d_0', 'keys')";
    let bytes = fleet.ask::<i64>(kept).await as f64 / jobs;
    let log = log / jobs;
    let about = |said: f64, is: f64| (said / is - 1.0).abs() < 0.15;
    assert!(about(JOB_BYTES.value, bytes), "the model says {} bytes a job, the tables hold {bytes:.0}", JOB_BYTES.value);
    assert!(about(JOB_WAL.value, log), "the model says {} bytes of log a job, {log:.0} were written", JOB_WAL.value);
}

/// The names in the first column of the table below a heading of the document.
fn listed(heading: &str) -> BTreeSet<String> {
    let section = DOCUMENT.split_once(heading).expect("the heading").1.split("\n## ").next().unwrap_or_default();
    let rows =
        section.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    rows.map(|cells| {
        assert!(cells.len() == 4 && cells[2].len() > 10, "no reason: {cells:?}");
        cells[1].trim_matches('`').to_owned()
    })
    .collect()
}

#[tokio::test]
async fn every_key_is_led_to_its_team_or_says_why_not() {
    let fleet = Fleet::new().await;
    let keys = "select n.nspname || '.' || c.relname || '(' || (
          select string_agg(a.attname, ', ' order by k.at) from unnest(x.indkey) with ordinality k(col, at)
          join pg_attribute a on a.attrelid = c.oid and a.attnum = k.col) || ')'
        from pg_index x join pg_class c on c.oid = x.indrelid join pg_namespace n on n.oid = c.relnamespace
        where x.indisunique and n.nspname in ('queue', 'longshore') and not c.relispartition
          and not exists (select from unnest(x.indkey) k(col) join pg_attribute a on a.attrelid = c.oid and a.attnum = k.col
                          where a.attname = 'team_id')";
    let keys: Vec<String> = sqlx::query_scalar(keys).fetch_all(&fleet.db.admin).await.unwrap();
    let without: BTreeSet<String> = keys.into_iter().collect();
    assert_eq!(without, listed("## Keys without a team"), "keys without team_id, beside those that docs/SCALE.md explains");
    let strays = "select c.conrelid::regclass || ' -> ' || c.confrelid::regclass from pg_constraint c
        where c.contype = 'f' and c.conparentid = 0
          and exists (select from pg_attribute a where a.attrelid = c.confrelid and a.attname = 'team_id')
          and not exists (select from unnest(c.conkey) k(col) join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.col
                          where a.attname = 'team_id')";
    let strays: Vec<String> = sqlx::query_scalar(strays).fetch_all(&fleet.db.admin).await.unwrap();
    assert!(strays.is_empty(), "references that may cross teams: {strays:?}");
}

#[tokio::test]
async fn every_table_of_a_team_forces_its_policies() {
    let fleet = Fleet::new().await;
    let tables = "select n.nspname || '.' || c.relname, exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'team_id'),
          c.relrowsecurity and c.relforcerowsecurity
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and n.nspname in ('queue', 'longshore')";
    let tables: Vec<(String, bool, bool)> = sqlx::query_as(tables).fetch_all(&fleet.db.admin).await.unwrap();
    let open: Vec<_> = tables.iter().filter(|(_, teams, forced)| *teams && !forced).map(|(name, ..)| name).collect();
    assert!(open.is_empty(), "tables of a team's data whose policies are not forced: {open:?}");
    let shared: BTreeSet<_> = tables.into_iter().filter(|(_, teams, _)| !teams).map(|(name, ..)| name).collect();
    assert_eq!(shared, listed("## Tables without a team"), "tables without team_id, beside those that docs/SCALE.md explains");
}
