//! A write as it is to be carried out within a scope, before any value is bound.

use std::sync::Arc;

use mountgate_core::{
    Approval, Ceiling, Claims, Code, ColumnName, Refusal, RelationInfo, RelationName, Scope, Value, Verb,
};
use sqlparser::ast;

use super::{Assigned, BoundWrite, Inner, Lookup, ParentLookup, Target, lookup_text, not_allowed};
use crate::{
    Authorized, Dialect, MaskKeys, Plan, Statement,
    authorize::check_parameters,
    bounds, demand,
    ir::{Body, Expr, Resolved, Select},
    print, refuse, resolve,
    view::View,
};

/// The rewritten write.
#[derive(Debug)]
pub struct WritePlan {
    verb: Verb,
    relation: RelationName,
    store: RelationInfo,
    columns: Vec<ColumnName>,
    rows: Vec<Vec<Cell>>,
    /// Gives the keys of the rows, and then what is computed; none for an INSERT of constants.
    read: Option<Arc<Plan>>,
    /// Finds a row by its key within the scope.
    lookup: Arc<Plan>,
    parents: Vec<ParentPlan>,
    /// What RETURNING gives of a row by its key; the key's values come after the parameters.
    returning: Option<Arc<Plan>>,
    parameters: usize,
    max_rows: u64,
    approval: Approval,
}

#[derive(Debug)]
struct ParentPlan {
    columns: Vec<ColumnName>,
    lookup: Arc<Plan>,
}

/// What is assigned to a column.
#[derive(Clone, Debug)]
enum Cell {
    Parameter(usize),
    Literal(Value),
    /// The column of the read, from 0.
    Computed(usize),
}

impl WritePlan {
    /// What is done.
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// The relation, as the mount names it.
    pub fn relation(&self) -> &RelationName {
        &self.relation
    }

    /// When a person must approve, by the ceiling.
    pub fn approval(&self) -> Approval {
        self.approval
    }

    /// The read that finds the rows and computes their values, for operators; none for an INSERT of constants.
    pub fn read(&self) -> Option<&Arc<Plan>> {
        self.read.as_ref()
    }

    /// What RETURNING gives.
    pub fn returning(&self) -> Option<&Arc<Plan>> {
        self.returning.as_ref()
    }

    /// Binds parameters and claims.
    ///
    /// # Errors
    /// As [`Plan::authorize`].
    pub fn authorize(
        &self,
        parameters: &[Value],
        claims: &Claims,
        keys: &dyn MaskKeys,
    ) -> Result<Authorized<BoundWrite>, Refusal> {
        check_parameters(parameters, self.parameters)?;
        let lookup = |plan: &Arc<Plan>, parameters: &[Value], more: usize| {
            let mut given = parameters.to_vec();
            given.extend(std::iter::repeat_n(Value::Null, more));
            let read = plan.authorize(&given, claims, keys)?.into_inner();
            Ok::<_, Refusal>(Lookup::new(read, parameters.len()))
        };
        let key = self.store.key.len();
        let rows = self.rows.iter().map(|row| {
            let cell = |cell: &Cell| match cell {
                // INVARIANT: the lexical gate counted them, and the number was checked.
                Cell::Parameter(at) => Assigned::Value(parameters.get(*at).cloned().unwrap_or(Value::Null)),
                Cell::Literal(value) => Assigned::Value(value.clone()),
                Cell::Computed(at) => Assigned::Computed(*at),
            };
            row.iter().map(cell).collect()
        });
        let parents = self.parents.iter().map(|parent| {
            let lookup = lookup(&parent.lookup, &[], parent.columns.len())?;
            Ok(ParentLookup { columns: parent.columns.clone(), lookup })
        });
        Ok(Authorized::of(BoundWrite {
            verb: self.verb,
            relation: self.relation.clone(),
            store: self.store.clone(),
            columns: self.columns.clone(),
            rows: rows.collect(),
            read: match &self.read {
                Some(plan) => Some(plan.authorize(parameters, claims, keys)?.into_inner()),
                None => None,
            },
            lookup: lookup(&self.lookup, &[], key)?,
            parents: parents.collect::<Result<_, Refusal>>()?,
            returning: match &self.returning {
                Some(plan) => Some(lookup(plan, parameters, key)?),
                None => None,
            },
            max_rows: self.max_rows,
        }))
    }
}

