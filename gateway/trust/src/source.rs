//! Where a repository is read from. What may be asked for is a [`RepoPath`]: a short list of plain names, made by this
//! client. Nothing that a repository says chooses a host, a folder or a redirect.

mod address;
mod folder;
mod http;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

pub use self::address::is_public;
use crate::{Limits, error::Kind};

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// In a folder.
    Folder(PathBuf),
    /// Over HTTP or HTTPS.
    Http(HttpAddress),
}

/// Where a repository is on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAddress {
    /// Whether by TLS.
    pub tls: bool,
    /// The host: a name, or an address (that of IPv6 without brackets).
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path before `metadata/` and `targets/`, with a slash at both ends.
    pub path: String,
}

impl Address {
    /// `https://plugins.example.com/repository`, or a folder, which is relative to `base`.
    ///
    /// # Errors
    /// Says what an address looks like.
    pub fn parse(text: &str, base: &std::path::Path) -> Result<Self, String> {
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some((scheme, _)) => {
                return Err(format!("`{scheme}` is not supported: write a folder, `https://…` or `http://…`"));
            }
            None if text.is_empty() => return Err("the repository's address is empty".to_owned()),
            None => return Ok(Self::Folder(base.join(text))),
        };
        let wrong = |why: &str| format!("`{text}`: {why}: write one like `https://plugins.example.com/repository`");
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.contains('@') {
            return Err(wrong("the repository is public, and takes no login"));
        }
        let usual = if tls { 443 } else { 80 };
        let (host, port) = match (host.strip_prefix('['), host.rsplit_once(':')) {
            (Some(rest), _) => {
                let (host, port) = rest.split_once(']').ok_or_else(|| wrong("the bracket is not closed"))?;
                (host, port.strip_prefix(':'))
            }
            (None, Some((host, port))) => (host, Some(port)),
            (None, None) => (host, None),
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong("the port is no number"))?,
            None => usual,
        };
        let named = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':'));
        if !named {
            return Err(wrong("that is no host"));
        }
        let plain = |part: &str| {
            part != ".." && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~'))
        };
        if !path.split('/').all(plain) {
            return Err(wrong("the path may hold letters, digits, `-`, `.`, `_` and `~`"));
        }
        let mut path: String = path.split('/').filter(|part| !part.is_empty()).flat_map(|part| ["/", part]).collect();
        path.push('/');
        Ok(Self::Http(HttpAddress { tls, host: host.to_ascii_lowercase(), port, path }))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Http(HttpAddress { tls, host, port, path }) => {
                let scheme = if *tls { "https" } else { "http" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}{path}")
            }
        }
    }
}

/// A file of a repository: `metadata/3.targets.json`, `targets/acme/….support.wasm`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepoPath(Vec<String>);

impl RepoPath {
    /// A file of metadata, where that is a plain name.
    pub fn metadata(file: &str) -> Option<Self> {
        Self::of(["metadata", file])
    }

    /// The file of a target under its digest, `acme/support.wasm` being `targets/acme/DIGEST.support.wasm`, where both
    /// parts of its name are plain.
    pub fn target(name: &str, digest: &mountgate_core::Digest) -> Option<Self> {
        let (folder, file) = name.split_once('/')?;
        Self::of(["targets", folder, &format!("{}.{file}", digest.to_hex())])
    }

    fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        // Neither a part of a path that climbs or is hidden, nor one that a URL reads otherwise.
        let plain = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                && part.len() <= 200
        };
        let parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
        parts.iter().all(|part| plain(part)).then_some(Self(parts))
    }

    /// Its parts: folders, and the file.
    pub fn parts(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// Why a file could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It is not there.
    #[error("`{0}` is not in the repository")]
    NotFound(String),
    /// It is longer than it may be.
    #[error("`{file}` is longer than {most} bytes")]
    TooLarge {
        /// The file.
        file: String,
        /// What it may have.
        most: u64,
    },
    /// It took too long.
    #[error("`{file}` was not whole after {} s", after.as_secs())]
    TooSlow {
        /// The file.
        file: String,
        /// How long was waited.
        after: Duration,
    },
    /// It is no file, or the way to it leads through a link.
    #[error("`{file}` is refused: {why}")]
    Refused {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// It could not be read.
    #[error("`{file}` cannot be read: {why}")]
    Failed {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
}

impl FetchError {
    /// What sort of thing is wrong.
    pub fn kind(&self) -> Kind {
        match self {
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::NotFound(_) | Self::TooSlow { .. } | Self::Refused { .. } | Self::Failed { .. } => Kind::Unreachable,
        }
    }
}

/// A repository to read from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Source {
    end: Arc<End>,
    time: Duration,
}

#[derive(Debug)]
enum End {
    Folder(PathBuf),
    Http(http::Client),
}

impl Source {
    /// The repository at that address. `internal` says that the operator means a host of a network of his own.
    pub fn new(address: &Address, internal: bool, limits: &Limits) -> Self {
        let end = match address {
            Address::Folder(path) => End::Folder(path.clone()),
            Address::Http(address) => End::Http(http::Client::new(address.clone(), internal)),
        };
        Self { end: Arc::new(end), time: limits.file_time }
    }

    /// The whole of a file of at most that many bytes.
    ///
    /// # Errors
    /// Where it is not there, longer, slower, or no file.
    pub async fn get(&self, path: &RepoPath, most: u64) -> Result<Vec<u8>, FetchError> {
        let slow = |_| FetchError::TooSlow { file: path.to_string(), after: self.time };
        match &*self.end {
            End::Folder(folder) => folder::read(folder, path, most),
            End::Http(client) => tokio::time::timeout(self.time, client.get(path, most)).await.map_err(slow)?,
        }
    }
}

#[cfg(test)]
mod tests;
