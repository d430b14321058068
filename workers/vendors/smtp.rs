//! SMTP: hands mails to one server. What it took cannot be asked for, so a mail counts as not taken until its last line was
//! sent, and as unknown from there to the server's answer.
//!
//! Connections are kept for the next mail. Whatever a server says beside its codes may name the recipient, so it is not kept.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use lettre::{
    Address, Message,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt, Rset},
        extension::ClientId,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::{VendorError, error::RecipientFault};
use crate::messages::{
    email::mailer::{Mailer, OutboundMail},
    gateway::Accepted,
};

/// The vendor's name in records, logs and figures.
pub const VENDOR: &str = "smtp";
/// Connections that are kept for the next mails.
const KEPT: usize = 8;

/// How the way to the server is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// TLS from the first byte (port 465).
    Tls,
    /// TLS after the first greeting, and no mail without it (port 587).
    Starttls,
    /// None: for a server on this machine.
    None,
}

/// How the mail server is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Its name. Empty: no mail can leave, in words that say so.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is secured.
    pub security: Security,
    /// Who we are to it; empty: it asks for nobody.
    pub username: String,
    /// The password that belongs to it, from the environment or a file.
    pub password: SecretString,
    /// The name by which we greet it; empty: our address.
    pub hello_name: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            security: Security::Starttls,
            username: String::new(),
            password: SecretString::default(),
            hello_name: String::new(),
        }
    }
}

/// A client of one server.
pub struct Smtp {
    config: Config,
    hello: ClientId,
    tls: Option<TlsParameters>,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

/// Which part of the conversation an error belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Connecting, securing, greeting, proving who we are.
    Greeting,
    /// Naming ourselves as the sender.
    Sender,
    /// Naming who gets it.
    Recipient,
    /// Asking to pass the mail.
    Data,
    /// Passing it: from here on the server may have it.
    Text,
}

impl Smtp {
    /// A client for this configuration; nothing is called yet.
    pub fn new(config: &Config) -> Result<Self, VendorError> {
        let refuse = |reason: String| VendorError::Config { vendor: VENDOR, code: 0, reason };
        let tls = match config.security {
            Security::None => None,
            _ if config.host.is_empty() => None,
            _ => Some(TlsParameters::new_rustls(config.host.clone()).map_err(|_| refuse("TLS can't be set up".into()))?),
        };
        let hello = match config.hello_name.as_str() {
            "" => ClientId::default(),
            name if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-') => {
                ClientId::Domain(name.to_owned())
            }
            _ => return Err(refuse("hello_name is not the name of a host".into())),
        };
        Ok(Self { config: config.clone(), hello, tls, idle: Mutex::default() })
    }

    /// A connection that is ready for a mail: one that was kept, if it still lives, else a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, VendorError> {
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut kept) = kept else { break };
            if kept.command(Rset).await.is_ok_and(|answer| answer.is_positive()) {
                return Ok(kept);
            }
        }
        let Config { host, port, security, username, password, .. } = &self.config;
        if host.is_empty() {
            return Err(VendorError::Config { vendor: VENDOR, code: 0, reason: "set vendors.smtp.host".into() });
        }
        let wrapped = self.tls.clone().filter(|_| *security == Security::Tls);
        let patience = Some(Duration::from_secs(10));
        let failed = |error| meaning(Phase::Greeting, &error);
        let mut made = AsyncSmtpConnection::connect_tokio1((host.as_str(), *port), patience, &self.hello, wrapped, None)
            .await
            .map_err(failed)?;
        if let (Security::Starttls, Some(tls)) = (security, self.tls.clone()) {
            if !made.can_starttls() {
                let reason = "the server offers no STARTTLS, and no mail goes there without it".into();
                return Err(VendorError::Config { vendor: VENDOR, code: 0, reason });
            }
            made.starttls(tls, &self.hello).await.map_err(failed)?;
        }
        if !username.is_empty() {
            let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
            made.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(|error| match error.status() {
                Some(code) if error.is_permanent() => {
                    let reason = "the server refused our name and password".into();
                    VendorError::Config { vendor: VENDOR, code: number(code), reason }
                }
                None if error.is_client() => {
                    let reason = "the server offers no way to prove who we are that we know".into();
                    VendorError::Config { vendor: VENDOR, code: 0, reason }
                }
                _ => failed(error),
            })?;
        }
        Ok(made)
    }

    /// Everything before the mail itself: whatever goes wrong here, the server has nothing.
    async fn prepare(&self, mail: &OutboundMail) -> Result<(AsyncSmtpConnection, Vec<u8>), VendorError> {
        let wrong = |what: &str| VendorError::Refused { vendor: VENDOR, code: 0, reason: format!("{what} can't be written") };
        let from: Address = mail.from.parse().map_err(|_| wrong("the sender's address"))?;
        let to: Address = mail.to.parse().map_err(|_| wrong("the recipient's address"))?;
        let written = write(mail, &from, &to).map_err(wrong)?;
        let mut server = self.connection().await?;
        let ok = |phase| move |error| meaning(phase, &error);
        server.command(Mail::new(Some(from), Vec::new())).await.map_err(ok(Phase::Sender))?;
        server.command(Rcpt::new(to, Vec::new())).await.map_err(ok(Phase::Recipient))?;
        server.command(Data).await.map_err(ok(Phase::Data))?;
        Ok((server, written))
    }

    fn keep(&self, server: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT && !server.has_broken() {
            idle.push(server);
        }
    }
}

