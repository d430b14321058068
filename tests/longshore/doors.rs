//! One outside library, one door: this reads the tree and says which door was missed.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// What may be named only behind its door. A door is a file, or a folder when it ends in `/`.
struct Door {
    what: &'static str,
    names: &'static [&'static str],
    doors: &'static [&'static str],
}

const DOORS: &[Door] = &[
    Door { what: "apalis", names: &["apalis::", "apalis_core::"], doors: &["src/queue/backend.rs"] },
    Door {
        what: "axum",
        names: &["axum::", "utoipa_axum::"],
        doors: &["src/api/", "src/admin.rs", "src/dev/sandbox/", "src/dev/sandbox.rs"],
    },
    // A job's view, and a plan's, are read by SQL and answered as they are: their shape is described where it is declared.
    Door {
        what: "OpenAPI",
        names: &["utoipa::"],
        doors: &["src/api/", "src/store/job_view.rs", "src/store/plans.rs", "src/tenancy/"],
    },
    Door { what: "AES-GCM", names: &["ring::aead", "ring::hkdf"], doors: &["workers/secrets/cipher.rs"] },
    Door { what: "clap", names: &["clap::", "clap_complete::"], doors: &["src/cli/", "src/main.rs"] },
    Door { what: "tables for people", names: &["comfy_table::"], doors: &["src/cli/", "src/dev/"] },
    Door { what: "progress bars", names: &["indicatif::"], doors: &["src/cli/batch.rs", "src/dev/"] },
    Door { what: "HTTP to others", names: &["reqwest::"], doors: &["workers/vendors/", "src/dev/"] },
    Door { what: "S3", names: &["aws_sdk_s3::", "aws_smithy_http_client::"], doors: &["workers/datalake/"] },
    Door { what: "the environment", names: &["env::var", "env::vars", "env::var_os"], doors: &["src/config.rs", "src/config/"] },
    Door { what: "configuration files", names: &["figment::"], doors: &["src/config.rs", "src/config/"] },
    Door { what: "the wall clock", names: &["Utc::now", "Local::now", "SystemTime::now"], doors: &["workers/clock.rs"] },
    Door { what: "randomness", names: &["rand::"], doors: &["workers/clock.rs"] },
    Door {
        what: "metrics",
        names: &[
            "metrics::",
            "metrics_exporter_prometheus::",
            "counter!(",
            "gauge!(",
            "histogram!(",
            "\"longshore_jobs_",
            "\"longshore_queue_",
        ],
        doors: &["src/telemetry.rs", "src/telemetry/", "workers/telemetry.rs"],
    },
    Door { what: "log output", names: &["tracing_subscriber::"], doors: &["src/telemetry.rs", "src/telemetry/"] },
    Door { what: "signals", names: &["signal::unix", "signal::ctrl_c"], doors: &["src/shutdown.rs"] },
    Door { what: "JSON patches", names: &["json_patch::"], doors: &["src/queue/edit.rs"] },
    Door { what: "cron patterns", names: &["croner::"], doors: &["src/scheduler/", "src/scheduler.rs"] },
    Door {
        what: "statements",
        names: &["sqlx::query", "query_file!(", "query_file_as!(", "query_file_scalar!(", "sqlx::raw_sql"],
        doors: &["src/store/", "src/tenancy/", "src/bench/", "workers/"],
    },
    // A pooler hands a connection on after each transaction: db::begin and db::work know.
    Door {
        what: "a pool's connections",
        names: &["pool.acquire(", "engine.acquire(", ".begin()"],
        doors: &[
            "workers/db.rs",
            "src/api/health.rs",
            "src/cli/",
            "src/bench/",
            "src/dev/",
            "src/store/migrate.rs",
            "src/store/stack.rs",
        ],
    },
    // What the compiler would allow and the map does not: a worker that knows who runs it.
    Door { what: "the engine", names: &["longshore::"], doors: &["src/"] },
];

