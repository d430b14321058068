//! Two teams that know the same woman, one of them a man too, in every table and in a file; and workers driven by hand.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use longshore::{
    queue::settle::Verdict,
    workers::{
        self,
        ctx::Services,
        datalake::{
            object_store::{self, Config, ObjectStore},
            upload,
        },
        ids::{JobId, TeamId},
    },
};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;

use crate::{
    cli::fleet::{CarryNote, Ran, run_at},
    support::{Stepper, TestDb, services},
};

pub const ADA: (&str, &str) = ("+16175550123", "ada@example.com");
pub const BOB: (&str, &str) = ("+16175550199", "bob@example.com");

/// An upload in which Ada stands in several forms, once over two lines, and Bob beside her.
pub const FILE: &str = "phone,email,name,note\n\
    (617) 555-0123,Ada@Example.com,Ada Lovelace,\"met\nat a fair\"\n\
    617-555-0199,bob@example.com,Bob,\n\
    +1 617 555 0123,,Ada L.,x\n\
    2125550100,,Carol,\n";

pub struct World {
    pub db: TestDb,
    pub acme: TeamId,
    pub globex: TeamId,
    pub folder: TempDir,
    pub store: Arc<dyn ObjectStore>,
    pub worker: Stepper,
    /// Where acme's upload lay.
    pub upload: String,
}

impl World {
    pub async fn new() -> Self {
        let db = TestDb::new().await;
        let (acme, globex) = (db.team("acme").await, db.team("globex").await);
        let folder = tempfile::tempdir().expect("a folder");
        let store = object_store::open(&Config::folder(&folder.path().join("objects"))).expect("a store");
        let worker = worker(&db, store.clone()).await;
        let seed = include_str!("seed.sql");
        sqlx::raw_sql(seed).execute(&db.admin).await.expect("the seed");
        let mut uploads = Vec::new();
        for (team, n, who) in [(acme, 901, "Ada"), (acme, 902, "Bob"), (globex, 903, "Ada")] {
            let file = folder.path().join(n.to_string());
            // Another file for each: the same bytes are one object of a team.
            fs::write(&file, if n == 902 { "phone,name\n617.555.0199,Bob\n".to_owned() } else { FILE.to_owned() })
                .expect("a file");
            let stored = upload::store(&*store, team, &file).await.expect("an object");
            fs::remove_file(&file).expect("no file");
            let (phone, email) = if who == "Ada" { ADA } else { BOB };
            let words = format!("{who}, ({}) 555-{}, {who}{}", &phone[2..5], &phone[8..], &email[3..]);
            let call = format!(
                "call seed.person('{team}', {n}, '{phone}', '{email}', $w${words}$w$, '{}', {})",
                stored.key, stored.bytes
            );
            sqlx::raw_sql(AssertSqlSafe(call)).execute(&db.admin).await.expect("a person");
            uploads.push(stored.key);
        }
        // Leases of nobody would be work under way.
        sqlx::raw_sql("delete from queue.leases").execute(&db.admin).await.expect("no leases");
        let upload = uploads.swap_remove(0);
        Self { db, acme, globex, folder, store, worker, upload }
    }

    pub async fn ask<T>(&self, question: &str) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        sqlx::query_scalar(AssertSqlSafe(question.to_owned()))
            .fetch_one(&self.db.admin)
            .await
            .unwrap_or_else(|error| panic!("{question}: {error}"))
    }

    pub async fn tell(&self, statement: &str) {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&self.db.admin)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Everything of a team, or of somebody in it, as one digest.
    pub async fn digest(&self, team: TeamId, digits: &str) -> String {
        self.ask(&format!("select seed.digest_of('{team}', '{digits}')")).await
    }

    pub fn run(&self, line: &str) -> Ran {
        run_at(&self.db.url("operator"), line)
    }

    /// Runs what there is to do for people. What each run came to.
    pub async fn work(&self) -> Vec<(JobId, Verdict)> {
        let mut all = Vec::new();
        // Those that wait for something come back.
        for _ in 0..5 {
            all.extend(self.worker.drain("upkeep").await);
            self.worker.let_time_pass(&self.db).await;
        }
        all
    }

    /// What is left of somebody in the database, and where.
    pub async fn traces(&self, (phone, email): (&str, &str)) -> Vec<(String, String)> {
        let found = sqlx::query_as("select place, found from seed.rows_with($1, $2)").bind(&phone[2..]).bind(email);
        found.fetch_all(&self.db.admin).await.expect("the rows")
    }

    /// Every object with its content.
    pub fn objects(&self) -> Vec<(String, String)> {
        let root = self.folder.path().join("objects");
        let mut found: Vec<(PathBuf, String)> = Vec::new();
        walk(&root, &mut found);
        let mut found: Vec<_> = found
            .into_iter()
            .map(|(path, text)| (path.strip_prefix(&root).expect("a path below").display().to_string(), text))
            .collect();
        found.sort();
        found
    }
}

fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            walk(&entry, found);
        } else {
            found.push((entry.clone(), String::from_utf8_lossy(&fs::read(&entry).expect("a file")).into_owned()));
        }
    }
}

pub async fn worker(db: &TestDb, objects: Arc<dyn ObjectStore>) -> Stepper {
    let services = Services { objects, ..services(db) };
    Stepper::new(db, workers::registry().add::<CarryNote>(), services).await
}

/// A text without anything but letters and digits: in which a number stands however it was written.
pub fn bare(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}
