//! The promises of the object store, kept by the folder and by a real S3 server alike.

use std::{path::PathBuf, sync::Arc, time::Duration};

use longshore::workers::datalake::object_store::{self, Config, Created, ObjectStore, StoreError};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::seaweed::Seaweed;

/// A store under test, and a folder for files to put there.
struct Bench {
    store: Arc<dyn ObjectStore>,
    folder: TempDir,
}

impl Bench {
    fn new(config: &Config) -> Self {
        Self { store: object_store::open(config).expect("a store"), folder: tempfile::tempdir().expect("a folder") }
    }

    fn file(&self, bytes: &[u8]) -> (PathBuf, [u8; 32]) {
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        let path = self.folder.path().join(hex::encode(sha256));
        std::fs::write(&path, bytes).expect("a file");
        (path, sha256)
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        let (path, sha256) = self.file(bytes);
        self.store.create(key, &path, sha256).await
    }

    async fn content(&self, key: &str) -> Vec<u8> {
        let size = self.store.size(key).await.expect("a size");
        self.store.read(key, 0, size).await.expect("the bytes").to_vec()
    }
}

/// Bytes that differ from place to place.
fn bytes(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31) ^ (at >> 8)) as u8 ^ seed).collect()
}

async fn the_first_bytes_stay(bench: &Bench) {
    assert_eq!(bench.create("once/a.csv", b"first").await.expect("a creation"), Created::New);
    assert_eq!(bench.create("once/a.csv", b"first").await.expect("a creation"), Created::AlreadyThere);
    assert_eq!(bench.create("once/a.csv", b"other").await.expect("a creation"), Created::AlreadyThere);
    assert_eq!(bench.content("once/a.csv").await, b"first");
    // The same key stands for the same bytes: another length shows that something is very wrong.
    let longer = bench.create("once/a.csv", b"longer than the first").await;
    assert!(matches!(longer, Err(StoreError::Corrupt { .. })), "{longer:?}");
    assert_eq!(bench.content("once/a.csv").await, b"first");
    bench.store.ping().await.expect("an answer");
}

async fn of_racing_creators_one_wins(bench: &Bench, key: &str, length: usize) {
    let files: Vec<_> = (0..8).map(|seed| bytes(length, seed)).map(|content| (bench.file(&content), content)).collect();
    let start = Arc::new(tokio::sync::Barrier::new(files.len()));
    let mut racers = tokio::task::JoinSet::new();
    for ((path, sha256), content) in files {
        let (store, key, start) = (bench.store.clone(), key.to_owned(), start.clone());
        racers.spawn(async move {
            start.wait().await;
            (store.create(&key, &path, sha256).await.expect("a creation"), content)
        });
    }
    let ends = racers.join_all().await;
    let mut winners = ends.into_iter().filter(|(created, _)| *created == Created::New);
    let (_, content) = winners.next().expect("a winner");
    assert_eq!(winners.count(), 0, "{key} has two winners");
    assert!(bench.content(key).await == content, "{key} does not hold the winner's bytes");
}

/// Large objects go in parts, and how a store settles a race of conditional completions is its own affair: SeaweedFS 4.48
/// was seen to let two through. What we rest on is that a key is made of its content, so that every racer brings the same.
async fn racing_creators_of_the_same_bytes_agree(bench: &Bench, key: &str, length: usize) {
    let content = bytes(length, 1);
    let (path, sha256) = bench.file(&content);
    let start = Arc::new(tokio::sync::Barrier::new(8));
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, key, path, start) = (bench.store.clone(), key.to_owned(), path.clone(), start.clone());
        racers.spawn(async move {
            start.wait().await;
            store.create(&key, &path, sha256).await.expect("a creation")
        });
    }
    let ends = racers.join_all().await;
    assert!(ends.contains(&Created::New), "somebody created {key}");
    assert!(bench.content(key).await == content, "{key} is whole");
}

