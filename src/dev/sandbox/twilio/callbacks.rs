//! Reports what became of a message to the address that came with it, signed as Twilio signs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use longshore_workers::vendors::{
    http::{self, Deadlines},
    twilio::{sign, signature},
};
use reqwest::{Client, Url};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{super::Options, Accepted, faults::Habits};

/// How often a report is tried.
const TRIES: u32 = 5;

/// Calls back.
#[derive(Clone)]
pub(super) struct Caller(Arc<Inner>);

struct Inner {
    client: Client,
    account: String,
    token: SecretString,
    delay: Duration,
    // At once; a real Twilio has a bound of its own.
    room: Semaphore,
    answered: AtomicU64,
    given_up: AtomicU64,
    stop: CancellationToken,
}

impl Caller {
    pub fn new(options: &Options, stop: CancellationToken) -> Result<Self, reqwest::Error> {
        Ok(Self(Arc::new(Inner {
            client: http::client(Deadlines { connect: Duration::from_secs(5), total: Duration::from_secs(15) })?,
            account: options.account_sid.clone(),
            token: options.auth_token.clone(),
            delay: options.callback_delay,
            room: Semaphore::new(32),
            answered: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            stop,
        })))
    }

    /// What it calls with.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Reports that were answered, and that were given up.
    pub fn counts(&self) -> (u64, u64) {
        (self.0.answered.load(Ordering::Relaxed), self.0.given_up.load(Ordering::Relaxed))
    }

    /// Reports `sent`, then how the message ended; `note` hears each before it goes out.
    pub fn report(
        &self,
        message: Accepted,
        mut url: Url,
        habits: Habits,
        note: impl Fn(&'static str, Option<i32>) + Send + Sync + 'static,
    ) {
        let caller = self.0.clone();
        // For Twilio itself: neither requested nor signed.
        url.set_fragment(None);
        let queued = Duration::from_millis(message.queued_milliseconds);
        let valid = Duration::from_secs(message.validity_seconds);
        let end = habits.undelivered.map_or(("delivered", None), |code| ("undelivered", Some(code)));
        // What can't leave the line in time is given up there.
        let mut reports = if queued > valid { vec![("failed", Some(30_036))] } else { vec![("sent", None), end] };
        let last = reports.last().copied().unwrap_or(end);
        if habits.reversed {
            reports.reverse();
        }
        if habits.twice {
            reports = reports.into_iter().flat_map(|report| [report, report]).collect();
        }
        tokio::spawn(async move {
            let stop = caller.stop.clone();
            let all = async {
                tokio::time::sleep(queued.min(valid)).await;
                for (status, code) in reports {
                    tokio::time::sleep(caller.delay).await;
                    note(status, code);
                    if !habits.lost {
                        caller.call(&message, &url, status, code).await;
                    }
                }
                note(last.0, last.1);
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = all => {}
            }
        });
    }
}

impl Inner {
    async fn call(&self, message: &Accepted, url: &Url, status: &str, code: Option<i32>) {
        let Ok(_place) = self.room.acquire().await else { return };
        let mut form = vec![
            ("MessageSid", message.sid.clone()),
            ("SmsSid", message.sid.clone()),
            ("AccountSid", self.account.clone()),
            ("MessageStatus", status.to_owned()),
            ("SmsStatus", status.to_owned()),
            ("From", message.from.clone()),
            ("To", message.to.clone()),
            ("ApiVersion", "2010-04-01".to_owned()),
        ];
        form.extend(code.map(|code| ("ErrorCode", code.to_string())));
        if status == "delivered" {
            form.push(("RawDlrDoneDate", message.at.format("%y%m%d%H%M").to_string()));
        }
        let params: Vec<_> = form.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let signature = sign(&self.token, url.as_str(), &params);
        for attempt in 0..TRIES {
            let request = self.client.post(url.clone()).header(signature::HEADER, &signature).form(&params);
            if request.send().await.is_ok_and(|answer| !answer.status().is_server_error()) {
                self.answered.fetch_add(1, Ordering::Relaxed);
                return;
            }
            tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
        }
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }
}
