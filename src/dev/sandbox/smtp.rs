//! A mail server that keeps what it takes and delivers nothing.
//!
//! What becomes of a mail is decided by its recipient's name: `nobody…` is unknown (550), `full…` is refused for now (452),
//! `refused…` is refused when the text is there (554), `hang…` is taken and never answered, `cut…` is taken and the connection
//! cut, `early…` has the connection cut before the text. Everybody else gets a mail.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Json, Router, extract::State, routing::get};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_util::sync::CancellationToken;

/// No line is longer, and no mail has more bytes.
const LONGEST_LINE: usize = 4096;
const LARGEST_MAIL: usize = 1 << 20;

/// A mail that it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Who sent it, as the envelope says.
    pub from: String,
    /// Who gets it.
    pub to: String,
    /// Its head, a line a header, unfolded.
    pub headers: Vec<(String, String)>,
    /// Its body as it came: encoded as the head says.
    pub body: String,
}

impl Taken {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Its text, where its body is quoted-printable or plain.
    pub fn text(&self) -> String {
        let quoted = self.header("Content-Transfer-Encoding").is_some_and(|how| how.eq_ignore_ascii_case("quoted-printable"));
        if quoted { unquoted(&self.body) } else { self.body.clone() }
    }
}

/// The mail server's side: what it took.
#[derive(Debug, Clone, Default)]
pub struct Smtp {
    taken: Arc<Mutex<Vec<Taken>>>,
    /// Name and password that it demands, where it demands any.
    account: Arc<Mutex<Option<(String, String)>>>,
}

impl Smtp {
    /// What it took, mail by mail.
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes mails only from whoever knows these from now on.
    pub fn demand(&self, name: &str, password: &str) {
        *self.account.lock().unwrap_or_else(PoisonError::into_inner) = Some((name.to_owned(), password.to_owned()));
    }

    /// Listens on a free port of this address until it is stopped.
    pub(super) async fn listen(&self, ip: IpAddr, stop: CancellationToken) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((ip, 0)).await?;
        let addr = listener.local_addr()?;
        let server = self.clone();
        tokio::spawn(async move {
            loop {
                let came = tokio::select! {
                    () = stop.cancelled() => return,
                    came = listener.accept() => came,
                };
                let Ok((stream, _)) = came else { continue };
                let (server, stop) = (server.clone(), stop.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        _ = server.serve(stream) => {}
                    }
                });
            }
        });
        Ok(addr)
    }

    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let (reading, writing) = stream.into_split();
        let mut line = Line { reading: BufReader::new(reading), writing };
        let demanded = self.account.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut talk = Talk { known: demanded.is_none(), demanded, from: None, to: None };
        line.say("220 sandbox ESMTP").await?;
        while let Some(said) = line.hear().await? {
            let (verb, rest) = said.split_once(' ').unwrap_or((&said, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" if talk.demanded.is_some() => line.say("250-sandbox\r\n250-8BITMIME\r\n250 AUTH PLAIN").await?,
                "EHLO" | "HELO" => line.say("250-sandbox\r\n250 8BITMIME").await?,
                "AUTH" => {
                    talk.known = talk.is_account(rest);
                    line.say(if talk.known { "235 welcome" } else { "535 who are you" }).await?;
                }
                "MAIL" if !talk.known => line.say("530 authentication required").await?,
                "MAIL" => {
                    talk.from = address(rest);
                    line.say(if talk.from.is_some() { "250 ok" } else { "501 which address" }).await?;
                }
                "RCPT" => match address(rest).filter(|_| talk.from.is_some()) {
                    Some(to) if to.starts_with("nobody") => line.say(&format!("550 5.1.1 <{to}> is unknown here")).await?,
                    Some(to) if to.starts_with("full") => line.say("452 4.2.2 mailbox full").await?,
                    Some(to) => {
                        talk.to = Some(to);
                        line.say("250 ok").await?;
                    }
                    None => line.say("503 first things first").await?,
                },
                "DATA" => match (talk.from.take(), talk.to.take()) {
                    (Some(_), Some(to)) if to.starts_with("early") => return Ok(()),
                    (Some(from), Some(to)) => {
                        line.say("354 go on").await?;
                        let Some(text) = line.text().await? else { return Ok(()) };
                        if to.starts_with("refused") {
                            line.say("554 5.7.1 not this").await?;
                            continue;
                        }
                        let name = to.clone();
                        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(read(from, to, &text));
                        if name.starts_with("hang") {
                            tokio::time::sleep(Duration::from_secs(3600)).await;
                        }
                        if name.starts_with("cut") || name.starts_with("hang") {
                            return Ok(());
                        }
                        line.say("250 2.0.0 taken").await?;
                    }
                    _ => line.say("503 first things first").await?,
                },
                "RSET" => {
                    (talk.from, talk.to) = (None, None);
                    line.say("250 ok").await?;
                }
                "NOOP" => line.say("250 ok").await?,
                "QUIT" => return line.say("221 bye").await,
                _ => line.say("500 what").await?,
            }
        }
        Ok(())
    }
}

