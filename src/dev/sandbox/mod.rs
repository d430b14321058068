//! Vendors as they speak over HTTP, on this machine: they remember what they took, and misbehave on request.
//!
//! `/_sandbox/…` is the sandbox's own door: what was accepted or charged, sums, and how to misbehave. Everything else is in
//! the vendors' own wire formats.

pub mod apollo;
pub mod azure;
mod line;
pub mod smtp;
pub mod twilio;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use longshore_workers::{
    clock::{Clock, SystemClock},
    vendors,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::{
    apollo::Apollo,
    azure::Azure,
    line::{Cut, Door},
    smtp::Smtp,
    twilio::Twilio,
};

/// The key of the sandbox's Azure resource.
const AZURE_KEY: &str = "sandbox-key-of-no-value";

/// How the sandbox is set up.
#[derive(Clone)]
pub struct Options {
    /// Where it listens; port 0 is any free one.
    pub bind: SocketAddr,
    /// The Twilio account it knows.
    pub account_sid: String,
    /// That account's token. It signs the callbacks.
    pub auth_token: SecretString,
    /// From accepting a message to the first report of it, and between reports.
    pub callback_delay: Duration,
    /// Dates what it accepts.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            account_sid: "AC00000000000000000000000000005a4d".into(),
            auth_token: "sandbox-token-of-no-value-0123456789".into(),
            callback_delay: Duration::from_millis(50),
            clock: Arc::new(SystemClock),
        }
    }
}

/// A running sandbox. It stops when it is dropped; what it remembered goes with it.
pub struct Sandbox {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Twilio's side.
    pub twilio: Twilio,
    /// Apollo's side.
    pub apollo: Apollo,
    /// Azure's side.
    pub azure: Azure,
    /// The mail server's side.
    pub smtp: Smtp,
    /// Where the mail server listens.
    pub smtp_addr: SocketAddr,
    options: Options,
    stop: CancellationToken,
}

impl Sandbox {
    /// Starts it.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.bind).await?;
        let addr = listener.local_addr()?;
        let stop = CancellationToken::new();
        let twilio = Twilio::new(&options, stop.clone()).map_err(io::Error::other)?;
        let apollo = Apollo::default();
        let azure = Azure::new(AZURE_KEY, options.clock.clone());
        let smtp = Smtp::default();
        let smtp_addr = smtp.listen(addr.ip(), stop.clone()).await?;
        // One line a vendor.
        let router = Router::new()
            .merge(twilio::router(twilio.clone()))
            .merge(apollo::router(apollo.clone()))
            .merge(azure::router(azure.clone()))
            .merge(smtp::router(smtp.clone()));
        let service = router.into_make_service_with_connect_info::<Cut>();
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                _ = axum::serve(Door(listener), service) => {}
            }
        });
        Ok(Self { addr, twilio, apollo, azure, smtp, smtp_addr, options, stop })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How a client of ours reaches its Twilio. `status_callback_url` may be empty: no reports.
    pub fn twilio_config(&self, status_callback_url: &str) -> vendors::twilio::Config {
        vendors::twilio::Config {
            base_url: self.url(),
            account_sid: self.options.account_sid.clone(),
            auth_token: self.options.auth_token.expose_secret().into(),
            status_callback_url: status_callback_url.into(),
            ..vendors::twilio::Config::default()
        }
    }
}

impl Sandbox {
    /// How a client of ours reaches its Azure.
    pub fn azure_config(&self) -> vendors::azure::Config {
        vendors::azure::Config {
            base_url: self.url(),
            deployment: "sandbox".into(),
            api_key: AZURE_KEY.to_owned().into(),
            ..vendors::azure::Config::default()
        }
    }

    /// How a client of ours reaches its mail server.
    pub fn smtp_config(&self) -> vendors::smtp::Config {
        vendors::smtp::Config {
            host: self.smtp_addr.ip().to_string(),
            port: self.smtp_addr.port(),
            security: vendors::smtp::Security::None,
            ..vendors::smtp::Config::default()
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
