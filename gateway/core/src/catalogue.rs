//! What a backend says of its own relations. Held inside the gateway; agents see the scope's part of it only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ColumnName, ColumnType, RelationName};

/// A column as the store has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// The name, spelt as the store spells it.
    pub name: ColumnName,
    /// The type.
    pub ty: ColumnType,
    /// The store's own name of the type (`int4`, `varchar`, `NUMERIC(10,2)`), for casts and for people.
    pub store_type: String,
    /// Whether text equality in the store may hold between different bytes (case-blind or padded comparison), so
    /// that a filter must force a bytewise comparison.
    pub loose_equality: bool,
}

/// A relation as the store has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelationInfo {
    /// The schema (`main`, `public`) that holds it.
    pub schema: String,
    /// Its name within the schema.
    pub name: String,
    /// Its columns, in the store's order.
    pub columns: Vec<ColumnInfo>,
    /// The columns of its primary key, empty where there is none.
    pub key: Vec<ColumnName>,
}

impl RelationInfo {
    /// The column of that name, exactly spelt.
    pub fn column(&self, name: &ColumnName) -> Option<&ColumnInfo> {
        self.columns.iter().find(|column| &column.name == name)
    }
}

/// A foreign key of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The columns that refer.
    pub columns: Vec<ColumnName>,
    /// The schema of the relation referred to.
    pub schema: String,
    /// Its name within the schema.
    pub name: String,
    /// The columns referred to, in the order of `columns`.
    pub referred: Vec<ColumnName>,
}

/// A foreign key of another relation, which refers to this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependent {
    /// The other relation, as the store names it.
    pub relation: String,
    /// The columns of this relation that are referred to.
    pub columns: Vec<ColumnName>,
    /// Whether the store changes the other relation's rows where a row here is deleted.
    pub on_delete: bool,
    /// Whether it does where the columns here are updated.
    pub on_update: bool,
}

/// How a relation hangs together with others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// Its foreign keys.
    pub parents: Vec<Parent>,
    /// The foreign keys that refer to it, of the whole store.
    pub dependents: Vec<Dependent>,
}

/// The relations of a store that a mount names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// By the name that the mount uses.
    pub relations: BTreeMap<RelationName, RelationInfo>,
    /// How those that are tables hang together with others, by the same names.
    #[serde(default)]
    pub links: BTreeMap<RelationName, Links>,
}
