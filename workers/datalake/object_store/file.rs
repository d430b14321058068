//! Objects as files below one folder: what a newcomer's machine uses.
//!
//! An object is written aside, forced to disk, and then linked to its name: `link(2)` fails where the name is taken, so
//! that of any number of racing processes one creates it, and no reader ever sees half of it.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Created, LISTED, ObjectStore, StoreError, check_key, check_prefix};

/// Where objects are written before they have their name; no key can point into it.
const ASIDE: &str = ".incoming";
/// A file left there by a process that was killed is removed after this long.
const LEFTOVER: Duration = Duration::from_secs(24 * 3600);

/// A folder of objects.
#[derive(Debug, Clone)]
pub struct FileStore {
    root: PathBuf,
}

impl FileStore {
    /// The store below `root`, which is made when the first object is.
    pub fn open(root: PathBuf) -> Self {
        Self { root }
    }

    async fn blocking<T, F>(&self, key: &str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Self, &str, &Path) -> Result<T, StoreError> + Send + 'static,
    {
        check_key(key)?;
        let (store, key) = (self.clone(), key.to_owned());
        let path = self.root.join(&key);
        let done = tokio::task::spawn_blocking(move || work(&store, &key, &path)).await;
        done.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    fn create_now(&self, key: &str, path: &Path, source: &Path, sha256: [u8; 32]) -> Result<Created, StoreError> {
        if path.exists() {
            return already_there(key, path, source);
        }
        let aside = self.root.join(ASIDE);
        make_folder(&aside).map_err(|e| unavailable(&aside, &e))?;
        remove_leftovers(&aside);
        let temporary = aside.join(Uuid::new_v4().to_string());
        let linked = write(key, source, &temporary, sha256).and_then(|()| link(&temporary, path));
        // The object has its own name by now, or will never have one.
        let _ = fs::remove_file(&temporary);
        if linked? { Ok(Created::New) } else { already_there(key, path, source) }
    }
}

#[async_trait]
impl ObjectStore for FileStore {
    async fn create(&self, key: &str, file: &Path, sha256: [u8; 32]) -> Result<Created, StoreError> {
        let source = file.to_owned();
        self.blocking(key, move |store, key, path| store.create_now(key, path, &source, sha256)).await
    }

    async fn size(&self, key: &str) -> Result<u64, StoreError> {
        self.blocking(key, |_, key, path| Ok(open(key, path)?.1)).await
    }

    async fn read(&self, key: &str, offset: u64, length: u64) -> Result<Bytes, StoreError> {
        self.blocking(key, move |_, key, path| {
            let (file, size) = open(key, path)?;
            let length = usize::try_from(length.min(size.saturating_sub(offset))).unwrap_or(usize::MAX);
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, offset).map_err(|e| unavailable(path, &e))?;
            Ok(bytes.into())
        })
        .await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        let folder = check_prefix(prefix)?.to_owned();
        let after = after.map(str::to_owned);
        self.blocking(&folder, move |_, key, path| {
            let mut found = Vec::new();
            list_below(path, key, &mut found).map_err(|e| unavailable(path, &e))?;
            found.sort_unstable();
            Ok(found.into_iter().filter(|key| after.as_ref().is_none_or(|after| key > after)).take(LISTED).collect())
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.blocking(key, |_, _, path| match fs::remove_file(path) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(unavailable(path, &error))
            }
            Err(_) => Ok(()),
            // Gone for good, also behind a crash.
            Ok(()) => path.parent().map_or(Ok(()), |folder| sync_folder(folder).map_err(|e| unavailable(folder, &e))),
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let root = self.root.clone();
        let made = tokio::task::spawn_blocking(move || make_folder(&root).map_err(|e| unavailable(&root, &e))).await;
        made.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }
}

fn unavailable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

fn open(key: &str, path: &Path) -> Result<(File, u64), StoreError> {
    let file = match File::open(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(StoreError::NotFound(key.into()));
        }
        other => other.map_err(|e| unavailable(path, &e))?,
    };
    let about = file.metadata().map_err(|e| unavailable(path, &e))?;
    if about.is_file() { Ok((file, about.len())) } else { Err(StoreError::NotFound(key.into())) }
}

/// The keys of all files below a folder; one that is not there has none.
fn list_below(folder: &Path, key: &str, found: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let below = format!("{key}/{name}");
        if entry.file_type()?.is_dir() {
            list_below(&entry.path(), &below, found)?;
        } else {
            found.push(below);
        }
    }
    Ok(())
}

fn already_there(key: &str, path: &Path, source: &Path) -> Result<Created, StoreError> {
    let (_, have) = open(key, path)?;
    let offered = fs::metadata(source).map_err(|e| unavailable(source, &e))?.len();
    super::same_size(key, have, offered)?;
    Ok(Created::AlreadyThere)
}

/// Copies the source, forced to disk, and checks on the way that it is what it was said to be.
fn write(key: &str, source: &Path, target: &Path, sha256: [u8; 32]) -> Result<(), StoreError> {
    let mut from = File::open(source).map_err(|e| unavailable(source, &e))?;
    let mut to = File::create_new(target).map_err(|e| unavailable(target, &e))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let n = from.read(&mut buffer).map_err(|e| unavailable(source, &e))?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        to.write_all(&buffer[..n]).map_err(|e| unavailable(target, &e))?;
    }
    if hash.finalize() != sha256 {
        return Err(StoreError::Corrupt { key: key.into(), reason: "the file changed while it was stored".into() });
    }
    to.sync_all().map_err(|e| unavailable(target, &e))
}

/// Gives a finished file its name; false where the name is taken.
fn link(from: &Path, to: &Path) -> Result<bool, StoreError> {
    let folder = to.parent().unwrap_or(to);
    make_folder(folder).map_err(|e| unavailable(folder, &e))?;
    match fs::hard_link(from, to) {
        Ok(()) => {
            sync_folder(folder).map_err(|e| unavailable(folder, &e))?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(unavailable(to, &error)),
    }
}

/// Makes a folder and those above it, each one's entry forced to disk.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let Some(parent) = path.parent() else { return Ok(()) };
    make_folder(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(parent),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes what killed processes left behind. A file that can't be looked at or removed is somebody else's to worry about.
fn remove_leftovers(aside: &Path) {
    for entry in fs::read_dir(aside).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|about| about.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > LEFTOVER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
