//! Segment files: their names, their order, and where the chain stands at the end of one.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    LedgerError,
    line::{Chain, Hash, Line},
};

/// The file that the writing gateway keeps locked.
pub(crate) const LOCK_FILE: &str = "lock";

/// The most bytes of one record. A longer line is no record of ours.
pub(crate) const MAX_RECORD: usize = 4 << 20;

/// A segment of the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// The number of its first record.
    pub(crate) first: u64,
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl Segment {
    pub(crate) fn at(dir: &Path, first: u64) -> Self {
        Self { first, path: dir.join(format!("ledger-{first:020}.jsonl")) }
    }

    /// The segments of a folder, oldest first. Other files are not the ledger's and are left alone.
    pub(crate) fn list(dir: &Path) -> Result<Vec<Self>, LedgerError> {
        let mut out = Vec::new();
        for entry in fs::read_dir(dir).map_err(LedgerError::io("list", dir))? {
            let entry = entry.map_err(LedgerError::io("list", dir))?;
            let name = entry.file_name();
            let Some(digits) = name
                .to_str()
                .and_then(|name| name.strip_prefix("ledger-"))
                .and_then(|name| name.strip_suffix(".jsonl"))
                .filter(|digits| digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            else {
                continue;
            };
            if let Ok(first) = digits.parse() {
                out.push(Self { first, path: entry.path() });
            }
        }
        out.sort_by_key(|segment| segment.first);
        Ok(out)
    }

    /// Makes the file, which must not exist yet, for appending.
    pub(crate) fn create(&self) -> Result<File, LedgerError> {
        OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)
            .map_err(LedgerError::io("make", &self.path))
    }

    /// Opens the file for appending.
    pub(crate) fn append(&self) -> Result<File, LedgerError> {
        OpenOptions::new().read(true).append(true).open(&self.path).map_err(LedgerError::io("open", &self.path))
    }

    fn broken(&self, line: u64, why: &str) -> LedgerError {
        LedgerError::Broken { segment: self.path.clone(), line, why: why.to_owned() }
    }

    /// The hash before the first record, and that record where it is an anchor; `None` for a segment that holds no
    /// whole line.
    pub(crate) fn head(&self) -> Result<Option<(Hash, Anchor)>, LedgerError> {
        let file = File::open(&self.path).map_err(LedgerError::io("open", &self.path))?;
        let mut line = Vec::new();
        BufReader::new(file)
            .take(MAX_RECORD as u64)
            .read_until(b'\n', &mut line)
            .map_err(LedgerError::io("read", &self.path))?;
        let Some(text) = line.strip_suffix(b"\n") else { return Ok(None) };
        let parsed = Line::parse(text).map_err(|why| self.broken(1, why))?;
        if parsed.seq != self.first {
            return Err(self.broken(1, "its number is not the segment's"));
        }
        let anchor = Anchor::parse(parsed.body).ok_or_else(|| self.broken(1, "a segment must begin with an anchor"))?;
        Ok(Some((parsed.prev, anchor)))
    }

    /// When its first record was written, where it has one that says so.
    pub(crate) fn begun_ms(&self) -> Option<i64> {
        let mut line = Vec::new();
        let file = File::open(&self.path).ok()?;
        BufReader::new(file).take(MAX_RECORD as u64).read_until(b'\n', &mut line).ok()?;
        let parsed = Line::parse(line.strip_suffix(b"\n")?).ok()?;
        match serde_json::from_slice(parsed.body) {
            Ok(AnchorBody::Anchor { time_ms, .. }) => Some(time_ms),
            Err(_) => None,
        }
    }

    /// Reads the whole segment, checks its chain, and says where it ends.
    pub(crate) fn end(&self) -> Result<End, LedgerError> {
        let Some((prev, _)) = self.head()? else {
            let torn = fs::metadata(&self.path).map_err(LedgerError::io("read", &self.path))?.len();
            return Ok(End { chain: None, whole: 0, torn });
        };
        let mut chain = Chain { next: self.first, prev };
        let file = File::open(&self.path).map_err(LedgerError::io("open", &self.path))?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let (mut line, mut number, mut whole) = (Vec::new(), 0_u64, 0_u64);
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).map_err(LedgerError::io("read", &self.path))? as u64;
            number = number.saturating_add(1);
            let Some(text) = line.strip_suffix(b"\n") else {
                return Ok(End { chain: Some(chain), whole, torn: read });
            };
            Line::parse(text).and_then(|line| chain.check(&line)).map_err(|why| self.broken(number, why))?;
            whole = whole.saturating_add(read);
        }
    }
}

/// Where a segment ends.
#[derive(Debug)]
pub(crate) struct End {
    /// What the next record continues; `None` where the segment holds no record.
    pub(crate) chain: Option<Chain>,
    /// Bytes of whole records.
    pub(crate) whole: u64,
    /// Bytes after the last line feed: a record that was being written when the gateway was killed.
    pub(crate) torn: u64,
}

/// From which record on the ledger is kept. The first record of every segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Anchor {
    /// The first record that is kept.
    pub(crate) kept_from: u64,
    /// The hash of the record before it.
    #[serde(with = "hash_as_hex")]
    pub(crate) hash: Hash,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum AnchorBody {
    Anchor {
        time_ms: i64,
        #[serde(flatten)]
        anchor: Anchor,
    },
}

impl Anchor {
    pub(crate) fn start() -> Self {
        Self { kept_from: 1, hash: crate::line::GENESIS }
    }

    pub(crate) fn body(self, time_ms: i64) -> Result<Vec<u8>, serde_json::Error> {
        crate::record::encode(&AnchorBody::Anchor { time_ms, anchor: self })
    }

    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        match serde_json::from_slice(body) {
            Ok(AnchorBody::Anchor { anchor, .. }) => Some(anchor),
            Err(_) => None,
        }
    }
}

pub(crate) mod hash_as_hex {
    use data_encoding::HEXLOWER;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(from)?;
        HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| D::Error::custom(format!("not {N} bytes in lower-case hexadecimal")))
    }
}
