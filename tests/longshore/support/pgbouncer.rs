//! A PgBouncer of our own in transaction mode, before the test's Postgres.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::{PermissionsExt as _, chown},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{TestDb, programs};

const INSTALL: &str = "apt-get install -y --no-install-recommends pgbouncer";

/// A PgBouncer with a few connections for many clients, which hands them round: whoever counts on getting the same one
/// again is found out. It ends with this value, or with this process.
pub struct PgBouncer {
    port: u16,
    guard: Child,
    folder: TempDir,
}

impl PgBouncer {
    /// Starts one before `db`, or says why the test must be skipped.
    pub async fn before(db: &TestDb) -> Option<Self> {
        // Debian keeps it where only root looks.
        let installed =
            programs::on_path("pgbouncer").or_else(|| Some(PathBuf::from("/usr/sbin/pgbouncer")).filter(|at| at.is_file()));
        let program = installed.or_else(|| programs::find("pgbouncer", INSTALL))?;
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a free port").port();
        let users = ["api", "worker", "scheduler", "operator"].map(|role| format!("\"longshore_{role}\" \"\"\n")).concat();
        // As Debian ships it, but for the pool: no session is reset, because in transaction mode none is promised.
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = users.txt\npool_mode = transaction\n\
             default_pool_size = 4\nmax_client_conn = 500\nserver_round_robin = 1\n",
            db.port(),
        );
        std::fs::write(folder.path().join("users.txt"), users).expect("the users");
        std::fs::write(folder.path().join("pgbouncer.ini"), settings).expect("the settings");
        let mut arguments = vec!["pgbouncer.ini".to_owned()];
        // It refuses to run as root.
        if std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
            chown(folder.path().join("users.txt"), Some(65_534), None).expect("an owner");
            arguments.extend(["-u".to_owned(), "nobody".to_owned()]);
        }
        // The shell ends it when our end of its standard input closes, however we end.
        let guard = Command::new("/bin/sh")
            .args(["-c", r#""$@" >pgbouncer.log 2>&1 </dev/null & it=$!; read -r _; kill -9 $it; wait $it"#, "pgbouncer"])
            .arg(program)
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a PgBouncer");
        let pooler = Self { port, guard, folder };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "PgBouncer did not start: {}", pooler.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(pooler)
    }

    /// What it has to say.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("pgbouncer.log")).unwrap_or_default()
    }

    /// The address of `db` through it, as a role of the house.
    pub fn url(&self, db: &TestDb, role: &str) -> String {
        db.url(role).replace(&format!(":{}/", db.port()), &format!(":{}/", self.port))
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
