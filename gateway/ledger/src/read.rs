//! Reading a ledger, also while a gateway writes it. Readers take no lock and change nothing.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use mountgate_core::{AgentName, MountName, SessionId};
use serde::Deserialize;

use crate::{
    CapsRecord, DecisionId, LedgerError,
    line::Line,
    segment::{MAX_RECORD, Segment},
};

/// A record as it stands in the ledger.
#[derive(Clone, Debug)]
pub struct Entry {
    line: String,
    seq: u64,
    head: Head,
}

/// What of a record can be selected by.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Head {
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) time_ms: i64,
    pub(crate) id: Option<DecisionId>,
    agent: Option<AgentName>,
    session: Option<SessionId>,
    mount: Option<MountName>,
    code: Option<String>,
    pub(crate) act: Option<String>,
    pub(crate) caps: Option<CapsRecord>,
    request: Option<HeadRequest>,
}

#[derive(Clone, Debug, Deserialize)]
struct HeadRequest {
    agent: AgentName,
    session: Option<SessionId>,
    mount: MountName,
}

impl Head {
    pub(crate) fn agent(&self) -> Option<&AgentName> {
        self.agent.as_ref().or(self.request.as_ref().map(|request| &request.agent))
    }

    pub(crate) fn mount(&self) -> Option<&MountName> {
        self.mount.as_ref().or(self.request.as_ref().map(|request| &request.mount))
    }
}

impl Entry {
    /// Takes a line, without its line feed, as it stands in a segment.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, &'static str> {
        let parsed = Line::parse(line)?;
        let head = serde_json::from_slice(parsed.body).map_err(|_| "its content is not a record")?;
        let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
        Ok(Self { line: line.to_owned(), seq: parsed.seq, head })
    }

    /// The whole line: number, hashes and record, as JSON.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The record alone.
    ///
    /// # Errors
    /// Never for an entry of a ledger; the type says so because JSON is read.
    pub fn record(&self) -> Result<serde_json::Value, LedgerError> {
        let mut whole: serde_json::Value = serde_json::from_str(&self.line)?;
        Ok(whole.get_mut("record").map(serde_json::Value::take).unwrap_or_default())
    }

    /// Its number.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// `decision`, `completion`, `refusal`, `shadow`, `admin` or `anchor`.
    pub fn kind(&self) -> &str {
        &self.head.kind
    }

    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub fn time_ms(&self) -> i64 {
        self.head.time_ms
    }

    /// The decision that it is, ends or refuses.
    pub fn decision(&self) -> Option<DecisionId> {
        self.head.id
    }

    /// The agent.
    pub fn agent(&self) -> Option<&AgentName> {
        self.head.agent()
    }

    /// The session.
    pub fn session(&self) -> Option<&SessionId> {
        let request = self.head.request.as_ref().and_then(|request| request.session.as_ref());
        self.head.session.as_ref().or(request)
    }

    /// The mount.
    pub fn mount(&self) -> Option<&MountName> {
        self.head.mount()
    }

    /// The code of a refusal or of a failed completion.
    pub fn code(&self) -> Option<&str> {
        self.head.code.as_deref()
    }
}

/// Which records are wanted; everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// At or after, in milliseconds since 1970-01-01T00:00Z.
    pub from_ms: Option<i64>,
    /// Before.
    pub until_ms: Option<i64>,
    /// Of this agent.
    pub agent: Option<AgentName>,
    /// Of this mount.
    pub mount: Option<MountName>,
    /// With this code.
    pub code: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
}

impl Selection {
    /// Whether the entry is wanted.
    pub fn takes(&self, entry: &Entry) -> bool {
        self.from_ms.is_none_or(|from| entry.time_ms() >= from)
            && self.until_ms.is_none_or(|until| entry.time_ms() < until)
            && self.agent.as_ref().is_none_or(|agent| entry.agent() == Some(agent))
            && self.mount.as_ref().is_none_or(|mount| entry.mount() == Some(mount))
            && self.code.as_deref().is_none_or(|code| entry.code() == Some(code))
            && self.kind.as_deref().is_none_or(|kind| entry.kind() == kind)
    }
}

/// Where a line stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: PathBuf,
    /// The number that the segment's name gives its first record.
    pub(crate) first: u64,
    /// From 1.
    pub(crate) line: u64,
    /// Of its first byte in the segment.
    pub(crate) offset: u64,
}

