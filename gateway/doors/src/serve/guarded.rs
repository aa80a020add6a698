//! A connection that does not wait for ever: not for a request's headers, not for the next request, not for a client
//! that takes no bytes.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

use crate::limits::HttpLimits;

/// What is under way in a connection; shared by its bytes and its requests.
#[derive(Default)]
pub(super) struct Activity {
    /// Requests under way.
    busy: AtomicUsize,
    /// Requests ever begun.
    begun: AtomicU64,
}

/// A request under way, until dropped.
pub(crate) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A clock that is set for each wait and rarely runs out: the timer itself is left alone while it would fire before
/// the deadline anyway, so that a request costs no registration with the runtime.
#[derive(Default)]
struct Clock {
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    fn stop(&mut self) {
        self.deadline = None;
    }

    fn start(&mut self, after: Duration) {
        self.deadline = Some(Instant::now() + after);
    }

    fn start_unless_running(&mut self, after: Duration) {
        if self.deadline.is_none() {
            self.start(after);
        }
    }

    /// Whether the time is up; else the task is woken when it is.
    fn is_up(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.deadline else { return false };
        loop {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return false;
            }
            if Instant::now() >= deadline {
                return true;
            }
            timer.as_mut().reset(deadline);
        }
    }
}

/// A connection under limits.
pub(super) struct Guarded {
    stream: TcpStream,
    activity: Arc<Activity>,
    limits: HttpLimits,
    /// Requests begun when reading was last looked at: a new one means that its headers are through.
    begun: u64,
    reading: Clock,
    writing: Clock,
    in_headers: bool,
    /// HTTP/2 sends frames that belong to no request, so a byte there does not begin headers.
    frames: bool,
    first: bool,
}

impl Guarded {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>, limits: HttpLimits) -> Self {
        let mut reading = Clock::default();
        // A connection is opened to send a request: the first one's clock starts at once.
        reading.start(limits.header_timeout);
        Self {
            stream,
            activity,
            limits,
            begun: 0,
            reading,
            writing: Clock::default(),
            in_headers: true,
            frames: false,
            first: true,
        }
    }

    fn read_some(&mut self, bytes: &[u8]) {
        if self.first && !bytes.is_empty() {
            self.first = false;
            self.frames = bytes.starts_with(b"PRI");
        }
        if self.activity.busy.load(Ordering::Relaxed) > 0 || self.frames {
            self.in_headers = false;
            self.reading.stop();
        } else if !self.in_headers {
            self.in_headers = true;
            self.reading.start(self.limits.header_timeout);
        }
    }

    fn waits_too_long(&mut self, cx: &mut Context<'_>) -> bool {
        let begun = self.activity.begun.load(Ordering::Relaxed);
        if begun != self.begun {
            self.begun = begun;
            self.in_headers = false;
            self.reading.stop();
        }
        if self.activity.busy.load(Ordering::Relaxed) > 0 {
            return false;
        }
        // Idle, or in headers, whose clock runs already.
        self.reading.start_unless_running(self.limits.idle_timeout);
        self.reading.is_up(cx)
    }

    fn written(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.writing.stop();
            return result;
        }
        self.writing.start_unless_running(self.limits.write_timeout);
        if self.writing.is_up(cx) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes")));
        }
        Poll::Pending
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        if result.is_ready() {
            this.read_some(buf.filled().get(before..).unwrap_or_default());
            return result;
        }
        if this.waits_too_long(cx) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client sends no request")));
        }
        Poll::Pending
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bytes);
        this.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
