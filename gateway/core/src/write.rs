//! What a mount lets its agents write. Names no SQL.

use serde::{Deserialize, Serialize};

use crate::{ColumnName, RelationName, Verb};

/// When a write needs a person's approval before it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Always.
    #[default]
    Required,
    /// Where it changes more rows than this.
    OverRows(u64),
    /// Never, unless the policy wants one.
    None,
}

impl Approval {
    /// Whether a write of so many rows needs an approval.
    pub fn is_needed(self, rows: u64) -> bool {
        match self {
            Self::Required => true,
            Self::OverRows(most) => rows > most,
            Self::None => false,
        }
    }
}

impl std::fmt::Display for Approval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Required => f.write_str("required"),
            Self::OverRows(rows) => write!(f, "over {rows} rows"),
            Self::None => f.write_str("none"),
        }
    }
}

/// What a mount's file lets agents write of one relation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WriteDeclaration {
    /// The columns that an insertion may give; empty where nothing may be inserted.
    pub insert: Vec<ColumnName>,
    /// The columns that an update may set; empty where nothing may be updated.
    pub update: Vec<ColumnName>,
    /// Whether rows may be deleted.
    pub delete: bool,
    /// The most rows that one write may change.
    pub max_rows: u64,
    /// When a person must approve.
    pub approval: Approval,
    /// How many people must approve, where one must; 0 is taken for 1.
    pub approvals: u32,
}

/// A foreign key of a relation whose columns may be written: what it refers to must be in view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParentCeiling {
    /// The columns that refer.
    pub columns: Vec<ColumnName>,
    /// The relation referred to, as the mount names it.
    pub relation: RelationName,
    /// Its columns, in the order of `columns`.
    pub referred: Vec<ColumnName>,
}

/// A relation's declaration of writes, joined with what the store says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WriteCeiling {
    /// What the file says.
    #[serde(flatten)]
    pub declared: WriteDeclaration,
    /// The foreign keys that have a column which may be written.
    pub parents: Vec<ParentCeiling>,
}

impl WriteCeiling {
    /// Whether the verb is let through.
    pub fn lets(&self, verb: Verb) -> bool {
        match verb {
            Verb::Read => false,
            Verb::Insert => !self.declared.insert.is_empty(),
            Verb::Update => !self.declared.update.is_empty(),
            Verb::Delete => self.declared.delete,
        }
    }

    /// The columns that the verb may give values to.
    pub fn columns(&self, verb: Verb) -> &[ColumnName] {
        match verb {
            Verb::Insert => &self.declared.insert,
            Verb::Update => &self.declared.update,
            Verb::Read | Verb::Delete => &[],
        }
    }
}

mod build;

pub(crate) use build::join;

#[cfg(test)]
mod tests;
