//! How `tough` reads a repository: through a transport that asks for plain names only, remembers what it read, and why a
//! root could not be read.

use std::{collections::BTreeMap, sync::Arc};

use futures::stream;
use parking_lot::Mutex;
use tough::{TransportError, TransportErrorKind, TransportStream, async_trait};

use crate::{
    error::{Kind, TrustError},
    source::{FetchError, RepoPath, Source},
};

/// What stands for the repository in the URLs that `tough` makes; nothing is ever asked there.
const BASE: &str = "file:///metadata/";

/// The bases that `tough` is given.
pub(super) fn bases<U: std::str::FromStr>() -> Result<(U, U), TrustError> {
    let read = |text: &str| {
        text.parse().map_err(|_| TrustError::metadata(Kind::Malformed, format!("`{text}` does not read as a URL")))
    };
    Ok((read(BASE)?, read("file:///targets/")?))
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    root_failure: Mutex<Option<FetchError>>,
}

impl Recorder {
    /// The metadata that was read, by file.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.files.lock().clone()
    }

    /// Why a root could not be read, other than that there is none: `tough` goes on with the root that it has.
    pub(super) fn root_failure(&self) -> Option<FetchError> {
        self.root_failure.lock().clone()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Transport {
    source: Source,
    recorder: Arc<Recorder>,
    most: u64,
}

impl Transport {
    pub(super) fn new(source: Source, recorder: Arc<Recorder>, most: u64) -> Self {
        Self { source, recorder, most }
    }

    async fn read(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let file = url.strip_prefix(BASE).unwrap_or_default();
        let path = RepoPath::metadata(file).ok_or_else(|| FetchError::Refused {
            file: file.escape_default().to_string(),
            why: "that is no name of a file of metadata".to_owned(),
        })?;
        let read = self.source.get(&path, self.most).await;
        crate::store::step("metadata is read");
        match read {
            Ok(bytes) => {
                self.recorder.files.lock().insert(file.to_owned(), bytes.clone());
                Ok(bytes)
            }
            Err(error) => {
                if file.ends_with(".root.json") && !matches!(error, FetchError::NotFound(_)) {
                    *self.recorder.root_failure.lock() = Some(error.clone());
                }
                Err(error)
            }
        }
    }
}

#[async_trait]
impl tough::Transport for Transport {
    async fn fetch(&self, url: url::Url) -> Result<TransportStream, TransportError> {
        match self.read(url.as_str()).await {
            Ok(bytes) => Ok(Box::pin(stream::once(async move { Ok(tough::Bytes::from(bytes)) }))),
            Err(error) => {
                let kind = match error {
                    FetchError::NotFound(_) => TransportErrorKind::FileNotFound,
                    _ => TransportErrorKind::Other,
                };
                Err(TransportError::new_with_cause(kind, url, error))
            }
        }
    }
}
