//! Backends: the only way from a recorded, permitted, authorised read to a store's rows.
//!
//! A [`Backend`] takes nothing but a `Recorded<Permitted<Authorized<Read>>>`, so that enforcement, limits and the
//! record can't be left out. The [`Answer`] keeps the caps, counts what leaves, gives back to the budget what did not,
//! and tells the ledger how it ended, also where it is dropped in the middle.
//!
//! It deliberately knows no agent, no policy and no protocol; and of a store's own words it lets nothing through.

mod answer;
mod refusal;

use mountgate_core::{BackendName, Catalogue, Refusal, RelationName};
use mountgate_driver::{Call, Store, StoreError};
use mountgate_ledger::Recorded;
use mountgate_limits::Permitted;
use mountgate_sql::{Authorized, Dialect, Read};

pub use answer::{Answer, Summary};
pub use mountgate_driver::{Batch, RowColumn};

/// A store with its name.
#[derive(Debug)]
pub struct Backend {
    name: BackendName,
    store: Store,
}

impl Backend {
    /// Names an open store.
    pub fn new(name: BackendName, store: Store) -> Self {
        Self { name, store }
    }

    /// The name in configuration.
    pub fn name(&self) -> &BackendName {
        &self.name
    }

    /// The dialect that its mounts speak.
    pub fn dialect(&self) -> Dialect {
        match self.store {
            Store::Sqlite(_) => Dialect::Sqlite,
            Store::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Whether the second wall stands: enforcement inside the store that knows nothing of the rewriter. It is not
    /// built yet for any store, and whoever serves must say so.
    pub fn is_walled(&self) -> bool {
        false
    }

    /// What the store says of these relations; for ceilings, never for agents.
    ///
    /// # Errors
    /// Where the store can't be asked. The error's detail is for the operator.
    pub async fn catalogue(&self, names: &[RelationName]) -> Result<Catalogue, StoreError> {
        self.store.catalogue(names).await
    }

    /// Runs a read, and returns when its first rows, its end or its failure are known.
    ///
    /// Dropped while it waits, and dropped in the middle of the answer, it has the work cancelled, the permit settled
    /// and the record finished.
    ///
    /// # Errors
    /// A refusal that tells nothing of the store; the record then says `failed`, and nothing counts against rows and
    /// bytes.
    pub async fn read(&self, read: Recorded<Permitted<Authorized<Read>>>) -> Result<Answer, Refusal> {
        let (permitted, completion) = read.into_parts();
        let (authorized, permit) = permitted.into_parts();
        let read = authorized.get();
        let call = Call { sql: read.sql().clone(), values: read.values().to_vec(), timeout: permit.caps().timeout };
        let types = read.columns().iter().map(|column| column.ty.clone()).collect();
        Answer::begin(&self.store, call, types, permit, completion).await
    }
}
