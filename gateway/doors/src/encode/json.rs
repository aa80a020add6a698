//! JSON and NDJSON.

use bytes::{BufMut, BytesMut};
use mountgate_core::{Refusal, Value};
use mountgate_mediate::{OBSERVE, ReplyColumn};

use super::{End, error_fields};

/// One object: `decision_id`, `columns`, `rows`, and last, so that a cut answer never looks whole, `row_count`,
/// `truncated` and `complete`.
pub(crate) struct Writer {
    rows: u64,
}

impl Writer {
    pub(super) fn begin(decision_id: &str, observed: bool, columns: &[ReplyColumn], out: &mut BytesMut) -> Self {
        head(decision_id, observed, out);
        out.put_slice(b",\"columns\":");
        self::columns(columns, out);
        out.put_slice(b",\"rows\":[");
        Self { rows: 0 }
    }

    pub(super) fn row(&mut self, row: &[Value], out: &mut BytesMut) {
        if self.rows > 0 {
            out.put_u8(b',');
        }
        self.rows += 1;
        values(row, out);
    }

    pub(super) fn end(&mut self, end: End, out: &mut BytesMut) {
        out.put_slice(b"],");
        whole(end, out);
        out.put_u8(b'}');
    }

    pub(super) fn break_off(&mut self, refusal: &Refusal, decision_id: &str, out: &mut BytesMut) {
        out.put_slice(b"],\"row_count\":");
        integer(self.rows, out);
        out.put_u8(b',');
        broken(refusal, decision_id, out);
        out.put_u8(b'}');
    }
}

/// A line for the columns, one for each row, one for the end.
pub(crate) struct Lines {
    rows: u64,
}

impl Lines {
    pub(super) fn begin(decision_id: &str, observed: bool, columns: &[ReplyColumn], out: &mut BytesMut) -> Self {
        head(decision_id, observed, out);
        out.put_slice(b",\"columns\":");
        self::columns(columns, out);
        out.put_slice(b"}\n");
        Self { rows: 0 }
    }

    pub(super) fn row(&mut self, row: &[Value], out: &mut BytesMut) {
        self.rows += 1;
        values(row, out);
        out.put_u8(b'\n');
    }

    pub(super) fn end(&mut self, end: End, out: &mut BytesMut) {
        out.put_u8(b'{');
        whole(end, out);
        out.put_slice(b"}\n");
    }

    pub(super) fn break_off(&mut self, refusal: &Refusal, decision_id: &str, out: &mut BytesMut) {
        out.put_slice(b"{\"row_count\":");
        integer(self.rows, out);
        out.put_u8(b',');
        broken(refusal, decision_id, out);
        out.put_slice(b"}\n");
    }
}

fn head(decision_id: &str, observed: bool, out: &mut BytesMut) {
    out.put_slice(b"{\"decision_id\":");
    text(decision_id, out);
    if observed {
        out.put_slice(b",\"mode\":");
        text(OBSERVE, out);
    }
}

fn whole(end: End, out: &mut BytesMut) {
    out.put_slice(b"\"row_count\":");
    integer(end.rows, out);
    out.put_slice(if end.truncated { b",\"truncated\":true" } else { b",\"truncated\":false" });
    out.put_slice(b",\"complete\":true");
}

fn broken(refusal: &Refusal, decision_id: &str, out: &mut BytesMut) {
    out.put_slice(b"\"error\":");
    error(refusal, Some(decision_id), out);
    out.put_slice(b",\"complete\":false");
}

/// The error object.
pub(super) fn error(refusal: &Refusal, decision_id: Option<&str>, out: &mut BytesMut) {
    let fields = error_fields(refusal, decision_id);
    // INVARIANT: a map of texts and numbers always serialises.
    if serde_json::to_writer((&mut *out).writer(), &fields).is_err() {
        out.put_slice(b"{}");
    }
}

pub(super) fn columns(columns: &[ReplyColumn], out: &mut BytesMut) {
    out.put_u8(b'[');
    for (at, column) in columns.iter().enumerate() {
        out.put_slice(if at > 0 { b",{\"name\":" } else { b"{\"name\":" });
        text(&column.name, out);
        out.put_slice(b",\"type\":");
        text(&column.ty, out);
        if !column.masks.is_empty() {
            out.put_slice(b",\"masks\":[");
            for (at, mask) in column.masks.iter().enumerate() {
                if at > 0 {
                    out.put_u8(b',');
                }
                text(mask, out);
            }
            out.put_u8(b']');
        }
        out.put_u8(b'}');
    }
    out.put_u8(b']');
}

