//! Twilio's own OpenAPI document between our client and our sandbox: what either says that Twilio would not is an error.
//!
//! npm's `prism proxy --errors` checks each request and each answer against the document that npm's `@twilio/cli-core` ships.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use longshore::{
    dev::sandbox::twilio::Fault,
    workers::{
        messages::gateway::{OutboundSms, Reconciled, SmsGateway as _},
        vendors::{VendorError, error::RecipientFault, twilio::Twilio},
    },
};
use tokio::net::TcpStream;

use super::world::{SENDER, World};
use crate::support::programs;

const PACKAGES: [&str; 2] = ["@stoplight/prism-cli@5.14.2", "@twilio/cli-core@8.3.2"];
const DOCUMENT: &str = "node_modules/@twilio/cli-core/src/services/twilio-api/twilio_api_v2010.json";

/// Where the packages are, installed once; `None`, and said so, where they can't be had.
fn tools() -> Option<PathBuf> {
    let debian = "apt-get install -y --no-install-recommends nodejs npm";
    let npm = programs::find("npm", debian)?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/prism");
    if !folder.join(DOCUMENT).exists() {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("package.json"), r#"{"private": true}"#).expect("a package of our own");
        let arguments = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix"];
        let done = Command::new(npm).args(arguments).arg(&folder).args(PACKAGES).output().expect("npm");
        if !done.status.success() {
            programs::skip(&format!("npm could not install prism: {}", String::from_utf8_lossy(&done.stderr)));
            return None;
        }
    }
    Some(folder)
}

/// Ends with the test.
struct Prism(Child);

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "installs 226 MB of npm packages; .ci/twilio-contract runs it"]
async fn our_client_and_our_sandbox_keep_to_twilios_own_document() {
    let (Some(tools), Some(node)) = (tools(), programs::find("node", "apt-get install -y nodejs")) else { return };
    let world = World::new().await;
    // The document calls the pages' addresses whole ones; Twilio sends paths, as its own examples do.
    let document = std::fs::read_to_string(tools.join(DOCUMENT)).expect("the document");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("twilio.json");
    let mut document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    without_addresses(&mut document);
    std::fs::write(&file, document.to_string()).expect("a file");
    // Free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let mut command = Command::new(node);
    command.arg(tools.join("node_modules/.bin/prism")).arg("proxy").arg(&file).arg(world.sandbox.url());
    command.args(["--errors", "-p", &port.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _prism = Prism(command.spawn().expect("prism"));
    world.until("prism to listen", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;

    let mut config = world.sandbox.twilio_config("https://hooks.example.com/v1/webhooks/twilio/status");
    config.base_url = format!("http://127.0.0.1:{port}");
    config.timeout_milliseconds = 30_000;
    let twilio = Twilio::new(&config).expect("a client");
    let sms = |message_id: i64, to: &str| OutboundSms {
        team: world.team,
        message_id,
        to: to.into(),
        from: SENDER.into(),
        body: "Café ☕ & more".into(),
        valid_for: std::time::Duration::from_secs(3600),
    };
    let before = world.database_now().await - chrono::TimeDelta::hours(1);
    let accepted = twilio.send(&sms(1, "+12125551001")).await.expect("an accepted message");
    let found = twilio.find(&sms(1, "+12125551001"), before).await.expect("a list");
    assert_eq!(found, Reconciled::Found(accepted));
    let stopped = twilio.send(&sms(2, "+15005550004")).await.expect_err("a refusal");
    assert!(matches!(stopped, VendorError::Recipient { fault: RecipientFault::OptedOut, code: 21_610, .. }), "{stopped}");
    world.meet("+12125551002", &[Fault::RateLimited]);
    let busy = twilio.send(&sms(3, "+12125551002")).await.expect_err("a refusal");
    assert!(matches!(busy, VendorError::RateLimited { .. }), "{busy}");
    assert_eq!(world.sandbox.twilio.taken(), 1);
}

/// Takes away what the document says of the form of addresses.
fn without_addresses(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            if fields.get("format").is_some_and(|format| format == "uri") {
                fields.remove("format");
            }
            fields.values_mut().for_each(without_addresses);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(without_addresses),
        _ => {}
    }
}