/// A file of the tree, by its path from the root.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Its lines, numbered, without comments and without tests: those in a file of their own, and those at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = ["\n#[cfg(test)]\nmod tests {", "\n#[cfg(test)]\npub mod tests {"]
            .iter()
            .filter_map(|tests| self.text.find(tests))
            .min();
        let code = if self.is_test() { "" } else { &self.text[..end.unwrap_or(self.text.len())] };
        code.lines().enumerate().map(|(at, line)| (at + 1, line.trim())).filter(|(_, line)| !line.starts_with("//"))
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folders: &[&str], ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == ending) {
                let path = entry.strip_prefix(root()).expect("a path below the root").to_string_lossy().into_owned();
                found.push(Source { path, text: fs::read_to_string(&entry).expect("a text") });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no .{ending} files were found: this test reads the wrong place");
    found
}

/// `name` stands in `line` as a word of its own, not at the end of a longer one.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

fn holds(promise: &str, broken: &[String]) {
    let mut list = String::new();
    for one in broken {
        let _ = writeln!(list, "  {one}");
    }
    assert!(broken.is_empty(), "{promise}:\n{list}");
}

#[test]
fn each_outside_library_has_one_door() {
    let mut missed = Vec::new();
    for source in sources(&["src", "workers"], "rs") {
        for door in DOORS {
            let behind =
                door.doors.iter().any(|path| source.path == *path || (path.ends_with('/') && source.path.starts_with(path)));
            let hits = source.code().filter(|(_, line)| !behind && door.names.iter().any(|name| names(line, name)));
            for (at, line) in hits {
                missed.push(format!("{}:{at} names {}, whose door is {}: {line}", source.path, door.what, door.doors.join(", ")));
            }
        }
    }
    holds("a library is named outside its door (docs/ARCHITECTURE.md, \"Doors\")", &missed);
}

#[test]
fn every_statement_stands_in_a_file_of_its_own_beside_its_one_caller() {
    let mut callers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut broken = Vec::new();
    for source in sources(&["src", "workers"], "rs") {
        let from = if source.path.starts_with("workers/") { "workers/" } else { "" };
        for (at, line) in source.code() {
            let inline =
                ["sqlx::query(", "sqlx::query!(", "sqlx::query_as", "sqlx::query_scalar", "sqlx::query_with", "sqlx::raw_sql"];
            // The stack makes databases before there is a schema: `create database` can't be prepared or checked. The bench
            // does too, and arranges its own data there as a superuser. Nor can the functions that migrations/functions holds.
            let arranges = ["src/dev/", "src/bench/", "src/store/migrate.rs"].iter().any(|place| source.path.starts_with(place));
            if inline.iter().any(|name| names(line, name)) && !arranges {
                broken.push(format!("{}:{at} holds a statement; give it a .sql file: {line}", source.path));
            }
            for text in line.split('"').skip(1).step_by(2).filter(|text| text.ends_with(".sql") && !text.contains("migrations/"))
            {
                let callers = callers.entry(format!("{from}{text}")).or_default();
                if callers.last() != Some(&source.path) {
                    callers.push(source.path.clone());
                }
            }
        }
    }
    let statements = sources(&["src", "workers"], "sql");
    for Source { path, text } in &statements {
        if !text.starts_with("-- ") {
            broken.push(format!("{path} does not open with a comment that states its promise"));
        }
        match callers.get(path).map(Vec::as_slice) {
            None => broken.push(format!("{path} is used by nobody")),
            Some([caller]) => {
                let (folder, beside) = (Path::new(path).parent(), Path::new(caller).parent());
                // Beside it: in the caller's own folder, or in a folder that stands there.
                if folder != beside && folder.and_then(Path::parent) != beside {
                    broken.push(format!("{path} does not stand beside its caller {caller}"));
                }
            }
            Some(many) => broken.push(format!("{path} is used by {}", many.join(" and "))),
        }
    }
    for (path, callers) in callers {
        if !statements.iter().any(|statement| statement.path == path) {
            broken.push(format!("{} uses {path}, which is not there", callers.join(" and ")));
        }
    }
    holds("SQL is kept one statement a file, beside its one caller", &broken);
}