pub(super) fn values(values: &[Value], out: &mut BytesMut) {
    out.put_u8(b'[');
    for (at, item) in values.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        value(item, out);
    }
    out.put_u8(b']');
}

/// A cell.
pub(super) fn value(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Null => out.put_slice(b"null"),
        Value::Boolean(true) => out.put_slice(b"true"),
        Value::Boolean(false) => out.put_slice(b"false"),
        // Always a number, all digits: a value whose JSON type depends on its size breaks the client that has not
        // yet met a large one. The columns' types say where a reader of doubles must be careful.
        Value::Integer(number) => integer(*number, out),
        Value::Float(number) => float(*number, out),
        Value::Decimal(form)
        | Value::Text(form)
        | Value::Date(form)
        | Value::Time(form)
        | Value::Timestamp(form)
        | Value::TimestampTz(form)
        | Value::Interval(form)
        | Value::Uuid(form) => text(form, out),
        Value::Bytes(bytes) => base64(bytes, out),
        Value::Json(document) => json(document, out),
        Value::Array(items) => values(items, out),
    }
}

fn integer(number: impl itoa::Integer, out: &mut BytesMut) {
    out.put_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn float(number: f64, out: &mut BytesMut) {
    if number.is_finite() {
        // The shortest digits that read back as the same number; `1.0` keeps its point.
        out.put_slice(zmij::Buffer::new().format_finite(number).as_bytes());
    } else if number.is_nan() {
        out.put_slice(b"\"NaN\"");
    } else if number > 0.0 {
        out.put_slice(b"\"Infinity\"");
    } else {
        out.put_slice(b"\"-Infinity\"");
    }
}

fn base64(bytes: &[u8], out: &mut BytesMut) {
    let start = out.len() + 1;
    let length = data_encoding::BASE64.encode_len(bytes.len());
    out.put_u8(b'"');
    out.put_bytes(0, length);
    if let Some(place) = out.get_mut(start..start + length) {
        data_encoding::BASE64.encode_mut(bytes, place);
    }
    out.put_u8(b'"');
}

/// A document as the store has it, digit for digit, once it is seen to be JSON: a text from a store that is no JSON,
/// put here as it is, could close the answer and write another.
fn json(document: &str, out: &mut BytesMut) {
    match serde_json::from_str::<&serde_json::value::RawValue>(document) {
        // Line breaks outside of texts are white space, and would cut a line of NDJSON.
        Ok(raw) if !raw.get().contains(['\n', '\r']) => out.put_slice(raw.get().as_bytes()),
        Ok(raw) => {
            for line in raw.get().split(['\n', '\r']) {
                out.put_slice(line.as_bytes());
            }
        }
        Err(_) => text(document, out),
    }
}

/// Where the next byte is that must be escaped (quotes, backslashes, control characters), eight bytes at a time.
fn next_escape(text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The high bit of each byte that is zero. Of several bytes one above a found one may be marked too, none below.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quotes = zeros(word ^ (ONES * u64::from(b'"')));
        let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = quotes | backslashes | controls;
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let escaped = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    rest.iter().position(escaped).map(|at| words.len() * 8 + at)
}

/// A text in quotes, escaped.
pub(crate) fn text(text: &str, out: &mut impl BufMut) {
    out.put_u8(b'"');
    let mut rest = text;
    while let Some(at) = next_escape(rest.as_bytes()) {
        // INVARIANT: what is escaped is one byte long, so both sides of it are on character boundaries.
        let (plain, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.put_slice(plain.as_bytes());
        let Some(byte) = after.bytes().next() else { break };
        escape(byte, out);
        rest = after.get(1..).unwrap_or_default();
    }
    out.put_slice(rest.as_bytes());
    out.put_u8(b'"');
}

fn escape(byte: u8, out: &mut impl BufMut) {
    match byte {
        b'"' => out.put_slice(b"\\\""),
        b'\\' => out.put_slice(b"\\\\"),
        b'\n' => out.put_slice(b"\\n"),
        b'\r' => out.put_slice(b"\\r"),
        b'\t' => out.put_slice(b"\\t"),
        _ => {
            let hex = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            out.put_slice(b"\\u00");
            out.put_u8(hex(byte >> 4));
            out.put_u8(hex(byte & 15));
        }
    }
}
