//! What is left of a relation. It starts as the ceiling has it and is narrowed from there, by name, so that a verdict
//! says the whole of what may be seen and holds by itself.

use serde::{Deserialize, Serialize};

use crate::{
    expr::Expr,
    types::{CeilingRelation, ColumnGrant, Grant, Mask, Node, RelationGrant},
};

/// A relation under the ceiling, being narrowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Narrowed {
    relation: String,
    /// Names of the ceiling's columns, by place.
    shown: Vec<String>,
    granted: Granted,
}

/// So much of a relation, by place: what a decision needs, and what `configure` may prepare for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Granted {
    /// The columns; others are as if they did not exist.
    pub columns: Vec<ColumnGrant>,
    /// The rows.
    pub filter: Option<Vec<Node>>,
}

impl Narrowed {
    /// The relation as the ceiling has it: its columns, masks and filter.
    pub fn of(relation: &CeilingRelation) -> Self {
        let places = 0_u32..;
        Self {
            relation: relation.name.clone(),
            shown: relation.columns.iter().map(|column| column.name.clone()).collect(),
            granted: Granted {
                columns: places
                    .zip(&relation.columns)
                    .map(|(place, column)| ColumnGrant { column: place, masks: column.masks.clone() })
                    .collect(),
                filter: relation.filter.clone(),
            },
        }
    }

    pub(crate) fn granted(relation: &CeilingRelation, granted: Granted) -> Self {
        Self { granted, ..Self::of(relation) }
    }

    fn place(&self, name: &str) -> Option<u32> {
        u32::try_from(self.shown.iter().position(|shown| shown == name)?).ok()
    }

    fn at(&self, name: &str) -> Option<usize> {
        let place = self.place(name)?;
        self.granted.columns.iter().position(|column| column.column == place)
    }

    /// Whether the column is granted (yet).
    pub fn has_column(&self, name: &str) -> bool {
        self.at(name).is_some()
    }

    /// The columns granted, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.granted.columns.iter().filter_map(|column| {
            let place = usize::try_from(column.column).ok()?;
            self.shown.get(place).map(String::as_str)
        })
    }

    /// The masks of a granted column, in order.
    pub fn masks_of(&self, name: &str) -> Option<&[Mask]> {
        Some(self.granted.columns.get(self.at(name)?)?.masks.as_slice())
    }

    /// The rows granted; none where every one is.
    pub fn rows(&self) -> Option<&[Node]> {
        self.granted.filter.as_deref()
    }

    /// Keeps these columns only.
    ///
    /// # Errors
    /// Where one of them is not there: the ceiling doesn't show it, or it has been dropped already.
    pub fn only_columns<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>) -> Result<Self, String> {
        let mut kept: Vec<ColumnGrant> = Vec::new();
        for name in names {
            let name = name.as_ref();
            match self.at(name) {
                Some(at) => kept.push(self.granted.columns.swap_remove(at)),
                None if self.place(name).is_some_and(|place| kept.iter().any(|column| column.column == place)) => {
                    return Err(format!("column `{name}` of `{}` is named twice", self.relation));
                }
                None => return Err(self.missing(name)),
            }
        }
        self.granted.columns = kept;
        Ok(self)
    }

    /// Drops a column; it is then as if it did not exist. Nothing happens where it is not there.
    #[must_use]
    pub fn without_column(mut self, name: &str) -> Self {
        if let Some(at) = self.at(name) {
            self.granted.columns.remove(at);
        }
        self
    }

    /// Puts a mask over the column, on top of the ceiling's.
    ///
    /// # Errors
    /// Where the column is not granted.
    pub fn mask(mut self, name: &str, mask: Mask) -> Result<Self, String> {
        match self.at(name).and_then(|at| self.granted.columns.get_mut(at)) {
            Some(column) => {
                column.masks.push(mask);
                Ok(self)
            }
            None => Err(self.missing(name)),
        }
    }

    /// Keeps only the rows for which the predicate is true, too.
    #[must_use]
    pub fn filter(mut self, expr: Expr) -> Self {
        let both = match self.granted.filter.take().and_then(Expr::from_nodes) {
            Some(before) => before.and(expr),
            None => expr,
        };
        self.granted.filter = Some(both.into_nodes());
        self
    }

    fn missing(&self, column: &str) -> String {
        format!("the ceiling shows no column `{column}` of `{}`", self.relation)
    }
}

impl From<Narrowed> for Granted {
    fn from(narrowed: Narrowed) -> Self {
        narrowed.granted
    }
}

impl From<Vec<RelationGrant>> for Grant {
    fn from(relations: Vec<RelationGrant>) -> Self {
        Self::Narrowed(relations)
    }
}

#[cfg(test)]
mod tests;
