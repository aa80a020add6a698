//! A reference to a relation: the scoped subquery that stands for it.
//!
//! `orders` becomes `(SELECT "s1"."id" AS "id" FROM "main"."orders" AS "s1" WHERE …)`: the columns in scope and used,
//! under their masks; the ceiling's filters over the store's own values, the policy's over the ceiling's output. Where the
//! store has a wall of its own, the inner name is the wall's, which applied the ceiling's masks already.
//! Names come from the catalogue, each qualified by an alias that exists nowhere else in the statement, so that no
//! CTE, no alias and no outer column of the agent's can capture one.

use mountgate_core::{
    Code, Refusal,
    weaken::{Defence, is_down},
};

use super::{Printer, mask::Masked, quote};
use crate::{Dialect, ir::ItemKind, view::Rel};

impl Printer<'_, '_> {
    pub(super) fn relation(&mut self, id: u32) -> Result<(), Refusal> {
        let broken = || Refusal::new(Code::Internal, "a statement was enforced against something other than a scope");
        let (rel, used, pinned) = match self.items.get(id as usize).map(|item| &item.kind) {
            Some(ItemKind::Relation { rel: Rel::Scope(name, _), used, pinned, touched: _ }) => {
                // The scope that is printed is the one that names were resolved in.
                let Some((name, relation)) = self.scope.relations().get_key_value(*name) else { return Err(broken()) };
                ((name, relation), used, pinned)
            }
            Some(
                ItemKind::Relation { rel: Rel::Ceiling(..), .. }
                | ItemKind::Derived { .. }
                | ItemKind::Function { .. }
                | ItemKind::Joined { .. },
            )
            | None => return Err(broken()),
        };
        let (name, relation) = rel;
        let store = relation.read();
        let unmasked = self.bare || is_down(Defence::Masks);
        let unfiltered = self.bare || is_down(Defence::Filters);
        let mut alias = String::new();
        quote(&mut alias, &format!("s{}", id + 1));
        self.push("(SELECT ");
        let mut any = false;
        for (column, _) in relation.columns.iter().zip(used).filter(|(_, used)| **used) {
            self.push(if any { ", " } else { "" });
            any = true;
            let printed = self.masked(&Masked {
                relation: name,
                store,
                alias: &alias,
                column: &column.name,
                masks: if unmasked { &[] } else { column.masks.get(column.applied..).unwrap_or_default() },
            })?;
            self.push(&printed);
            self.push(" AS ");
            self.ident(column.name.as_str());
        }
        if let Some(aggregate) = relation.aggregate.as_ref().filter(|_| !is_down(Defence::Aggregate)) {
            self.push(if any { ", " } else { "" });
            any = true;
            let unit =
                self.masked(&Masked { relation: name, store, alias: &alias, column: &aggregate.unit, masks: &[] })?;
            self.push(&unit);
            self.push(" AS ");
            self.unit_name(id);
        }
        if !any {
            self.push("1 AS \"f0\"");
        }
        self.push(" FROM ");
        self.ident(&store.schema);
        self.push(".");
        self.ident(&store.name);
        self.push(" AS ");
        self.push(&alias);
        let mut word = " WHERE ";
        for filter in relation.base_filters.iter().filter(|_| !unfiltered) {
            self.push(word);
            word = " AND ";
            self.filter(filter, name, relation, &alias, false)?;
        }
        for filter in &relation.walled_filters {
            self.held(filter, name, relation)?;
        }
        self.lends |= relation.lends;
        for filter in relation.filters.iter().filter(|_| !unfiltered) {
            self.push(word);
            word = " AND ";
            self.filter(filter, name, relation, &alias, true)?;
        }
        // What the relation demands is fixed here too, below the fence: a predicate that raises would otherwise tell of
        // rows of other keys, and a mistake in where a key counts as given costs rows, and shows none.
        for (column, value) in pinned {
            self.push(word);
            word = " AND ";
            self.push("(");
            self.push(&alias);
            self.push(".");
            self.column(id, *column);
            self.push(" = ");
            self.expr(value)?;
            self.push(")");
        }
        if self.leaky && (relation.is_filtered() || !pinned.is_empty()) && !is_down(Defence::Fence) {
            // The fence: neither planner moves an outer predicate below it.
            self.push(match self.dialect {
                Dialect::Sqlite => " LIMIT -1",
                Dialect::Postgres => " OFFSET 0",
            });
            self.fenced.push(name.clone());
        }
        self.push(")");
        Ok(())
    }

    /// The name of the unit among an item's columns: one that no column in scope has.
    pub(super) fn unit_name(&mut self, id: u32) {
        let mut name = String::from("u0");
        if let Some(ItemKind::Relation { rel, .. }) = self.items.get(id as usize).map(|item| &item.kind) {
            while rel.find(Dialect::Sqlite, &name).is_some() {
                name.push('0');
            }
        }
        self.ident(&name);
    }
}
