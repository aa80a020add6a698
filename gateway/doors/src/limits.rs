//! Sizes and times beyond which a port does not wait or read.

use std::time::Duration;

/// Limits of a port. Each bounds what a client can hold without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a request's line and headers; 32 KiB, and at least 8 KiB. Beyond it: 431, without a body.
    pub header_bytes: usize,
    /// Headers of a request; 100. Beyond it: 431, without a body.
    pub headers: usize,
    /// Bytes of a body; 1 MiB. Beyond it: 413 `too_large`.
    pub body_bytes: usize,
    /// Bytes of a statement; 256 KiB. Beyond it: 413 `too_large`. The parser's own limit is lower.
    pub statement_bytes: usize,
    /// From the first byte of a request (or the connection's beginning) to its last header; 10 s. Then the connection
    /// is closed: a client that sends a header a minute (slowloris) holds nothing.
    pub header_timeout: Duration,
    /// From the last header to the body's end; 30 s. Then 408 `request_timeout`, and the connection is closed.
    pub body_timeout: Duration,
    /// How long a connection may stay open between requests; 75 s.
    pub idle_timeout: Duration,
    /// How long a client may take no byte of an answer; 30 s. Then the connection is closed and the answer dropped,
    /// which frees its place in the backend.
    pub write_timeout: Duration,
    /// Connections at once; 1024. Beyond it: 503 `overloaded`.
    pub connections: usize,
    /// Requests at once in one HTTP/2 connection; 128.
    pub streams: u32,
    /// Bytes of an answer that must be kept until its end (MessagePack); 64 MiB. Beyond it: 413 `too_large`, with
    /// the advice to stream.
    pub buffered_bytes: usize,
    /// Bytes of rows in an MCP tool's result; 1 MiB, more than a model reads. Beyond it the result says `truncated`.
    pub tool_bytes: usize,
    /// How long requests under way may take after the shutdown began; 10 s.
    pub grace: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            header_bytes: 32 << 10,
            headers: 100,
            body_bytes: 1 << 20,
            statement_bytes: 256 << 10,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            connections: 1024,
            streams: 128,
            buffered_bytes: 64 << 20,
            tool_bytes: 1 << 20,
            grace: Duration::from_secs(10),
        }
    }
}
