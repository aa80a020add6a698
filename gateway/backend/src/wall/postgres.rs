//! PostgreSQL's wall: what a mount's ceiling becomes inside the database.
//!
//! For each mount there are two roles and two schemas. The *login* is what the mount's pool logs in as: it is member of
//! nothing, owns nothing, and may read the views in the first schema. The *owner* cannot log in; it may read the base
//! columns that the ceiling needs, and owns both schemas. The second schema holds the keys and the function that checks
//! seals; the login may not even name what is in it.
//!
//! Every view is a `security_barrier` and demands a *seal*: an HMAC over the mount, the backend's process id, an expiry
//! and the claims, made by the gateway for one transaction. Claims are read from what the check returns, never from a
//! setting, so that nothing can change between the check and the use.

mod filter;
mod inspect;
mod literal;
mod mask;
mod names;
mod script;
mod seal;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use mountgate_core::{Ceiling, ColumnName, MountName, RelationName, Walled};
use zeroize::Zeroizing;

pub use inspect::{Finding, Standing};
pub use names::Names;
pub use script::Secrets;
pub use seal::{Said, Sealer};

/// The name of the view through which the gateway asks whether its seals hold. No relation can have it: a dot in a
/// relation's name divides schema and name, and there is no schema of that name.
pub(crate) const PROBE: &str = "mountgate.sealed";

/// What a wall is keyed with. All of it is derived from the gateway's master key, so that there is nothing to keep.
#[derive(Clone)]
pub struct WallKeys {
    /// Tells walls of different gateways, databases and mounts apart, in the names of roles and schemas: four bytes or
    /// more.
    pub id: Vec<u8>,
    /// The login's password.
    pub password: Zeroizing<String>,
    /// The key of the mount's seals.
    pub seal: Zeroizing<[u8; 32]>,
}

/// A mount's ceiling as PostgreSQL is to hold it.
#[derive(Clone)]
pub struct PostgresWall {
    mount: MountName,
    names: Names,
    keys: WallKeys,
    views: Vec<view::View>,
    /// Keys of hash masks, by the name that the views ask for them by.
    mask_keys: BTreeMap<String, Zeroizing<[u8; 32]>>,
    /// The columns that the owner must read, by schema and relation.
    needs: BTreeMap<(String, String), BTreeSet<ColumnName>>,
}

impl std::fmt::Debug for PostgresWall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresWall").field("mount", &self.mount).field("names", &self.names).finish_non_exhaustive()
    }
}

impl PostgresWall {
    /// The wall of that mount. `mask_key` gives the key of a column's hash mask: the one that the rewriter would use, so
    /// that hashes stay the same when a wall is built.
    ///
    /// # Errors
    /// A sentence, where the ceiling holds what has no form in PostgreSQL.
    pub fn new(
        mount: &MountName,
        ceiling: &Ceiling,
        keys: WallKeys,
        mask_key: &dyn Fn(&RelationName, &ColumnName) -> [u8; 32],
    ) -> Result<Self, String> {
        let names = Names::new(mount, &keys.id);
        let mut views = Vec::new();
        let mut mask_keys = BTreeMap::new();
        let mut needs: BTreeMap<(String, String), BTreeSet<ColumnName>> = BTreeMap::new();
        for (name, relation) in ceiling.relations() {
            for column in relation.columns.iter().filter(|column| mask::is_keyed(&column.masks)) {
                mask_keys.insert(mask::key_name(name, &column.name), Zeroizing::new(mask_key(name, &column.name)));
            }
            let needed = needs.entry((relation.store.schema.clone(), relation.store.name.clone())).or_default();
            needed.extend(relation.columns.iter().map(|column| column.name.clone()));
            needed.extend(relation.filter.iter().flat_map(|filter| filter.columns().cloned()));
            if name.as_str().starts_with(view::RESERVED) {
                return Err(format!("table `{name}`: names that begin with `{}` are the wall's own", view::RESERVED));
            }
            views.push(view::View::new(&names, name, relation, false)?);
            if relation.lending().next().is_some() {
                needed.extend(relation.lending().map(|column| column.name.clone()));
                views.push(view::View::new(&names, name, relation, true)?);
            }
        }
        Ok(Self { mount: mount.clone(), names, keys, views, mask_keys, needs })
    }

    /// The statements that make its views, by the views' names.
    pub(crate) fn texts(&self) -> BTreeMap<String, String> {
        self.views.iter().map(|view| (view.name.clone(), view.sql.clone())).collect()
    }

    /// A digest of the whole wall, keys and all: walls that differ in anything differ in it.
    pub fn digest(&self) -> String {
        self.views.iter().map(view::View::digest).chain([self.fingerprint()]).collect()
    }

    /// The mount.
    pub fn mount(&self) -> &MountName {
        &self.mount
    }

    /// The names of its roles and schemas.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The login's password.
    pub fn password(&self) -> &str {
        &self.keys.password
    }

    /// Where the wall shows a relation.
    pub fn walled(&self, relation: &RelationName) -> Walled {
        let name = view::name_of(relation);
        let lending = view::lending_name_of(relation);
        let lending = if self.views.iter().any(|view| view.name == lending) { lending } else { name.clone() };
        Walled { schema: self.names.views.clone(), lending, name }
    }

    /// What makes the seals that its views demand.
    pub fn sealer(&self) -> Sealer {
        Sealer::new(&self.mount, &self.keys.seal)
    }
}
