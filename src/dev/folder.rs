//! Where the local stack keeps its state: `.longshore/` here, or a folder under the temporary one where here won't do.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use longshore_workers::clock::Random;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::postgres;

/// A fresh cluster and a demo's data take less.
pub const ROOM_MEBIBYTES: u64 = 400;

/// Why there is no place for the stack's state.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Neither place will do.
    #[error(
        "the local stack finds no place for its state:\n  {here}: {why}\n  {temporary}: {also}\n\
         Make room or free the rights of one of them, run it in another folder, or set TMPDIR to one with room."
    )]
    NoPlace {
        /// The first choice.
        here: PathBuf,
        /// What is wrong with it.
        why: String,
        /// The second choice.
        temporary: PathBuf,
        /// What is wrong with it.
        also: String,
    },
    /// Another stack runs here.
    #[error("another local stack runs from {folder} (process {pid}); stop it first, or use it")]
    InUse {
        /// Its state.
        folder: PathBuf,
        /// Its process.
        pid: String,
    },
    /// A file of the state can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What the stack remembers between two starts. It holds secrets: only its owner reads the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Tells this stack from others on the same server.
    pub name: String,
    /// The password of this stack's logins there.
    pub password: String,
    /// A team's key, shown at each start.
    pub key: Option<String>,
    /// That team.
    pub team: Option<String>,
}

/// The stack's folder, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Why it is not `.longshore/` here, if it isn't.
    pub moved: Option<String>,
    _lock: File,
}

impl Folder {
    /// Takes `.longshore/` of `here`, or a folder of its own under `temporary`, with so much room at least.
    pub fn open(here: &Path, temporary: &Path, room_mebibytes: u64) -> Result<Self, FolderError> {
        let first = here.join(".longshore");
        let why = match usable(&first, room_mebibytes) {
            Ok(()) => return Self::lock(first, None),
            Err(why) => why,
        };
        // The same for the same checkout, so that the next start finds what this one left.
        let digest = hex::encode(&Sha256::digest(here.as_os_str().as_encoded_bytes())[..4]);
        let second = temporary.join(format!("longshore-{}-{digest}", own_uid()));
        match usable(&second, room_mebibytes) {
            Ok(()) => {
                let moved = format!("{} {why}; the stack's state is in {}", first.display(), second.display());
                Self::lock(second, Some(moved))
            }
            Err(also) => Err(FolderError::NoPlace { here: first, why, temporary: second, also }),
        }
    }

    fn lock(path: PathBuf, moved: Option<String>) -> Result<Self, FolderError> {
        let name = path.join("lock");
        let file = |source| FolderError::File { path: name.clone(), source };
        let lock = File::options().create(true).truncate(false).read(true).write(true).open(&name).map_err(file)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&name).unwrap_or_default();
                return Err(FolderError::InUse { folder: path, pid: pid.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(file(source)),
        }
        lock.set_len(0).and_then(|()| writeln!(&lock, "{}", std::process::id())).map_err(file)?;
        Ok(Self { path, moved, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the last start left; nothing, the first time.
    pub fn state(&self) -> Result<State, FolderError> {
        let path = self.path.join("state.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| FolderError::File { path, source: error.into() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
            Err(source) => Err(FolderError::File { path, source }),
        }
    }

    /// Leaves `state` for the next start.
    pub fn keep(&self, state: &State) -> Result<(), FolderError> {
        let (path, fresh) = (self.path.join("state.json"), self.path.join("state.json.new"));
        let write = || {
            let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
            file.write_all(serde_json::to_string_pretty(state)?.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, &path)
        };
        write().map_err(|source| FolderError::File { path: path.clone(), source })
    }

    /// The file with the key that this stack seals secrets with; made the first time, and only its owner reads it.
    pub fn keyring(&self, random: &dyn Random) -> Result<PathBuf, FolderError> {
        let path = self.path.join("keyring");
        let make = || {
            let mut key = [0; 32];
            random.fill(&mut key);
            let mut file = File::options().create_new(true).write(true).mode(0o600).open(&path)?;
            writeln!(file, "local={}", BASE64_STANDARD.encode(key))?;
            file.sync_all()
        };
        match make() {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(FolderError::File { path, source }),
            _ => Ok(path),
        }
    }

    /// A folder inside, made if missing.
    pub fn inner(&self, name: &str) -> Result<PathBuf, FolderError> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).map_err(|source| FolderError::File { path: path.clone(), source })?;
        Ok(path)
    }

    /// Forgets everything but the lock: the next start begins anew.
    pub fn clear(&self) -> Result<(), FolderError> {
        let all = || -> io::Result<()> {
            for entry in fs::read_dir(&self.path)? {
                let entry = entry?;
                match (entry.file_name() == "lock", entry.file_type()?.is_dir()) {
                    (true, _) => {}
                    (false, true) => fs::remove_dir_all(entry.path())?,
                    (false, false) => fs::remove_file(entry.path())?,
                }
            }
            Ok(())
        };
        all().map_err(|source| FolderError::File { path: self.path.clone(), source })
    }
}

/// Whether the stack can live in `folder`; else why not, as the end of a sentence about it.
fn usable(folder: &Path, room_mebibytes: u64) -> Result<(), String> {
    let known = folder.join("postgres/data/PG_VERSION").exists();
    fs::create_dir_all(folder).map_err(|error| format!("can't be made ({error})"))?;
    if fs::metadata(folder).map(|meta| meta.uid()).ok() != Some(own_uid()) {
        return Err("belongs to somebody else".into());
    }
    // Others may pass through to the server's own folders; what is secret inside has rights of its own.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(|error| format!("can't be opened ({error})"))?;
    let probe = folder.join("probe");
    let written = fs::write(&probe, [0u8; 4096]);
    let _ = fs::remove_file(&probe);
    written.map_err(|error| format!("can't be written ({error})"))?;
    if !known
        && let Some(free) = free_mebibytes(folder)
        && free < room_mebibytes
    {
        return Err(format!("has {free} MiB left, and {room_mebibytes} are needed"));
    }
    if !postgres::can_enter(folder) {
        return Err("lies where the user that Postgres runs as can't enter".into());
    }
    Ok(())
}

/// What `df` says is left; `None` where it says nothing.
fn free_mebibytes(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).env("LC_ALL", "C").stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let kibibytes: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kibibytes / 1024)
}

fn own_uid() -> u32 {
    fs::metadata("/proc/self").map(|meta| meta.uid()).unwrap_or(0)
}
