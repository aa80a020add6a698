//! The one who appends: renders lines, writes them, rotates segments, and mends what a failed write left.

use std::{
    collections::VecDeque,
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{
    Durability, LedgerConfig, LedgerError,
    commit::now_ms,
    line::{Chain, Hash},
    segment::{Anchor, LOCK_FILE, Segment},
};

/// Whether records can be appended.
#[derive(Debug)]
enum State {
    /// Yes.
    Ready,
    /// A write failed; the file may hold a part of it, which must be cut before anything is appended.
    Torn(String),
    /// No, until the gateway is restarted.
    Failed(String),
}

/// A segment that is no longer written.
#[derive(Debug)]
struct Closed {
    segment: Segment,
    /// The hash before its first record.
    before: Hash,
    bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Writer {
    dir: PathBuf,
    durability: Durability,
    rotate_bytes: u64,
    max_bytes: u64,
    segment: Segment,
    file: File,
    /// Bytes of whole records in the open segment.
    len: u64,
    /// The hash before the open segment's first record.
    before: Hash,
    chain: Chain,
    closed: VecDeque<Closed>,
    anchor: Anchor,
    state: State,
    buffer: Vec<u8>,
    /// Segments that the anchor on disk no longer keeps; removed off the request's path.
    dropped: Vec<PathBuf>,
    _lock: File,
}

/// What [`Writer::open`] found and did.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) writer: Writer,
    /// Bytes of a torn last record that were cut.
    pub(crate) torn: u64,
}

impl Writer {
    pub(crate) fn open(config: &LedgerConfig) -> Result<Opened, LedgerError> {
        if config.rotate_bytes < 4096 {
            return Err(LedgerError::Config("`rotate_bytes` must be at least 4096".into()));
        }
        if config.max_bytes / 2 < config.rotate_bytes {
            return Err(LedgerError::Config("`max_bytes` must be at least twice `rotate_bytes`".into()));
        }
        let dir = config.dir.as_path();
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(LedgerError::io("make", dir))?;
        let lock = lock(dir)?;

        let mut segments = Segment::list(dir)?;
        let mut torn = 0;
        let mut spare = None;
        // The last segment may be empty, or hold one torn line: the gateway was killed between making the file and
        // its first whole record. Then the chain ends in the segment before.
        let (open, chain, len) = loop {
            let Some(last) = segments.pop() else { break (None, Chain::start(), 0) };
            let end = last.end()?;
            torn += end.torn;
            match end.chain {
                Some(chain) => break (Some((last, end.torn)), chain, end.whole),
                None if spare.is_none() => spare = Some((last, end.torn)),
                None => {
                    return Err(LedgerError::Broken { segment: last.path, line: 1, why: "it holds no record".into() });
                }
            }
        };
        if let Some((spare, _)) = &spare {
            if spare.first != chain.next {
                let why = "its name does not follow the segment before".into();
                return Err(LedgerError::Broken { segment: spare.path.clone(), line: 1, why });
            }
            // A torn tail below a later segment is no tail.
            if let Some((segment, 1..)) = &open {
                let why = "it ends in the middle of a record though a later segment exists".into();
                return Err(LedgerError::Broken { segment: segment.path.clone(), line: 0, why });
            }
        }

        let mut closed = VecDeque::new();
        let mut anchor = Anchor::start();
        for segment in segments {
            let bytes = fs::metadata(&segment.path).map_err(LedgerError::io("read", &segment.path))?.len();
            let Some((before, _)) = segment.head()? else {
                return Err(LedgerError::Broken { segment: segment.path, line: 1, why: "it holds no record".into() });
            };
            closed.push_back(Closed { segment, before, bytes });
        }
        let mut before = chain.prev;
        if let Some((segment, _)) = &open
            && let Some((hash, found)) = segment.head()?
        {
            anchor = found;
            before = hash;
        }
        let (segment, file, len) = match (open, spare) {
            (Some((segment, _)), None) => {
                let file = segment.append()?;
                (segment, file, len)
            }
            (open, Some((spare, _))) => {
                if let Some((segment, _)) = open {
                    closed.push_back(Closed { segment, before, bytes: len });
                }
                before = chain.prev;
                let file = spare.append()?;
                (spare, file, 0)
            }
            (None, None) => {
                let segment = Segment::at(dir, chain.next);
                let file = segment.create()?;
                (segment, file, 0)
            }
        };
        if torn > 0 {
            file.set_len(len).map_err(LedgerError::io("cut the torn record of", &segment.path))?;
        }
        let mut writer = Self {
            dir: dir.to_owned(),
            durability: config.durability,
            rotate_bytes: config.rotate_bytes,
            max_bytes: config.max_bytes,
            segment,
            file,
            len,
            before,
            chain,
            closed,
            anchor,
            state: State::Ready,
            buffer: Vec::new(),
            dropped: Vec::new(),
            _lock: lock,
        };
        writer.drop_unkept();
        writer.sync_dir()?;
        Ok(Opened { writer, torn })
    }

    /// Appends the records, of about `size` bytes together, with one `write(2)`. On an error none of them is in the
    /// ledger.
    pub(crate) fn append<'a>(
        &mut self,
        bodies: impl Iterator<Item = &'a [u8]>,
        size: usize,
    ) -> Result<(), LedgerError> {
        self.mend()?;
        if self.len > 0 && self.len.saturating_add(size as u64) > self.rotate_bytes {
            self.rotate()?;
        }
        let mut chain = self.chain;
        self.buffer.clear();
        if self.len == 0 {
            chain.append(&self.anchor.body(now_ms())?, &mut self.buffer);
        }
        for body in bodies {
            chain.append(body, &mut self.buffer);
        }
        if let Err(source) = self.file.write_all(&self.buffer) {
            let error = LedgerError::Io { act: "write", path: self.segment.path.clone(), source };
            self.state = State::Torn(error.to_string());
            return Err(error);
        }
        self.len = self.len.saturating_add(self.buffer.len() as u64);
        self.chain = chain;
        // One enormous batch must not pin its memory for good.
        self.buffer.shrink_to(1 << 20);
        Ok(())
    }

    /// Cuts what a failed write left, so that the next record continues the last whole one.
    fn mend(&mut self) -> Result<(), LedgerError> {
        match &self.state {
            State::Ready => Ok(()),
            State::Failed(why) => Err(LedgerError::Closed { why: why.clone() }),
            State::Torn(_) => {
                self.file.set_len(self.len).map_err(LedgerError::io("cut a torn record of", &self.segment.path))?;
                self.state = State::Ready;
                Ok(())
            }
        }
    }

    fn rotate(&mut self) -> Result<(), LedgerError> {
        if self.durability == Durability::Disk {
            self.sync()?;
        }
        let next = Segment::at(&self.dir, self.chain.next);
        let file = next.create()?;
        let segment = std::mem::replace(&mut self.segment, next);
        self.closed.push_back(Closed { segment, before: self.before, bytes: self.len });
        self.file = file;
        self.len = 0;
        self.before = self.chain.prev;
        self.sync_dir()?;

        // The segment that is now begun may grow to `rotate_bytes`.
        let budget = self.max_bytes.saturating_sub(self.rotate_bytes);
        let mut kept: u64 = self.closed.iter().map(|closed| closed.bytes).sum();
        for (index, closed) in self.closed.iter().enumerate() {
            if kept <= budget {
                break;
            }
            kept = kept.saturating_sub(closed.bytes);
            let (kept_from, hash) = match self.closed.get(index.saturating_add(1)) {
                Some(next) => (next.segment.first, next.before),
                None => (self.segment.first, self.before),
            };
            self.anchor = Anchor { kept_from, hash };
        }
        self.drop_unkept();
        Ok(())
    }

    /// Hands segments that the anchor does not keep to [`Writer::take_dropped`].
    fn drop_unkept(&mut self) {
        while let Some(closed) = self.closed.front() {
            if closed.segment.first >= self.anchor.kept_from {
                break;
            }
            if let Some(closed) = self.closed.pop_front() {
                self.dropped.push(closed.segment.path);
            }
        }
    }

    /// The segments to remove, once the anchor that gives them up is on disk: before that they are evidence.
    pub(crate) fn take_dropped(&mut self) -> Vec<PathBuf> {
        if self.dropped.is_empty() || self.len == 0 { Vec::new() } else { std::mem::take(&mut self.dropped) }
    }

    /// Waits until every record appended is safe from power loss.
    pub(crate) fn sync(&mut self) -> Result<(), LedgerError> {
        let result = self.file.sync_data().map_err(LedgerError::io("sync", &self.segment.path));
        if let Err(error) = &result {
            // After a failed sync the kernel may have dropped the pages and report success the next time.
            self.fail(error.to_string());
        }
        result
    }

    fn sync_dir(&self) -> Result<(), LedgerError> {
        if self.durability == Durability::Process {
            return Ok(());
        }
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(LedgerError::io("sync", &self.dir))
    }

    /// A second handle on the open segment, for syncing without holding up the writer.
    pub(crate) fn handle(&self) -> Result<File, LedgerError> {
        self.file.try_clone().map_err(LedgerError::io("open again", &self.segment.path))
    }

    /// Closes the ledger for good.
    pub(crate) fn fail(&mut self, why: String) {
        if !matches!(self.state, State::Failed(_)) {
            tracing::error!(why, "the ledger is closed; requests are refused");
            self.state = State::Failed(why);
        }
    }

    /// Closes the ledger if its open segment is no longer the file that is written: an operator's `rm`, a log
    /// rotation, a second writer that ignores the lock. Records would go where nobody finds them.
    pub(crate) fn check_place(&mut self) {
        if matches!(self.state, State::Failed(_)) {
            return;
        }
        let same = fs::metadata(&self.segment.path).and_then(|there| {
            let here = self.file.metadata()?;
            Ok((there.dev(), there.ino()) == (here.dev(), here.ino())
                && (here.len() == self.len || matches!(self.state, State::Torn(_))))
        });
        if !matches!(same, Ok(true)) {
            self.fail(format!("`{}` was moved, removed or changed by someone else", self.segment.path.display()));
        }
    }

    pub(crate) fn chain(&self) -> Chain {
        self.chain
    }

    pub(crate) fn trouble(&self) -> Option<&str> {
        match &self.state {
            State::Ready => None,
            State::Torn(why) | State::Failed(why) => Some(why),
        }
    }

    /// Bytes of all segments that are kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.closed.iter().map(|closed| closed.bytes).sum::<u64>().saturating_add(self.len)
    }

    #[cfg(test)]
    pub(crate) fn replace_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

fn lock(dir: &Path) -> Result<File, LedgerError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(LedgerError::io("open", &path))?;
    // A verification holds the lock, shared, for a moment: worth a few tries.
    for _ in 0..25 {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(10)),
            Err(fs::TryLockError::Error(source)) => return Err(LedgerError::Io { act: "lock", path, source }),
        }
    }
    Err(LedgerError::InUse { dir: dir.to_owned() })
}
