//! Which expressions can tell nothing of a row before its filter has run.
//!
//! A planner may run the agent's predicates before the scope's (`WHERE 1/(CASE WHEN name = 'x' THEN 0 ELSE 1 END) = 1`,
//! `name::int = 1`): they then raise on rows that are out of scope. What is listed here cannot raise: comparisons of
//! bare columns, parameters and constants of one family of types, and what AND, OR and NOT make of them. Anything else
//! has the filtered relations fenced.

use mountgate_core::ColumnType;

use crate::{
    Dialect,
    ir::{Body, Expr, Query},
};

/// What the analysis needs to know of an expression.
pub(crate) struct Leak<'s, 'a> {
    pub(crate) dialect: Dialect,
    pub(crate) ty: &'s dyn Fn(&Expr<'a>) -> Option<ColumnType>,
    /// Whether the expression is a column that LIKE raises on for no text (PostgreSQL).
    pub(crate) likable: &'s dyn Fn(&Expr<'a>) -> bool,
}

/// Bytes of a pattern that LIKE is taken to be safe with: the SQLite driver's limit is 1000, beyond which LIKE raises
/// where it runs.
const PATTERN: usize = 500;
/// Wildcards of such a pattern: PostgreSQL's matching goes one level deeper with each, as far as the text goes along,
/// and raises where the stack ends.
const WILDCARDS: usize = 16;

const COMPARISONS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

impl<'a> Leak<'_, 'a> {
    /// Whether the condition can be run on any row without telling of it.
    pub(crate) fn proof(&self, expr: &Expr<'a>) -> bool {
        match expr {
            Expr::Chain { op: "AND" | "OR", items } => items.iter().all(|item| self.proof(item)),
            Expr::Chain { op, items } if COMPARISONS.contains(op) => match items.as_slice() {
                [left, right] => self.comparable(left, right),
                _ => false,
            },
            Expr::Chain { op: "IS DISTINCT FROM" | "IS NOT DISTINCT FROM", items } => match items.as_slice() {
                [left, right] => self.comparable(left, right),
                _ => false,
            },
            Expr::Prefix { op: "NOT", expr } => self.proof(expr),
            Expr::Between { expr, low, high, .. } => self.comparable(expr, low) && self.comparable(expr, high),
            Expr::In { expr, list, .. } => list.iter().all(|item| self.comparable(expr, item)),
            // The subquery's own conditions are looked at where it is resolved.
            Expr::InQuery { expr, query, .. } => match first_output(query) {
                Some(output) => self.comparable_types(expr, output),
                None => false,
            },
            Expr::Exists(_) => true,
            Expr::Like { op: "LIKE", expr, pattern, escape: None, negated: _ } => self.like(expr, pattern),
            Expr::Postfix { expr, .. } => self.simple(expr) || self.proof(expr),
            Expr::Column { .. } | Expr::Parameter(_) | Expr::Boolean(_) | Expr::Null => true,
            other => constant(other),
        }
    }

    /// A column, a parameter, a constant: what costs nothing to look at.
    pub(crate) fn simple(&self, expr: &Expr<'a>) -> bool {
        match expr {
            Expr::Column { .. } | Expr::Parameter(_) => true,
            // The merged column of FULL or RIGHT JOIN … USING.
            Expr::Call(call) if matches!(call.name, "coalesce" | "ifnull") => {
                call.args.iter().all(|arg| self.simple(arg))
            }
            other => constant(other),
        }
    }

    /// LIKE with a pattern written out. PostgreSQL raises on a pattern that ends in its escape character (where a text
    /// gets that far), on a collation that isn't deterministic (where a row is looked at), and when its stack ends;
    /// SQLite on a pattern that is too long (where a row is looked at). A parameter may be any of these.
    fn like(&self, expr: &Expr<'a>, pattern: &Expr<'a>) -> bool {
        let (Expr::Column { .. }, Expr::Text(pattern)) = (expr, pattern) else { return false };
        pattern.len() <= PATTERN
            && pattern.bytes().filter(|byte| *byte == b'%').count() <= WILDCARDS
            && match self.dialect {
                Dialect::Sqlite => true,
                Dialect::Postgres => !pattern.ends_with('\\') && (self.likable)(expr),
            }
    }

    fn comparable(&self, left: &Expr<'a>, right: &Expr<'a>) -> bool {
        if let (Expr::Row(left), Expr::Row(right)) = (left, right) {
            return left.len() == right.len() && left.iter().zip(right).all(|(l, r)| self.comparable(l, r));
        }
        self.simple(left) && self.simple(right) && self.comparable_types(left, right)
    }

    fn comparable_types(&self, left: &Expr<'a>, right: &Expr<'a>) -> bool {
        if !self.simple(left) {
            return false;
        }
        // SQLite compares anything with anything and raises on nothing.
        if self.dialect == Dialect::Sqlite {
            return true;
        }
        use ColumnType as T;
        // What PostgreSQL gives the type of the other side, once, before any row.
        let adapts = |expr: &Expr<'a>| matches!(expr, Expr::Parameter(_) | Expr::Text(_) | Expr::Null);
        let plain = |ty: &Option<T>| !matches!(ty, None | Some(T::Any));
        let (left_ty, right_ty) = ((self.ty)(left), (self.ty)(right));
        if adapts(left) || adapts(right) {
            return (adapts(left) || plain(&left_ty)) && (adapts(right) || plain(&right_ty));
        }
        let number = |expr: &Expr<'a>| matches!(expr, Expr::Number(_));
        match (&left_ty, &right_ty) {
            (Some(T::Any), _) | (_, Some(T::Any)) => false,
            (Some(left), Some(right)) if left == right => true,
            (Some(T::Integer), Some(T::Decimal | T::Float)) | (Some(T::Decimal | T::Float), Some(T::Integer)) => true,
            // A number written out is converted once.
            (Some(one), Some(other)) => (number(left) && other.is_numeric()) || (number(right) && one.is_numeric()),
            // A constant expression of a type unknown here: only types that convert to any other without raising.
            (None, Some(ty)) => constant(left) && converts(ty),
            (Some(ty), None) => constant(right) && converts(ty),
            (None, None) => constant(left) && constant(right),
        }
    }
}