#[async_trait]
impl Mailer for Smtp {
    fn name(&self) -> &'static str {
        VENDOR
    }

    async fn send(&self, mail: &OutboundMail, within: Duration) -> Result<Accepted, VendorError> {
        let deadline = Instant::now() + within;
        // A third of the time is left for the server's answer to the mail itself.
        let prepared = timeout_at(Instant::now() + within * 2 / 3, self.prepare(mail)).await;
        let (mut server, written) = match prepared {
            Ok(prepared) => prepared?,
            Err(_) => {
                let reason = "the server did not come to taking the mail in time".into();
                return Err(VendorError::Retryable { vendor: VENDOR, reason });
            }
        };
        match timeout_at(deadline, server.message(&written)).await {
            // Whatever is no yes is an error already.
            Ok(Ok(_)) => {
                self.keep(server);
                Ok(Accepted { vendor_id: mail.vendor_id(), segments: 1 })
            }
            Ok(Err(error)) => Err(meaning(Phase::Text, &error)),
            Err(_) => {
                let reason = "no answer to the mail before the deadline".into();
                Err(VendorError::UnknownOutcome { vendor: VENDOR, reason })
            }
        }
    }
}

/// The mail as it goes over the line, or what of it can't be written.
fn write(mail: &OutboundMail, from: &Address, to: &Address) -> Result<Vec<u8>, &'static str> {
    let header = |name: &'static str, value: String| {
        let name = HeaderName::new_from_ascii_str(name);
        // Written as it is: a link that was cut into lines or encoded is none.
        HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value)
    };
    if mail.unsubscribe_url.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'<' | b'>')) {
        return Err("the link to unsubscribe by");
    }
    // Nothing can quote them, and the library panics where it tries.
    if mail.from_name.contains(char::is_control) {
        return Err("the sender's name");
    }
    let mut message = Message::builder()
        .from(Mailbox::new(Some(mail.from_name.clone()), from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(mail.subject.clone())
        .date(SystemTime::from(mail.date))
        .message_id(Some(mail.vendor_id()))
        .raw_header(header("List-Unsubscribe", format!("<{}>", mail.unsubscribe_url)))
        .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()))
        .header(ContentType::TEXT_PLAIN);
    if let Some(reply_to) = &mail.reply_to {
        let reply_to: Address = reply_to.parse().map_err(|_| "the address for answers")?;
        message = message.reply_to(Mailbox::new(None, reply_to));
    }
    let message = message.body(mail.body.clone()).map_err(|_| "the text")?;
    Ok(message.formatted())
}

fn number(code: lettre::transport::smtp::response::Code) -> i64 {
    i64::from(u16::from(code))
}

/// What an error means.
fn meaning(phase: Phase, error: &lettre::transport::smtp::Error) -> VendorError {
    classify(phase, error.status().map(|code| (number(code), error.is_permanent())))
}

