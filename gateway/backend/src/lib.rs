//! Backends: the only way from a recorded, permitted, authorised read to a store's rows.
//!
//! A [`Backend`] takes nothing but a `Recorded<Permitted<Authorized<Read>>>`, so that enforcement, limits and the
//! record can't be left out. The [`Answer`] keeps the caps, counts what leaves, gives back to the budget what did not,
//! and tells the ledger how it ended, also where it is dropped in the middle.
//!
//! It deliberately knows no agent, no policy and no protocol; and of a store's own words it lets nothing through.

mod answer;
mod refusal;
pub mod wall;
mod write;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mountgate_core::{BackendName, Catalogue, Ceiling, ColumnName, Refusal, RelationName, Value};
use mountgate_driver::{Behind, Call, Class, PostgresConfig, Seal, SqliteStore, Store, StoreConfig, StoreError};
use mountgate_ledger::Recorded;
use mountgate_limits::Permitted;
use mountgate_sql::{Authorized, Dialect, Read};

use self::wall::{
    postgres::{PostgresWall, Said, Sealer},
    sqlite::SqliteWall,
};

pub use answer::{Answer, Summary};
pub use mountgate_driver::{Batch, FileView, RowColumn};
pub use write::{Aim, Ended, Ran};

/// A store with its name; and where the store has a wall, for one mount.
#[derive(Debug)]
pub struct Backend {
    name: BackendName,
    store: Store,
    wall: Option<Wall>,
}

/// What a mount's calls are to tell its wall.
#[derive(Debug)]
enum Wall {
    /// Its views, for each connection to have.
    Sqlite(SqliteWall),
    /// What makes its seals, and the texts of its views by their names.
    Postgres(Sealer, BTreeMap<String, String>),
}

impl Backend {
    /// Names an open store.
    pub fn new(name: BackendName, store: Store) -> Self {
        Self { name, store, wall: None }
    }

    /// The same store, for a mount of that ceiling behind its own wall, and the ceiling as it is read from there.
    /// `mask_key` gives the keys of the mount's hash masks. Asked of a store that was not opened to stand behind walls,
    /// and of a PostgreSQL database, it gives back what it was given.
    ///
    /// # Errors
    /// Where the wall can't be made, or SQLite does not take it. The error's detail is for the operator.
    pub async fn behind_sqlite_wall(
        &self,
        ceiling: Ceiling,
        mask_key: &(dyn Fn(&RelationName, &ColumnName) -> [u8; 32] + Sync),
    ) -> Result<(Self, Ceiling), StoreError> {
        let named = |wall: Option<SqliteWall>| Self {
            name: self.name.clone(),
            store: self.store.clone(),
            wall: wall.map(Wall::Sqlite),
        };
        let Some((store, schema)) = self.sqlite() else { return Ok((named(None), ceiling)) };
        let mut draw = || SqliteStore::fresh_name().map_err(|error| error.detail);
        let wall = SqliteWall::new(schema, &store.views().await?, &ceiling, &mut draw, mask_key);
        let wall = wall.map_err(|why| StoreError::new(Class::Refused, why))?;
        store.try_wall(Arc::clone(wall.views())).await?;
        let ceiling = wall.before(ceiling);
        Ok((named(Some(wall)), ceiling))
    }

    /// Whether it is a SQLite file.
    pub fn is_sqlite(&self) -> bool {
        matches!(self.store, Store::Sqlite(_))
    }

    /// The views of a SQLite file that stands behind walls, which repeat their texts; none elsewhere.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub async fn file_views(&self) -> Result<BTreeMap<String, FileView>, StoreError> {
        match self.sqlite() {
            Some((store, _)) => store.views().await,
            None => Ok(BTreeMap::new()),
        }
    }

    /// The SQLite file that is opened to stand behind walls, and its schema there.
    fn sqlite(&self) -> Option<(&SqliteStore, &str)> {
        match &self.store {
            Store::Sqlite(store) => Some((store, store.schema()?)),
            Store::Postgres(_) => None,
        }
    }

    /// Opens a PostgreSQL database behind a mount's wall, as the wall's login, and sees that its seals are taken there.
    ///
    /// # Errors
    /// Where the login is refused, or the wall does not take the seal. The error's detail is for the operator.
    pub async fn behind_postgres_wall(
        name: BackendName,
        database: PostgresConfig,
        wall: &PostgresWall,
    ) -> Result<Self, StoreError> {
        let config = database.behind_wall(&wall.names().login, wall.password(), &wall.search_path());
        let store = Store::open(StoreConfig::Postgres(config)).await?;
        let sealer = wall.sealer();
        let seal = Seal::new(move |pid, until_ms| sealer.seal(pid, until_ms, &Said::new(&[], false)));
        let probe = Call {
            sql: wall.probe().into(),
            values: vec![],
            timeout: Duration::from_secs(30),
            behind: Some(Behind::Postgres(seal)),
        };
        let told = store.stream(probe).await?.next().await?;
        if !told.is_some_and(|batch| batch.rows().any(|row| row == [Value::Boolean(true)])) {
            return Err(StoreError::new(Class::Refused, "the wall's probe does not answer"));
        }
        Ok(Self { name, store, wall: Some(Wall::Postgres(wall.sealer(), wall.texts())) })
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

    /// Whether nothing is read but through the second wall: enforcement inside the store that knows nothing of the
    /// rewriter. Whoever serves without it must say so.
    pub fn is_walled(&self) -> bool {
        self.sqlite().is_some() || matches!(self.wall, Some(Wall::Postgres(..)))
    }

    /// What the wall's relation of that name shows, as text for an operator; never for agents.
    pub fn shown(&self, name: &str) -> Option<&str> {
        match self.wall.as_ref()? {
            Wall::Sqlite(wall) => wall.shown(name),
            Wall::Postgres(_, texts) => texts.get(name).map(String::as_str),
        }
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
        let behind = self.wall.as_ref().map(|wall| match wall {
            Wall::Sqlite(wall) => Behind::Sqlite(wall.call(read.claims(), read.plan().lends())),
            Wall::Postgres(sealer, _) => {
                let (sealer, said) = (sealer.clone(), Said::new(read.claims(), read.plan().lends()));
                Behind::Postgres(Seal::new(move |pid, until_ms| sealer.seal(pid, until_ms, &said)))
            }
        });
        let (values, timeout) = (read.values().to_vec(), permit.caps().timeout);
        let call = Call { sql: read.sql().clone(), values, timeout, behind };
        let types = read.columns().iter().map(|column| column.ty.clone()).collect();
        Answer::begin(&self.store, call, types, permit, completion).await
    }
}
