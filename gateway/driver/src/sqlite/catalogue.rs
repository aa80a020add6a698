//! What a SQLite file says of its tables and views.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mountgate_core::{
    Catalogue, ColumnInfo, ColumnName, RelationInfo, RelationName,
    catalogue::{Dependent, Links, Parent},
};
use parking_lot::Mutex;
use rusqlite::{
    Connection, OptionalExtension,
    hooks::{AuthAction, AuthContext, Authorization},
};

use super::types;

/// The relations among `names` that are tables or views of the file. Names are matched without regard to case, as
/// SQLite does, and told as the file spells them. Virtual tables (and their shadow tables) are left out: reading one
/// runs its module's code, and its hidden columns are commands.
pub(super) fn read(connection: &Connection, names: &[RelationName]) -> rusqlite::Result<Catalogue> {
    let mut catalogue = Catalogue::default();
    for name in names {
        if let Some(info) = relation(connection, name.as_str())? {
            catalogue.links.insert(name.clone(), links(connection, &info.name)?);
            catalogue.relations.insert(name.clone(), info);
        }
    }
    Ok(catalogue)
}

fn relation(connection: &Connection, name: &str) -> rusqlite::Result<Option<RelationInfo>> {
    // A name may hold a dot itself: the whole is tried first.
    if let Some(info) = relation_in_main(connection, name)? {
        return Ok(Some(info));
    }
    match name.split_once('.') {
        Some((schema, rest)) if schema.eq_ignore_ascii_case("main") => relation_in_main(connection, rest),
        _ => Ok(None),
    }
}

