//! A write with everything bound: what a backend carries out.

use mountgate_core::{ColumnName, RelationInfo, RelationName, Value, Verb};

use crate::{Bind, OutputColumn, Read};

/// A write, ready for a store.
#[derive(Debug)]
pub struct BoundWrite {
    pub(super) verb: Verb,
    pub(super) relation: RelationName,
    pub(super) store: RelationInfo,
    pub(super) columns: Vec<ColumnName>,
    pub(super) rows: Vec<Vec<Assigned>>,
    pub(super) read: Option<Read>,
    pub(super) lookup: Lookup,
    pub(super) parents: Vec<ParentLookup>,
    pub(super) returning: Option<Lookup>,
    pub(super) max_rows: u64,
}

/// What is assigned to a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Assigned {
    /// This value.
    Value(Value),
    /// What the read gives in that column, from 0: for an UPDATE of the row's own row, for an INSERT of its only one.
    Computed(usize),
}

/// A look-up by values that are known only once the write runs.
#[derive(Debug)]
pub struct Lookup {
    read: Read,
    /// The first parameter that stands for one of them.
    first: usize,
}

/// The look-up of the row that a foreign key refers to.
#[derive(Debug)]
pub struct ParentLookup {
    /// The columns that refer, in the order of the look-up's values.
    pub columns: Vec<ColumnName>,
    /// Gives a row where there is one in scope.
    pub lookup: Lookup,
}

impl Lookup {
    pub(super) fn new(read: Read, first: usize) -> Self {
        Self { read, first }
    }

    /// The read, whose values are not those that are looked up.
    pub fn read(&self) -> &Read {
        &self.read
    }

    /// The values of its placeholders, where these are looked up.
    pub fn values(&self, looked_up: &[Value]) -> Vec<Value> {
        let binds = self.read.plan().binds();
        self.read
            .values()
            .iter()
            .zip(binds)
            .map(|(value, bind)| match bind {
                Bind::Parameter(at) if *at >= self.first => {
                    looked_up.get(*at - self.first).cloned().unwrap_or(Value::Null)
                }
                Bind::Parameter(_) | Bind::Claim { .. } | Bind::Literal(_) | Bind::MaskKey { .. } => value.clone(),
            })
            .collect()
    }

    /// The columns that it gives.
    pub fn columns(&self) -> &[OutputColumn] {
        self.read.columns()
    }
}

impl BoundWrite {
    /// What is done.
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// The relation, as the mount names it.
    pub fn relation(&self) -> &RelationName {
        &self.relation
    }

    /// The relation, as the store has it.
    pub fn store(&self) -> &RelationInfo {
        &self.store
    }

    /// The columns assigned.
    pub fn columns(&self) -> &[ColumnName] {
        &self.columns
    }

    /// What is assigned to them: a row for each row of an INSERT, one for an UPDATE, none for a DELETE.
    pub fn rows(&self) -> &[Vec<Assigned>] {
        &self.rows
    }

    /// Gives the key of each row that is updated or deleted, and what is computed; none for an INSERT of constants.
    pub fn read(&self) -> Option<&Read> {
        self.read.as_ref()
    }

    /// Finds a row by its key, where it is in scope.
    pub fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// Find what the foreign keys assigned refer to.
    pub fn parents(&self) -> &[ParentLookup] {
        &self.parents
    }

    /// What RETURNING gives of a row by its key.
    pub fn returning(&self) -> Option<&Lookup> {
        self.returning.as_ref()
    }

    /// The most rows that it may change.
    pub fn max_rows(&self) -> u64 {
        self.max_rows
    }
}