/// Its route: `GET /_sandbox/mails`.
pub fn router(smtp: Smtp) -> Router {
    Router::new().route("/_sandbox/mails", get(mails)).with_state(smtp)
}

/// `second_mails` counts mails with an id that was taken before.
async fn mails(State(smtp): State<Smtp>) -> Json<Value> {
    let taken = smtp.taken();
    let mut ids: Vec<_> = taken.iter().filter_map(|mail| mail.header("Message-ID")).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    Json(json!({ "taken": taken.len(), "second_mails": all - ids.len(), "mails": taken }))
}

struct Talk {
    demanded: Option<(String, String)>,
    known: bool,
    from: Option<String>,
    to: Option<String>,
}

impl Talk {
    /// `PLAIN` and, in base64, NUL, the name, NUL, the password.
    fn is_account(&self, rest: &str) -> bool {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        let Some((_, given)) = rest.split_once(' ') else { return false };
        let given = BASE64_STANDARD.decode(given.trim()).unwrap_or_default();
        self.demanded.as_ref().is_some_and(|(name, password)| given == format!("\0{name}\0{password}").into_bytes())
    }
}

struct Line {
    reading: BufReader<OwnedReadHalf>,
    writing: OwnedWriteHalf,
}

impl Line {
    async fn say(&mut self, words: &str) -> io::Result<()> {
        self.writing.write_all(format!("{words}\r\n").as_bytes()).await
    }

    async fn hear(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let read = self.reading.read_until(b'\n', &mut line).await?;
        if read == 0 || line.len() > LONGEST_LINE {
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// The lines of a mail, up to the one with nothing but a dot; `None`: the line broke first.
    async fn text(&mut self) -> io::Result<Option<Vec<String>>> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while let Some(line) = self.hear().await? {
            if line == "." {
                return Ok(Some(lines));
            }
            bytes += line.len();
            if bytes > LARGEST_MAIL {
                return Ok(None);
            }
            lines.push(line.strip_prefix('.').map(str::to_owned).unwrap_or(line));
        }
        Ok(None)
    }
}

/// What stands between < and >.
fn address(rest: &str) -> Option<String> {
    let (_, behind) = rest.split_once('<')?;
    behind.split_once('>').map(|(address, _)| address.to_owned()).filter(|address| address.contains('@'))
}

fn read(from: String, to: String, lines: &[String]) -> Taken {
    let end = lines.iter().position(String::is_empty).unwrap_or(lines.len());
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in &lines[..end] {
        match (line.strip_prefix([' ', '\t']), headers.last_mut()) {
            (Some(more), Some((_, value))) => {
                value.push(' ');
                value.push_str(more.trim());
            }
            _ => {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
    }
    Taken { from, to, headers, body: lines.get(end + 1..).unwrap_or_default().join("\n") }
}

/// Takes quoted-printable apart.
fn unquoted(body: &str) -> String {
    let joined = body.replace("=\n", "");
    let (bytes, mut plain) = (joined.as_bytes(), Vec::new());
    let mut at = 0;
    while at < bytes.len() {
        let hex = joined.get(at + 1..at + 3).filter(|_| bytes[at] == b'=').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        plain.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_read_as_it_was_written() {
        let lines = ["Subject: Hi", " there", "Content-Transfer-Encoding: quoted-printable", "", "Gr=C3=BC=", "=C3=9Fe", "bye"];
        let mail = read("a@x.example".into(), "b@y.example".into(), &lines.map(str::to_owned));
        assert_eq!(mail.header("subject"), Some("Hi there"));
        assert_eq!(mail.text(), "Grüße\nbye");
        assert_eq!(address("FROM:<a@x.example> SIZE=3"), Some("a@x.example".into()));
        assert_eq!(address("TO:nobody"), None);
    }
}
