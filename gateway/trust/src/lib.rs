//! Signed repositories of plugins, by the rules of The Update Framework (TUF).
//!
//! Two halves that share the file formats and nothing else. [`Store`] is the gateway's: it takes what a repository offers,
//! checks it (`tough` checks what TUF demands, [`client`] what `tough` leaves open) and keeps the last good set on disk, so
//! that nothing older, nothing unsigned and nothing half-written runs, also after a restart. [`Repository`] is the
//! publisher's: it makes and signs the files.
//!
//! The crate knows no Wasm, no SQL and no configuration: a plugin is bytes under a name, its cases and its settings' schema
//! are JSON that it carries and does not read.

pub mod client;
pub mod error;
pub mod key;
pub mod manifest;
pub mod name;
pub mod repository;
pub mod sign;
pub mod source;
pub mod store;

pub use error::{Kind, TrustError};
pub use key::{PublicKey, SecretKey};
pub use manifest::Manifest;
pub use name::{Namespace, PluginName, Selector};
pub use repository::{Publication, Repository};
pub use source::Address;
pub use store::{Health, Refreshed, Status, Store, StoreConfig, TrustedPlugin, TrustedSet};

/// What a client takes, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file of metadata.
    pub metadata: u64,
    /// Bytes of a manifest; it carries the plugin's cases.
    pub manifest: u64,
    /// Bytes of a component.
    pub component: u64,
    /// Plugins in a repository.
    pub plugins: usize,
    /// New roots in one refresh.
    pub roots: u64,
    /// How long one file may take.
    pub file_time: std::time::Duration,
    /// How long a refresh may take.
    pub time: std::time::Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            metadata: 2 << 20,
            manifest: 8 << 20,
            component: 64 << 20,
            plugins: 1_024,
            roots: 256,
            file_time: std::time::Duration::from_secs(60),
            time: std::time::Duration::from_secs(300),
        }
    }
}
