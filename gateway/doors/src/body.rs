//! Bodies of requests, strictly: JSON or MessagePack to one small tree, and from that to what the routes take.
//!
//! Two readers that understand the same bytes differently are a way around a policy (a duplicate key of which the
//! log keeps the first and the gateway the second), so whatever could be read in two ways is refused: duplicate and
//! unknown keys, trailing bytes, numbers that would lose digits, MessagePack extension types, text with NUL.

mod fields;
mod json;
mod msgpack;
mod params;
mod read;
mod requests;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use mountgate_core::{Code, Refusal};

pub(crate) use fields::Fields;
pub(crate) use params::{TYPES, parameters};
pub(crate) use requests::{explain, mint, query, read, statement, write};

use crate::media::Encoding;

/// How deep lists and maps may nest. A parameter needs three levels; JSON documents as parameters the rest.
pub(crate) const DEPTH: usize = 32;
/// How many values a body may hold in all: bounds memory at about forty times the bytes of `[0,0,…]`.
pub(crate) const ITEMS: usize = 65_536;

/// A value of a body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// MessagePack only.
    Bytes(Vec<u8>),
    List(Vec<Item>),
    /// In the order of the body; keys are distinct.
    Map(Vec<(String, Item)>),
}

impl Item {
    /// What it is, for messages.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// A step into a body, for messages.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// Where in a body: `params[2].value`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Path(Vec<Step>);

impl Path {
    pub(crate) fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(Step::Key(key.to_owned()));
        path
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Step::Index(index));
        path
    }

    fn push_key(&mut self, key: &str) {
        self.0.push(Step::Key(key.to_owned()));
    }

    fn push_index(&mut self, index: usize) {
        self.0.push(Step::Index(index));
    }

    fn pop(&mut self) {
        self.0.pop();
    }

    /// The path as text; `the body` at its root. Long keys are cut: an error should not echo a megabyte.
    pub(crate) fn text(&self) -> String {
        if self.0.is_empty() {
            return "the body".to_owned();
        }
        let mut out = String::from("`");
        for step in &self.0 {
            match step {
                Step::Key(key) => {
                    if out.len() > 1 {
                        out.push('.');
                    }
                    out.push_str(&shown(key));
                }
                Step::Index(index) => {
                    let _ = write!(out, "[{index}]");
                }
            }
        }
        out.push('`');
        out
    }
}

/// An agent's own word as messages show it: at most 64 characters, control characters and backticks left out.
pub(crate) fn shown(text: &str) -> String {
    let mut out: String = text.chars().filter(|c| !c.is_control() && *c != '`').take(65).collect();
    if out.chars().count() > 64 {
        out.pop();
        out.push('…');
    }
    out
}

pub(crate) fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::Malformed, message)
}

/// Reads a body.
///
/// # Errors
/// Whatever is not exactly one value of the encoding, within the bounds above.
pub(crate) fn decode(body: &[u8], encoding: Encoding) -> Result<Item, Refusal> {
    match encoding {
        Encoding::Json => json::decode(body),
        Encoding::MessagePack => msgpack::decode(body),
    }
}

/// Reads arbitrary bytes as the body of every route, in both encodings; for fuzzing. It must neither panic nor hang,
/// and what it takes in JSON it must take again when written anew.
pub fn fuzz_body(data: &[u8]) {
    for encoding in [Encoding::Json, Encoding::MessagePack] {
        let Ok(item) = decode(data, encoding) else { continue };
        let _ = query(item.clone());
        let _ = explain(item.clone());
        let _ = read(item.clone());
        let _ = mint(item.clone());
        if encoding == Encoding::Json {
            let mut text = Vec::new();
            json::write(&item, &mut text);
            assert_eq!(json::decode(&text).as_ref(), Ok(&item), "a body does not survive being written");
        }
    }
}

fn too_big(path: &Path, digits: &str) -> Refusal {
    malformed(format!("{} is the integer {}, which 64 bits do not hold", path.text(), shown(digits)))
        .hint("send it as a text, or as {\"type\":\"decimal\",\"value\":\"…\"}")
}

fn nul(path: &Path) -> Refusal {
    malformed(format!("{} holds a NUL character", path.text()))
        .hint("no store keeps NUL in text; send bytes as {\"type\":\"bytes\",\"value\":\"base64…\"}")
}
