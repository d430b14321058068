//! A Postgres cluster of our own, started from installed binaries, as root too; it stops when its owner does.

use std::{
    fs, io,
    io::Write as _,
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::PermissionsExt as _, fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use thiserror::Error;

/// Installs what [`find_binaries`] looks for, on Debian and its kin.
pub const INSTALL: &str = "apt-get install -y --no-install-recommends postgresql";

/// Why no cluster could be started.
#[derive(Debug, Error)]
pub enum PostgresError {
    /// No binaries.
    #[error("no Postgres server binaries were found; install them with: {INSTALL}\n(or set DATABASE_URL to a server of yours)")]
    NotInstalled,
    /// A program could not be started at all.
    #[error("could not run {program}: {source}")]
    Spawn {
        /// Its path.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// initdb said no.
    #[error("initdb could not make a cluster in {folder}: {output}")]
    Initdb {
        /// Where.
        folder: PathBuf,
        /// What it said.
        output: String,
    },
    /// The server stopped or never answered.
    #[error("Postgres in {folder} did not start; the end of its log:\n{log}")]
    NotStarted {
        /// Where.
        folder: PathBuf,
        /// The last lines of `postgres.log`.
        log: String,
    },
    /// The folder can't be used.
    #[error("can't keep a cluster in {folder}: {source}")]
    Folder {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How a cluster is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Holds `data/`, `run/` and `postgres.log`. Made if missing.
    pub folder: PathBuf,
    /// The folder goes when the cluster stops.
    pub temporary: bool,
    /// Settings beyond the defaults, as `name=value`.
    pub settings: Vec<String>,
}

/// A running cluster. Dropping it, or the death of this process by any cause, stops it.
#[derive(Debug)]
pub struct Cluster {
    binaries: PathBuf,
    options: Options,
    port: u16,
    user: Option<(u32, u32)>,
    guard: Child,
}

impl Cluster {
    /// Starts a cluster, making it first where there is none. Durable: fsync stays on unless a setting says otherwise.
    pub fn start(options: Options) -> Result<Self, PostgresError> {
        Self::start_with(find_binaries().ok_or(PostgresError::NotInstalled)?, options)
    }

    /// As [`Cluster::start`], with the programs of `binaries`.
    pub fn start_with(binaries: PathBuf, options: Options) -> Result<Self, PostgresError> {
        let user = postgres_user();
        prepare_folders(&options.folder, user)?;
        if !options.folder.join("data/PG_VERSION").exists() {
            initdb(&binaries, &options.folder, user)?;
        }
        wait_until_left(&options.folder);
        let port = free_port().map_err(|source| PostgresError::Folder { folder: options.folder.clone(), source })?;
        let guard = spawn_guarded(&binaries, &options, port, user)?;
        let mut cluster = Self { binaries, options, port, user, guard };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    /// The TCP port it listens on, loopback only.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a database as a role; authentication is by trust, on loopback.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// Where the server's programs are.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// Stops the server as a power cut would (`immediate`) and starts it again on the same port: every connection is
    /// lost, and it recovers from its log.
    pub fn crash_and_restart(&mut self) -> Result<(), PostgresError> {
        let data = self.options.folder.join("data");
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "-m", "immediate", "-w", "-D"]).arg(&data);
        run(&mut stop, "pg_ctl")?;
        // The guard notices and ends. `wait` would close its standard input first, which means something else to it.
        while self.guard.try_wait().is_ok_and(|ended| ended.is_none()) {
            thread::sleep(Duration::from_millis(20));
        }
        self.guard = spawn_guarded(&self.binaries, &self.options, self.port, self.user)?;
        self.wait_until_ready()
    }

    fn command(&self, program: &str) -> Command {
        as_postgres(&self.binaries.join(program), self.user)
    }

    fn wait_until_ready(&mut self) -> Result<(), PostgresError> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut ask = self.command("pg_isready");
            ask.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if ask.status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            let ended = self.guard.try_wait().ok().flatten().is_some();
            if ended || Instant::now() > deadline {
                return Err(PostgresError::NotStarted {
                    folder: self.options.folder.clone(),
                    log: log_tail(&self.options.folder),
                });
            }
            thread::sleep(Duration::from_millis(25));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Closing the guard's standard input is the signal to stop.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
        if self.options.temporary {
            let _ = fs::remove_dir_all(&self.options.folder);
        }
    }
}

/// Runs [`INSTALL`] where that may work: as root, with apt-get on the machine. True when the programs are there then.
pub fn install() -> bool {
    let apt = ["/usr/bin/apt-get", "/bin/apt-get"].iter().any(|path| Path::new(path).exists());
    if !apt || postgres_user().is_none() {
        return false;
    }
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("apt-get update && {INSTALL}")).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    // Our own standard output is data; what apt-get says is for people.
    command.stdout(io::stderr()).status().is_ok_and(|status| status.success()) && find_binaries().is_some()
}

