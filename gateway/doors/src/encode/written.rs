//! What became of a write.

use bytes::{BufMut, Bytes, BytesMut};
use mountgate_mediate::{WriteReply, Written};

use super::{json, msgpack};
use crate::media::Encoding;

/// A write that is done, with what RETURNING gives; or one that waits for approval.
pub(crate) fn written(reply: &WriteReply, encoding: Encoding) -> Bytes {
    let mut out = BytesMut::with_capacity(256);
    match (reply, encoding) {
        (WriteReply::Written(written), Encoding::Json) => {
            let Written { decision_id, rows, columns, returned } = written;
            out.put_slice(b"{\"decision_id\":");
            json::text(decision_id, &mut out);
            out.put_slice(b",\"state\":\"written\",\"changed\":");
            out.put_slice(rows.to_string().as_bytes());
            out.put_slice(b",\"columns\":");
            json::columns(columns, &mut out);
            out.put_slice(b",\"rows\":[");
            for (at, row) in returned.iter().enumerate() {
                out.put_slice(if at > 0 { b"," } else { b"" });
                json::values(row, &mut out);
            }
            out.put_slice(b"]}");
        }
        (WriteReply::Written(written), Encoding::MessagePack) => {
            let Written { decision_id, rows, columns, returned } = written;
            msgpack::map(5, &mut out);
            msgpack::text("decision_id", &mut out);
            msgpack::text(decision_id, &mut out);
            msgpack::text("state", &mut out);
            msgpack::text("written", &mut out);
            msgpack::text("changed", &mut out);
            msgpack::integer(i64::try_from(*rows).unwrap_or(i64::MAX), &mut out);
            msgpack::columns(columns, &mut out);
            msgpack::text("rows", &mut out);
            msgpack::array(returned.len(), &mut out);
            for row in returned {
                msgpack::array(row.len(), &mut out);
                row.iter().for_each(|value| msgpack::value(value, &mut out));
            }
        }
        (WriteReply::Held(held), encoding) => {
            let held = serde_json::json!({
                "decision_id": held.decision_id, "state": "held", "write": held.hold,
            });
            return super::object(&held, encoding);
        }
    }
    out.freeze()
}
