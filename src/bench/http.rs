//! A caller that costs next to nothing: the processors of a two-core machine should go to what is measured.

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// One connection that posts the same again and again.
pub struct Caller {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Caller {
    pub async fn connect(address: &str, key: &str, path: &str, body: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(Self { stream, request: request.into_bytes(), answer: Vec::new() })
    }

    /// Posts once and waits until it is accepted.
    pub async fn post(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the API closed the connection");
            }
            let Some(head) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&self.answer[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            if self.answer.len() < head + 4 + length.context("an answer without its length")? {
                continue;
            }
            // A job is accepted with 202, and a batch is answered with 200.
            if !text.starts_with("http/1.1 202") && !text.starts_with("http/1.1 200") {
                bail!("the API answered {}", String::from_utf8_lossy(&self.answer));
            }
            return Ok(());
        }
    }
}
