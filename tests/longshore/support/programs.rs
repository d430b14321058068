//! Programs that a test needs and a machine may lack.

use std::path::{Path, PathBuf};

/// Where `program` is. `None`: the test must be skipped, which it says loudly, with the command that installs it; under
/// LONGSHORE_TEST_REQUIRE=all, as the gate runs, a missing program is a failure.
pub fn find(program: &str, install: &str) -> Option<PathBuf> {
    let found = on_path(program);
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
