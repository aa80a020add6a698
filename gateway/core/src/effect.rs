//! What a write does: the rows that it changes, before and after. Names no SQL.

use serde::{Deserialize, Serialize};

use crate::{ColumnName, RelationName, Value, Verb};

/// The effect of one write on one relation, as the store had it in the transaction that ran it.
///
/// Rows are in the order of their keys, so that the same effect is the same value. Values are as the store holds
/// them, unmasked: an effect is for the gateway and for the people who approve, never for an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The relation written.
    pub relation: RelationName,
    /// What was done.
    pub verb: Verb,
    /// The columns of `key` in every row: the relation's primary key.
    pub key: Vec<ColumnName>,
    /// The columns of `before` and `after` in every row, in the catalogue's order: all of the relation's, so that a
    /// row that something else changed since is noticed, and can be written back.
    pub columns: Vec<ColumnName>,
    /// The rows that are changed.
    pub rows: Vec<RowChange>,
}

/// One row, before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowChange {
    /// The key's values: those before an update or a deletion, those after an insertion.
    pub key: Vec<Value>,
    /// The row before; none where it is inserted.
    pub before: Option<Vec<Value>>,
    /// The row after; none where it is deleted.
    pub after: Option<Vec<Value>>,
}
