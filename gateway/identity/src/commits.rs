//! A sign of commits to the file, by whatever process, that costs one `pread(2)`.
//!
//! Readers of a SQLite file in WAL mode learn of commits from the header of its WAL-index, the `-shm` file that all
//! connections map (<https://www.sqlite.org/walformat.html>, "The WAL-Index File Format"). A commit is there, and seen by
//! others, once both copies of the header are written, with a change counter and the checksum of the last frame in
//! them; only then does `COMMIT` return. So a header equal to one seen before means that nothing was committed since.
//! What has changed is never read from there: that is SQLite's to say.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::Path,
};

use parking_lot::Mutex;

const COPY: usize = 48;
/// The version of the format, in the first word of the header.
const FORMAT: u32 = 3_007_000;
/// Where the header says that it is in use.
const IN_USE: usize = 12;

/// Handles on WAL-index files, by device and inode. They are never closed: closing one would take away the locks that
/// SQLite holds on the file for this process, as `fcntl(2)` locks go with the first handle that is closed.
static OPENED: Mutex<Vec<((u64, u64), &'static File)>> = Mutex::new(Vec::new());

/// The header of a WAL-index, as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign([u8; COPY]);

/// Looks at a file's WAL-index.
#[derive(Debug)]
pub(crate) struct Commits {
    index: Option<&'static File>,
}

impl Commits {
    /// To be called while connections of this process have the file open, and they must stay open: else the index may
    /// be another file by then.
    pub(crate) fn of(path: &Path) -> Self {
        let mut index = OsString::from(path);
        index.push("-shm");
        let opened = opened(Path::new(&index)).inspect_err(
            |error| tracing::warn!(%error, path = %path.display(), "commits are asked of SQLite, which takes longer"),
        );
        let commits = Self { index: opened.ok() };
        if commits.look().is_none() {
            tracing::warn!(path = %path.display(), "the WAL-index is not of the known format; commits are asked of SQLite, which takes longer");
        }
        commits
    }

    /// The sign now; `None` where none can be had, or a commit is just being made.
    pub(crate) fn look(&self) -> Option<Sign> {
        let mut both = [0; 2 * COPY];
        self.index?.read_exact_at(&mut both, 0).ok()?;
        let (first, second) = both.split_first_chunk::<COPY>()?;
        let format = u32::from_ne_bytes(*first.first_chunk()?);
        (first == second && format == FORMAT && first.get(IN_USE) == Some(&1)).then_some(Sign(*first))
    }
}

fn opened(index: &Path) -> io::Result<&'static File> {
    let place = |found: &Metadata| (found.dev(), found.ino());
    let mut opened = OPENED.lock();
    let there = place(&fs::metadata(index)?);
    if let Some((_, file)) = opened.iter().find(|(place, _)| *place == there) {
        return Ok(file);
    }
    let file: &'static File = Box::leak(Box::new(File::open(index)?));
    opened.push((place(&file.metadata()?), file));
    Ok(file)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store;

    #[test]
    fn every_commit_of_another_connection_shows_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.sqlite");
        let ours = store::open(&path).unwrap();
        let commits = Commits::of(&path);
        let theirs = store::connect(&path).unwrap();
        let mut last = commits.look().unwrap();
        let mut all = vec![last];
        for n in 0..300 {
            assert_eq!(commits.look(), Some(last), "nothing was committed");
            ours.query_row("SELECT last FROM changes_made", [], |row| row.get::<_, i64>(0)).unwrap();
            theirs.execute_batch("BEGIN; UPDATE changes_made SET last = last + 1; ROLLBACK").unwrap();
            assert_eq!(commits.look(), Some(last), "reading and taking back is no commit");
            // The same content again and again, and the log begun anew in between: the sign must not come back.
            theirs.execute_batch("UPDATE changes_made SET last = 1 - last").unwrap();
            let now = commits.look().unwrap();
            assert!(!all.contains(&now), "commit {n} does not show, or looks like an earlier one");
            last = now;
            all.push(now);
            if n % 7 == 0 {
                theirs.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
                last = commits.look().unwrap();
            }
        }
    }

    /// Without this, opening the gateway's file twice in one process would let a third process delete its log.
    #[test]
    fn looking_takes_no_lock_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.sqlite");
        let _ours = store::open(&path).unwrap();
        let (one, other) = (Commits::of(&path), Commits::of(&path));
        assert!(std::ptr::eq(one.index.unwrap(), other.index.unwrap()), "one handle for one file");
        let mut index = path.clone().into_os_string();
        index.push("-shm");
        let before = place_of(Path::new(&index));
        drop(Connection::open(&path).unwrap());
        assert_eq!(place_of(Path::new(&index)), before, "the index is still the one that is mapped");
    }

    fn place_of(index: &Path) -> (u64, u64) {
        let found = fs::metadata(index).unwrap();
        (found.dev(), found.ino())
    }
}