/// By the part of the conversation, and by the server's code and whether it means it for good; `None`: it said nothing.
fn classify(phase: Phase, answer: Option<(i64, bool)>) -> VendorError {
    let vendor = VENDOR;
    match (phase, answer) {
        (Phase::Text, None) => {
            VendorError::UnknownOutcome { vendor, reason: "the connection broke while the mail was handed over".into() }
        }
        (_, None) => VendorError::Retryable { vendor, reason: "the connection broke before the mail was handed over".into() },
        // "Service not available", "too many": the same for every mail.
        (_, Some((421 | 450 | 451 | 452, false))) if phase != Phase::Recipient => {
            VendorError::RateLimited { vendor, retry_after: Some(Duration::from_secs(30)) }
        }
        (_, Some((code, false))) => VendorError::Retryable { vendor, reason: format!("the server answered {code}") },
        (Phase::Recipient, Some((code, true))) => VendorError::Recipient { vendor, code, fault: RecipientFault::InvalidNumber },
        (Phase::Greeting | Phase::Sender, Some((code, true))) => {
            VendorError::Config { vendor, code, reason: format!("the server answered {code} to who we are") }
        }
        (Phase::Data | Phase::Text, Some((code, true))) => {
            VendorError::Refused { vendor, code, reason: format!("the server answered {code} to the mail") }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone as _, Utc};

    use super::*;
    use crate::ids::TeamId;

    fn mail() -> OutboundMail {
        OutboundMail {
            team: TeamId::HOUSE,
            message_id: 7,
            to: "ada@example.com".into(),
            from: "hello@acme.example.com".into(),
            from_name: "Acme, Inc.".into(),
            reply_to: None,
            subject: "Grüße".into(),
            body: "Hi Ada\n.\nBye".into(),
            unsubscribe_url: format!("https://api.example.com/v1/unsubscribe/{}", "ab".repeat(16)),
            date: Utc.with_ymd_and_hms(2026, 11, 17, 18, 0, 0).single().expect("a moment"),
        }
    }

    fn text(mail: &OutboundMail) -> Result<String, &'static str> {
        let address = |text: &str| text.parse().expect("an address");
        write(mail, &address(&mail.from), &address(&mail.to)).map(|bytes| String::from_utf8(bytes).expect("a text"))
    }

    #[test]
    fn a_mail_bears_its_id_its_date_and_one_click_to_leave_by() {
        let text = text(&mail()).expect("a mail");
        let head = text.split("\r\n\r\n").next().expect("a head");
        let link = format!("List-Unsubscribe: <https://api.example.com/v1/unsubscribe/{}>\r\n", "ab".repeat(16));
        assert!(head.contains(link.trim_end()), "{head}");
        assert!(head.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{head}");
        assert!(head.contains("Message-ID: <m7.00000000-0000-0000-0000-000000000001@acme.example.com>"), "{head}");
        assert!(head.contains("Date: Tue, 17 Nov 2026 18:00:00 +0000"), "{head}");
    }

    #[test]
    fn no_value_adds_a_line_to_the_head() {
        let text_of = text(&OutboundMail { subject: "Hi\r\nBcc: all@example.com".into(), ..mail() }).expect("a mail");
        let head = text_of.split("\r\n\r\n").next().expect("a head");
        assert!(!head.lines().any(|line| line.starts_with("Bcc:")), "{head}");
        // Nothing quotes a line's end in a name.
        assert!(text(&OutboundMail { from_name: "Acme\r\nBcc: all@example.com".into(), ..mail() }).is_err());
        assert!(text(&OutboundMail { unsubscribe_url: "https://x>\r\nBcc: a".into(), ..mail() }).is_err());
    }

    #[test]
    fn what_broke_off_is_unknown_only_where_the_server_may_have_the_mail() {
        for phase in [Phase::Greeting, Phase::Sender, Phase::Recipient, Phase::Data] {
            assert!(matches!(classify(phase, None), VendorError::Retryable { .. }), "{phase:?}");
        }
        assert!(matches!(classify(Phase::Text, None), VendorError::UnknownOutcome { .. }));
        // A server that answers has decided: it has the mail only when it says 250.
        assert!(matches!(classify(Phase::Text, Some((451, false))), VendorError::RateLimited { .. }));
        assert!(matches!(classify(Phase::Text, Some((554, true))), VendorError::Refused { code: 554, .. }));
        assert!(matches!(classify(Phase::Recipient, Some((550, true))), VendorError::Recipient { code: 550, .. }));
        assert!(matches!(classify(Phase::Recipient, Some((450, false))), VendorError::Retryable { .. }));
        assert!(matches!(classify(Phase::Sender, Some((550, true))), VendorError::Config { .. }));
    }
}
