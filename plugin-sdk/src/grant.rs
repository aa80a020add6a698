//! Grants: what is left of each relation. They start as a copy of the ceiling and are narrowed from there, so a
//! verdict says the whole of what may be seen and holds by itself.

use crate::{
    expr::Expr,
    types::{CeilingRelation, ColumnGrant, Grant, Mask, RelationGrant},
};

impl RelationGrant {
    /// The relation as the ceiling has it: its columns, masks and filter.
    pub fn from_ceiling(relation: &CeilingRelation) -> Self {
        Self {
            name: relation.name.clone(),
            columns: relation
                .columns
                .iter()
                .map(|column| ColumnGrant { name: column.name.clone(), masks: column.masks.clone() })
                .collect(),
            filter: relation.filter.clone(),
        }
    }

    /// Whether the column is granted (yet).
    pub fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// The masks of a granted column, in order.
    pub fn masks_of(&self, name: &str) -> Option<&[Mask]> {
        self.columns.iter().find(|column| column.name == name).map(|column| column.masks.as_slice())
    }

    /// Keeps these columns only.
    ///
    /// # Errors
    /// Where one of them is not there: the ceiling doesn't show it, or it has been dropped already.
    pub fn only_columns<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>) -> Result<Self, String> {
        let mut kept = Vec::new();
        for name in names {
            let name = name.as_ref();
            match self.columns.iter().position(|column| column.name == name) {
                Some(at) => kept.push(self.columns.swap_remove(at)),
                None if kept.iter().any(|column: &ColumnGrant| column.name == name) => {
                    return Err(format!("column `{name}` of `{}` is named twice", self.name));
                }
                None => return Err(missing(&self.name, name)),
            }
        }
        self.columns = kept;
        Ok(self)
    }

    /// Drops a column; it is then as if it did not exist. Nothing happens where it is not there.
    #[must_use]
    pub fn without_column(mut self, name: &str) -> Self {
        self.columns.retain(|column| column.name != name);
        self
    }

    /// Puts a mask over the column, on top of the ceiling's.
    ///
    /// # Errors
    /// Where the column is not granted.
    pub fn mask(mut self, name: &str, mask: Mask) -> Result<Self, String> {
        match self.columns.iter_mut().find(|column| column.name == name) {
            Some(column) => {
                column.masks.push(mask);
                Ok(self)
            }
            None => Err(missing(&self.name, name)),
        }
    }

    /// Keeps only the rows for which the predicate is true, too.
    #[must_use]
    pub fn filter(mut self, expr: Expr) -> Self {
        let both = match self.filter.take().and_then(Expr::from_nodes) {
            Some(before) => before.and(expr),
            None => expr,
        };
        self.filter = Some(both.into_nodes());
        self
    }
}

fn missing(relation: &str, column: &str) -> String {
    format!("the ceiling shows no column `{column}` of `{relation}`")
}

impl From<&CeilingRelation> for RelationGrant {
    fn from(relation: &CeilingRelation) -> Self {
        Self::from_ceiling(relation)
    }
}

impl From<CeilingRelation> for RelationGrant {
    /// As [`RelationGrant::from_ceiling`], without copying.
    fn from(relation: CeilingRelation) -> Self {
        Self {
            name: relation.name,
            columns: relation
                .columns
                .into_iter()
                .map(|column| ColumnGrant { name: column.name, masks: column.masks })
                .collect(),
            filter: relation.filter,
        }
    }
}

impl From<Vec<RelationGrant>> for Grant {
    fn from(relations: Vec<RelationGrant>) -> Self {
        Self::Narrowed(relations)
    }
}

#[cfg(test)]
mod tests;
