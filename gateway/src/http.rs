//! A small HTTP client, for the tour and for commands that ask a running gateway: a request a connection, no TLS.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::Value as Json;

/// How long the gateway may take to say something.
const PATIENCE: Duration = Duration::from_secs(120);

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Json,
}

/// Posts JSON.
pub(crate) fn post(address: SocketAddr, path: &str, token: &str, body: &Json) -> anyhow::Result<Answer> {
    ask(address, "POST", path, token, &body.to_string())
}

/// Asks for what is at a path.
pub(crate) fn get(address: SocketAddr, path: &str, token: &str) -> anyhow::Result<Answer> {
    ask(address, "GET", path, token, "")
}

fn ask(address: SocketAddr, method: &str, path: &str, token: &str, body: &str) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    read(&answer)
}

fn read(answer: &[u8]) -> anyhow::Result<Answer> {
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").context("an answer without an end of its head")?;
    let (head, body) = answer.split_at(at);
    let (head, body) = (std::str::from_utf8(head)?, body.get(4..).unwrap_or_default());
    let mut lines = head.split("\r\n");
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).context("an answer without a status")?;
    let headers: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    let header = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
    let body = match header("transfer-encoding") {
        Some("chunked") => unchunked(body)?,
        Some(other) => bail!("an answer in `{other}`"),
        None => body.to_vec(),
    };
    Ok(Answer {
        status,
        retry_after: header("retry-after").and_then(|value| value.parse().ok()),
        body: serde_json::from_slice(&body).context("an answer that is no JSON")?,
    })
}

fn unchunked(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").context("an answer that breaks off")?;
        let (size, after) = rest.split_at(end);
        let size = usize::from_str_radix(std::str::from_utf8(size)?.split(';').next().unwrap_or_default().trim(), 16)?;
        if size == 0 {
            return Ok(out);
        }
        let chunk = after.get(2..size + 2).context("an answer that breaks off")?;
        out.extend_from_slice(chunk);
        rest = after.get(size + 4..).context("an answer that breaks off")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_and_in_chunks() {
        let whole = read(b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        assert_eq!((whole.status, whole.retry_after), (429, Some(7)));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n";
        assert_eq!(read(chunked).unwrap().body, serde_json::json!({ "a": 1 }));
    }

    #[test]
    fn a_cut_answer_is_none() {
        assert!(read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1").is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}
