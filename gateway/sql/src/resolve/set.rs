//! Set operations and VALUES.

use std::borrow::Cow;

use sqlparser::{ast, tokenizer::Span};

use super::{
    CteState, Outcome, Place, Resolver,
    query::{Anchor, dedup, rename},
};
use crate::{
    Dialect, bounds,
    ir::{Body, Output, Weight},
    refuse,
};

impl<'a> Resolver<'a> {
    /// A branch of a set operation, or a whole tree of them, as the parser nests it.
    pub(super) fn operand(
        &mut self,
        body: &'a ast::SetExpr,
        place: Place,
        anchor: Option<&Anchor<'a>>,
        first: &mut bool,
    ) -> Outcome<(Body<'a>, Vec<Output<'a>>)> {
        if let ast::SetExpr::SetOperation { left, op, set_quantifier, right } = body {
            self.count_set_operation()?;
            let (left, outputs) = self.operand(left, place, anchor, first)?;
            let (right, others) = self.operand(right, place, anchor, first)?;
            return self.combine((left, outputs), (*op, *set_quantifier), (right, others));
        }
        self.leaf(body, place, anchor, first)
    }

    fn leaf(
        &mut self,
        body: &'a ast::SetExpr,
        place: Place,
        anchor: Option<&Anchor<'a>>,
        first: &mut bool,
    ) -> Outcome<(Body<'a>, Vec<Output<'a>>)> {
        let (body, outputs) = match body {
            ast::SetExpr::Query(query) => {
                let (query, outputs) = self.query(query, place)?;
                (Body::Query(Box::new(query)), outputs)
            }
            ast::SetExpr::Values(values) => self.values(values)?,
            ast::SetExpr::SetOperation { .. }
            | ast::SetExpr::Select(_)
            | ast::SetExpr::Insert(_)
            | ast::SetExpr::Update(_)
            | ast::SetExpr::Delete(_)
            | ast::SetExpr::Merge(_)
            | ast::SetExpr::Table(_) => {
                let (body, outputs, _) = self.body(body, None, place, None)?;
                (body, outputs)
            }
        };
        if std::mem::take(first)
            && let Some(anchor) = anchor
            && let Some(entry) = self.ctes.get_mut(anchor.entry)
        {
            // A recursive part may make its own values longer, row by row.
            let mut columns = rename(outputs.clone(), &anchor.renames);
            columns.iter_mut().for_each(|column| column.weight = Weight::UNBOUNDED);
            entry.state = CteState::Ready { id: anchor.id, columns };
        }
        Ok((body, outputs))
    }

    /// SQLite's set operators are all of one precedence and associate to the left; the parser's are not.
    pub(super) fn flat(
        &mut self,
        body: &'a ast::SetExpr,
        place: Place,
        anchor: Option<&Anchor<'a>>,
    ) -> Outcome<(Body<'a>, Vec<Output<'a>>)> {
        let mut leaves = Vec::new();
        self.flatten(body, None, &mut leaves)?;
        let mut first = true;
        let mut result: Option<(Body<'a>, Vec<Output<'a>>)> = None;
        for (op, leaf) in leaves {
            let right = self.leaf(leaf, place, anchor, &mut first)?;
            result = Some(match (result, op) {
                (Some(left), Some(op)) => self.combine(left, op, right)?,
                (None, _) | (_, None) => right,
            });
        }
        result.ok_or_else(|| refuse::unparseable("an empty query"))
    }

    fn flatten(
        &mut self,
        body: &'a ast::SetExpr,
        op: Option<(ast::SetOperator, ast::SetQuantifier)>,
        into: &mut Vec<(Option<(ast::SetOperator, ast::SetQuantifier)>, &'a ast::SetExpr)>,
    ) -> Outcome<()> {
        if let ast::SetExpr::SetOperation { left, op: own, set_quantifier, right } = body {
            self.count_set_operation()?;
            self.flatten(left, op, into)?;
            self.flatten(right, Some((*own, *set_quantifier)), into)?;
        } else {
            into.push((op, body));
        }
        Ok(())
    }

    fn count_set_operation(&mut self) -> Outcome<()> {
        self.set_operations += 1;
        if self.set_operations > bounds::SET_OPERATIONS {
            return Err(refuse::too_much("set operations", bounds::SET_OPERATIONS));
        }
        Ok(())
    }

    fn combine(
        &mut self,
        (left, mut outputs): (Body<'a>, Vec<Output<'a>>),
        (op, quantifier): (ast::SetOperator, ast::SetQuantifier),
        (right, others): (Body<'a>, Vec<Output<'a>>),
    ) -> Outcome<(Body<'a>, Vec<Output<'a>>)> {
        if outputs.len() != others.len() {
            return Err(refuse::mismatch(
                format!("a set operation has {} columns on one side and {} on the other", outputs.len(), others.len()),
                Span::empty(),
            ));
        }
        for (output, other) in outputs.iter_mut().zip(others) {
            if output.ty != other.ty {
                output.ty = None;
            }
            output.sources.extend(other.sources);
            dedup(&mut output.sources);
            output.weight = output.weight.max(other.weight);
        }
        let op = match op {
            ast::SetOperator::Union => "UNION",
            ast::SetOperator::Except => "EXCEPT",
            ast::SetOperator::Intersect => "INTERSECT",
            ast::SetOperator::Minus => return Err(refuse::unsupported("`MINUS`", Span::empty()).hint("write `EXCEPT`")),
        };
        let all = match quantifier {
            ast::SetQuantifier::All => true,
            ast::SetQuantifier::None => false,
            ast::SetQuantifier::Distinct if self.dialect == Dialect::Postgres => false,
            ast::SetQuantifier::Distinct
            | ast::SetQuantifier::ByName
            | ast::SetQuantifier::AllByName
            | ast::SetQuantifier::DistinctByName => {
                return Err(refuse::unsupported(format!("`{op} {quantifier}`"), Span::empty()));
            }
        };
        Ok((Body::Set { op, all, left: Box::new(left), right: Box::new(right) }, outputs))
    }

    fn values(&mut self, values: &'a ast::Values) -> Outcome<(Body<'a>, Vec<Output<'a>>)> {
        let ast::Values { explicit_row, value_keyword, rows } = values;
        if *explicit_row || *value_keyword {
            return Err(refuse::unsupported("`VALUE` or `VALUES ROW`", Span::empty()));
        }
        let mut outputs: Vec<Output<'a>> = Vec::new();
        let mut printed = Vec::with_capacity(rows.len());
        for (number, row) in rows.iter().enumerate() {
            let ast::Parens { opening_token: _, content, closing_token } = row;
            if number > 0 && content.len() != outputs.len() {
                let ast::helpers::attached_token::AttachedToken(token) = closing_token;
                return Err(refuse::mismatch("the rows of VALUES differ in length", token.span));
            }
            let mut exprs = Vec::with_capacity(content.len());
            for (at, expr) in content.iter().enumerate() {
                let mark = self.trace.len();
                let expr = self.expr(expr)?;
                self.check_inner_projection(&expr);
                let (ty, sources, weight) = (self.ty(&expr), self.sources_since(mark), self.weight(&expr));
                match outputs.get_mut(at) {
                    None => outputs.push(Output { name: Cow::Owned(format!("column{}", at + 1)), ty, sources, weight }),
                    Some(output) => {
                        output.weight = output.weight.max(weight);
                        if output.ty != ty {
                            output.ty = None;
                        }
                        output.sources.extend(sources);
                        dedup(&mut output.sources);
                    }
                }
                exprs.push(expr);
            }
            printed.push(exprs);
        }
        Ok((Body::Values(printed), outputs))
    }
}
