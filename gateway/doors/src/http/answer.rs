//! Answers: objects, errors, rows.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hyper::{
    Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use mountgate_core::{Code, Refusal};
use mountgate_mediate::{OBSERVE, Refused, WriteReply};
use serde::Serialize;

use crate::{
    encode::{self, Encoder},
    limits::HttpLimits,
    media::{Encoding, Format},
    middle::{Opened, Rows},
    serve::Payload,
};

const DECISION: HeaderName = HeaderName::from_static("x-mountgate-decision");
const MODE: HeaderName = HeaderName::from_static("x-mountgate-mode");
const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
/// An answer up to so many bytes is sent whole, with its length; a longer one in frames.
const SMALL: usize = 32 << 10;
/// An answer that is not whole after so long is sent in frames, however small it is so far.
const SOON: Duration = Duration::from_millis(20);
/// Room that most look-ups fit in.
const FIRST: usize = 1 << 10;

fn respond(status: StatusCode, content_type: HeaderValue, payload: Payload) -> Response<Payload> {
    let mut response = Response::new(payload);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(6);
    headers.insert(CONTENT_TYPE, content_type);
    // Answers are for one caller at one moment.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    response
}

fn decided(response: &mut Response<Payload>, decision_id: &str) {
    if let Ok(id) = HeaderValue::from_str(decision_id) {
        response.headers_mut().insert(DECISION, id);
    }
}

/// Says that the mount is open for observation, where it is.
pub(crate) fn mode(response: &mut Response<Payload>, observed: bool) {
    if observed {
        response.headers_mut().insert(MODE, HeaderValue::from_static(OBSERVE));
    }
}

/// An answer that is written already.
pub(crate) fn bytes(bytes: Bytes, encoding: Encoding) -> Response<Payload> {
    respond(StatusCode::OK, encoding.content_type(), Payload::whole(bytes))
}

/// An object.
pub(crate) fn described(value: &impl Serialize, decision_id: Option<&str>, format: Format) -> Response<Payload> {
    let encoding = format.of_objects();
    let mut response = bytes(encode::object(value, encoding), encoding);
    if let Some(id) = decision_id {
        decided(&mut response, id);
    }
    response
}

/// What became of a write: 202 where it waits for approval.
pub(crate) fn written(reply: &WriteReply, format: Format) -> Response<Payload> {
    let encoding = format.of_objects();
    let mut response = bytes(encode::written(reply, encoding), encoding);
    let id = match reply {
        WriteReply::Written(written) => &written.decision_id,
        WriteReply::Held(held) => {
            *response.status_mut() = StatusCode::ACCEPTED;
            &held.decision_id
        }
    };
    decided(&mut response, id);
    response
}

/// A refusal.
pub(crate) fn refused(refused: &Refused, encoding: Encoding) -> Response<Payload> {
    let Refused { refusal, decision_id } = refused;
    let error = encode::error_fields(refusal, decision_id.as_deref());
    let body = encode::object(&encode::ErrorBody { error }, encoding);
    let status = StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond(status, encoding.content_type(), Payload::whole(body));
    if let Some(id) = decision_id {
        decided(&mut response, id);
    }
    let headers = response.headers_mut();
    if let Some(seconds) = refusal.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.code == Code::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The answer to `OPTIONS`: the methods, and no word about other origins, which so may not ask.
pub(crate) fn allow(methods: &str) -> Response<Payload> {
    let mut response = Response::new(Payload::whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// Rows: whole where they are few, in frames where they are many.
///
/// # Errors
/// What the answer meets before anything of it has left.
pub(crate) async fn rows<R: Rows>(
    opened: Opened<R>,
    format: Format,
    limits: &HttpLimits,
) -> Result<Response<Payload>, Refused> {
    let Opened { decision_id, observed, columns, mut rows } = opened;
    let begun = Instant::now();
    let mut out = BytesMut::with_capacity(FIRST);
    let mut encoder = Encoder::begin(format, &decision_id, observed, &columns, &mut out);
    let refuse = |refusal| Refused { refusal, decision_id: Some(decision_id.clone()) };
    loop {
        match rows.next().await {
            Ok(Some(batch)) => {
                for row in batch.rows() {
                    encoder.row(row, &mut out);
                }
                if encoder.streams() {
                    if out.len() >= SMALL || begun.elapsed() >= SOON {
                        break;
                    }
                } else if out.len() > limits.buffered_bytes {
                    return Err(refuse(too_large(limits)));
                }
            }
            Ok(None) => {
                encoder.end(rows.end(), &mut out);
                let mut response = respond(StatusCode::OK, format.content_type(), Payload::whole(out.freeze()));
                decided(&mut response, &decision_id);
                mode(&mut response, observed);
                return Ok(response);
            }
            Err(refusal) => return Err(refuse(refusal)),
        }
    }
    let id = decision_id.clone();
    let under_way = UnderWay { rows, encoder, out, decision_id };
    let frames = futures::stream::unfold(Some(under_way), UnderWay::frame);
    let mut response = respond(StatusCode::OK, format.content_type(), Payload::stream(frames));
    decided(&mut response, &id);
    mode(&mut response, observed);
    Ok(response)
}

fn too_large(limits: &HttpLimits) -> Refusal {
    Refusal::new(
        Code::TooLarge,
        format!("the answer has more than {} bytes, which is too much for MessagePack at once", limits.buffered_bytes),
    )
    .hint("accept `application/x-ndjson` or `application/json`, which stream, or ask for fewer rows")
}

/// An answer of which something has left.
struct UnderWay<R> {
    rows: R,
    encoder: Encoder,
    /// Written and not yet taken.
    out: BytesMut,
    decision_id: String,
}

impl<R: Rows> UnderWay<R> {
    /// The next frame. Rows are asked for when the last frame was taken: a slow reader slows the backend down, and
    /// one that is gone drops this, which cancels the backend's work.
    async fn frame(state: Option<Self>) -> Option<(Bytes, Option<Self>)> {
        let mut this = state?;
        if !this.out.is_empty() {
            return Some((this.out.split().freeze(), Some(this)));
        }
        loop {
            match this.rows.next().await {
                Ok(Some(batch)) => {
                    for row in batch.rows() {
                        this.encoder.row(row, &mut this.out);
                    }
                    if !this.out.is_empty() {
                        return Some((this.out.split().freeze(), Some(this)));
                    }
                }
                Ok(None) => {
                    this.encoder.end(this.rows.end(), &mut this.out);
                    return Some((this.out.split().freeze(), None));
                }
                Err(refusal) => {
                    this.encoder.break_off(&refusal, &this.decision_id, &mut this.out);
                    return Some((this.out.split().freeze(), None));
                }
            }
        }
    }
}
