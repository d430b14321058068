//! The disk of Postgres is full, and later it no longer is.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use longshore::{
    dev::postgres::Options,
    workers::{
        db,
        enqueue::{self, Options as Enqueue},
        ids::JobId,
    },
};

use crate::support::{Fleet, TestDb, database, kinds::Scripted};

/// A disk of its own in memory. It goes with us, by whatever we end: a shell waits for that on its standard input.
struct SmallDisk {
    folder: PathBuf,
    guard: Child,
}

impl SmallDisk {
    fn new(megabytes: u32) -> Option<Self> {
        const GUARD: &str =
            r#"mount -t tmpfs -o size="$1m" longshore "$0" && echo mounted && read -r _; umount -l "$0"; rmdir "$0""#;
        let folder = std::env::temp_dir().join(format!("longshore-test-{}-disk", std::process::id()));
        fs::create_dir_all(&folder).ok()?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", GUARD]).arg(&folder).arg(megabytes.to_string());
        let mut guard = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut said = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(guard.stdout.take()?), &mut said).ok()?;
        let disk = Self { folder, guard };
        (said == "mounted\n").then_some(disk)
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Writes until nothing more goes in.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.ballast()).expect("a file");
        for size in [1024 * 1024, 4096] {
            let piece = vec![1; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).expect("the ballast");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn server_lives(folder: &Path) -> bool {
    let Ok(text) = fs::read_to_string(folder.join("data/postmaster.pid")) else { return false };
    text.lines().next().is_some_and(|pid| Path::new("/proc").join(pid.trim()).exists())
}

/// Enqueues once; `None` when nobody knows whether it was accepted.
async fn try_enqueue(fleet: &Fleet, note: &str) -> Option<JobId> {
    let pool = fleet.db.pool("worker");
    let accepted = async {
        let mut tx = db::begin_as(&pool, fleet.team).await.ok()?;
        let job = enqueue::one(&mut tx, fleet.team, &Scripted::noted("effect", note), Enqueue::default()).await.ok()?;
        tx.commit().await.ok()?;
        Some(job.job)
    };
    let accepted = accepted.await;
    pool.close().await;
    accepted
}

#[tokio::test]
async fn a_full_disk_refuses_work_and_keeps_what_was_accepted() {
    let Some(disk) = SmallDisk::new(240) else {
        eprintln!("\nSKIPPED: no tmpfs could be mounted (that takes root), so the test with a full disk has not run\n");
        return;
    };
    let folder = disk.folder.join("cluster");
    // Little of the log is kept ahead, so that it meets the full disk too.
    let settings = ["max_connections=100", "min_wal_size=32MB", "max_wal_size=48MB", "wal_recycle=off", "wal_init_zero=on"];
    let settings = settings.map(str::to_owned).to_vec();
    let mut cluster = database::start(Options { folder: folder.clone(), temporary: false, settings });
    let fleet = Fleet::over(TestDb::in_cluster(&cluster, "small").await).await;
    let mut accepted = Vec::new();
    for _ in 0..100 {
        accepted.push(fleet.enqueue(&Scripted::new("effect")).await);
    }
    let _worker = fleet.worker_process();
    fleet.until("some work to be done", || async { fleet.census().await.done > 10 }).await;

    disk.fill();
    let note = "x".repeat(100_000);
    let mut refused = 0;
    for _ in 0..2000 {
        match try_enqueue(&fleet, &note).await {
            Some(job) => accepted.push(job),
            None => refused += 1,
        }
        if refused == 3 {
            break;
        }
    }
    assert_eq!(refused, 3, "a full disk takes no more");

    disk.free();
    if !server_lives(&folder) {
        // It stopped where its log could not be written; whoever runs it starts it again.
        eprintln!("the server stopped for want of disk, and is started again");
        cluster = tokio::task::spawn_blocking(move || {
            cluster.crash_and_restart().expect("a start");
            cluster
        })
        .await
        .unwrap();
    }
    accepted.push(fleet.enqueue_retrying(&Scripted::new("effect")).await);
    fleet.promises_hold().await;
    for job in accepted {
        assert_eq!(fleet.effects(job).await, 1, "{job} was accepted");
    }
    drop(cluster);
}
