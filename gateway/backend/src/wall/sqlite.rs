//! SQLite's wall: what a mount's ceiling becomes on a connection.
//!
//! For each relation a temporary view, whose name is drawn at random for this mount and generation: the visible columns
//! under the ceiling's masks, the rows of the ceiling's filter. A view can hold no parameter, so claims, constants and
//! keys come from functions of the connection, by number, and the text holds nothing but names and numbers. The driver
//! guards who reads what; what each view may read is said here beside its text, and checked there.

mod filter;
mod mask;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mountgate_core::weaken::{Defence, is_down};
use mountgate_core::{
    Ceiling, ClaimName, ClaimValue, ColumnName, ColumnType, RelationCeiling, RelationName, Value, Walled,
    weaken::WEAKENED_BUILD,
};
use mountgate_driver::{BehindSqlite, FileView, Shown, WalledView};

use self::view::Views;

/// A mount's wall, for every call of one generation.
#[derive(Clone, Debug)]
pub struct SqliteWall {
    wall: Arc<mountgate_driver::SqliteWall>,
    claims: Arc<[Slot]>,
    walled: BTreeMap<RelationName, Walled>,
    /// The views' texts for people.
    shown: Arc<BTreeMap<String, String>>,
}

/// A claim that the views ask for by number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    name: ClaimName,
    /// The type of what it is compared with.
    ty: ColumnType,
    /// Whether the view takes a list, as JSON.
    list: bool,
}

impl SqliteWall {
    /// The wall of that ceiling, over a file whose schema is named so and that has these views. `draw` makes a name that nobody can guess;
    /// `mask_key` gives the key of a column's hash mask: the one that the rewriter would use, so that hashes stay the
    /// same when a wall is built.
    ///
    /// # Errors
    /// A sentence, where the ceiling holds what has no form in SQLite, or `draw` failed.
    pub fn new(
        schema: &str,
        file_views: &BTreeMap<String, FileView>,
        ceiling: &Ceiling,
        draw: &mut dyn FnMut() -> Result<String, String>,
        mask_key: &dyn Fn(&RelationName, &ColumnName) -> [u8; 32],
    ) -> Result<Self, String> {
        let mut texts = Texts { mask_key, claims: Vec::new(), constants: Vec::new(), keys: Vec::new() };
        let (mut views, mut walled) = (BTreeMap::new(), BTreeMap::new());
        let mut again = Views { schema, file: file_views, made: BTreeMap::new() };
        for (relation, shown) in ceiling.relations() {
            // The table's own name in front is for the operator, who reads it in `explain`.
            let table = shown.store.name.as_str();
            let from = match again.again(table, draw, &mut views)? {
                Some(view) => From::View(view),
                None => From::Table(schema, table),
            };
            let mut named = || Ok::<_, String>(format!("{table}_{}", draw()?));
            let name = named()?;
            views.insert(name.clone(), texts.view(&from, relation, shown, false)?);
            let lending = if shown.lending().next().is_none() { name.clone() } else { named()? };
            if lending != name {
                views.insert(lending.clone(), texts.view(&from, relation, shown, true)?);
            }
            walled.insert(relation.clone(), Walled { schema: "temp".into(), name, lending });
        }
        let shown =
            views.iter().filter_map(|(name, view)| Some((name.clone(), texts.told(view.select.as_ref()?, schema))));
        let shown = Arc::new(shown.collect());
        let Texts { claims, constants, keys, .. } = texts;
        let wall = Arc::new(mountgate_driver::SqliteWall::new(views, constants, &keys));
        Ok(Self { wall, claims: claims.into(), walled, shown })
    }

    /// The ceiling that it was made from, read from behind it.
    #[must_use]
    pub fn before(&self, ceiling: Ceiling) -> Ceiling {
        // INVARIANT: it has every relation of that ceiling; a name that no view has is refused by the store.
        let nothing = Walled { schema: "temp".into(), name: String::new(), lending: String::new() };
        ceiling.behind(|relation| self.walled.get(relation).cloned().unwrap_or_else(|| nothing.clone()))
    }

    /// The same wall, whose views can also be read under the relations' plain names, as an agent's own text has them: to
    /// ask what the wall holds with the rewriter out of the way. `None` but in a build in which defences can be taken
    /// down.
    pub fn under_plain_names(&self) -> Option<Self> {
        if !WEAKENED_BUILD {
            return None;
        }
        let plain = self.walled.iter().map(|(relation, walled)| {
            let select = format!("SELECT * FROM temp.{}", quoted(&walled.name));
            let (columns, reads) = (vec![], BTreeMap::new());
            let view = WalledView { columns, select: Some(select), reads, shown: Shown::Everyone, calls: false };
            (relation.as_str().to_owned(), view)
        });
        Some(Self { wall: Arc::new(self.wall.with(plain.collect())), ..self.clone() })
    }

    pub(crate) fn views(&self) -> &Arc<mountgate_driver::SqliteWall> {
        &self.wall
    }

    /// What the view of that name shows, for an operator: its text, with claims and constants in place of their numbers.
    pub fn shown(&self, view: &str) -> Option<&str> {
        self.shown.get(view).map(String::as_str)
    }

