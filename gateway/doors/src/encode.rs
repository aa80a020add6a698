//! Answers as bytes: JSON, NDJSON and MessagePack, written value by value with nothing between a cell and the buffer.
//! How each type appears is told in `docs/types.md`.

mod json;
mod msgpack;
mod object;
#[cfg(test)]
mod tests;
mod written;

use bytes::BytesMut;
use mountgate_core::{Refusal, Value};
use mountgate_mediate::ReplyColumn;

pub(crate) use json::text as json_text;
pub(crate) use object::{ErrorBody, error_fields, object};
pub(crate) use written::written;

use crate::media::Format;

/// What is known of an answer once it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Rows written.
    pub(crate) rows: u64,
    /// Whether a cap cut it.
    pub(crate) truncated: bool,
}

/// Writes an answer, front to back.
pub(crate) enum Encoder {
    Json(json::Writer),
    Ndjson(json::Lines),
    MessagePack(msgpack::Writer),
}

impl Encoder {
    /// Begins an answer.
    pub(crate) fn begin(
        format: Format,
        decision_id: &str,
        observed: bool,
        columns: &[ReplyColumn],
        out: &mut BytesMut,
    ) -> Self {
        match format {
            Format::Json => Self::Json(json::Writer::begin(decision_id, observed, columns, out)),
            Format::Ndjson => Self::Ndjson(json::Lines::begin(decision_id, observed, columns, out)),
            Format::MessagePack => Self::MessagePack(msgpack::Writer::begin(decision_id, observed, columns, out)),
        }
    }

    /// Whether frames may leave before the end. MessagePack says the number of rows before the first of them, so it
    /// is kept back until the end: at most the answer's `max_bytes`, and about nine bytes more a value.
    pub(crate) fn streams(&self) -> bool {
        !matches!(self, Self::MessagePack(_))
    }

    /// Writes a row.
    pub(crate) fn row(&mut self, row: &[Value], out: &mut BytesMut) {
        match self {
            Self::Json(writer) => writer.row(row, out),
            Self::Ndjson(lines) => lines.row(row, out),
            Self::MessagePack(writer) => writer.row(row, out),
        }
    }

    /// Ends an answer that is whole.
    pub(crate) fn end(&mut self, end: End, out: &mut BytesMut) {
        match self {
            Self::Json(writer) => writer.end(end, out),
            Self::Ndjson(lines) => lines.end(end, out),
            Self::MessagePack(writer) => writer.end(end, out),
        }
    }

    /// Ends an answer that broke off after its beginning had left: the error, and `complete: false`.
    pub(crate) fn break_off(&mut self, refusal: &Refusal, decision_id: &str, out: &mut BytesMut) {
        match self {
            Self::Json(writer) => writer.break_off(refusal, decision_id, out),
            Self::Ndjson(lines) => lines.break_off(refusal, decision_id, out),
            // Nothing has left (`streams`), so the error is an answer of its own; reached by no door.
            Self::MessagePack(_) => {}
        }
    }
}