fn converts(ty: &ColumnType) -> bool {
    match ty {
        ColumnType::Boolean
        | ColumnType::Integer
        | ColumnType::Float
        | ColumnType::Text
        | ColumnType::Bytes
        | ColumnType::Date
        | ColumnType::Timestamp
        | ColumnType::TimestampTz
        | ColumnType::Uuid => true,
        ColumnType::Decimal
        | ColumnType::Time
        | ColumnType::Interval
        | ColumnType::Json
        | ColumnType::Array(_)
        | ColumnType::Any => false,
    }
}

/// Whether it is a value as written. Nothing computed: stores work out some constants (`abs(-9223372036854775808)`, a
/// cast of `now()`) only when a row reaches them, so that raising would tell that a row is there.
pub(crate) fn constant(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Number(_) | Expr::Text(_) | Expr::Blob(_) | Expr::Boolean(_) | Expr::Null | Expr::Interval(..) => true,
        Expr::Prefix { op: "-", expr } => matches!(**expr, Expr::Number(_)),
        // A type that an operator added is printed with its schema: what its input function does is not known.
        Expr::Cast { printed, .. } if printed.starts_with('"') => false,
        Expr::Cast { expr, .. } => matches!(**expr, Expr::Number(_) | Expr::Text(_) | Expr::Boolean(_) | Expr::Null),
        Expr::Call(call) => call.bare,
        _ => false,
    }
}

fn first_output<'q, 'a>(query: &'q Query<'a>) -> Option<&'q Expr<'a>> {
    let mut body = &query.body;
    loop {
        match body {
            Body::Select(select) => {
                return match select.outputs.as_slice() {
                    [only] => Some(only),
                    _ => None,
                };
            }
            Body::Query(query) => body = &query.body,
            // The branches may differ in type.
            Body::Set { .. } | Body::Values(_) => return None,
        }
    }
}