    /// For a call with these claims. One that is missing or of a type that does not fit is NULL, which equals nothing.
    /// `lends` says whether it may read what shows lent columns.
    pub fn call(&self, claims: &[(ClaimName, ClaimValue)], lends: bool) -> BehindSqlite {
        let value = |slot: &Slot| {
            let claim = claims.iter().find(|(name, _)| *name == slot.name).map(|(_, claim)| claim);
            match claim.filter(|claim| claim.fits(&slot.ty, slot.list)) {
                Some(claim) if slot.list => Value::Json(json(claim)),
                Some(claim) => claim.to_value(),
                None => Value::Null,
            }
        };
        BehindSqlite { wall: Arc::clone(&self.wall), claims: self.claims.iter().map(value).collect(), lends }
    }
}

/// A claim as a list in JSON; one that is no list is a list of itself.
fn json(claim: &ClaimValue) -> String {
    match claim {
        // json_each tells JSON's true and false as 1 and 0, as SQLite holds them.
        ClaimValue::Boolean(item) => serde_json::json!([item]),
        ClaimValue::Integer(item) => serde_json::json!([item]),
        ClaimValue::Text(item) => serde_json::json!([item]),
        ClaimValue::Integers(items) => serde_json::json!(items),
        ClaimValue::Texts(items) => serde_json::json!(items),
    }
    .to_string()
}

/// What a relation's view is made over.
enum From<'t> {
    /// A table of the file, in the schema.
    Table(&'t str, &'t str),
    /// A view of the file, made again in the wall.
    View(String),
}

/// The texts of a wall's views, and what they count.
struct Texts<'k> {
    mask_key: &'k dyn Fn(&RelationName, &ColumnName) -> [u8; 32],
    claims: Vec<Slot>,
    constants: Vec<Value>,
    keys: Vec<[u8; 32]>,
}

impl Texts<'_> {
    /// `lending`: with the hidden columns that a statement of the gateway's may need, as the table has them.
    fn view(
        &mut self,
        from: &From<'_>,
        relation: &RelationName,
        shown: &RelationCeiling,
        lending: bool,
    ) -> Result<WalledView, String> {
        let mut reads = BTreeSet::new();
        let mut columns = Vec::with_capacity(shown.columns.len());
        for column in &shown.columns {
            let value = if is_down(Defence::StoreWall) {
                reads.insert(column.name.as_str().to_owned());
                base(&column.name)
            } else {
                self.masked(relation, shown, column, &mut reads)?
            };
            columns.push(format!("{value} AS {}", quoted(column.name.as_str())));
        }
        for lent in shown.lending().filter(|_| lending) {
            columns.push(format!("{} AS {}", base(&lent.name), quoted(lent.name.as_str())));
            reads.insert(lent.name.as_str().to_owned());
        }
        if columns.is_empty() {
            columns.push("NULL AS \"mountgate\"".to_owned());
        }
        let source = match from {
            From::Table(schema, table) => format!("{}.{}", quoted(schema), quoted(table)),
            From::View(view) => format!("\"temp\".{}", quoted(view)),
        };
        let mut select = format!("SELECT {} FROM {source} AS \"b\"", columns.join(", "));
        if let Some(filter) = shown.filter.as_ref().filter(|_| !is_down(Defence::StoreWall)) {
            select.push_str(" WHERE ");
            select.push_str(&self.filter(filter, shown)?);
            reads.extend(filter.columns().map(|column| column.as_str().to_owned()));
        }
        Ok(WalledView {
            columns: vec![],
            select: Some(select),
            reads: match from {
                From::Table(_, table) => [((*table).to_owned(), reads)].into(),
                From::View(_) => BTreeMap::new(),
            },
            shown: if lending { Shown::Lenders } else { Shown::Everyone },
            calls: true,
        })
    }

    /// A view's text for people. Nothing runs it.
    fn told(&self, select: &str, schema: &str) -> String {
        let mut text = select.replace(&quoted(schema), "\"main\"");
        for (at, slot) in self.claims.iter().enumerate() {
            text = text.replace(&format!("mountgate_wall_claim({at})"), &format!("claim.{}", slot.name));
        }
        for (at, value) in self.constants.iter().enumerate() {
            let literal = match value {
                Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
                Value::Integer(number) => number.to_string(),
                Value::Float(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            text = text.replace(&format!("mountgate_wall_value({at})"), &literal);
        }
        text
    }

    /// A constant of the views.
    fn constant(&mut self, value: &Value) -> String {
        let at = self.constants.iter().position(|known| known == value).unwrap_or_else(|| {
            self.constants.push(value.clone());
            self.constants.len() - 1
        });
        format!("mountgate_wall_value({at})")
    }

    /// A claim of the caller's.
    fn claim(&mut self, name: &ClaimName, ty: &ColumnType, list: bool) -> String {
        let slot = Slot { name: name.clone(), ty: ty.clone(), list };
        let at = self.claims.iter().position(|known| *known == slot).unwrap_or_else(|| {
            self.claims.push(slot);
            self.claims.len() - 1
        });
        format!("mountgate_wall_claim({at})")
    }
}

/// A name as an identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A column of the table behind a view.
fn base(column: &ColumnName) -> String {
    format!("\"b\".{}", quoted(column.as_str()))
}

#[cfg(test)]
mod tests;
