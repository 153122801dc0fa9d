//! A small HTTP/1.1 client. It shares the machine's cores with the server, so it must cost little:
//! requests are bytes made beforehand, and of an answer it reads what tells its end.

use std::{net::SocketAddr, ops::Range};

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The statuses of answers that never have a body (RFC 9110 sections 15.3.5 and 15.4.5).
const WITHOUT_BODY: [u16; 2] = [204, 304];

/// Writes a request without a body.
pub(crate) fn get(out: &mut Vec<u8>, path: &str, token: Option<&str>) {
    head(out, "GET", path, token);
    out.extend_from_slice(b"\r\n");
}

/// Writes a request without a body, and with a header.
pub(crate) fn get_with(out: &mut Vec<u8>, path: &str, header: &str) {
    head(out, "GET", path, None);
    for part in [header, "\r\n\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Writes a request with a JSON body.
pub(crate) fn post(out: &mut Vec<u8>, path: &str, token: &str, body: &str) {
    head(out, "POST", path, Some(token));
    out.extend_from_slice(b"content-type: application/json\r\ncontent-length: ");
    out.extend_from_slice(body.len().to_string().as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body.as_bytes());
}

/// Writes a request with a form as its body.
pub(crate) fn form(out: &mut Vec<u8>, path: &str, token: &str, body: &str) {
    head(out, "POST", path, Some(token));
    out.extend_from_slice(b"content-type: application/x-www-form-urlencoded\r\ncontent-length: ");
    out.extend_from_slice(body.len().to_string().as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body.as_bytes());
}

/// Writes what a worker or a task sends: it signs each request, and its body is JSON.
pub(crate) fn signed(out: &mut Vec<u8>, method: &str, path: &str, authorization: &str, body: &str) {
    head(out, method, path, None);
    for part in ["authorization: ", authorization, "\r\ncontent-type: application/json\r\ncontent-length: "] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(body.len().to_string().as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body.as_bytes());
}

fn head(out: &mut Vec<u8>, method: &str, path: &str, token: Option<&str>) {
    for part in [method, " ", path, " HTTP/1.1\r\nhost: airlock\r\nuser-agent: airlock-bench\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    if let Some(token) = token {
        for part in ["authorization: Bearer ", token, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// A connection that is kept alive, with one request at a time on it.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("the server cannot be reached")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request, and answers with the body when the status is the expected one.
    pub(crate) async fn exchange(&mut self, request: &[u8], expected: u16) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (status, body) = loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
            if let Some((status, body)) = whole(&self.buffer)? {
                break (status, body);
            }
        };
        let body = &self.buffer[body];
        if status != expected {
            let line = String::from_utf8_lossy(request);
            let line = line.lines().next().unwrap_or_default();
            bail!("{line}: the server answered {status} and not {expected}: {}", String::from_utf8_lossy(body));
        }
        Ok(body)
    }
}

/// The status and the place of the body, when all of the answer is there.
fn whole(buffer: &[u8]) -> anyhow::Result<Option<(u16, Range<usize>)>> {
    let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&buffer[..end]).context("a head that is not UTF-8")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|rest| rest.get(..3));
    let status: u16 = status.context("an answer that is not HTTP/1.1")?.parse()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    let length: usize = match length {
        None if WITHOUT_BODY.contains(&status) => 0,
        length => length.context("an answer without content-length")?.parse()?,
    };
    let body = end + 4..end + 4 + length;
    ensure!(buffer.len() <= body.end, "more than one answer to one request");
    Ok((buffer.len() == body.end).then_some((status, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx: y\r\n\r\n{}";
        for end in 0..answer.len() {
            assert!(whole(&answer[..end]).expect("so far good").is_none(), "{end}");
        }
        assert_eq!(whole(answer).expect("good"), Some((200, answer.len() - 2..answer.len())));
        let empty = b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n";
        assert_eq!(whole(empty).expect("good"), Some((204, empty.len()..empty.len())));
        assert!(whole(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP").is_err());
        assert!(whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