/// What comes next in a ledger.
pub(crate) enum Piece {
    /// A whole line, without its line feed.
    Line(Place, Vec<u8>),
    /// So many bytes after the last line feed of a segment. In the last one a record on its way; elsewhere a break.
    Rest { place: Place, bytes: u64, last: bool },
}

/// How much older than its segment's successor a record may look: a request is dated when it came, and clocks are set back.
const SKEW_MS: i64 = 3_600_000;

/// All lines of a ledger, oldest first.
pub(crate) struct Lines {
    open: VecDeque<(Segment, BufReader<File>)>,
    line: u64,
    offset: u64,
    pub(crate) segments: usize,
}

impl Lines {
    pub(crate) fn open(dir: &Path) -> Result<Self, LedgerError> {
        // All files are opened at once, so that one which the writer drops meanwhile can still be read. A listing is
        // not atomic: it may miss both a segment that was dropped and the new one that says so, and then a sound
        // ledger would look robbed. So what was listed must still be what is there once all is open.
        for _ in 0..20 {
            let listed = Segment::list(dir)?;
            let mut open = VecDeque::new();
            for segment in &listed {
                match File::open(&segment.path) {
                    Ok(file) => open.push_back((segment.clone(), BufReader::with_capacity(1 << 17, file))),
                    Err(error) if error.kind() == ErrorKind::NotFound => break,
                    Err(error) => return Err(LedgerError::io("open", &segment.path)(error)),
                }
            }
            let same = Segment::list(dir)?.iter().map(|segment| segment.first).eq(listed.iter().map(|one| one.first));
            if same && open.len() == listed.len() {
                return Ok(Self { segments: open.len(), open, line: 0, offset: 0 });
            }
        }
        Err(LedgerError::Config(format!("the segments in `{}` change faster than they can be opened", dir.display())))
    }

