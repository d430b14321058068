//! A way to Postgres on which an answer can be held back, or lost for good.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    /// The connection that sends these words next is held.
    Armed(&'static str),
    /// The words are with the server, and what it answers waits here.
    Held,
    /// What it answered is lost, and the connection with it.
    Cut,
}

/// Passes everything on, but the answer to what it was told to wait for.
pub struct Proxy {
    pub port: u16,
    gate: watch::Sender<Gate>,
    door: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.door.abort();
    }
}

impl Proxy {
    /// In front of a server on this machine.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let gate = watch::Sender::new(Gate::Open);
        let watched = gate.clone();
        let door = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.expect("the server");
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                let mine = Arc::new(AtomicBool::new(false));
                tokio::spawn(ask(from_client, to_server, watched.clone(), mine.clone()));
                tokio::spawn(answer(from_server, to_client, watched.subscribe(), mine));
            }
        });
        Self { port, gate, door }
    }

    /// Holds back what is answered to the next message with these words.
    pub fn hold(&self, words: &'static str) {
        self.gate.send_replace(Gate::Armed(words));
    }

    /// Waits until the words have been sent: the server acts on them, and the client does not know.
    pub async fn held(&self) {
        self.gate.subscribe().wait_for(|gate| *gate == Gate::Held).await.expect("a proxy");
    }

    /// Lets the answer through.
    pub fn let_go(&self) {
        self.gate.send_replace(Gate::Open);
    }

    /// Loses the answer.
    pub fn cut(&self) {
        self.gate.send_replace(Gate::Cut);
    }
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, gate: watch::Sender<Gate>, mine: Arc<AtomicBool>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        gate.send_if_modified(|gate| {
            let Gate::Armed(words) = *gate else { return false };
            let sent = bytes[..n].windows(words.len()).any(|window| window == words.as_bytes());
            if sent {
                mine.store(true, Ordering::SeqCst);
                *gate = Gate::Held;
            }
            sent
        });
        if to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut gate: watch::Receiver<Gate>, mine: Arc<AtomicBool>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        if mine.load(Ordering::SeqCst) {
            match gate.wait_for(|gate| *gate != Gate::Held).await.as_deref() {
                Ok(Gate::Cut) | Err(_) => return,
                Ok(_) => mine.store(false, Ordering::SeqCst),
            }
        }
        if to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}