fn relation_in_main(connection: &Connection, name: &str) -> rusqlite::Result<Option<RelationInfo>> {
    let found: Option<(String, String)> = connection
        .query_row(
            "SELECT name, type FROM pragma_table_list \
             WHERE schema = 'main' AND type IN ('table', 'view') AND name = ?1 COLLATE NOCASE \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((name, kind)) = found else { return Ok(None) };
    let mut statement = connection
        .prepare("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1 ORDER BY cid")?;
    let mut columns = Vec::new();
    let mut key: Vec<(i64, ColumnName)> = Vec::new();
    let mut rows = statement.query([&name])?;
    while let Some(row) = rows.next()? {
        let column: String = row.get(0)?;
        let declared: String = row.get::<_, Option<String>>(1)?.unwrap_or_default();
        let place: i64 = row.get(2)?;
        // A view's column has no collation that could be asked for: it may be loose.
        let loose_equality = kind == "view" || !is_binary(connection, &name, &column)?;
        if place > 0 {
            key.push((place, ColumnName::new(column.as_str())));
        }
        columns.push(ColumnInfo {
            name: ColumnName::new(column),
            ty: types::column_type(Some(&declared)),
            store_type: declared,
            loose_equality,
        });
    }
    key.sort_by_key(|(place, _)| *place);
    Ok(Some(RelationInfo {
        schema: "main".into(),
        name,
        columns,
        key: key.into_iter().map(|(_, column)| column).collect(),
    }))
}

/// The foreign keys from and to the table. Names are told as the file spells the tables and columns themselves, however
/// the keys spell them.
fn links(connection: &Connection, name: &str) -> rusqlite::Result<Links> {
    let mut links = Links::default();
    for key in foreign_keys(connection, name)? {
        links.parents.push(Parent {
            columns: key.columns,
            schema: "main".into(),
            name: key.parent,
            referred: key.referred,
        });
    }
    let tables: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for table in tables {
        for key in foreign_keys(connection, &table)?.into_iter().filter(|key| key.parent == name) {
            links.dependents.push(Dependent {
                relation: table.clone(),
                columns: key.referred,
                on_delete: key.on_delete,
                on_update: key.on_update,
            });
        }
    }
    Ok(links)
}

struct ForeignKey {
    columns: Vec<ColumnName>,
    parent: String,
    referred: Vec<ColumnName>,
    on_delete: bool,
    on_update: bool,
}

fn foreign_keys(connection: &Connection, name: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let mut statement = connection.prepare(
        "SELECT k.id, k.seq, coalesce(t.name, k.\"table\"), coalesce(f.name, k.\"from\"),
                coalesce(r.name, k.\"to\"), k.on_delete, k.on_update
         FROM pragma_foreign_key_list(?1, 'main') AS k
         LEFT JOIN pragma_table_list AS t ON t.schema = 'main' AND t.name = k.\"table\" COLLATE NOCASE
         LEFT JOIN pragma_table_xinfo(?1, 'main') AS f ON f.name = k.\"from\" COLLATE NOCASE
         LEFT JOIN pragma_table_xinfo(k.\"table\", 'main') AS r
           ON CASE WHEN k.\"to\" IS NULL THEN r.pk = k.seq + 1 ELSE r.name = k.\"to\" COLLATE NOCASE END
         ORDER BY k.id, k.seq",
    )?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    let mut rows = statement.query([name])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let (column, referred) = (row.get::<_, String>(3)?, row.get::<_, Option<String>>(4)?.unwrap_or_default());
        let acts = |at: usize| row.get::<_, String>(at).map(|act| !matches!(act.as_str(), "NO ACTION" | "RESTRICT"));
        match keys.last_mut().filter(|(last, _)| *last == id) {
            Some((_, key)) => {
                key.columns.push(ColumnName::new(column));
                key.referred.push(ColumnName::new(referred));
            }
            None => {
                let key = ForeignKey {
                    columns: vec![ColumnName::new(column)],
                    parent: row.get(2)?,
                    referred: vec![ColumnName::new(referred)],
                    on_delete: acts(5)?,
                    on_update: acts(6)?,
                };
                keys.push((id, key));
            }
        }
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

fn is_binary(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<bool> {
    let (_, collation, ..) = connection.column_metadata(Some("main"), table, column)?;
    Ok(collation.is_none_or(|name| name.to_bytes().eq_ignore_ascii_case(b"BINARY")))
}

/// A view of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView {
    /// The statement that made it.
    pub sql: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The tables and views that its own text reads, and their columns, as SQLite tells them.
    pub reads: BTreeMap<String, BTreeSet<String>>,
}

/// The views that can be read, by name in lower case.
pub(super) fn views(connection: &mut Connection) -> rusqlite::Result<BTreeMap<String, FileView>> {
    let found: Vec<(String, String)> = connection
        .prepare("SELECT name, sql FROM main.sqlite_schema WHERE type = 'view' AND sql IS NOT NULL")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let names: BTreeSet<String> = found.iter().map(|(name, _)| name.to_lowercase()).collect();
    let mut views = BTreeMap::new();
    for (name, sql) in found {
        let reads: Arc<Mutex<BTreeMap<String, BTreeSet<String>>>> = Arc::default();
        let (told, own, names) = (Arc::clone(&reads), name.to_lowercase(), names.clone());
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            if let AuthAction::Read { table_name, column_name } = context.action {
                // What a view within this one reads is that one's.
                let within = context.accessor.map(str::to_lowercase).filter(|accessor| *accessor != own);
                if within.is_none_or(|accessor| !names.contains(&accessor)) {
                    let mut told = told.lock();
                    let columns = told.entry(table_name.to_owned()).or_default();
                    columns.extend((!column_name.is_empty()).then(|| column_name.to_owned()));
                }
            }
            Authorization::Allow
        }))?;
        let quoted = super::wall::quoted(&name);
        let columns = connection
            .prepare(&format!("SELECT * FROM main.{quoted}"))
            .map(|statement| statement.column_names().map(str::to_owned).collect::<Vec<_>>());
        // One that can't be read can't be shown either.
        let Ok(columns) = columns else { continue };
        let mut reads = std::mem::take(&mut *reads.lock());
        reads.retain(|table, _| !table.eq_ignore_ascii_case(&name));
        views.insert(name.to_lowercase(), FileView { sql, columns, reads });
    }
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    Ok(views)
}
