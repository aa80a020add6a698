//! `/v1/read`: one table, some columns, plain conditions. It becomes a statement like any other and goes the same way.

use mountgate_core::{Code, Refusal, Value};

use crate::{Dialect, Statement};

/// The most rows of conditions and keys that a read may have; more is a query.
const MOST: usize = 64;

/// A read of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadRequest {
    /// The table, as the mount names it: `orders`, `sales.orders`.
    pub from: String,
    /// The columns, exactly spelt; empty for every column in scope.
    pub select: Vec<String>,
    /// Conditions, all of which hold.
    pub r#where: Vec<Condition>,
    /// How the rows are ordered.
    pub order: Vec<OrderKey>,
    /// The most rows.
    pub limit: Option<u64>,
}

/// A condition on a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The column, exactly spelt.
    pub column: String,
    /// How it is compared.
    pub op: ConditionOp,
    /// What it is compared with: one value, for `in` one or more, for the tests of NULL none.
    pub values: Vec<Value>,
}

/// How a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionOp {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `IN (…)`
    In,
    /// `IS NULL`
    IsNull,
    /// `IS NOT NULL`
    IsNotNull,
}

impl ConditionOp {
    /// Every operator with the word that requests write.
    pub const ALL: [(&'static str, Self); 9] = [
        ("eq", Self::Eq),
        ("ne", Self::Ne),
        ("lt", Self::Lt),
        ("le", Self::Le),
        ("gt", Self::Gt),
        ("ge", Self::Ge),
        ("in", Self::In),
        ("is_null", Self::IsNull),
        ("is_not_null", Self::IsNotNull),
    ];

    /// The operator of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == word).map(|(_, op)| op)
    }
}

/// A key of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderKey {
    /// The column, exactly spelt.
    pub column: String,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// The read as a statement and its parameters.
///
/// # Errors
/// `malformed` where a condition has the wrong number of values; what [`Statement::parse`] refuses.
pub fn statement(dialect: Dialect, read: &ReadRequest) -> Result<(Statement, Vec<Value>), Refusal> {
    let ReadRequest { from, select, r#where: conditions, order, limit } = read;
    if conditions.len() > MOST || order.len() > MOST {
        return Err(Refusal::new(Code::TooLarge, format!("a read takes at most {MOST} conditions and order keys"))
            .hint("use `/v1/query`"));
    }
    let mut text = String::from("SELECT ");
    let mut values = Vec::new();
    if select.is_empty() {
        text.push('*');
    }
    for (at, column) in select.iter().enumerate() {
        text.push_str(if at > 0 { ", " } else { "" });
        name(&mut text, column)?;
    }
    text.push_str(" FROM ");
    for (at, part) in from.split('.').enumerate() {
        text.push_str(if at > 0 { "." } else { "" });
        name(&mut text, part)?;
    }
    for (at, condition) in conditions.iter().enumerate() {
        text.push_str(if at > 0 { " AND " } else { " WHERE " });
        let Condition { column, op, values: given } = condition;
        name(&mut text, column)?;
        let (symbol, fits) = match op {
            ConditionOp::Eq => (" = ", given.len() == 1),
            ConditionOp::Ne => (" <> ", given.len() == 1),
            ConditionOp::Lt => (" < ", given.len() == 1),
            ConditionOp::Le => (" <= ", given.len() == 1),
            ConditionOp::Gt => (" > ", given.len() == 1),
            ConditionOp::Ge => (" >= ", given.len() == 1),
            ConditionOp::In => (" IN (", !given.is_empty()),
            ConditionOp::IsNull => (" IS NULL", given.is_empty()),
            ConditionOp::IsNotNull => (" IS NOT NULL", given.is_empty()),
        };
        if !fits {
            return Err(Refusal::new(
                Code::Malformed,
                format!("the condition on `{column}` has {} values, which its operator does not take", given.len()),
            )
            .hint("comparisons take one value, `in` takes a list, `is_null` and `is_not_null` none"));
        }
        text.push_str(symbol);
        for (at, value) in given.iter().enumerate() {
            text.push_str(if at > 0 { ", " } else { "" });
            values.push(value.clone());
            text.push_str(&format!("${}", values.len()));
        }
        text.push_str(if *op == ConditionOp::In { ")" } else { "" });
    }
    for (at, key) in order.iter().enumerate() {
        text.push_str(if at > 0 { ", " } else { " ORDER BY " });
        name(&mut text, &key.column)?;
        text.push_str(if key.descending { " DESC" } else { "" });
    }
    if let Some(limit) = limit {
        text.push_str(&format!(" LIMIT {limit}"));
    }
    Ok((Statement::parse(dialect, &text)?, values))
}

fn name(text: &mut String, name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name.contains('\0') {
        return Err(Refusal::new(Code::Malformed, "a name is empty or contains a NUL character"));
    }
    text.push('"');
    text.push_str(&name.replace('"', "\"\""));
    text.push('"');
    Ok(())
}

#[cfg(test)]
mod tests;
