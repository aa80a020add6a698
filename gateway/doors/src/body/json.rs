//! JSON (RFC 8259) to the tree, strictly.
//!
//! A reader of our own: a general one turns `100000000000000000000` into a float without a word, keeps the last of
//! two equal keys, and says a line where an agent needs a path.

use std::collections::HashSet;

use mountgate_core::Refusal;

use super::{DEPTH, ITEMS, Item, Path, malformed};

/// Distinct keys are checked by comparison up to so many, and through a set beyond.
const FEW_KEYS: usize = 16;

pub(super) fn decode(body: &[u8]) -> Result<Item, Refusal> {
    let text = std::str::from_utf8(body).map_err(|error| {
        malformed(format!("the body is not UTF-8: byte {} begins no character", error.valid_up_to()))
            .hint("JSON is UTF-8; send bytes as base64: {\"type\":\"bytes\",\"value\":\"…\"}")
    })?;
    let mut reader = Reader { text, at: 0, depth: 0, items: 0, path: Path::default() };
    reader.space();
    if reader.at == text.len() {
        return Err(malformed("the body is empty").hint("send a JSON object"));
    }
    let item = reader.value()?;
    reader.space();
    if reader.at < text.len() {
        return Err(malformed(format!("something follows the JSON value, at byte {}", reader.at))
            .hint("send one JSON object and nothing after it"));
    }
    Ok(item)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    items: usize,
    path: Path,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn fail<T>(&self, what: &str) -> Result<T, Refusal> {
        let where_ = self.path.text();
        Err(match self.peek() {
            None => malformed(format!("the body ends early, in {where_}: {what}")).hint("send the whole JSON text"),
            Some(_) => malformed(format!("the body is not JSON at byte {}, in {where_}: {what}", self.at)),
        })
    }

    fn literal(&mut self, word: &str, item: Item) -> Result<Item, Refusal> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            return Ok(item);
        }
        self.fail("expected a value")
    }

    fn value(&mut self) -> Result<Item, Refusal> {
        self.items += 1;
        if self.items > ITEMS {
            return Err(malformed(format!("the body holds more than {ITEMS} values")));
        }
        match self.peek() {
            Some(b'"') => self.string().map(Item::Text),
            Some(b'{') => self.nested(Self::map),
            Some(b'[') => self.nested(Self::list),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Item::Boolean(true)),
            Some(b'f') => self.literal("false", Item::Boolean(false)),
            Some(b'n') => self.literal("null", Item::Null),
            _ => self.fail("expected a value"),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Item, Refusal>) -> Result<Item, Refusal> {
        if self.depth == DEPTH {
            return Err(malformed(format!("the body nests deeper than {DEPTH} levels")));
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        let item = read(self)?;
        self.depth -= 1;
        Ok(item)
    }

    fn list(&mut self) -> Result<Item, Refusal> {
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Item::List(items));
        }
        loop {
            self.path.push_index(items.len());
            self.space();
            items.push(self.value()?);
            self.path.pop();
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Item::List(items));
                }
                _ => return self.fail("expected `,` or `]`"),
            }
        }
    }

    fn map(&mut self) -> Result<Item, Refusal> {
        let mut entries: Vec<(String, Item)> = Vec::new();
        let mut seen = HashSet::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Item::Map(entries));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return self.fail("expected a key in double quotes");
            }
            let key = self.string()?;
            if is_duplicate(&entries, &mut seen, &key) {
                return Err(duplicate(&self.path.key(&key)));
            }
            self.space();
            if self.peek() != Some(b':') {
                return self.fail("expected `:`");
            }
            self.at += 1;
            self.space();
            self.path.push_key(&key);
            let value = self.value()?;
            self.path.pop();
            entries.push((key, value));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Item::Map(entries));
                }
                _ => return self.fail("expected `,` or `}`"),
            }
        }
    }

    fn number(&mut self) -> Result<Item, Refusal> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => {
                self.at += 1;
                if matches!(self.peek(), Some(b'0'..=b'9')) {
                    return self.fail("a number does not start with 0");
                }
            }
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.fail("expected a digit"),
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return self.fail("expected a digit after the point");
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return self.fail("expected a digit in the exponent");
            }
            self.digits();
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if whole {
            return text.parse().map(Item::Integer).map_err(|_| super::too_big(&self.path, text));
        }
        match text.parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(Item::Float(float)),
            _ => Err(malformed(format!("{} is a number beyond what a float holds", self.path.text()))
                .hint("send it as {\"type\":\"decimal\",\"value\":\"…\"}")),
        }
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<String, Refusal> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            let Some(plain) = plain else {
                self.at = self.text.len();
                return self.fail("a text is not closed");
            };
            out.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    let char = self.escape()?;
                    out.push(char);
                }
                _ => return self.fail("a control character in a text must be escaped"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Refusal> {
        self.at += 1;
        let char = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return self.fail("unknown escape in a text"),
        };
        self.at += 1;
        Ok(char)
    }

    fn unicode(&mut self) -> Result<char, Refusal> {
        let first = self.hex4()?;
        let code = if (0xD800..0xDC00).contains(&first) {
            if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u")) {
                return self.fail("half of a surrogate pair");
            }
            self.at += 1;
            let second = self.hex4()?;
            if !(0xDC00..0xE000).contains(&second) {
                return self.fail("half of a surrogate pair");
            }
            0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        } else {
            first
        };
        match char::from_u32(code) {
            // No store keeps it, and some cut the text there.
            Some('\0') => Err(super::nul(&self.path)),
            Some(char) => Ok(char),
            None => self.fail("half of a surrogate pair"),
        }
    }

    /// Four hexadecimal digits, after the `u` that `at` stands on.
    fn hex4(&mut self) -> Result<u32, Refusal> {
        self.at += 1;
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.fail("expected four hexadecimal digits after `\\u`");
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

/// Whether the map has the key already.
pub(super) fn is_duplicate(entries: &[(String, Item)], seen: &mut HashSet<String>, key: &str) -> bool {
    if entries.len() < FEW_KEYS {
        return entries.iter().any(|(known, _)| known == key);
    }
    if seen.is_empty() {
        seen.extend(entries.iter().map(|(known, _)| known.clone()));
    }
    !seen.insert(key.to_owned())
}

pub(super) fn duplicate(path: &Path) -> Refusal {
    malformed(format!("{} is there twice", path.text())).hint("each key may be given once")
}

/// Writes the tree as JSON; for JSON documents given as parameters.
pub(super) fn write(item: &Item, out: &mut Vec<u8>) {
    match item {
        Item::Null => out.extend_from_slice(b"null"),
        Item::Boolean(true) => out.extend_from_slice(b"true"),
        Item::Boolean(false) => out.extend_from_slice(b"false"),
        Item::Integer(integer) => out.extend_from_slice(integer.to_string().as_bytes()),
        // Debug keeps a point or an exponent, so that it reads as a float again.
        Item::Float(float) => out.extend_from_slice(format!("{float:?}").as_bytes()),
        Item::Text(text) => crate::encode::json_text(text, out),
        // INVARIANT: callers refuse bytes inside JSON documents before they get here.
        Item::Bytes(_) => out.extend_from_slice(b"null"),
        Item::List(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Item::Map(entries) => {
            out.push(b'{');
            for (at, (key, item)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                crate::encode::json_text(key, out);
                out.push(b':');
                write(item, out);
            }
            out.push(b'}');
        }
    }
}
