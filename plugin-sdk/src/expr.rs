//! Row predicates, built as expressions and flattened to the contract's nodes.
//!
//! ```
//! use mountgate_plugin_sdk::prelude::*;
//! let own_and_open = col("customer_id").eq(claim("customer_id"))
//!     .and(col("state").in_list(["new", "open"]).or(col("closed_at").is_null()));
//! assert_eq!(own_and_open.into_nodes().len(), 11);
//! ```

use serde::{Deserialize, Serialize};

use crate::types::{CompareOp, Comparison, Membership, Node, Value};

/// A value in a predicate: a column, a claim or a literal.
#[derive(Clone, Debug)]
pub struct Term(Node);

/// A row predicate. Rows for which it is true are in scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expr {
    // INVARIANT: never empty, children before parents, root last.
    nodes: Vec<Node>,
}

/// A column of the relation: one that the ceiling shows (as it masks it) or lends.
pub fn col(name: impl Into<String>) -> Term {
    Term(Node::Column(name.into()))
}

/// The caller's claim of that name. The gateway binds it; a missing or mistyped claim denies.
pub fn claim(name: impl Into<String>) -> Term {
    Term(Node::Claim(name.into()))
}

/// A literal.
pub fn lit(value: impl Into<Value>) -> Term {
    Term(Node::Literal(value.into()))
}

/// A predicate that keeps every row (`true`) or none (`false`).
pub fn always(truth: bool) -> Expr {
    Expr { nodes: vec![Node::Always(truth)] }
}

/// The opposite. A comparison with NULL stays neither true nor false: its rows are not in scope either way.
pub fn not(expr: Expr) -> Expr {
    let mut nodes = expr.nodes;
    let child = last(&nodes);
    nodes.push(Node::Negated(child));
    Expr { nodes }
}

/// All of these; every row where there is none.
pub fn all(parts: impl IntoIterator<Item = Expr>) -> Expr {
    join(parts, true)
}

/// Any of these; no row where there is none.
pub fn any(parts: impl IntoIterator<Item = Expr>) -> Expr {
    join(parts, false)
}

impl<T: Into<Value>> From<T> for Term {
    fn from(value: T) -> Self {
        lit(value)
    }
}

#[expect(clippy::wrong_self_convention, reason = "`is_null` builds a predicate; it asks nothing here")]
impl Term {
    /// `=`
    pub fn eq(self, other: impl Into<Term>) -> Expr {
        self.compare(CompareOp::Eq, other.into())
    }

    /// `<>`
    pub fn ne(self, other: impl Into<Term>) -> Expr {
        self.compare(CompareOp::Ne, other.into())
    }

    /// `<`
    pub fn lt(self, other: impl Into<Term>) -> Expr {
        self.compare(CompareOp::Lt, other.into())
    }

    /// `<=`
    pub fn le(self, other: impl Into<Term>) -> Expr {
        self.compare(CompareOp::Le, other.into())
    }

    /// `>`
    pub fn gt(self, other: impl Into<Term>) -> Expr {
        self.compare(CompareOp::Gt, other.into())
    }

    /// `>=`
    pub fn ge(self, other: impl Into<Term>) -> Expr {
        self.compare(CompareOp::Ge, other.into())
    }

    /// Compared by an operator known at run time.
    pub fn compare(self, op: CompareOp, other: Term) -> Expr {
        Expr { nodes: vec![self.0, other.0, Node::Compare(Comparison { op, left: 0, right: 1 })] }
    }

    /// The value is NULL.
    pub fn is_null(self) -> Expr {
        Expr { nodes: vec![self.0, Node::IsNull(0)] }
    }

    /// The value is one of these. A list-valued claim stands alone: `col("region").in_list([claim("regions")])`.
    pub fn in_list<T: Into<Term>>(self, options: impl IntoIterator<Item = T>) -> Expr {
        let mut nodes = vec![self.0];
        nodes.extend(options.into_iter().map(|option| option.into().0));
        let options = (1..index(nodes.len())).collect();
        nodes.push(Node::InList(Membership { needle: 0, options }));
        Expr { nodes }
    }
}

impl Expr {
    /// Both.
    pub fn and(self, other: Expr) -> Expr {
        all([self, other])
    }

    /// Either.
    pub fn or(self, other: Expr) -> Expr {
        any([self, other])
    }

    /// The contract's flat form: children before parents, root last.
    pub fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    /// A predicate from the contract's flat form, as the ceiling of a request has it; `None` where it is empty.
    pub fn from_nodes(nodes: Vec<Node>) -> Option<Expr> {
        (!nodes.is_empty()).then_some(Expr { nodes })
    }
}

// The gateway takes 512 nodes at most, so an index never comes near `u32::MAX`.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn last(nodes: &[Node]) -> u32 {
    index(nodes.len().saturating_sub(1))
}

fn join(parts: impl IntoIterator<Item = Expr>, and: bool) -> Expr {
    let mut nodes: Vec<Node> = Vec::new();
    let mut children: Vec<u32> = Vec::new();
    for part in parts {
        let by = index(nodes.len());
        nodes.extend(part.nodes.into_iter().map(|node| shift(node, by)));
        // `a and b and c` is one conjunction, not a chain of them.
        match (nodes.last_mut(), and) {
            (Some(Node::AllOf(inner)), true) | (Some(Node::AnyOf(inner)), false) if !inner.is_empty() => {
                children.append(inner);
                nodes.pop();
            }
            _ => children.push(last(&nodes)),
        }
    }
    match children.as_slice() {
        [] => always(and),
        [only] if *only == last(&nodes) => Expr { nodes },
        _ => {
            nodes.push(if and { Node::AllOf(children) } else { Node::AnyOf(children) });
            Expr { nodes }
        }
    }
}

fn shift(mut node: Node, by: u32) -> Node {
    match &mut node {
        Node::Literal(_) | Node::Claim(_) | Node::Column(_) | Node::Always(_) => {}
        Node::Compare(comparison) => {
            comparison.left = comparison.left.saturating_add(by);
            comparison.right = comparison.right.saturating_add(by);
        }
        Node::InList(membership) => {
            membership.needle = membership.needle.saturating_add(by);
            for option in &mut membership.options {
                *option = option.saturating_add(by);
            }
        }
        Node::IsNull(child) | Node::Negated(child) => *child = child.saturating_add(by),
        Node::AllOf(children) | Node::AnyOf(children) => {
            for child in children {
                *child = child.saturating_add(by);
            }
        }
    }
    node
}

#[cfg(test)]
mod tests;