async fn a_range_is_read_exactly(bench: &Bench) {
    let content = bytes(10_000, 0);
    bench.create("ranged/b.csv", &content).await.expect("a creation");
    for (offset, length) in [(0, 10), (9_990, 10), (9_990, 1_000), (5_000, 5_000), (0, 10_000), (10_000, 5), (70_000, 5), (3, 0)]
    {
        let read = bench.store.read("ranged/b.csv", offset, length).await.expect("a range");
        let (from, to) = (offset.min(10_000) as usize, (offset + length).min(10_000) as usize);
        assert!(read == content[from..to.max(from)], "{length} bytes from {offset}: got {}", read.len());
    }
}

async fn what_is_not_there_is_not_found(bench: &Bench) {
    let missing = |result| matches!(result, Err(StoreError::NotFound(key)) if key == "nobody/x.csv");
    assert!(missing(bench.store.size("nobody/x.csv").await.map(drop)));
    assert!(missing(bench.store.read("nobody/x.csv", 0, 1).await.map(drop)));
    for wrong in ["../x", "/x", "a//b"] {
        assert!(matches!(bench.store.read(wrong, 0, 1).await, Err(StoreError::InvalidKey(_))), "{wrong} was read");
        assert!(matches!(bench.create(wrong, b"x").await, Err(StoreError::InvalidKey(_))), "{wrong} was created");
    }
}

async fn a_file_that_is_not_what_it_was_said_to_be_is_not_created(bench: &Bench, length: usize) {
    let (path, _) = bench.file(&bytes(length, 1));
    let created = bench.store.create("wrong/c.csv", &path, [7; 32]).await;
    assert!(matches!(created, Err(StoreError::Corrupt { .. })), "{created:?}");
    assert!(matches!(bench.store.size("wrong/c.csv").await, Err(StoreError::NotFound(_))));
}

async fn an_empty_object_is_an_object(bench: &Bench) {
    assert_eq!(bench.create("empty.csv", b"").await.expect("a creation"), Created::New);
    assert_eq!(bench.store.size("empty.csv").await.expect("a size"), 0);
    assert_eq!(bench.store.read("empty.csv", 0, 10).await.expect("nothing").len(), 0);
}

const MIB: usize = 1024 * 1024;

async fn the_whole_contract(bench: &Bench) {
    the_first_bytes_stay(bench).await;
    of_racing_creators_one_wins(bench, "race/small.csv", 100_000).await;
    racing_creators_of_the_same_bytes_agree(bench, "race/large.csv", 9 * MIB).await;
    a_range_is_read_exactly(bench).await;
    what_is_not_there_is_not_found(bench).await;
    a_file_that_is_not_what_it_was_said_to_be_is_not_created(bench, 1_000).await;
    a_file_that_is_not_what_it_was_said_to_be_is_not_created(bench, 9 * MIB).await;
    an_empty_object_is_an_object(bench).await;
    let content = bytes(20 * MIB + 7, 3);
    assert_eq!(bench.create("large/d.csv", &content).await.expect("a creation"), Created::New);
    assert_eq!(bench.create("large/d.csv", &content).await.expect("a creation"), Created::AlreadyThere);
    assert!(bench.content("large/d.csv").await == content, "a large object changed on its way");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_the_contract() {
    let root = tempfile::tempdir().expect("a folder");
    let bench = Bench::new(&Config::folder(&root.path().join("not/there/yet")));
    the_whole_contract(&bench).await;
    let left = std::fs::read_dir(root.path().join("not/there/yet/.incoming")).expect("the folder for halves").count();
    assert_eq!(left, 0, "halves of objects were left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_server_keeps_the_contract() {
    let Some(server) = Seaweed::start().await else { return };
    the_whole_contract(&Bench::new(&server.config("contract/of"))).await;

    let refused = |config: Config| async move { Bench::new(&config).create("x.csv", b"x").await.expect_err("a refusal") };
    let wrong = Config { secret_access_key: Some("not-the-secret".into()), ..server.config("x") };
    let error = refused(wrong).await;
    assert!(matches!(error, StoreError::Refused(_)), "a wrong secret: {error:?}");
    assert!(!error.to_string().contains("not-the-secret"));
    let nowhere = Config { endpoint: Some("http://127.0.0.1:9".into()), ..server.config("x") };
    let error = tokio::time::timeout(Duration::from_secs(30), refused(nowhere)).await.expect("an end");
    assert!(matches!(error, StoreError::Unavailable(_)), "no server: {error:?}");
}