pub(super) fn plan(inner: &Inner, ceiling: &Ceiling, scope: &Scope) -> Result<WritePlan, Refusal> {
    let view = View::Scope(scope);
    let Target { rel, columns, write } = inner.target(ceiling, view)?;
    if rel.key().is_none() {
        return Err(not_allowed(format!("the key of `{}` is not in scope, and writes need it", rel.name())));
    }
    let (parsed, store) = (&inner.parsed, rel.store());
    let keys: Vec<ast::SelectItem> = match parsed.verb {
        Verb::Read | Verb::Insert => vec![],
        Verb::Update | Verb::Delete => store.key.iter().map(|key| ast::SelectItem::UnnamedExpr(name(key))).collect(),
    };
    let first = keys.len();
    let mut items = keys;
    items.extend(parsed.values());
    let mut computed = first;
    let mut rows: Vec<Vec<Cell>> = Vec::with_capacity(parsed.rows.len());
    let mut read = None;
    if !items.is_empty() {
        let query = parsed.query(items, parsed.verb != Verb::Insert, parsed.selection.clone())?;
        let (mut resolved, _) = resolve::resolve(inner.dialect, view, &inner.text, &query, &inner.extras, false)?;
        let assigned = resolved.outputs.iter().skip(first);
        for output in assigned {
            let masked = output.sources.iter().any(|(relation, column)| {
                let column = resolved.touched.get(*relation as usize).and_then(|rel| rel.column(*column as usize));
                column.is_none_or(|(_, _, masks)| !masks.is_empty())
            });
            if masked {
                return Err(not_allowed("a value that is assigned is computed from a masked column".to_owned())
                    .hint("what a mask shows is not what the store holds: assign a value of your own"));
            }
        }
        one_row_each(select_of(&mut resolved)?)?;
        demand::meet(&mut resolved)?;
        let mut cells = Vec::new();
        let mut kept = vec![true; first];
        for expr in select_of(&mut resolved)?.outputs.iter().skip(first) {
            let cell = constant(inner.dialect, expr);
            kept.push(cell.is_none());
            cells.push(cell.unwrap_or_else(|| {
                computed += 1;
                Cell::Computed(computed - 1)
            }));
        }
        keep(&mut select_of(&mut resolved)?.outputs, &kept);
        keep(&mut resolved.outputs, &kept);
        rows = cells.chunks(columns.len().max(1)).map(<[Cell]>::to_vec).collect();
        if computed > 0 {
            read = Some(Arc::new(print::print(inner.dialect, scope, &resolved, inner.parameters, true)?));
        }
    }
    let lookups = scope.for_lookups();
    let lookup = |relation: crate::view::Rel<'_>, columns: &[ColumnName]| {
        let text = lookup_text(inner.dialect, relation, columns);
        Statement::parse(inner.dialect, &text)?.enforce(&lookups).map(Arc::new)
    };
    let mut parents = Vec::new();
    for parent in write.parents.iter().filter(|parent| parent.columns.iter().any(|c| columns.contains(&c))) {
        let unshown = || {
            not_allowed(format!(
                "`{}` refers to `{}`, which is not in scope",
                parent.columns.first().map(ColumnName::as_str).unwrap_or_default(),
                parent.relation
            ))
        };
        let found = view.find(inner.dialect, None, parent.relation.as_str()).ok_or_else(unshown)?;
        let plain = |column: &ColumnName| {
            (0..found.width())
                .filter_map(|at| found.column(at))
                .any(|(name, _, masks)| name == column && masks.is_empty())
        };
        if !parent.referred.iter().all(plain) {
            return Err(unshown());
        }
        parents.push(ParentPlan { columns: parent.columns.clone(), lookup: lookup(found, &parent.referred)? });
    }
    Ok(WritePlan {
        verb: parsed.verb,
        relation: rel.name().clone(),
        store: store.clone(),
        columns: columns.into_iter().cloned().collect(),
        rows,
        read,
        lookup: lookup(rel, &store.key)?,
        parents,
        returning: returning(inner, &lookups, &store.key)?,
        parameters: inner.parameters,
        max_rows: write.declared.max_rows,
        approval: write.declared.approval,
    })
}

