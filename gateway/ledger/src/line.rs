//! One record as one line, and the chain of hashes through the lines.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The hash of a record, which covers every record before it.
pub(crate) type Hash = [u8; 32];

/// What the first record of a ledger gives as the hash before it.
pub(crate) const GENESIS: Hash = [0; 32];

/// Where a chain stands: what the next record continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The next record's number, from 1.
    pub(crate) next: u64,
    /// The hash of the record before it.
    pub(crate) prev: Hash,
}

impl Chain {
    pub(crate) fn start() -> Self {
        Self { next: 1, prev: GENESIS }
    }

    fn hash(&self, body: &[u8]) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(self.prev);
        hasher.update(self.next.to_be_bytes());
        hasher.update(body);
        hasher.finalize().into()
    }

    /// Appends the line of the next record to `out` and moves on.
    pub(crate) fn append(&mut self, body: &[u8], out: &mut Vec<u8>) {
        let hash = self.hash(body);
        self.render(&hash, body, out);
        *self = Self { next: self.next.saturating_add(1), prev: hash };
    }

    fn render(&self, hash: &Hash, body: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"seq\":");
        out.extend_from_slice(self.next.to_string().as_bytes());
        out.extend_from_slice(b",\"prev\":\"");
        hex(&self.prev, out);
        out.extend_from_slice(b"\",\"hash\":\"");
        hex(hash, out);
        out.extend_from_slice(b"\",\"record\":");
        out.extend_from_slice(body);
        out.extend_from_slice(b"}\n");
    }

    /// Checks that `line` (without its line feed) is the next record, byte for byte, and moves on.
    pub(crate) fn check(&mut self, line: &Line<'_>) -> Result<(), &'static str> {
        if line.seq != self.next {
            return Err("its number does not follow the record before");
        }
        if line.prev != self.prev {
            return Err("it does not name the hash of the record before");
        }
        if line.hash != self.hash(line.body) {
            return Err("its hash is not that of its content");
        }
        *self = Self { next: self.next.saturating_add(1), prev: line.hash };
        Ok(())
    }
}

fn hex(hash: &Hash, out: &mut Vec<u8>) {
    let mut text = [0; 64];
    HEXLOWER.encode_mut(hash, &mut text);
    out.extend_from_slice(&text);
}

/// A line taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) seq: u64,
    pub(crate) prev: Hash,
    pub(crate) hash: Hash,
    pub(crate) body: &'a [u8],
}

impl<'a> Line<'a> {
    /// Takes a line (without its line feed) apart. Only the one spelling that the writer uses is a line: another
    /// spelling of the same JSON would be a change that no hash covers.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, &'static str> {
        const SHAPE: &str = "it is not a record of a ledger";
        let rest = line.strip_prefix(b"{\"seq\":").ok_or(SHAPE)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = rest.split_at_checked(digits).ok_or(SHAPE)?;
        let number = std::str::from_utf8(number).map_err(|_| SHAPE)?;
        let seq: u64 = number.parse().map_err(|_| SHAPE)?;
        if number.starts_with('0') {
            return Err(SHAPE);
        }
        let rest = rest.strip_prefix(b",\"prev\":\"").ok_or(SHAPE)?;
        let (prev, rest) = unhex(rest).ok_or(SHAPE)?;
        let rest = rest.strip_prefix(b"\",\"hash\":\"").ok_or(SHAPE)?;
        let (hash, rest) = unhex(rest).ok_or(SHAPE)?;
        let rest = rest.strip_prefix(b"\",\"record\":").ok_or(SHAPE)?;
        let body = rest.strip_suffix(b"}").ok_or(SHAPE)?;
        Ok(Self { seq, prev, hash, body })
    }
}

fn unhex(text: &[u8]) -> Option<(Hash, &[u8])> {
    let (digits, rest) = text.split_at_checked(64)?;
    let mut hash = [0; 32];
    HEXLOWER.decode_mut(digits, &mut hash).ok()?;
    Some((hash, rest))
}
