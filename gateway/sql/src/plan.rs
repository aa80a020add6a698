//! A statement as the store will run it, before any value is bound. Reusable: it depends on the text and the scope.

use std::sync::Arc;

use mountgate_core::{ClaimName, ColumnName, ColumnType, RelationName, Value};

use crate::{Dialect, Sought};

/// A column of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputColumn {
    /// Its name, as the agent's statement names it.
    pub name: String,
    /// Its type, where the gateway knows it.
    pub ty: Option<ColumnType>,
    /// The names of the masks that its values passed.
    pub masks: Vec<&'static str>,
}

/// Which part of a mask's key is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// The key itself, 32 bytes.
    Key,
    /// The inner block of HMAC-SHA-256 (RFC 2104), 64 bytes.
    Inner,
    /// The outer block.
    Outer,
}

/// What a placeholder of the printed statement stands for, in order from 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Bind {
    /// The agent's parameter of that index, from 0.
    Parameter(usize),
    /// A claim of the caller's.
    Claim {
        /// The claim.
        name: ClaimName,
        /// The type of the column that it is compared with.
        column: ColumnType,
        /// Whether a list is wanted.
        list: bool,
        /// Whether the store wants text, whatever the claim's type (columns of a type that the gateway has no name for).
        as_text: bool,
    },
    /// A value of a filter or mask.
    Literal(Value),
    /// A part of the key of a hash mask.
    MaskKey {
        /// The relation.
        relation: RelationName,
        /// The column.
        column: ColumnName,
        /// The part.
        part: KeyPart,
    },
}

/// The rewritten statement.
#[derive(Debug)]
pub struct Plan {
    pub(crate) dialect: Dialect,
    pub(crate) sql: Arc<str>,
    pub(crate) columns: Arc<[OutputColumn]>,
    pub(crate) fenced: Vec<RelationName>,
    pub(crate) binds: Vec<Bind>,
    pub(crate) parameters: usize,
    /// Claims of filters that the store's own wall holds, and that the text does not name.
    pub(crate) held: Vec<Bind>,
    pub(crate) lends: bool,
    pub(crate) sought: Option<Vec<Sought>>,
}

impl Plan {
    /// The text for the store. Operators may see it (`explain`); agents don't.
    pub fn sql(&self) -> &Arc<str> {
        &self.sql
    }

    /// The columns of the answer.
    pub fn columns(&self) -> &[OutputColumn] {
        &self.columns
    }

    /// The relations whose filters are fenced off from the agent's predicates.
    pub fn fenced(&self) -> &[RelationName] {
        &self.fenced
    }

    /// Whether the statement reads, behind a wall, what the wall shows of lent columns: a policy filters by one.
    pub fn lends(&self) -> bool {
        self.lends
    }

    /// The keys that its references are fixed to, of relations that demand some; `None` where that can't be told, and then
    /// what it looks up can't be counted.
    pub fn sought(&self) -> Option<&[Sought]> {
        self.sought.as_deref()
    }

    /// What the placeholders stand for.
    pub fn binds(&self) -> &[Bind] {
        &self.binds
    }
}
