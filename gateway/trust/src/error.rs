//! What can be wrong with a repository, a key or a store.

use std::path::{Path, PathBuf};

use crate::{name::PluginName, source::FetchError};

/// What sort of thing is wrong: what an alarm, a metric and an exit code are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The repository could not be read: not there, too slow, or at an address that is refused.
    Unreachable,
    /// A file is longer than it may be.
    TooLarge,
    /// A file is no metadata, or says what this client does not take.
    Malformed,
    /// A signature is wrong or missing, or there are fewer than the threshold.
    Unsigned,
    /// A version, or a plugin's release, is lower than one that was seen.
    RolledBack,
    /// Files do not belong together: a version, a length or a digest is not the one that was signed.
    Mismatched,
    /// Metadata has expired.
    Expired,
    /// A role signs what it may not.
    NotDelegated,
    /// A plugin is not what its manifest says.
    BadPlugin,
    /// A key is missing, or cannot be opened.
    Key,
    /// The file system said no.
    Io,
    /// What was asked for makes no sense here.
    Usage,
}

impl Kind {
    /// The kind as metrics and `--json` have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Unsigned => "unsigned",
            Self::RolledBack => "rolled_back",
            Self::Mismatched => "mismatched",
            Self::Expired => "expired",
            Self::NotDelegated => "not_delegated",
            Self::BadPlugin => "bad_plugin",
            Self::Key => "key",
            Self::Io => "io",
            Self::Usage => "usage",
        }
    }
}

/// Why something about trust could not be done.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file of the repository could not be had.
    #[error("{0}")]
    Fetch(#[from] FetchError),
    /// The metadata does not hold.
    #[error("{message}")]
    Metadata {
        /// What sort of thing is wrong.
        kind: Kind,
        /// What is wrong.
        message: String,
    },
    /// One plugin does not hold.
    #[error("plugin `{name}`: {message}")]
    Plugin {
        /// The plugin.
        name: PluginName,
        /// What sort of thing is wrong.
        kind: Kind,
        /// What is wrong.
        message: String,
    },
    /// A key is missing, or cannot be opened.
    #[error("{0}")]
    Key(String),
    /// The file system said no.
    #[error("cannot {act} `{}`: {source}", path.display())]
    Io {
        /// What was being done.
        act: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was asked for makes no sense here.
    #[error("{0}")]
    Usage(String),
}

impl TrustError {
    /// What sort of thing is wrong.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Fetch(error) => error.kind(),
            Self::Metadata { kind, .. } | Self::Plugin { kind, .. } => *kind,
            Self::Key(_) => Kind::Key,
            Self::Io { .. } => Kind::Io,
            Self::Usage(_) => Kind::Usage,
        }
    }

    pub(crate) fn metadata(kind: Kind, message: impl Into<String>) -> Self {
        Self::Metadata { kind, message: message.into() }
    }

    pub(crate) fn plugin(name: &PluginName, kind: Kind, message: impl Into<String>) -> Self {
        Self::Plugin { name: name.clone(), kind, message: message.into() }
    }

    pub(crate) fn io(act: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { act, path, source }
    }
}

/// What `tough` found, in our words.
impl From<tough::error::Error> for TrustError {
    fn from(error: tough::error::Error) -> Self {
        use tough::error::Error;
        let kind = match &error {
            Error::ExpiredMetadata { .. } => Kind::Expired,
            Error::OlderMetadata { .. }
            | Error::OlderSnapshotInTimestamp { .. }
            | Error::SnapshotRoleMissing { .. }
            | Error::SnapshotRoleRollback { .. }
            | Error::SystemTimeSteppedBackward { .. } => Kind::RolledBack,
            Error::VerifyMetadata { .. } | Error::VerifyTrustedMetadata { .. } | Error::VerifyRoleMetadata { .. } => {
                Kind::Unsigned
            }
            Error::VersionMismatch { .. } | Error::HashMismatch { .. } => Kind::Mismatched,
            Error::MaxSizeExceeded { .. } => Kind::TooLarge,
            Error::MaxUpdatesExceeded { .. } => Kind::TooLarge,
            Error::InvalidPath { .. } => Kind::NotDelegated,
            // What a transport says is one of our own errors, or one of tough's adapters on the way.
            Error::Transport { .. } => {
                let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
                let mut kind = Kind::Unreachable;
                while let Some(at) = source {
                    if let Some(fetch) = at.downcast_ref::<FetchError>() {
                        kind = fetch.kind();
                    }
                    match at.downcast_ref::<Error>() {
                        Some(Error::HashMismatch { .. }) => kind = Kind::Mismatched,
                        Some(Error::MaxSizeExceeded { .. }) => kind = Kind::TooLarge,
                        _ => {}
                    }
                    source = at.source();
                }
                kind
            }
            _ => Kind::Malformed,
        };
        // The whole chain: tough's outermost message often says only what was being done.
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(at) = source {
            let said = at.to_string();
            if !message.contains(&said) {
                message = format!("{message}: {said}");
            }
            source = at.source();
        }
        Self::Metadata { kind, message: lower_first(&message) }
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