#[test]
fn whatever_can_be_recorded_is_recorded_somewhere() {
    let catalogue = ["src/telemetry.rs", "workers/telemetry.rs"];
    let sources = sources(&["src", "workers"], "rs");
    let (telemetry, callers): (Vec<_>, Vec<_>) = sources.iter().partition(|source| catalogue.contains(&source.path.as_str()));
    let mut broken = Vec::new();
    for source in telemetry {
        let functions = source.code().filter_map(|(_, line)| line.strip_prefix("pub fn ")?.split(['(', '<']).next());
        for function in functions.filter(|function| !["catalogue", "render"].contains(function)) {
            // Those looked up once are kept as `meters`.
            let calls = [format!("telemetry::{function}"), format!("Meters::{function}("), format!("meters.{function}(")];
            if !callers.iter().any(|caller| caller.code().any(|(_, line)| calls.iter().any(|call| line.contains(call)))) {
                broken.push(format!("{function} of {} is called by nobody", source.path));
            }
        }
    }
    holds("a metric that nobody records is a panel that lies", &broken);
}

#[test]
fn every_dependency_is_named_by_the_crate_that_asks_for_it() {
    let mut broken = Vec::new();
    for (manifest, folders) in [("Cargo.toml", ["src", "tests"].as_slice()), ("workers/Cargo.toml", &["workers"])] {
        let text = fs::read_to_string(root().join(manifest)).expect("a manifest");
        for (section, folder) in [("[dependencies]", &folders[..1]), ("[dev-dependencies]", folders)] {
            let asked =
                text.split(&format!("\n{section}\n")).nth(1).and_then(|rest| rest.split("\n[").next()).unwrap_or_default();
            let sources = sources(folder, "rs");
            for name in asked.lines().filter_map(|line| line.split(['.', ' ']).next()).filter(|name| !name.is_empty()) {
                let (path, whole) = (format!("{}::", name.replace('-', "_")), format!("use {};", name.replace('-', "_")));
                if !sources.iter().any(|source| names(&source.text, &path) || source.text.contains(&whole)) {
                    broken.push(format!(
                        "{manifest} asks for {name} in {section}, and nothing in {} names it",
                        folder.join(" or ")
                    ));
                }
            }
        }
    }
    holds("what is not used is not asked for", &broken);
}

#[test]
fn every_migration_acts_as_the_role_that_will_own_its_work() {
    let mut broken = Vec::new();
    for Source { path, text } in sources(&["migrations"], "sql") {
        let mut code = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
        // The first one makes the roles.
        if path != "migrations/0001_roles.sql" && !code.next().is_some_and(|first| first.starts_with("set local role longshore_"))
        {
            broken.push(format!("{path} does not begin with set local role"));
        }
        if code.next_back() != Some("reset role;") {
            broken.push(format!("{path} does not end with reset role"));
        }
        if !text.starts_with("-- ") {
            broken.push(format!("{path} does not open with a comment"));
        }
    }
    holds("a migration says as whom it acts", &broken);
}

#[test]
fn every_file_can_be_read_in_one_go() {
    let mut broken = Vec::new();
    let all = ["rs", "sql"].into_iter().flat_map(|ending| sources(&["src", "workers", "tests", "migrations"], ending));
    for Source { path, text } in all.filter(|source| !source.path.contains("fixtures/")) {
        let lines = text.lines().count();
        if lines > 600 {
            broken.push(format!("{path} has {lines} lines"));
        }
        if path.ends_with(".rs") && !path.ends_with("/tests.rs") && !text.starts_with("//! ") {
            broken.push(format!("{path} does not open with a sentence that says what it is for"));
        }
        let unfinished = ["TODO", "FIXME", "//! stub"];
        if path != "tests/longshore/doors.rs" && unfinished.iter().any(|word| text.contains(word)) {
            broken.push(format!("{path} is unfinished"));
        }
    }
    holds("a file opens with what it is for, ends before one tires, and is finished", &broken);
}
