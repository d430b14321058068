//! Files in, rows out, each once.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use longshore::{
    queue::settle::Verdict,
    workers::{
        clock::TestClock,
        ctx::Services,
        datalake::{
            Dataset, FileId,
            ingest_file::IngestFile,
            object_store::{self, Config, Created, ObjectStore, StoreError},
            upload,
        },
        ids::TeamId,
        registry::Registry,
    },
};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Stepper, TestDb, services, services::noon};

const HEADER: &str = "phone,email,first_name,last_name,tags,engagement,consent,consent_at";

/// A lake: a database, a team, a folder of objects, and a worker that loads files.
struct Lake {
    db: TestDb,
    team: TeamId,
    worker: Stepper,
    store: Arc<Faulty>,
    folder: TempDir,
}

/// What becomes of the n-th read from now on.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Unavailable,
    Panic,
    OtherBytes,
    /// The clock jumps an hour.
    Slow,
}

/// An object store that fails when a test says so.
struct Faulty {
    inner: Arc<dyn ObjectStore>,
    left: AtomicI64,
    fault: Mutex<Fault>,
    clock: TestClock,
}

impl Faulty {
    fn at_read(&self, nth: i64, fault: Fault) {
        *self.fault.lock().expect("a fault") = fault;
        self.left.store(nth, Ordering::SeqCst);
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn create(&self, key: &str, file: &Path, sha256: [u8; 32]) -> Result<Created, StoreError> {
        self.inner.create(key, file, sha256).await
    }

    async fn size(&self, key: &str) -> Result<u64, StoreError> {
        self.inner.size(key).await
    }

    async fn read(&self, key: &str, offset: u64, length: u64) -> Result<Bytes, StoreError> {
        let bytes = self.inner.read(key, offset, length).await?;
        if self.left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return Ok(bytes);
        }
        let fault = *self.fault.lock().expect("a fault");
        match fault {
            Fault::Unavailable => Err(StoreError::Unavailable("a test pulled the cable".into())),
            Fault::Panic => panic!("a test pulled the plug"),
            Fault::OtherBytes => Ok(bytes.iter().map(|b| if *b == b'5' { b'6' } else { *b }).collect()),
            Fault::Slow => {
                self.clock.advance(chrono::Duration::hours(1));
                Ok(bytes)
            }
        }
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        self.inner.list(prefix, after).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

fn registry() -> Registry {
    Registry::new().add::<IngestFile>()
}

impl Lake {
    /// Reads files in chunks of so many bytes.
    async fn new(chunk_bytes: u32) -> Self {
        let db = TestDb::new().await;
        let team = db.team("one").await;
        let folder = tempfile::tempdir().expect("a folder");
        let clock = TestClock::at(noon());
        let inner = object_store::open(&Config::folder(&folder.path().join("objects"))).expect("a store");
        let store = Arc::new(Faulty { inner, left: AtomicI64::new(0), fault: Mutex::new(Fault::Panic), clock: clock.clone() });
        let mut services = Services { objects: store.clone(), clock: Arc::new(clock), ..services(&db) };
        services.rules.datalake.chunk_bytes = chunk_bytes;
        let worker = Stepper::new(&db, registry(), services).await;
        Self { db, team, worker, store, folder }
    }

    /// Another worker on the same lake.
    async fn another_worker(&self, change: impl FnOnce(&mut Services)) -> Stepper {
        let mut services = Services { objects: self.store.clone(), ..services(&self.db) };
        services.rules.datalake.chunk_bytes = 300;
        change(&mut services);
        Stepper::new(&self.db, registry(), services).await
    }

    async fn upload(&self, name: &str, content: impl AsRef<[u8]>) -> FileId {
        self.upload_as(self.team, name, content).await
    }

    async fn upload_as(&self, team: TeamId, name: &str, content: impl AsRef<[u8]>) -> FileId {
        let path = self.folder.path().join("upload.csv");
        std::fs::write(&path, content).expect("a file");
        let pool = self.db.pool("api");
        let accepted = upload::accept(&pool, &*self.store, team, Dataset::Leads, &path, name).await;
        accepted.expect("an accepted upload").0.file
    }

    /// Runs what is ready, retries and snoozes included, until nothing is left.
    async fn settle_all(&self) -> Vec<Verdict> {
        let mut all = Vec::new();
        loop {
            let verdicts = self.worker.drain("datalake").await;
            if verdicts.is_empty() {
                return all;
            }
            all.extend(verdicts.into_iter().map(|(_, verdict)| verdict));
            self.worker.let_time_pass(&self.db).await;
        }
    }

    async fn file(&self, file: FileId) -> Value {
        let row = "select to_jsonb(f) from longshore.files f where file_id = $1";
        sqlx::query_scalar(row).bind(file.0).fetch_one(&self.db.admin).await.expect("a file")
    }

    /// Rows in, loaded, rejected, duplicate, as the file has them.
    async fn counts(&self, file: FileId) -> [i64; 4] {
        let file = self.file(file).await;
        ["rows_in", "rows_loaded", "rows_rejected", "rows_duplicate"].map(|name| file[name].as_i64().expect("a count"))
    }

    async fn count(&self, what: &'static str) -> i64 {
        sqlx::query_scalar(what).fetch_one(&self.db.admin).await.expect("a count")
    }

    async fn leads(&self) -> i64 {
        self.count("select count(*) from longshore.leads").await
    }

    async fn rejects(&self) -> Vec<(i64, i64, Option<String>, String, String)> {
        let rows = "select record, line, column_name, reason, raw from longshore.rejects order by file_id, record";
        sqlx::query_as(rows).fetch_all(&self.db.admin).await.expect("the rejects")
    }
}

/// A file of `good` leads, with a bad row behind every tenth and a duplicate behind every seventh.
fn mixed(good: u32) -> (String, [i64; 4]) {
    let mut file = format!("{HEADER}\n");
    let (mut bad, mut again) = (0, 0);
    for n in 0..good {
        let line = format!("212555{n:04},p{n}@example.com,\"Ann, {n}\",Lee,a;b,high,express,2026-01-31\n");
        file += &line;
        if n % 7 == 6 {
            file += &line;
            again += 1;
        }
        if n % 10 == 9 {
            file += &format!("{n},,,,,,,\n");
            bad += 1;
        }
    }
    (file, [i64::from(good) + bad + again, i64::from(good), bad, again])
}

#[tokio::test]
async fn a_file_becomes_leads_consents_and_rejects() {
    let lake = Lake::new(1024 * 1024).await;
    let file = lake
        .upload(
            "my leads.csv",
            format!(
                "{HEADER}\n(212) 555-0123,Ann@Example.com,Ann,Lee,hot; new,GREEN,Express Written,1/31/2026\n\
                 2125550124,,,,,lukewarm,express,\nnobody,,Eve,,,,,\n2125550123,,,,,,,\n"
            ),
        )
        .await;
    let [Verdict::Nothing] = lake.settle_all().await[..] else { panic!("the job did not end in its own transaction") };

    assert_eq!(lake.counts(file).await, [4, 2, 1, 1]);
    let row = lake.file(file).await;
    assert_eq!(
        (&row["state"], &row["published"], &row["original_name"]),
        (&"loaded".into(), &true.into(), &"my leads.csv".into())
    );
    assert_eq!((&row["consents"], &row["consent_undated"], &row["engagement_unknown"]), (&1.into(), &1.into(), &1.into()));
    let lead: Value = sqlx::query_scalar("select to_jsonb(l) from longshore.leads l where phone = '+12125550123'")
        .fetch_one(&lake.db.admin)
        .await
        .expect("a lead");
    for (column, value) in [
        ("email", Value::from("ann@example.com")),
        ("first_name", "Ann".into()),
        ("tags", vec!["hot", "new"].into()),
        ("engagement", "high".into()),
        ("file_id", file.0.into()),
        ("file_row", 1.into()),
    ] {
        assert_eq!(lead[column], value, "{column}");
    }
    let no_tags = "select tags from longshore.leads where phone = '+12125550124'";
    let tags: Vec<String> = sqlx::query_scalar(no_tags).fetch_one(&lake.db.admin).await.expect("a lead");
    assert!(tags.is_empty(), "{tags:?}");
    let consent =
        "select phone || ' ' || level || ' ' || method || ' ' || (captured_at at time zone 'UTC')::date from longshore.consents";
    let consent: String = sqlx::query_scalar(consent).fetch_one(&lake.db.admin).await.expect("a consent");
    assert_eq!(consent, "+12125550123 express_written file 2026-01-31");
    let [(record, line, column, _, raw)] = &lake.rejects().await[..] else { panic!("not one reject") };
    assert_eq!((*record, *line, column.as_deref(), raw.as_str()), (3, 4, Some("phone"), "nobody,,Eve,,,,,"));
    let output: Value =
        sqlx::query_scalar("select output from queue.outputs").fetch_one(&lake.db.admin).await.expect("an output");
    assert_eq!((&output["rows_in"], &output["rows_loaded"], &output["file_id"]), (&4.into(), &2.into(), &file.0.into()));
}

#[tokio::test]
async fn the_same_bytes_under_two_names_and_at_once_are_loaded_once() {
    let lake = Lake::new(500).await;
    let (content, counts) = mixed(60);
    let path = lake.folder.path().join("both.csv");
    std::fs::write(&path, &content).expect("a file");
    let pool = lake.db.pool("api");
    let accept = |name| upload::accept(&pool, &*lake.store, lake.team, Dataset::Leads, &path, name);
    let (one, two, three) = tokio::join!(accept("one.csv"), accept("two.csv"), accept("three.csv"));
    let all = [one, two, three].map(|accepted| accepted.expect("an accepted upload"));
    assert_eq!(all.iter().filter(|(upload, _)| upload.new).count(), 1);
    assert_eq!(all.iter().filter(|(_, job)| !job.deduplicated).count(), 1);
    assert!(all.iter().all(|(upload, job)| upload.file == all[0].0.file && job.job == all[0].1.job));

    // Even jobs that got around the key, in two workers at once, load each row once.
    lake.worker.enqueue(lake.team, &IngestFile { file_id: all[0].0.file.0 }).await;
    let other = lake.another_worker(|_| ()).await;
    tokio::join!(lake.worker.drain("datalake"), other.drain("datalake"));
    lake.worker.let_time_pass(&lake.db).await;
    lake.settle_all().await;
    assert_eq!(lake.counts(all[0].0.file).await, counts);
    assert_eq!(lake.leads().await, counts[1]);
    assert_eq!(lake.rejects().await.len() as i64, counts[2]);
    assert_eq!(lake.count("select count(*) from longshore.consents").await, counts[1]);
    assert_eq!(lake.count("select count(*) from queue.dead").await, 0);
}

#[tokio::test]
async fn a_load_that_is_cut_off_anywhere_goes_on_and_loads_each_row_once() {
    let (content, counts) = mixed(60);
    let whole = lake_of(&content).await;
    for fault in [Fault::Unavailable, Fault::Panic, Fault::Slow] {
        let lake = Lake::new(700).await;
        let file = lake.upload("a.csv", &content).await;
        let mut cuts = 0;
        loop {
            // Each attempt gets two chunks further; the last ends.
            lake.store.at_read(3, fault);
            match lake.worker.next("datalake").await {
                Some((_, Verdict::Nothing)) => break,
                Some((_, Verdict::Retry { .. })) => assert!(fault != Fault::Slow, "a long run burnt an attempt"),
                Some((_, Verdict::Snooze { .. })) => assert!(fault == Fault::Slow),
                other => panic!("{other:?}"),
            }
            assert_eq!(lake.file(file).await["published"], false);
            cuts += 1;
            lake.worker.let_time_pass(&lake.db).await;
            lake.worker.promote().await;
        }
        assert!(cuts >= 2, "only {cuts} cuts");
        assert_eq!(lake.counts(file).await, counts);
        assert_eq!(rows(&lake).await, whole, "not what one run loads");
    }
}

/// All that a load of these bytes in one piece leaves behind.
async fn lake_of(content: &str) -> Vec<Value> {
    let lake = Lake::new(1024 * 1024).await;
    lake.upload("whole.csv", content).await;
    lake.settle_all().await;
    rows(&lake).await
}

async fn rows(lake: &Lake) -> Vec<Value> {
    let leads = "select to_jsonb(l) - '{team_id,lead_id,file_id,created_at}'::text[] from longshore.leads l
        union all select to_jsonb(r) - '{team_id,file_id}'::text[] from longshore.rejects r
        union all select to_jsonb(c) - '{team_id,consent_id,evidence}'::text[] from longshore.consents c
        order by 1";
    sqlx::query_scalar(leads).fetch_all(&lake.db.admin).await.expect("the rows")
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_writes_no_row() {
    let lake = Lake::new(1024 * 1024).await;
    let file = lake.upload("a.csv", mixed(10).0).await;
    let job = lake.worker.claim("datalake", 1).await.pop().expect("a job");
    sqlx::query("update queue.processes set expires_at = now() - interval '1 s'").execute(&lake.db.admin).await.expect("an end");
    sqlx::query("select queue.reap()").execute(&lake.db.admin).await.expect("a reaper");
    assert_eq!(lake.worker.run(job).await, Verdict::Nothing);
    assert_eq!(lake.leads().await, 0);
    assert_eq!(lake.file(file).await["read_to"], 0);
}

#[tokio::test]
async fn a_replayed_job_of_another_id_goes_on_where_the_file_was_left() {
    let lake = Lake::new(700).await;
    let (content, counts) = mixed(60);
    let file = lake.upload("a.csv", &content).await;
    lake.store.at_read(4, Fault::Unavailable);
    lake.worker.next("datalake").await.expect("a run");
    let read_to = lake.file(file).await["read_to"].as_i64().expect("a place");
    assert!(read_to > 1400, "{read_to}");
    sqlx::query("delete from queue.scheduled").execute(&lake.db.admin).await.expect("a lost job");
    lake.worker.enqueue(lake.team, &IngestFile { file_id: file.0 }).await;
    // Had it begun again, the first read would have been of the first bytes.
    lake.store.at_read(1, Fault::OtherBytes);
    lake.settle_all().await;
    assert_eq!(lake.file(file).await["state"], "failed", "the tail was read by the new job, with other bytes");
    assert_eq!(lake.counts(file).await[0], counts[0]);
}

#[tokio::test]
async fn bytes_that_changed_in_the_store_are_not_published() {
    let lake = Lake::new(700).await;
    let file = lake.upload("a.csv", mixed(30).0).await;
    lake.store.at_read(2, Fault::OtherBytes);
    let verdicts = lake.settle_all().await;
    let [Verdict::Dead { error }] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert!(error.contains("SHA-256"), "{error}");
    assert_eq!(lake.file(file).await["published"], false);
}

#[tokio::test]
async fn a_file_that_can_not_be_loaded_fails_with_the_reason_for_its_owner() {
    let lake = Lake::new(1000).await;
    for (content, wanted) in [
        ("", "the file is empty"),
        ("\u{feff}\r\n\r\n", "the file is empty"),
        ("telephone,email\n2125550123,\n", "column phone is missing"),
        ("2125550123,Ann\n", "column phone is missing"),
        ("phone,PHONE\n", "column phone stands twice"),
        ("\"phone,email\n2125550123,\n", "the header row can't be read: a quotation mark is out of place"),
        ("p\0h\0o\0n\0e\0\n\0", "UTF-16"),
    ] {
        let file = lake.upload("wrong.csv", content).await;
        let verdicts = lake.settle_all().await;
        let [Verdict::Dead { error }] = &verdicts[..] else { panic!("{content:?}: {verdicts:?}") };
        let row = lake.file(file).await;
        assert_eq!(row["state"], "failed");
        let told = row["error"].as_str().unwrap_or_default();
        assert!(told.contains(wanted) && error.contains(wanted), "{content:?}: {told} / {error}");
        assert!(!error.contains("2125550123"), "somebody's number is in the error: {error}");
    }
    assert_eq!(lake.leads().await, 0);
}

#[tokio::test]
async fn bad_rows_are_rejected_one_by_one_and_the_good_ones_between_them_load() {
    let lake = Lake::new(256 * 1024).await;
    let mut file = b"\xef\xbb\xbfphone,first_name,email\r\n".to_vec();
    for line in [
        b"2125550101,\"broken,a@example.com\r\n".as_slice(),
        b"2125550102,N\0L,\r\n",
        b"2125550103,\xff\xfe,\r\n",
        b"2125550104\r\n",
        b"2125550105,a,b,c\r\n",
        b"2125550106,Ann,nowhere\r\n",
        &[b"2125550107,\"".as_slice(), &vec![b'x'; 10 * 1024 * 1024], b"\",\r\n"].concat(),
        b"555-0123,Ann,\r\n",
    ] {
        file.extend_from_slice(line);
        file.extend_from_slice(b"21255502");
        file.extend_from_slice(format!("{:02},Ann,\n", file.len() % 100).as_bytes());
    }
    let id = lake.upload("corpus.csv", &file).await;
    lake.settle_all().await;
    let [rows_in, loaded, rejected, duplicate] = lake.counts(id).await;
    assert_eq!((rows_in, rejected, loaded + duplicate), (16, 8, 8));
    let seen: Vec<_> = lake.rejects().await;
    let at: Vec<_> = seen.iter().map(|(record, line, column, ..)| (*record, *line, column.as_deref())).collect();
    assert_eq!(
        at,
        [
            (1, 2, None),
            (3, 4, Some("first_name")),
            (5, 6, Some("first_name")),
            (7, 8, None),
            (9, 10, None),
            (11, 12, Some("email")),
            (13, 14, None),
            (15, 16, Some("phone")),
        ]
    );
    assert_eq!(
        seen[0].3,
        "a quotation mark is out of place: a field that holds one is put in quotation marks, and the mark doubled"
    );
    assert_eq!(seen[4].3, "the record has 4 fields where the header row has 3");
    assert_eq!(seen[6].3, "the record is longer than 64 KiB or has more than 1000 fields");
    assert_eq!(seen[6].4.chars().count(), 1000);
}

#[tokio::test]
async fn a_file_of_only_a_header_is_loaded_with_nothing_in_it() {
    let lake = Lake::new(1000).await;
    let file = lake.upload("empty.csv", HEADER).await;
    lake.settle_all().await;
    assert_eq!(lake.counts(file).await, [0; 4]);
    assert_eq!(lake.file(file).await["published"], true);
}

#[tokio::test]
async fn too_many_rejects_fail_the_file_and_a_patient_rule_takes_it_up_again() {
    let lake = Lake::new(500).await;
    let bad = "call me\n".repeat(300);
    let content = format!("phone\n{bad}{}", (0..700).map(|n| format!("212555{n:04}\n")).collect::<String>());
    let small = lake.upload("small.csv", format!("phone\n{}", "call me\n".repeat(999))).await;
    let file = lake.upload("large.csv", content + &"call me\n".repeat(500)).await;
    let verdicts = lake.settle_all().await;
    assert!(
        matches!(&verdicts[..], [Verdict::Nothing, Verdict::Dead { error }] if error.contains("more than 20 in 100")),
        "{verdicts:?}"
    );
    assert_eq!(lake.file(small).await["published"], true, "a rate is judged from 1000 rows on");
    assert!(lake.file(file).await["read_to"].as_i64() < lake.file(file).await["bytes"].as_i64(), "it was read to the end");

    let patient = lake.another_worker(|services| services.rules.datalake.max_reject_rate = 0.9).await;
    lake.worker.enqueue(lake.team, &IngestFile { file_id: file.0 }).await;
    let (_, verdict) = patient.next("datalake").await.expect("a run");
    assert_eq!(verdict, Verdict::Nothing);
    assert_eq!(lake.counts(file).await, [1500, 700, 800, 0]);
}

#[tokio::test]
async fn one_team_can_not_load_anothers_file_and_shares_no_bytes_with_it() {
    let lake = Lake::new(1000).await;
    let other = lake.db.team("two").await;
    let (content, counts) = mixed(10);
    let (ours, theirs) = (lake.upload("a.csv", &content).await, lake.upload_as(other, "a.csv", &content).await);
    assert_ne!(ours, theirs);
    assert_ne!(lake.file(ours).await["object_key"], lake.file(theirs).await["object_key"]);
    lake.settle_all().await;
    assert_eq!(lake.leads().await, 2 * counts[1]);

    lake.worker.enqueue(other, &IngestFile { file_id: ours.0 }).await;
    let verdicts = lake.settle_all().await;
    assert!(matches!(&verdicts[..], [Verdict::Dead { error }] if error.contains("the team has no file")), "{verdicts:?}");
    assert_eq!(lake.counts(ours).await, counts);
}

#[tokio::test]
async fn a_second_file_adds_only_what_is_new() {
    let lake = Lake::new(1000).await;
    let (content, counts) = mixed(20);
    lake.upload("a.csv", &content).await;
    lake.settle_all().await;
    let second = lake.upload("b.csv", content + "3125550100,,,,,,,\n").await;
    lake.settle_all().await;
    assert_eq!(lake.counts(second).await, [counts[0] + 1, 1, counts[2], counts[0] - counts[2]]);
    assert_eq!(lake.count("select count(*) from longshore.consents").await, counts[1], "a consent counts once");
}

#[tokio::test]
async fn a_missing_object_fails_the_file_and_an_unreachable_store_is_tried_again() {
    let lake = Lake::new(1000).await;
    let file = lake.upload("a.csv", mixed(5).0).await;
    lake.store.at_read(1, Fault::Unavailable);
    assert!(matches!(lake.worker.next("datalake").await, Some((_, Verdict::Retry { .. }))));
    assert_eq!(lake.file(file).await["state"], "stored");
    std::fs::remove_dir_all(lake.folder.path().join("objects/t")).expect("a loss");
    lake.worker.let_time_pass(&lake.db).await;
    let verdicts = lake.settle_all().await;
    assert!(matches!(&verdicts[..], [Verdict::Dead { error }] if error.contains("the stored object is gone")), "{verdicts:?}");
    assert_eq!(lake.file(file).await["state"], "failed");
}
