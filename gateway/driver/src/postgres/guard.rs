//! A socket that refuses messages above a size.
//!
//! PostgreSQL sends a row as one message, and a client must hold a message whole. `SELECT repeat('x', 1000000000)`
//! would so take a gigabyte of the gateway. The socket counts along and breaks the connection at the header.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// A row was larger than allowed.
#[derive(Debug, thiserror::Error)]
#[error("a message of {0} bytes is larger than allowed")]
pub(super) struct TooLarge(u32);

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The socket, and where in its incoming messages it is.
#[derive(Debug)]
pub(super) struct Guarded {
    socket: Socket,
    messages: Messages,
}

impl Guarded {
    pub(super) fn new(socket: Socket, max_message: u32) -> Self {
        Self { socket, messages: Messages { max: max_message, header: 0, length: 0, left: 0 } }
    }
}

/// Walks over incoming bytes: a tag, four bytes of length (themselves included), the rest.
#[derive(Debug)]
struct Messages {
    max: u32,
    /// Bytes of the header seen.
    header: u8,
    length: u32,
    /// Bytes of the body still to come.
    left: usize,
}

impl Messages {
    fn walk(&mut self, mut bytes: &[u8]) -> Result<(), TooLarge> {
        loop {
            let skip = self.left.min(bytes.len());
            self.left -= skip;
            bytes = bytes.get(skip..).unwrap_or_default();
            let Some((byte, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            if self.header > 0 {
                self.length = (self.length << 8) | u32::from(*byte);
            }
            self.header += 1;
            if self.header == 5 {
                if self.length > self.max {
                    return Err(TooLarge(self.length));
                }
                self.left = usize::try_from(self.length.saturating_sub(4)).unwrap_or(usize::MAX);
                (self.header, self.length) = (0, 0);
            }
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        let new = buf.filled().get(before..).unwrap_or_default();
        Poll::Ready(this.messages.walk(new).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e)))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, buf)
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Unix(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Self::Unix(socket) => Pin::new(socket).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_wherever_the_reads_are_cut() {
        let mut stream = Vec::new();
        for length in [4u32, 5, 100, 4, 4000] {
            stream.push(b'D');
            stream.extend(length.to_be_bytes());
            stream.extend(vec![0xff; length as usize - 4]);
        }
        for step in 1..50 {
            let mut messages = Messages { max: 4000, header: 0, length: 0, left: 0 };
            assert!(stream.chunks(step).all(|part| messages.walk(part).is_ok()), "steps of {step}");
            assert_eq!((messages.header, messages.left), (0, 0));
            let mut messages = Messages { max: 3999, header: 0, length: 0, left: 0 };
            assert!(stream.chunks(step).any(|part| messages.walk(part).is_err()), "steps of {step}");
        }
    }
}
