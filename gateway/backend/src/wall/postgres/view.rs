//! The view that stands for a relation.

use mountgate_core::{
    RelationCeiling, RelationName,
    weaken::{Defence, is_down},
};
use sha2::{Digest as _, Sha256};

use super::{Names, filter, literal, mask};

/// A view.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Its name in the schema of views: the relation's, as the mount spells it.
    pub(super) name: String,
    /// The statement that makes it.
    pub(super) sql: String,
}

/// What begins the names of views that stand for no relation, or show what agents don't see.
pub(super) const RESERVED: &str = "mountgate.";

/// What the view of a relation is called: as the mount calls the relation, so that an agent's own text finds it too.
pub(super) fn name_of(relation: &RelationName) -> String {
    short(relation.as_str())
}

/// What the view is called that shows lent columns too.
pub(super) fn lending_name_of(relation: &RelationName) -> String {
    short(&format!("{RESERVED}lent.{relation}"))
}

/// PostgreSQL cuts names at 63 bytes, and two that are cut alike would be one.
fn short(name: &str) -> String {
    const LONGEST: usize = 63;
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let digest: String = Sha256::digest(name.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let end = (0..=LONGEST - 17).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    format!("{}_{digest}", name.get(..end).unwrap_or_default())
}

/// The search path of the mount's sessions.
pub(super) fn search_path(names: &Names) -> String {
    format!("pg_catalog, {}, pg_temp", names.views)
}

/// The keys' table, qualified and quoted.
pub(super) fn keys(names: &Names) -> String {
    literal::qualified(&names.own, "key")
}

impl View {
    /// The view of that relation; `lending`, the one that shows lent columns too, under seals that say so only.
    pub(super) fn new(
        names: &Names,
        name: &RelationName,
        relation: &RelationCeiling,
        lending: bool,
    ) -> Result<Self, String> {
        let told = |why: String| format!("table `{name}`: {why}");
        let (search_path, keys) = (search_path(names), keys(names));
        let mut columns = Vec::new();
        for column in &relation.columns {
            let info = relation
                .store
                .column(&column.name)
                .ok_or_else(|| told(format!("there is no column `{}`", column.name)))?;
            let place = mask::Place { keys: &keys, key: mask::key_name(name, &column.name), search_path: &search_path };
            let base = format!("\"t\".{}", literal::ident(info.name.as_str()));
            let masks = if is_down(Defence::StoreWall) { &[][..] } else { &column.masks };
            let shown = mask::masked(&place, base, &info.ty, &info.store_type, masks).map_err(told)?;
            columns.push(format!("{shown} AS {}", literal::ident(info.name.as_str())));
        }
        for lent in relation.lending().filter(|_| lending) {
            let lent = literal::ident(lent.name.as_str());
            columns.push(format!("\"t\".{lent} AS {lent}"));
        }
        let sealed = format!("{}()", literal::qualified(&names.own, "sealed"));
        let needs_claims = relation.filter.as_ref().is_some_and(|filter| filter.claims().next().is_some());
        // The check is worked out once for a query: as a CTE where claims are read from what it gives, else where it is
        // used. Called once for a row it would be a hundred times slower.
        let (head, seal) = if lending {
            (
                format!(
                    "WITH \"k\" AS MATERIALIZED (SELECT \"s\".\"s\" -> 'claims' AS \"c\" FROM (SELECT {sealed} AS \"s\" \
                     OFFSET 0) AS \"s\" WHERE \"s\".\"s\" -> 'lends' = 'true'::jsonb) "
                ),
                "(SELECT \"k\".\"c\" IS NOT NULL FROM \"k\")".to_owned(),
            )
        } else if needs_claims {
            (
                format!("WITH \"k\" AS MATERIALIZED (SELECT {sealed} -> 'claims' AS \"c\") "),
                "(SELECT \"k\".\"c\" IS NOT NULL FROM \"k\")".to_owned(),
            )
        } else {
            (String::new(), format!("(SELECT {sealed} IS NOT NULL)"))
        };
        let rows = match relation.filter.as_ref().filter(|_| !is_down(Defence::StoreWall)) {
            Some(filter) => {
                let condition = filter::condition(filter, &relation.store, &search_path).map_err(told)?;
                format!("{seal} AND {condition}")
            }
            None => seal,
        };
        let view = if lending { lending_name_of(name) } else { name_of(name) };
        let sql = format!(
            "CREATE VIEW {} WITH (security_barrier = true) AS {head}SELECT {} FROM {} AS \"t\" WHERE {rows}",
            literal::qualified(&names.views, &view),
            columns.join(", "),
            literal::qualified(&relation.store.schema, &relation.store.name),
        );
        Ok(Self { name: view, sql })
    }

    /// A digest of the statement that makes it.
    pub(super) fn digest(&self) -> String {
        Sha256::digest(self.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
