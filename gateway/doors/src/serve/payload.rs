//! The body of an answer.

use std::{
    convert::Infallible,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, SizeHint};

use super::guarded::Busy;

/// The bytes of an answer: whole, streamed, or another body's.
pub(crate) struct Payload {
    kind: Kind,
    /// Keeps the connection's clocks from taking a long answer for idleness.
    busy: Option<Busy>,
}

enum Kind {
    Whole(Bytes),
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
    Other(BoxBody<Bytes, Infallible>),
}

impl Payload {
    /// An answer in one piece, with its length told.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { kind: Kind::Whole(bytes), busy: None }
    }

    /// An answer frame by frame: the next one is made when the last one was taken.
    pub(crate) fn stream(frames: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self { kind: Kind::Stream(Box::pin(frames)), busy: None }
    }

    pub(crate) fn other(body: BoxBody<Bytes, Infallible>) -> Self {
        Self { kind: Kind::Other(body), busy: None }
    }

    pub(super) fn keep(mut self, busy: Busy) -> Self {
        self.busy = Some(busy);
        self
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        match &mut this.kind {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Stream(frames) => {
                // A panic here would end the connection's task, in HTTP/2 with every other answer in it. As an error
                // it ends this answer, and without its last chunk: a cut answer does not look whole.
                let polled = catch_unwind(AssertUnwindSafe(|| frames.poll_next_unpin(cx)));
                match polled {
                    Ok(polled) => polled.map(|frame| frame.map(|bytes| Ok(Frame::data(bytes)))),
                    Err(_) => {
                        tracing::error!("the writing of an answer panicked");
                        this.kind = Kind::Whole(Bytes::new());
                        Poll::Ready(Some(Err(io::Error::other("the answer broke off"))))
                    }
                }
            }
            Kind::Other(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Stream(_) => false,
            Kind::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(_) => SizeHint::default(),
            Kind::Other(body) => body.size_hint(),
        }
    }
}
