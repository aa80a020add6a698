//! `[trust]`: the repository of signed plugins.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use mountgate_trust::Address;

use super::{main_file::path, reader::Table, units};

/// `[trust]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustSection {
    /// Where the repository is.
    pub repository: Address,
    /// The root that is trusted: the first one, or any later one of it.
    pub root: PathBuf,
    /// How often the repository is asked.
    pub refresh: Duration,
    /// How long after its metadata has expired the last good plugins are used.
    pub deny_after: Duration,
    /// Whether the repository's host is one of the operator's own network.
    pub internal: bool,
}

/// Lowers the section.
pub(super) fn trust(table: &Table<'_>, folder: &Path) -> Option<TrustSection> {
    let span = |key, default| {
        table.get(key).and_then(|value| value.parsed(units::duration)).unwrap_or(Duration::from_secs(default))
    };
    let (refresh, deny_after) = (span("refresh", 5 * 60), span("deny_after", 7 * 24 * 3600));
    let internal = table.get("internal").and_then(|value| value.boolean()).unwrap_or(false);
    let repository = table
        .require("repository", "repository = \"https://plugins.example.com/repository\"")
        .and_then(|value| value.parsed(|text| Address::parse(text, folder)));
    let root = table.require("root", "root = \"root.json\"").and_then(|value| path(&value, folder));
    Some(TrustSection { repository: repository?, root: root?, refresh, deny_after, internal })
}
