//! Keyed digests that stand for values and statements.
//!
//! Why keyed: most values in statements are few (`customer_id = 42`), so that a plain hash of one is found by trying.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use mountgate_core::Value;
use serde::{Serialize, Serializer};
use sha2::Sha256;

/// 128 bits of HMAC-SHA-256, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyedDigest([u8; 16]);

impl KeyedDigest {
    /// As it is written.
    pub(crate) fn to_text(self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

impl Serialize for KeyedDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; 32];
        HEXLOWER.encode_mut(&self.0, &mut text);
        serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Makes keyed digests. The key's schedule is kept, so that a digest of a short value costs two compressions.
#[derive(Clone)]
pub(crate) struct Digests {
    keyed: Hmac<Sha256>,
}

impl Digests {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        // HMAC pads a key to the hash's block of 64 bytes with zeros; doing it here makes the constructor infallible.
        let mut block = zeroize::Zeroizing::new([0; 64]);
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
        Self { keyed: Hmac::new(&(*block).into()) }
    }

    fn finish(mac: Hmac<Sha256>) -> KeyedDigest {
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut short = [0; 16];
        for (to, from) in short.iter_mut().zip(full) {
            *to = from;
        }
        KeyedDigest(short)
    }

    /// The digest of a value, its type included.
    pub(crate) fn value(&self, value: &Value) -> KeyedDigest {
        let mut mac = self.keyed.clone();
        mac.update(b"value\0");
        feed(&mut mac, value);
        Self::finish(mac)
    }

    /// The digest of a statement's text.
    pub(crate) fn statement(&self, text: &str) -> KeyedDigest {
        let mut mac = self.keyed.clone();
        mac.update(b"statement\0");
        mac.update(text.as_bytes());
        Self::finish(mac)
    }
}

/// Feeds a value so that different values feed different bytes: a tag, the length where it varies, the content.
fn feed(mac: &mut Hmac<Sha256>, value: &Value) {
    let mut tagged = |tag: u8, bytes: &[u8]| {
        mac.update(&[tag]);
        mac.update(&(bytes.len() as u64).to_be_bytes());
        mac.update(bytes);
    };
    match value {
        Value::Null => tagged(0, &[]),
        Value::Boolean(truth) => tagged(1, &[u8::from(*truth)]),
        Value::Integer(number) => tagged(2, &number.to_be_bytes()),
        Value::Float(number) => tagged(3, &number.to_bits().to_be_bytes()),
        Value::Decimal(text) => tagged(4, text.as_bytes()),
        Value::Text(text) => tagged(5, text.as_bytes()),
        Value::Bytes(bytes) => tagged(6, bytes),
        Value::Date(text) => tagged(7, text.as_bytes()),
        Value::Time(text) => tagged(8, text.as_bytes()),
        Value::Timestamp(text) => tagged(9, text.as_bytes()),
        Value::TimestampTz(text) => tagged(10, text.as_bytes()),
        Value::Interval(text) => tagged(11, text.as_bytes()),
        Value::Uuid(text) => tagged(12, text.as_bytes()),
        Value::Json(text) => tagged(13, text.as_bytes()),
        Value::Array(items) => {
            tagged(14, &(items.len() as u64).to_be_bytes());
            for item in items {
                feed(mac, item);
            }
        }
    }
}
