//! Takes a file in: its bytes into the object store under their SHA-256, its name into the catalogue, its load into the
//! queue. The same bytes under any name are the same file, stored once and loaded once.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, PgPool};
use tokio::{fs::File, io::AsyncReadExt as _};

use super::{
    Dataset, FileId,
    ingest_file::IngestFile,
    object_store::{Created, ObjectStore, StoreError},
};
use crate::{
    db,
    enqueue::{self, EnqueueError, Enqueued, Options},
    ids::TeamId,
};

/// Bytes that are in the object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Their identity.
    pub sha256: [u8; 32],
    /// How many.
    pub bytes: u64,
    /// Where they lie.
    pub key: String,
    /// Whether they were there before.
    pub created: Created,
}

/// A file in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its id: the same for the same bytes.
    pub file: FileId,
    /// False when the team had uploaded these bytes before.
    pub new: bool,
    dataset: Dataset,
    sha256: [u8; 32],
}

impl Upload {
    /// Enqueues the load. The bytes are the idempotency key: however often a file is uploaded, it is loaded once.
    pub async fn enqueue(&self, conn: &mut PgConnection, team: TeamId, options: Options) -> Result<Enqueued, EnqueueError> {
        let key = format!("{}:{}", self.dataset.name(), hex::encode(self.sha256));
        enqueue::one(conn, team, &IngestFile { file_id: self.file.0 }, Options { key: Some(key), ..options }).await
    }
}

/// Why a file was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The local file can't be read.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The object store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue did not take its load.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    /// The database refused or did not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The whole of it: stores, registers and enqueues. Safe to repeat after any error.
pub async fn accept(
    pool: &PgPool,
    objects: &dyn ObjectStore,
    team: TeamId,
    dataset: Dataset,
    path: &Path,
    name: &str,
) -> Result<(Upload, Enqueued), UploadError> {
    let stored = store(objects, team, path).await?;
    let mut tx = db::begin_as(pool, team).await?;
    let upload = register(&mut tx, objects, team, dataset, &stored, name).await?;
    let enqueued = upload.enqueue(&mut tx, team, Options::default()).await?;
    tx.commit().await?;
    Ok((upload, enqueued))
}

/// Stores and registers a file; its caller enqueues the load in the same transaction ([`Upload::enqueue`]).
pub async fn register_upload(
    conn: &mut PgConnection,
    objects: &dyn ObjectStore,
    team: TeamId,
    dataset: Dataset,
    path: &Path,
    name: &str,
) -> Result<Upload, UploadError> {
    let stored = store(objects, team, path).await?;
    register(conn, objects, team, dataset, &stored, name).await
}

/// Stores a local file's bytes under their SHA-256. Needs no transaction; bytes that are never registered harm nobody.
pub async fn store(objects: &dyn ObjectStore, team: TeamId, path: &Path) -> Result<Stored, UploadError> {
    let (sha256, bytes) = digest(path).await.map_err(|error| UploadError::File { path: path.display().to_string(), error })?;
    let key = object_key(team, &sha256);
    let created = objects.create(&key, path, sha256).await?;
    Ok(Stored { sha256, bytes, key, created })
}

/// Puts stored bytes into the catalogue, in the caller's transaction. A file in which somebody's records were erased stays as
/// it is: its bytes, which came once more, are taken away.
pub async fn register(
    conn: &mut PgConnection,
    objects: &dyn ObjectStore,
    team: TeamId,
    dataset: Dataset,
    stored: &Stored,
    name: &str,
) -> Result<Upload, UploadError> {
    let bytes = i64::try_from(stored.bytes).unwrap_or(i64::MAX);
    let register = sqlx::query_file!(
        "datalake/upload/register.sql",
        team.0,
        dataset.name(),
        &stored.sha256[..],
        stored.key,
        bytes,
        plain_name(name)
    );
    let row = register.fetch_one(&mut *conn).await?;
    if row.object_key != stored.key && !is_used(conn, team, &stored.key).await? {
        objects.delete(&stored.key).await?;
    }
    Ok(Upload { file: FileId(row.file_id), new: row.new, dataset, sha256: stored.sha256 })
}

/// Whether a file of the catalogue lies in this object. What no file lies in may be taken away.
pub(crate) async fn is_used(conn: &mut PgConnection, team: TeamId, key: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_file_scalar!("datalake/upload/is_used.sql", team.0, key).fetch_one(conn).await
}

/// Where a team's raw bytes lie.
pub fn object_key(team: TeamId, sha256: &[u8; 32]) -> String {
    let name = hex::encode(sha256);
    format!("t/{team}/raw/sha256/{}/{name}.csv", &name[..2])
}

async fn digest(path: &Path) -> std::io::Result<([u8; 32], u64)> {
    let mut file = File::open(path).await?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer).await?;
        if n == 0 {
            return Ok((hash.finalize().into(), bytes));
        }
        hash.update(&buffer[..n]);
        bytes += n as u64;
    }
}

/// A name to show: without folders and control characters, of bounded length.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !c.is_control()).take(255).collect();
    if plain.trim().is_empty() { "unnamed".into() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_without_its_folders_and_control_characters() {
        assert_eq!(plain_name("C:\\Users\\me\\leads.csv"), "leads.csv");
        assert_eq!(plain_name("../../etc/pass\0wd\n"), "passwd");
        for nothing in ["", " ", "a/", "\u{1}"] {
            assert_eq!(plain_name(nothing), "unnamed");
        }
        assert_eq!(plain_name(&"ä".repeat(300)).chars().count(), 255);
    }
}
