//! The touch: what a statement touches, in words that hold for any store.

use mountgate_core::{ColumnType, CompareOp, Predicate, PredicateValue, RelationTouch, Touch, Uses, Value, Verb};

use super::Resolver;
use crate::ir::{Expr, ItemKind};

impl<'a> Resolver<'a> {
    pub(super) fn touch(&mut self) -> Touch {
        let mut relations: Vec<RelationTouch> = self
            .touched
            .iter()
            .map(|touched| RelationTouch {
                relation: touched.rel.name().clone(),
                columns: touched
                    .uses
                    .iter()
                    .enumerate()
                    .filter(|(_, uses)| **uses != Uses::default())
                    .filter_map(|(at, uses)| touched.rel.column(at).map(|(name, _, _)| (name.clone(), *uses)))
                    .collect(),
                references: touched.references,
            })
            .collect();
        relations.sort_by(|one, other| one.relation.cmp(&other.relation));
        Touch { verb: Verb::Read, relations, predicates: std::mem::take(&mut self.predicates) }
    }

    /// Keeps what the conjuncts of a condition that every row must meet say plainly.
    pub(super) fn gather(&mut self, condition: &Expr<'a>) {
        if !self.gather {
            return;
        }
        match condition {
            Expr::Chain { op: "AND", items } => items.iter().for_each(|item| self.gather(item)),
            Expr::Chain { op, items } => {
                let (Some(op), [left, right]) = (compare(op), items.as_slice()) else { return };
                self.predicate(left, Some(op), right);
                self.predicate(right, Some(flip(op)), left);
            }
            Expr::Between { expr, low, high, negated: false } => {
                self.predicate(expr, Some(CompareOp::Ge), low);
                self.predicate(expr, Some(CompareOp::Le), high);
            }
            Expr::In { expr, list, negated: false } => match list.as_slice() {
                [one] => self.predicate(expr, Some(CompareOp::Eq), one),
                _ => self.predicate(expr, Some(CompareOp::Eq), &Expr::Row(vec![])),
            },
            Expr::InQuery { expr, .. }
            | Expr::Any { expr, .. }
            | Expr::Like { expr, .. }
            | Expr::Postfix { expr, .. } => {
                self.predicate(expr, None, &Expr::Row(vec![]));
            }
            Expr::In { .. }
            | Expr::Between { .. }
            | Expr::Prefix { .. }
            | Expr::Column { .. }
            | Expr::Parameter(_)
            | Expr::Number(_)
            | Expr::Text(_)
            | Expr::Blob(_)
            | Expr::Boolean(_)
            | Expr::Null
            | Expr::Interval(..)
            | Expr::Exists(_)
            | Expr::Scalar(_)
            | Expr::ArrayQuery(_)
            | Expr::Array(_)
            | Expr::Subscript { .. }
            | Expr::Row(_)
            | Expr::Case { .. }
            | Expr::Cast { .. }
            | Expr::Call(_)
            | Expr::Collate { .. }
            | Expr::Extract { .. }
            | Expr::AtTimeZone { .. } => {}
        }
    }

    fn predicate(&mut self, column: &Expr<'a>, op: Option<CompareOp>, value: &Expr<'a>) {
        let Expr::Column { item, column } = column else { return };
        let Some(ItemKind::Relation { rel, .. }) = self.items.get(*item as usize).map(|item| &item.kind) else {
            return;
        };
        let Some((name, ty, _)) = rel.column(*column as usize) else { return };
        let value = match value {
            Expr::Parameter(index) => PredicateValue::Parameter(*index),
            Expr::Number(digits) => PredicateValue::Literal(match digits.parse() {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Decimal((*digits).to_owned()),
            }),
            Expr::Text(text) => PredicateValue::Literal(match ty {
                ColumnType::Date => Value::Date((*text).to_owned()),
                _other => Value::Text((*text).to_owned()),
            }),
            Expr::Boolean(truth) => PredicateValue::Literal(Value::Boolean(*truth)),
            _ => PredicateValue::Other,
        };
        self.predicates.push(Predicate { relation: rel.name().clone(), column: name.clone(), op, value });
    }
}

fn compare(op: &str) -> Option<CompareOp> {
    Some(match op {
        "=" => CompareOp::Eq,
        "<>" => CompareOp::Ne,
        "<" => CompareOp::Lt,
        "<=" => CompareOp::Le,
        ">" => CompareOp::Gt,
        ">=" => CompareOp::Ge,
        _ => return None,
    })
}

fn flip(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::Eq,
        CompareOp::Ne => CompareOp::Ne,
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
    }
}
