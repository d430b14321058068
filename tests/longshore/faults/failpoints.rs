//! A process that dies, errs or dawdles at each point that work comes by, under a load of every family.

use std::os::unix::process::ExitStatusExt as _;

use longshore::workers::failpoints::{self, Point};

use crate::support::{Fleet, Load};

const _: () = assert!(failpoints::COMPILED_IN, "the tests have them, by their dependency on the workers");

/// Kills a worker process without a word at its n-th time by `point`, then lets another finish the work.
async fn killed_at(point: Point, nth: u32) {
    let fleet = Fleet::new().await;
    let load = Load::of(&fleet).await;
    let doomed = load.worker(&fleet, &format!("{}=abort@{nth}", point.name()));
    let status = doomed.end().await;
    assert_eq!(status.signal(), Some(6), "{status}");
    let _worker = load.worker(&fleet, "");
    load.promises_hold(&fleet).await;
}

#[tokio::test]
async fn killed_after_a_claim_of_which_nobody_knew_yet() {
    killed_at(Point::AfterClaim, 2).await;
}

#[tokio::test]
async fn killed_before_it_renews_its_leases() {
    killed_at(Point::BeforeRenew, 1).await;
}

#[tokio::test]
async fn killed_between_an_intent_and_the_vendor() {
    killed_at(Point::BeforeEffect, 2).await;
}

#[tokio::test]
async fn killed_between_the_vendor_and_the_record() {
    killed_at(Point::AfterEffect, 3).await;
}

#[tokio::test]
async fn killed_before_a_commit() {
    killed_at(Point::BeforeCommit, 4).await;
}

#[tokio::test]
async fn killed_after_a_commit_of_which_nobody_knew_yet() {
    killed_at(Point::AfterCommit, 4).await;
}

#[tokio::test]
async fn killed_in_the_middle_of_a_chunk() {
    killed_at(Point::MidChunk, 2).await;
}

#[tokio::test]
async fn one_process_after_the_other_ends_after_a_commit_and_the_work_gets_done() {
    let fleet = Fleet::new().await;
    let load = Load::of(&fleet).await;
    for nth in [1, 6] {
        let status = load.worker(&fleet, &format!("after_commit=exit@{nth}")).end().await;
        assert_eq!(status.code(), Some(70), "{status}");
    }
    let _worker = load.worker(&fleet, "");
    load.promises_hold(&fleet).await;
}

#[tokio::test]
async fn a_connection_that_breaks_once_at_every_point_breaks_no_promise() {
    let fleet = Fleet::new().await;
    let load = Load::of(&fleet).await;
    let every = Point::ALL.map(|point| format!("{}=error@2", point.name())).join(";");
    let _worker = load.worker(&fleet, &every);
    load.promises_hold(&fleet).await;
}

#[tokio::test]
async fn a_process_that_dawdles_past_its_beats_keeps_its_leases_or_loses_them_whole() {
    let fleet = Fleet::new().await;
    let load = Load::of(&fleet).await;
    // The first renewals take longer than a lease: the process stops its handlers, and starts over under a new boot id.
    let dawdling = load.worker(
        &fleet,
        "before_renew=sleep(4000)@1;before_renew=sleep(4000)@2;before_renew=sleep(4000)@3;before_renew=sleep(4000)@4;
         before_renew=sleep(4000)@5;before_renew=sleep(4000)@6;after_claim=sleep(3500)@1;before_commit=sleep(1500)@2;
         after_effect=sleep(1500)@1;mid_chunk=sleep(1500)@1",
    );
    let _worker = load.worker(&fleet, "");
    load.promises_hold(&fleet).await;
    drop(dawdling);
}

#[test]
fn only_a_build_that_asks_for_failpoints_has_them() {
    let manifest = include_str!("../../../Cargo.toml");
    let default = manifest.lines().find(|line| line.starts_with("default =")).expect("default features");
    assert_eq!(default, r#"default = ["dev"]"#, "what a release build may take without asking");
    let workers = manifest.lines().find(|line| line.starts_with("longshore-workers = {")).expect("the workers");
    assert!(!workers.contains("failpoints"), "{workers}");
    let source = include_str!("../../../workers/failpoints.rs");
    assert!(
        source.contains("#[cfg(all(feature = \"failpoints\", not(debug_assertions)))]\ncompile_error!"),
        "a release build with them must not compile"
    );
}
