//! What a write touches.

use std::collections::BTreeMap;

use mountgate_core::{Ceiling, ColumnName, Refusal, RelationTouch, Touch, Use, Uses, Verb};
use sqlparser::ast;

use super::{Inner, Name, Target};
use crate::{resolve, view::View};

/// A touch being gathered.
#[derive(Default)]
struct Gathered {
    relations: BTreeMap<Name, (BTreeMap<ColumnName, Uses>, u32)>,
    predicates: Vec<mountgate_core::Predicate>,
}

impl Gathered {
    fn add(&mut self, relation: &Name, column: &ColumnName, how: Use) {
        self.relations.entry(relation.clone()).or_default().0.entry(column.clone()).or_default().add(how);
    }

    fn take_in(&mut self, touch: Touch) {
        for RelationTouch { relation, columns, references } in touch.relations {
            self.relations.entry(relation.clone()).or_default().1 += references;
            for (column, uses) in columns {
                uses.iter().for_each(|how| self.add(&relation, &column, how));
            }
        }
        self.predicates.extend(touch.predicates);
    }
}

pub(super) fn touch(inner: &Inner, ceiling: &Ceiling) -> Result<Touch, Refusal> {
    let view = View::Ceiling(ceiling);
    let Target { rel, columns, write } = inner.target(ceiling, view)?;
    let parsed = &inner.parsed;
    let mut gathered = Gathered::default();
    let resolve = |query: &ast::Query| {
        resolve::resolve(inner.dialect, view, &inner.text, query, &inner.extras, true).map(|(_, touch)| touch)
    };
    let mut items = parsed.values();
    if items.is_empty() {
        items.push(ast::SelectItem::UnnamedExpr(ast::Expr::Value(ast::Value::Null.with_empty_span())));
    }
    let read = parsed.query(items, parsed.verb != Verb::Insert, parsed.selection.clone())?;
    gathered.take_in(resolve(&read)?);
    if !parsed.returning.is_empty() {
        gathered.take_in(resolve(&parsed.query(parsed.returning.clone(), true, None)?)?);
    }
    gathered.relations.entry(rel.name().clone()).or_default().1 += u32::from(parsed.verb == Verb::Insert);
    for column in &columns {
        gathered.add(rel.name(), column, Use::Assigned);
    }
    for parent in write.parents.iter().filter(|parent| parent.columns.iter().any(|c| columns.contains(&c))) {
        gathered.relations.entry(parent.relation.clone()).or_default().1 += 1;
        for column in &parent.referred {
            gathered.add(&parent.relation, column, Use::Filtered);
        }
    }
    let relations = gathered.relations.into_iter().map(|(relation, (mut columns, references))| {
        let order = ceiling.relation(&relation).map(|relation| relation.columns.as_slice()).unwrap_or_default();
        let columns = order.iter().filter_map(|column| columns.remove_entry(&column.name)).collect();
        RelationTouch { relation, columns, references }
    });
    Ok(Touch { verb: parsed.verb, relations: relations.collect(), predicates: gathered.predicates })
}
