//! What a request touches, in words that hold for any store.

use serde::{Deserialize, Serialize};

use crate::{ColumnName, CompareOp, RelationName, Value};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Read.
    Read,
    /// Insert.
    Insert,
    /// Update.
    Update,
    /// Delete.
    Delete,
}

/// One way in which a column is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// Its values can come back (or decide what does, where no other use fits).
    Projected,
    /// It decides which rows come back.
    Filtered,
    /// It joins relations.
    Joined,
    /// It groups.
    Grouped,
    /// It orders.
    Ordered,
    /// It goes into an aggregate.
    Aggregated,
    /// It is written.
    Assigned,
}

impl Use {
    /// Every use, in the order of its bit.
    pub const ALL: [Self; 7] =
        [Self::Projected, Self::Filtered, Self::Joined, Self::Grouped, Self::Ordered, Self::Aggregated, Self::Assigned];

    /// The use's name, as the ledger and reviews spell it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Projected => "projected",
            Self::Filtered => "filtered",
            Self::Joined => "joined",
            Self::Grouped => "grouped",
            Self::Ordered => "ordered",
            Self::Aggregated => "aggregated",
            Self::Assigned => "assigned",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Uses(u8);

impl Uses {
    /// Adds a use.
    pub fn add(&mut self, one: Use) {
        self.0 |= one.bit();
    }

    /// Whether the use is among them.
    pub fn contains(self, one: Use) -> bool {
        self.0 & one.bit() != 0
    }

    /// The uses, in order.
    pub fn iter(self) -> impl Iterator<Item = Use> {
        Use::ALL.into_iter().filter(move |one| self.contains(*one))
    }
}

impl FromIterator<Use> for Uses {
    fn from_iter<I: IntoIterator<Item = Use>>(iter: I) -> Self {
        let mut uses = Self::default();
        for one in iter {
            uses.add(one);
        }
        uses
    }
}

impl Serialize for Uses {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Uses {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Use>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// What a predicate compares a column with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredicateValue {
    /// A value written in the request.
    Literal(Value),
    /// The request's parameter of that index, from 0.
    Parameter(usize),
    /// Something computed, or another column.
    Other,
}

/// A comparison of a bare column that every row of the answer's relation must meet (a top-level conjunct of WHERE or
/// of an inner join's ON), as far as the request shows it plainly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predicate {
    /// The relation.
    pub relation: RelationName,
    /// The column.
    pub column: ColumnName,
    /// The operator; `None` where it is neither a comparison nor IN.
    pub op: Option<CompareOp>,
    /// What it is compared with.
    pub value: PredicateValue,
}

/// A relation touched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RelationTouch {
    /// The relation.
    pub relation: RelationName,
    /// The columns used, in the relation's order, each with its uses.
    pub columns: Vec<(ColumnName, Uses)>,
    /// How many times the request refers to it.
    pub references: u32,
}

/// What a request touches: names of the ceiling only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Touch {
    /// What is done.
    pub verb: Verb,
    /// The relations, each once, by name.
    pub relations: Vec<RelationTouch>,
    /// Plain predicates.
    pub predicates: Vec<Predicate>,
}
