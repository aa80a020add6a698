//! A repository in a folder. Whoever writes there may be an attacker: a link could lead out of it, a pipe or a device
//! could have no end. So each part of a path is opened from the folder before it, links refused, and only a regular file
//! is read, up to its bound.

use std::{fs::File, io::Read as _, os::fd::OwnedFd, path::Path};

use rustix::{
    fs::{FileType, Mode, OFlags, fstat, open, openat},
    io::Errno,
};

use super::{FetchError, RepoPath};

pub(super) fn read(folder: &Path, path: &RepoPath, most: u64) -> Result<Vec<u8>, FetchError> {
    let failed = |errno: Errno| match errno {
        Errno::NOENT => FetchError::NotFound(path.to_string()),
        // What Linux says of a link, and of one where a folder was wanted.
        Errno::LOOP | Errno::NOTDIR => FetchError::Refused {
            file: path.to_string(),
            why: "the way to it leads through a link or a file".to_owned(),
        },
        other => FetchError::Failed { file: path.to_string(), why: std::io::Error::from(other).to_string() },
    };
    let into = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at: OwnedFd = open(folder, into, Mode::empty()).map_err(|errno| FetchError::Failed {
        file: path.to_string(),
        why: format!("the repository `{}`: {}", folder.display(), std::io::Error::from(errno)),
    })?;
    let (file, folders) = path.parts().split_last().ok_or_else(|| FetchError::NotFound(path.to_string()))?;
    for part in folders {
        at = openat(&at, part.as_str(), into | OFlags::NOFOLLOW, Mode::empty()).map_err(failed)?;
    }
    // NONBLOCK: opening a pipe that nobody writes to would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = openat(&at, file.as_str(), flags, Mode::empty()).map_err(failed)?;
    let stat = fstat(&opened).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FetchError::Refused { file: path.to_string(), why: "it is no regular file".to_owned() });
    }
    let mut bytes = Vec::new();
    // One byte more than it may have, since it may grow while it is read.
    File::from(opened)
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| FetchError::Failed { file: path.to_string(), why: error.to_string() })?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(FetchError::TooLarge { file: path.to_string(), most });
    }
    Ok(bytes)
}
