//! MessagePack to the tree, strictly: keys are text, no extension types (a timestamp is sent as
//! `{"type":"timestamptz","value":"…"}`), no non-finite floats, one value and nothing after it.

use std::collections::HashSet;

use mountgate_core::Refusal;
use rmp::Marker;

use super::{DEPTH, ITEMS, Item, Path, json, malformed};

pub(super) fn decode(body: &[u8]) -> Result<Item, Refusal> {
    if body.is_empty() {
        return Err(malformed("the body is empty").hint("send a MessagePack map"));
    }
    let mut reader = Reader { body, at: 0, depth: 0, items: 0, path: Path::default() };
    let item = reader.value()?;
    if reader.at < body.len() {
        return Err(malformed(format!("something follows the MessagePack value, at byte {}", reader.at))
            .hint("send one MessagePack map and nothing after it"));
    }
    Ok(item)
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    depth: usize,
    items: usize,
    path: Path,
}

impl<'a> Reader<'a> {
    fn early(&self) -> Refusal {
        malformed(format!("the body ends early, in {}", self.path.text())).hint("send the whole MessagePack value")
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Refusal> {
        let end = self.at.checked_add(length).ok_or_else(|| self.early())?;
        let bytes = self.body.get(self.at..end).ok_or_else(|| self.early())?;
        self.at = end;
        Ok(bytes)
    }

    /// A big-endian number of `length` bytes, up to eight.
    fn number(&mut self, length: usize) -> Result<u64, Refusal> {
        Ok(self.take(length)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn length(&mut self, bytes: usize) -> Result<usize, Refusal> {
        usize::try_from(self.number(bytes)?).map_err(|_| self.early())
    }

    fn text(&mut self, length: usize) -> Result<String, Refusal> {
        let at = self.at;
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            malformed(format!(
                "{} is not UTF-8: byte {} begins no character",
                self.path.text(),
                at + error.valid_up_to()
            ))
            .hint("send bytes as MessagePack's bin")
        })?;
        if text.contains('\0') {
            return Err(super::nul(&self.path));
        }
        Ok(text.to_owned())
    }

    fn float(&self, float: f64) -> Result<Item, Refusal> {
        if float.is_finite() {
            return Ok(Item::Float(float));
        }
        Err(malformed(format!("{} is not a finite number", self.path.text()))
            .hint("NaN and infinities are not taken as parameters"))
    }

    fn value(&mut self) -> Result<Item, Refusal> {
        self.items += 1;
        if self.items > ITEMS {
            return Err(malformed(format!("the body holds more than {ITEMS} values")));
        }
        let marker = Marker::from_u8(*self.take(1)?.first().ok_or_else(|| self.early())?);
        match marker {
            Marker::Null => Ok(Item::Null),
            Marker::True => Ok(Item::Boolean(true)),
            Marker::False => Ok(Item::Boolean(false)),
            Marker::FixPos(number) => Ok(Item::Integer(number.into())),
            Marker::FixNeg(number) => Ok(Item::Integer(number.into())),
            Marker::U8 => self.unsigned(1),
            Marker::U16 => self.unsigned(2),
            Marker::U32 => self.unsigned(4),
            Marker::U64 => self.unsigned(8),
            Marker::I8 => self.signed(1),
            Marker::I16 => self.signed(2),
            Marker::I32 => self.signed(4),
            Marker::I64 => self.signed(8),
            Marker::F32 => {
                let bits = u32::try_from(self.number(4)?).unwrap_or_default();
                self.float(f32::from_bits(bits).into())
            }
            Marker::F64 => {
                let bits = self.number(8)?;
                self.float(f64::from_bits(bits))
            }
            Marker::FixStr(length) => self.text(length.into()).map(Item::Text),
            Marker::Str8 => self.sized_text(1),
            Marker::Str16 => self.sized_text(2),
            Marker::Str32 => self.sized_text(4),
            Marker::Bin8 => self.bytes(1),
            Marker::Bin16 => self.bytes(2),
            Marker::Bin32 => self.bytes(4),
            Marker::FixArray(length) => self.list(length.into()),
            Marker::Array16 => {
                let length = self.length(2)?;
                self.list(length)
            }
            Marker::Array32 => {
                let length = self.length(4)?;
                self.list(length)
            }
            Marker::FixMap(length) => self.map(length.into()),
            Marker::Map16 => {
                let length = self.length(2)?;
                self.map(length)
            }
            Marker::Map32 => {
                let length = self.length(4)?;
                self.map(length)
            }
            Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32 => Err(malformed(format!("{} is of a MessagePack extension type", self.path.text()))
                .hint("send dates and times as {\"type\":\"timestamptz\",\"value\":\"2026-11-24T08:53:01Z\"}")),
            Marker::Reserved => Err(malformed(format!(
                "the body is not MessagePack at byte {}, in {}: 0xc1 is never used",
                self.at.saturating_sub(1),
                self.path.text()
            ))),
        }
    }

    fn unsigned(&mut self, bytes: usize) -> Result<Item, Refusal> {
        let number = self.number(bytes)?;
        i64::try_from(number).map(Item::Integer).map_err(|_| super::too_big(&self.path, &number.to_string()))
    }

    fn signed(&mut self, bytes: usize) -> Result<Item, Refusal> {
        let number = self.number(bytes)?;
        let shift = 64 - 8 * u32::try_from(bytes).unwrap_or(8);
        Ok(Item::Integer((number << shift).cast_signed() >> shift))
    }

    fn sized_text(&mut self, bytes: usize) -> Result<Item, Refusal> {
        let length = self.length(bytes)?;
        self.text(length).map(Item::Text)
    }

    fn bytes(&mut self, bytes: usize) -> Result<Item, Refusal> {
        let length = self.length(bytes)?;
        Ok(Item::Bytes(self.take(length)?.to_vec()))
    }

    fn deeper(&mut self) -> Result<(), Refusal> {
        if self.depth == DEPTH {
            return Err(malformed(format!("the body nests deeper than {DEPTH} levels")));
        }
        self.depth += 1;
        Ok(())
    }

    fn list(&mut self, length: usize) -> Result<Item, Refusal> {
        self.deeper()?;
        // No room is made ahead: a length of four billion costs its writer five bytes.
        let mut items = Vec::new();
        for index in 0..length {
            self.path.push_index(index);
            items.push(self.value()?);
            self.path.pop();
        }
        self.depth -= 1;
        Ok(Item::List(items))
    }

    fn map(&mut self, length: usize) -> Result<Item, Refusal> {
        self.deeper()?;
        let mut entries: Vec<(String, Item)> = Vec::new();
        let mut seen = HashSet::new();
        for _ in 0..length {
            let key = match self.value()? {
                Item::Text(key) => key,
                other => {
                    return Err(malformed(format!("a key of {} is {}, not a text", self.path.text(), other.label())));
                }
            };
            if json::is_duplicate(&entries, &mut seen, &key) {
                return Err(json::duplicate(&self.path.key(&key)));
            }
            self.path.push_key(&key);
            let value = self.value()?;
            self.path.pop();
            entries.push((key, value));
        }
        self.depth -= 1;
        Ok(Item::Map(entries))
    }
}
