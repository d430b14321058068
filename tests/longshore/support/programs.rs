//! Programs that a test needs and a machine may lack.

use std::path::{Path, PathBuf};

/// Where `program` is. `None`: the test must be skipped, which it says loudly, with the command that installs it; under
/// LONGSHORE_TEST_REQUIRE=all, as the gate runs, a missing program is a failure.
pub fn find(program: &str, install: &str) -> Option<PathBuf> {
    found(program, on_path(program), install)
}

/// Where the library that lets a process live in another time is; as [`find`].
pub fn find_faketime() -> Option<PathBuf> {
    let places = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let library = places.map(|place| place.join("faketime/libfaketimeMT.so.1")).find(|library| library.is_file());
    found("libfaketime", library, "apt-get install -y --no-install-recommends libfaketime")
}

fn found(program: &str, found: Option<PathBuf>, install: &str) -> Option<PathBuf> {
    if found.is_none() {
        skip(&format!("{program} is not installed; install it with: {install}"));
    }
    found
}

/// Says loudly that a test has not run, and why; under LONGSHORE_TEST_REQUIRE=all that is a failure.
#[expect(clippy::disallowed_methods, reason = "a test reads the environment it runs in")]
pub fn skip(why: &str) {
    assert!(std::env::var("LONGSHORE_TEST_REQUIRE").as_deref() != Ok("all"), "a test can't run: {why}");
    eprintln!("\nSKIPPED: a test has not run: {why}\n");
}

/// Where `program` is, if it is.
#[expect(clippy::disallowed_methods, reason = "a test reads the environment it runs in")]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|candidate| candidate.is_file())
}

/// Where the Postgres programs are that somebody wants the suite to run on.
pub fn postgres() -> Option<PathBuf> {
    std::env::var_os("LONGSHORE_PG_BIN").map(PathBuf::from)
}