    /// Leaves out the segments that were over before that time, as far as they say when they began.
    fn skip_before(&mut self, time_ms: i64) {
        while let Some((next, _)) = self.open.get(1)
            && next.begun_ms().is_some_and(|begun| begun < time_ms)
        {
            self.open.pop_front();
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Piece>, LedgerError> {
        loop {
            let last = self.open.len() == 1;
            let Some((segment, reader)) = self.open.front_mut() else { return Ok(None) };
            let mut text = Vec::new();
            let read = reader
                .by_ref()
                .take(MAX_RECORD as u64)
                .read_until(b'\n', &mut text)
                .map_err(LedgerError::io("read", &segment.path))? as u64;
            self.line = self.line.saturating_add(1);
            let place =
                Place { segment: segment.path.clone(), first: segment.first, line: self.line, offset: self.offset };
            self.offset = self.offset.saturating_add(read);
            if text.last() == Some(&b'\n') {
                text.pop();
                return Ok(Some(Piece::Line(place, text)));
            }
            self.open.pop_front();
            (self.line, self.offset) = (0, 0);
            if read > 0 {
                return Ok(Some(Piece::Rest { place, bytes: read, last }));
            }
        }
    }
}

fn broken(place: &Place, why: &str) -> LedgerError {
    LedgerError::Broken { segment: place.segment.clone(), line: place.line, why: why.to_owned() }
}

/// The selected records, oldest first, one at a time.
pub struct Export {
    lines: Lines,
    selection: Selection,
    over: bool,
}

/// Reads the ledger in `dir` from its beginning. The chain is not checked: [`verify()`](crate::verify()) does that.
///
/// # Errors
/// Where the folder or a segment can't be opened.
pub fn export(dir: &Path, selection: Selection) -> Result<Export, LedgerError> {
    let mut lines = Lines::open(dir)?;
    if let Some(from_ms) = selection.from_ms {
        lines.skip_before(from_ms.saturating_sub(SKEW_MS));
    }
    Ok(Export { lines, selection, over: false })
}

impl Iterator for Export {
    type Item = Result<Entry, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            let entry = match self.lines.next() {
                Ok(None) | Ok(Some(Piece::Rest { last: true, .. })) => break,
                Ok(Some(Piece::Rest { place, last: false, .. })) => Err(broken(&place, "it has no end")),
                Ok(Some(Piece::Line(place, line))) => Entry::parse(&line).map_err(|why| broken(&place, why)),
                Err(error) => Err(error),
            };
            match entry {
                Ok(entry) if !self.selection.takes(&entry) => {}
                Ok(entry) => return Some(Ok(entry)),
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
        self.over = true;
        None
    }
}

/// The last `count` records, oldest first.
///
/// # Errors
/// Where the folder can't be read, or a line among them is no record.
pub fn tail(dir: &Path, count: usize) -> Result<Vec<Entry>, LedgerError> {
    let mut out = VecDeque::new();
    for segment in Segment::list(dir)?.into_iter().rev() {
        let wanted = count.saturating_sub(out.len());
        if wanted == 0 {
            break;
        }
        for line in last_lines(&segment, wanted)?.into_iter().rev() {
            let entry = Entry::parse(&line).map_err(|why| LedgerError::Broken {
                segment: segment.path.clone(),
                line: 0,
                why: format!("near its end: {why}"),
            })?;
            out.push_front(entry);
        }
    }
    Ok(out.into())
}

/// The last whole lines of a segment, oldest first, read from its end.
fn last_lines(segment: &Segment, count: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
    let failed = |error| LedgerError::io("read", &segment.path)(error);
    let mut file = File::open(&segment.path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let mut span = 1_u64 << 16;
    loop {
        let start = len.saturating_sub(span);
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut bytes = Vec::new();
        (&mut file).take(len.saturating_sub(start)).read_to_end(&mut bytes).map_err(failed)?;
        // What follows the last line feed is a record on its way; what precedes the first, the end of another.
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        lines.pop();
        if start > 0 && !lines.is_empty() {
            lines.remove(0);
        }
        if lines.len() >= count || start == 0 {
            let surplus = lines.len().saturating_sub(count);
            return Ok(lines.into_iter().skip(surplus).map(<[u8]>::to_vec).collect());
        }
        span = span.saturating_mul(4);
    }
}

/// Follows a ledger as it grows.
#[derive(Debug)]
pub struct Follow {
    dir: PathBuf,
    segment: Option<Segment>,
    offset: u64,
}

impl Follow {
    /// Follows from the end of what is there now.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn from_end(dir: impl Into<PathBuf>) -> Result<Self, LedgerError> {
        let dir = dir.into();
        let segment = Segment::list(&dir)?.pop();
        let mut follow = Self { dir, segment, offset: 0 };
        while !follow.poll()?.is_empty() {}
        Ok(follow)
    }

    /// Follows from the beginning.
    pub fn from_start(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), segment: None, offset: 0 }
    }

    /// What has come since the last call, some thousand records at most; empty where nothing has. Call it again
    /// after a pause.
    ///
    /// # Errors
    /// Where a segment can't be read, or holds something else than records.
    pub fn poll(&mut self) -> Result<Vec<Entry>, LedgerError> {
        let mut out = Vec::new();
        loop {
            let Some(segment) = &self.segment else {
                self.segment = Segment::list(&self.dir)?.into_iter().next();
                if self.segment.is_none() {
                    return Ok(out);
                }
                continue;
            };
            let next = Segment::list(&self.dir)?.into_iter().find(|other| other.first > segment.first);
            match File::open(&segment.path) {
                Ok(file) => self.offset = read_on(segment, file, self.offset, &mut out)?,
                // Dropped by the bound on size before we had read it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(LedgerError::io("open", &segment.path)(error)),
            }
            if !out.is_empty() {
                return Ok(out);
            }
            // The list was made before the segment was read to its end, and nothing is appended to a segment once a
            // later one exists.
            let Some(next) = next else { return Ok(out) };
            self.segment = Some(next);
            self.offset = 0;
        }
    }
}

fn read_on(segment: &Segment, mut file: File, mut offset: u64, out: &mut Vec<Entry>) -> Result<u64, LedgerError> {
    let failed = |error| LedgerError::io("read", &segment.path)(error);
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while out.len() < 4096 {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(failed)? as u64;
        let Some(text) = line.strip_suffix(b"\n") else { break };
        out.push(Entry::parse(text).map_err(|why| LedgerError::Broken {
            segment: segment.path.clone(),
            line: 0,
            why: format!("at byte {offset}: {why}"),
        })?);
        offset = offset.saturating_add(read);
    }
    Ok(offset)
}
