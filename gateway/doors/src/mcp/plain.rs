//! The short way of a plain call: one `tools/call` with a tool's name, its arguments and nothing else, from a client of a
//! version of the protocol that asks for nothing else. It is read already, and answered from that reading. Everything else
//! goes through the library, which also says what is wrong with it; and what a plain call gets is what the library would
//! have made of it (the tests of `mcp` hold the two against each other).

use bytes::{BufMut, Bytes, BytesMut};
use hyper::{
    HeaderMap, Method, Response,
    header::{CONTENT_TYPE, HeaderValue},
};

use super::{call::Told, tools::Name};
use crate::{body::Item, encode::json_text, serve::Payload};

/// The versions before headers had to repeat what the body says.
const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const VERSION: &str = "mcp-protocol-version";

/// A call that can go the short way.
#[derive(Debug, PartialEq)]
pub(super) struct Plain {
    pub(super) name: Name,
    pub(super) arguments: Option<Item>,
    id: Id,
}

#[derive(Debug, PartialEq)]
enum Id {
    Number(i64),
    Text(String),
}

impl Plain {
    /// The call, or the message as it was.
    pub(super) fn of(method: &Method, headers: &HeaderMap, message: Item) -> Result<Self, Item> {
        if method != Method::POST || !is_plain(headers) {
            return Err(message);
        }
        let mut entries = match message {
            Item::Map(entries) => entries,
            other => return Err(other),
        };
        match Self::taken(&mut entries) {
            Some(plain) => Ok(plain),
            None => Err(Item::Map(entries)),
        }
    }

    /// Takes the call out of the message's fields, if it is one; else they stay as they are.
    fn taken(entries: &mut [(String, Item)]) -> Option<Self> {
        let (mut id, mut params, mut version, mut method) = (None, None, false, false);
        for (key, item) in entries.iter_mut() {
            match (key.as_str(), item) {
                ("jsonrpc", Item::Text(text)) if text == "2.0" => version = true,
                ("method", Item::Text(text)) if text == "tools/call" => method = true,
                ("id", Item::Integer(number)) => id = Some(Id::Number(*number)),
                ("id", Item::Text(text)) => id = Some(Id::Text(text.clone())),
                ("params", Item::Map(entries)) => params = Some(entries),
                _ => return None,
            }
        }
        let (id, params) = (id?, params.filter(|_| version && method)?);
        let (mut name, mut arguments) = (None, None);
        for (key, item) in params.iter_mut() {
            match (key.as_str(), item) {
                ("name", Item::Text(text)) => name = Some(Name::of(text)?),
                ("arguments", item @ Item::Map(_)) => arguments = Some(item),
                _ => return None,
            }
        }
        let name = name?;
        let arguments = arguments.map(|item| std::mem::replace(item, Item::Null));
        Some(Self { name, arguments, id })
    }

    /// The answer.
    pub(super) fn answer(&self, told: &Told) -> Response<Payload> {
        let Told { text, structure, is_error } = told;
        let mut out = BytesMut::with_capacity(256 + 2 * text.len());
        out.put_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        match &self.id {
            Id::Number(number) => out.put_slice(itoa::Buffer::new().format(*number).as_bytes()),
            Id::Text(text) => json_text(text, &mut out),
        }
        out.put_slice(b",\"result\":{\"content\":[{\"type\":\"text\",\"text\":");
        json_text(text, &mut out);
        out.put_slice(b"}],\"structuredContent\":");
        out.put_slice(structure.as_ref().unwrap_or(text).as_bytes());
        out.put_slice(if *is_error { b",\"isError\":true}}" } else { b",\"isError\":false}}" });
        let mut response = Response::new(Payload::whole(Bytes::from(out)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// Whether the headers ask for nothing that the library would look at.
fn is_plain(headers: &HeaderMap) -> bool {
    let mut versions = headers.get_all(VERSION).iter();
    let known = versions.next().is_none_or(|version| VERSIONS.iter().any(|known| version == known));
    let others = headers.keys().any(|name| name.as_str().starts_with("mcp-") && name != VERSION);
    known && versions.next().is_none() && !others
}
