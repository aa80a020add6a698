//! MessagePack: one map with the keys of the JSON answer, in the same order.
//!
//! An array says its length before its first item, and the number of rows is known at the end. So the length is
//! written in five bytes (`array 32`) and filled in when the answer ends; until then nothing leaves.

use bytes::{BufMut, BytesMut};
use mountgate_core::Value;
use mountgate_mediate::{OBSERVE, ReplyColumn};

use super::End;

pub(crate) struct Writer {
    /// Where the number of rows goes.
    length_at: usize,
    rows: u32,
}

impl Writer {
    pub(super) fn begin(decision_id: &str, observed: bool, columns: &[ReplyColumn], out: &mut BytesMut) -> Self {
        map(if observed { 7 } else { 6 }, out);
        text("decision_id", out);
        text(decision_id, out);
        if observed {
            text("mode", out);
            text(OBSERVE, out);
        }
        self::columns(columns, out);
        text("rows", out);
        out.put_u8(0xdd);
        let length_at = out.len();
        out.put_u32(0);
        Self { length_at, rows: 0 }
    }

    pub(super) fn row(&mut self, row: &[Value], out: &mut BytesMut) {
        self.rows = self.rows.saturating_add(1);
        array(row.len(), out);
        for item in row {
            value(item, out);
        }
    }

    pub(super) fn end(&mut self, end: End, out: &mut BytesMut) {
        if let Some(mut place) = out.get_mut(self.length_at..) {
            place.put_u32(self.rows);
        }
        text("row_count", out);
        integer(i64::try_from(end.rows).unwrap_or(i64::MAX), out);
        text("truncated", out);
        boolean(end.truncated, out);
        text("complete", out);
        boolean(true, out);
    }
}

/// The key `columns`, and them.
pub(super) fn columns(columns: &[ReplyColumn], out: &mut BytesMut) {
    text("columns", out);
    array(columns.len(), out);
    for column in columns {
        map(if column.masks.is_empty() { 2 } else { 3 }, out);
        text("name", out);
        text(&column.name, out);
        text("type", out);
        text(&column.ty, out);
        if !column.masks.is_empty() {
            text("masks", out);
            array(column.masks.len(), out);
            for mask in &column.masks {
                text(mask, out);
            }
        }
    }
}

// Writing to a buffer that grows does not fail.
fn ok<T, E>(result: Result<T, E>) {
    debug_assert!(result.is_ok());
}

fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

pub(super) fn map(items: usize, out: &mut BytesMut) {
    ok(rmp::encode::write_map_len(&mut out.writer(), length(items)));
}

pub(super) fn array(items: usize, out: &mut BytesMut) {
    ok(rmp::encode::write_array_len(&mut out.writer(), length(items)));
}

pub(super) fn text(text: &str, out: &mut BytesMut) {
    ok(rmp::encode::write_str_len(&mut out.writer(), length(text.len())));
    out.put_slice(text.as_bytes());
}

pub(super) fn integer(number: i64, out: &mut BytesMut) {
    ok(rmp::encode::write_sint(&mut out.writer(), number));
}

fn boolean(boolean: bool, out: &mut BytesMut) {
    out.put_u8(if boolean { 0xc3 } else { 0xc2 });
}

/// A cell.
pub(super) fn value(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Null => out.put_u8(0xc0),
        Value::Boolean(is) => boolean(*is, out),
        Value::Integer(number) => integer(*number, out),
        Value::Float(number) if number.is_finite() => {
            out.put_u8(0xcb);
            out.put_f64(*number);
        }
        // As in JSON, so that a reader need not know which encoding it reads.
        Value::Float(number) if number.is_nan() => text("NaN", out),
        Value::Float(number) => text(if *number > 0.0 { "Infinity" } else { "-Infinity" }, out),
        Value::Decimal(form)
        | Value::Text(form)
        | Value::Date(form)
        | Value::Time(form)
        | Value::Timestamp(form)
        | Value::TimestampTz(form)
        | Value::Interval(form)
        | Value::Uuid(form)
        // A document stays text here: MessagePack would lose the digits of its numbers.
        | Value::Json(form) => text(form, out),
        Value::Bytes(bytes) => {
            ok(rmp::encode::write_bin_len(&mut out.writer(), length(bytes.len())));
            out.put_slice(bytes);
        }
        Value::Array(items) => {
            array(items.len(), out);
            for item in items {
                self::value(item, out);
            }
        }
    }
}
