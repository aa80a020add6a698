//! What is known of a request beside its content: its id, and the trace that it is part of.

use hyper::{
    HeaderMap, Method, Request,
    header::{HeaderName, HeaderValue},
};
use tracing::Span;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The longest id that is taken from a client.
const LONGEST: usize = 128;

/// A request's id and trace.
pub(crate) struct Meta {
    id: HeaderValue,
    trace: Option<(String, String)>,
}

impl Meta {
    /// The client's id where it is a plain word, else a new one.
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        let id = headers.get(REQUEST_ID).filter(|id| is_plain(id.as_bytes())).cloned().unwrap_or_else(fresh);
        let trace = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(traceparent);
        Self { id, trace }
    }

    /// The span that everything about the request is told in. Never the query or a header: they may hold secrets.
    pub(crate) fn span(&self, method: &Method, path: &str) -> Span {
        let id = self.id.to_str().unwrap_or_default();
        match &self.trace {
            Some((trace_id, parent_id)) => {
                tracing::info_span!("request", %method, path, request_id = id, trace_id, parent_id)
            }
            None => tracing::info_span!("request", %method, path, request_id = id),
        }
    }

    /// Puts the id on the answer.
    pub(crate) fn mark(self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.id);
    }
}

fn fresh() -> HeaderValue {
    let mut buffer = uuid::Uuid::encode_buffer();
    let text = uuid::Uuid::now_v7().simple().encode_lower(&mut buffer);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

/// Ids end up in logs: no line breaks, no quotes.
fn is_plain(id: &[u8]) -> bool {
    !id.is_empty()
        && id.len() <= LONGEST
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/'))
}

/// The trace's and the parent's id of a W3C `traceparent`; one that is malformed is as good as none.
fn traceparent(value: &str) -> Option<(String, String)> {
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let mut parts = value.trim().split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let known = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    let whole = hex(trace, 32) && !zero(trace) && hex(parent, 16) && !zero(parent) && hex(flags, 2);
    (known && whole).then(|| (trace.to_owned(), parent.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_traces_are_as_good_as_none() {
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(traceparent(bad), None, "{bad}");
        }
        assert_eq!(
            traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            Some(("4bf92f3577b34da6a3ce929d0e0e4736".into(), "00f067aa0ba902b7".into()))
        );
    }

    #[test]
    fn ids_that_would_break_a_log_are_replaced() {
        for (id, kept) in [("abc-1", true), ("a b", false), ("a\"b", false), (&"x".repeat(129), false)] {
            let request = Request::builder().header("x-request-id", id).body(()).unwrap();
            let mut headers = HeaderMap::new();
            Meta::of(&request).mark(&mut headers);
            assert_eq!(headers["x-request-id"] == *id, kept, "{id}");
        }
    }
}