/// What RETURNING gives of one row.
fn returning(inner: &Inner, lookups: &Scope, key: &[ColumnName]) -> Result<Option<Arc<Plan>>, Refusal> {
    let parsed = &inner.parsed;
    if parsed.returning.is_empty() {
        return Ok(None);
    }
    let mut selection: Option<ast::Expr> = None;
    for (at, column) in key.iter().enumerate() {
        let number = inner.parameters + at + 1;
        if number > bounds::PARAMETERS {
            return Err(refuse::too_much("parameters", bounds::PARAMETERS));
        }
        let value = ast::Expr::Value(ast::Value::Placeholder(number.to_string()).with_empty_span());
        let binary = |left, op, right| ast::Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) };
        let equal = binary(name(column), ast::BinaryOperator::Eq, value);
        selection = Some(match selection {
            Some(before) => binary(before, ast::BinaryOperator::And, equal),
            None => equal,
        });
    }
    let query = parsed.query(parsed.returning.clone(), true, selection)?;
    let view = View::Scope(lookups);
    let (mut resolved, _) = resolve::resolve(inner.dialect, view, &inner.text, &query, &inner.extras, false)?;
    let select = select_of(&mut resolved)?;
    one_row_each(select)?;
    // It is resolved without the ceiling's demands of look-ups, which a subquery would have to meet.
    if select.outputs.iter().any(|output| output.any(&Expr::is_subquery)) {
        return Err(refuse::unsupported("a subquery in `RETURNING`", sqlparser::tokenizer::Span::empty())
            .hint("return columns of the table, and read the rest with `/v1/query`"));
    }
    print::print(inner.dialect, lookups, &resolved, inner.parameters + key.len(), true).map(|plan| Some(Arc::new(plan)))
}

fn name(column: &ColumnName) -> ast::Expr {
    ast::Expr::Identifier(ast::Ident::with_quote('"', column.as_str()))
}

fn select_of<'r, 'a>(resolved: &'r mut Resolved<'a>) -> Result<&'r mut Select<'a>, Refusal> {
    match &mut resolved.query.body {
        Body::Select(select) => Ok(select),
        Body::Values(_) | Body::Set { .. } | Body::Query(_) => {
            Err(Refusal::new(Code::Internal, "a write that is no selection"))
        }
    }
}

/// An aggregate would make one row of many, and a window function tells of rows beside the one that is written.
fn one_row_each(select: &Select<'_>) -> Result<(), Refusal> {
    let aggregates = |expr: &Expr<'_>| match expr {
        Expr::Call(call) => call.aggregate || call.over.is_some(),
        _ => false,
    };
    if select.outputs.iter().chain(&select.filter).any(|expr| expr.any(&aggregates)) {
        return Err(refuse::unsupported(
            "an aggregate or window function outside of a subquery, in a write",
            sqlparser::tokenizer::Span::empty(),
        ));
    }
    Ok(())
}

fn keep<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().copied().unwrap_or(true));
}

/// A value as it stands in the statement: bound as it is, so that the store reads it by its column's type.
fn constant(dialect: Dialect, expr: &Expr<'_>) -> Option<Cell> {
    let number = |digits: &str, minus: bool| {
        let text = if minus { format!("-{digits}") } else { digits.to_owned() };
        match (text.parse::<i64>(), dialect) {
            (Ok(integer), _) => Some(Value::Integer(integer)),
            (Err(_), Dialect::Postgres) => Some(Value::Decimal(text)),
            (Err(_), Dialect::Sqlite) => text.parse::<f64>().ok().filter(|float| float.is_finite()).map(Value::Float),
        }
    };
    let value = match expr {
        Expr::Parameter(at) => return Some(Cell::Parameter(*at)),
        Expr::Number(digits) => number(digits, false)?,
        Expr::Prefix { op: "-", expr } => match &**expr {
            Expr::Number(digits) => number(digits, true)?,
            _ => return None,
        },
        Expr::Text(text) => Value::Text((*text).to_owned()),
        Expr::Boolean(truth) => Value::Boolean(*truth),
        Expr::Null => Value::Null,
        _computed => return None,
    };
    Some(Cell::Literal(value))
}