/// `$LONGSHORE_PG_BIN` is read by the configuration and passed on by tests; here: PATH's own server, else the newest of
/// the distribution's.
pub fn find_binaries() -> Option<PathBuf> {
    let mut versions: Vec<_> = ["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt"]
        .iter()
        .filter_map(|root| fs::read_dir(root).ok())
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    versions.sort_by_key(|bin| {
        let version = bin.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        version.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<f64>().unwrap_or(0.0) as u32
    });
    versions.pop().or_else(|| {
        ["/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"]
            .iter()
            .map(PathBuf::from)
            .find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
    })
}

/// Postgres refuses to run as root: then it runs as `postgres`, else as `nobody`.
fn postgres_user() -> Option<(u32, u32)> {
    // The owner of our own entry in /proc is our effective user.
    let me = fs::metadata("/proc/self").map(|meta| std::os::unix::fs::MetadataExt::uid(&meta)).unwrap_or(1);
    if me != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| {
                let mut ids = fields.skip(1).take(2).map(str::parse);
                Some((ids.next()?.ok()?, ids.next()?.ok()?))
            })?
        })
    };
    find("postgres").or_else(|| find("nobody")).or(Some((65534, 65534)))
}

/// Waits for the server of an owner that died a moment ago: its guard is stopping it.
fn wait_until_left(folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let server = || {
        let text = fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
        let pid = text.lines().next()?.trim().to_owned();
        // Another program may have got the number of a server that was killed.
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        (name.trim() == "postgres").then_some(())
    };
    while server().is_some() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the server's user may pass through `folder` and the folders above it.
pub fn can_enter(folder: &Path) -> bool {
    let Some((uid, gid)) = postgres_user() else { return true };
    let mut enter = Command::new("/bin/sh");
    enter.args(["-c", "cd \"$0\""]).arg(folder).current_dir("/").uid(uid).gid(gid);
    enter.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    enter.status().is_ok_and(|status| status.success())
}

fn prepare_folders(folder: &Path, user: Option<(u32, u32)>) -> Result<(), PostgresError> {
    let prepare = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        for name in ["data", "run"] {
            let path = folder.join(name);
            if !path.exists() {
                fs::create_dir(&path)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
            }
            if let Some((uid, gid)) = user {
                chown(&path, Some(uid), Some(gid))?;
            }
        }
        Ok(())
    };
    prepare().map_err(|source| PostgresError::Folder { folder: folder.to_owned(), source })
}

fn initdb(binaries: &Path, folder: &Path, user: Option<(u32, u32)>) -> Result<(), PostgresError> {
    let mut command = as_postgres(&binaries.join("initdb"), user);
    command
        .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--data-checksums", "-D"])
        .arg(folder.join("data"));
    let output = command.output().map_err(|source| PostgresError::Spawn { program: binaries.join("initdb"), source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(PostgresError::Initdb { folder: folder.to_owned(), output: String::from_utf8_lossy(&output.stderr).into_owned() })
}

/// Starts the server under a small shell that waits on its standard input: when our end closes, because we dropped it or
/// died of whatever, the shell stops the server. So no server outlives its owner, not even after kill -9.
fn spawn_guarded(binaries: &Path, options: &Options, port: u16, user: Option<(u32, u32)>) -> Result<Child, PostgresError> {
    const GUARD: &str = r#"
        folder=$1; temporary=$2; shift 2
        ( "$@" >>"$folder/postgres.log" 2>&1 </dev/null; kill -TERM $$ 2>/dev/null ) &
        read -r _
        trap '' TERM
        kill -INT "$(head -n 1 "$folder/data/postmaster.pid")" 2>/dev/null
        wait
        [ "$temporary" = yes ] && rm -rf "$folder"
        exit 0
    "#;
    let log = options.folder.join("postgres.log");
    let opened = fs::OpenOptions::new().create(true).append(true).open(&log).and_then(|mut file| {
        if let Some((uid, gid)) = user {
            chown(&log, Some(uid), Some(gid))?;
        }
        file.flush()
    });
    opened.map_err(|source| PostgresError::Folder { folder: options.folder.clone(), source })?;

    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(GUARD).arg("longshore-postgres").arg(&options.folder).arg(if options.temporary { "yes" } else { "no" });
    // The guard keeps our user, so that it may remove the folder; the server itself drops to its own.
    if let Some((uid, gid)) = user {
        command.arg("setpriv").arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups");
    }
    command
        .arg(binaries.join("postgres"))
        .arg("-D")
        .arg(options.folder.join("data"))
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-k"])
        .arg(socket_folder(&options.folder));
    for setting in &options.settings {
        command.args(["-c", setting]);
    }
    command
        .current_dir("/")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Its own group: Ctrl-C at a terminal reaches us first, and the server is stopped in order.
        .process_group(0)
        .spawn()
        .map_err(|source| PostgresError::Spawn { program: binaries.join("postgres"), source })
}

/// Where the server's socket goes: nowhere, when the path would be longer than a socket's may be.
fn socket_folder(folder: &Path) -> PathBuf {
    let run = folder.join("run");
    if run.as_os_str().len() + "/.s.PGSQL.65535.lock".len() > 107 { PathBuf::new() } else { run }
}

fn as_postgres(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

fn run(command: &mut Command, program: &str) -> Result<(), PostgresError> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().map(drop).map_err(|source| PostgresError::Spawn { program: program.into(), source })
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn log_tail(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("postgres.log")).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
