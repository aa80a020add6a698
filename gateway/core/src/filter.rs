//! Row predicates, as ceilings and policies write them: a flat list of nodes, children before parents.
//!
//! Meaning of NULL: as in SQL, a comparison with NULL is unknown, NOT of unknown is unknown, and a row is in scope
//! only where the whole filter is true.

use serde::{Deserialize, Serialize};

use crate::{ClaimName, ColumnName, ColumnType, Value};

/// The most nodes that a filter may have.
pub const MAX_NODES: usize = 512;

/// How two values are compared. Text is compared bytewise, whatever the column's collation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareOp {
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
}

impl CompareOp {
    /// The operator as SQL and the configuration write it.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

/// A node of a filter. Indices point at earlier nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// A typed value.
    Literal(Value),
    /// The caller's claim of that name.
    Claim(ClaimName),
    /// A column of the relation.
    Column(ColumnName),
    /// A constant truth: `true` keeps every row, `false` none.
    Always(bool),
    /// Two value nodes compared.
    Compare {
        /// The operator.
        op: CompareOp,
        /// Index of the left value node.
        left: u32,
        /// Index of the right value node.
        right: u32,
    },
    /// A value node is one of the listed value nodes, or one of a list-valued claim's values where the list holds
    /// just that claim.
    In {
        /// Index of the value node looked for.
        needle: u32,
        /// Indices of the value nodes that it may equal.
        list: Vec<u32>,
    },
    /// A value node is NULL.
    IsNull(u32),
    /// A truth node negated.
    Not(u32),
    /// All of the truth nodes.
    And(Vec<u32>),
    /// Any of the truth nodes.
    Or(Vec<u32>),
}

impl Node {
    fn is_truth(&self) -> bool {
        match self {
            Self::Literal(_) | Self::Claim(_) | Self::Column(_) => false,
            Self::Always(_)
            | Self::Compare { .. }
            | Self::In { .. }
            | Self::IsNull(_)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_) => true,
        }
    }

    fn children(&self) -> Vec<u32> {
        match self {
            Self::Literal(_) | Self::Claim(_) | Self::Column(_) | Self::Always(_) => vec![],
            Self::Compare { left, right, .. } => vec![*left, *right],
            Self::In { needle, list } => std::iter::once(*needle).chain(list.iter().copied()).collect(),
            Self::IsNull(child) | Self::Not(child) => vec![*child],
            Self::And(children) | Self::Or(children) => children.clone(),
        }
    }

    fn shift(&mut self, by: u32) {
        match self {
            Self::Literal(_) | Self::Claim(_) | Self::Column(_) | Self::Always(_) => {}
            Self::Compare { left, right, .. } => {
                *left = left.saturating_add(by);
                *right = right.saturating_add(by);
            }
            Self::In { needle, list } => {
                *needle = needle.saturating_add(by);
                for child in list {
                    *child = child.saturating_add(by);
                }
            }
            Self::IsNull(child) | Self::Not(child) => *child = child.saturating_add(by),
            Self::And(children) | Self::Or(children) => {
                for child in children {
                    *child = child.saturating_add(by);
                }
            }
        }
    }
}

/// Why a list of nodes is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No node at all.
    #[error("a filter has no nodes")]
    Empty,
    /// More than [`MAX_NODES`].
    #[error("a filter has {0} nodes, more than {MAX_NODES}")]
    TooLarge(usize),
    /// A child's index is not smaller than its parent's.
    #[error("node {node} points at node {child}, which is not before it")]
    Forward {
        /// The parent's index.
        node: usize,
        /// The child's index.
        child: u32,
    },
    /// A truth where a value is wanted, or a value where a truth is wanted.
    #[error("node {node} uses node {child} as a {wanted}, which it is not")]
    Kind {
        /// The parent's index.
        node: usize,
        /// The child's index.
        child: u32,
        /// `truth` or `value`.
        wanted: &'static str,
    },
    /// The root is a value, not a truth.
    #[error("the last node is a value, not a condition")]
    Root,
    /// A comparison between columns and values whose types do not fit.
    #[error("`{left}` is compared with {right}, which is of another type")]
    Type {
        /// What stands on the left.
        left: String,
        /// What stands on the right.
        right: String,
    },
    /// A column that the relation does not have, or does not lend.
    #[error("no column `{0}` that a filter here may use")]
    Column(ColumnName),
    /// A comparison of a literal NULL, which is never true.
    #[error("a comparison with NULL is never true: use `is null`")]
    Null,
}

/// A row predicate. The constructor checks shape; [`Filter::check`] checks columns and types.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Filter {
    nodes: Vec<Node>,
}

impl Filter {
    /// Takes a flat list of nodes, root last.
    ///
    /// # Errors
    /// Where the list is empty, too long, points forward, or mixes values and truths.
    pub fn new(nodes: Vec<Node>) -> Result<Self, FilterError> {
        if nodes.len() > MAX_NODES {
            return Err(FilterError::TooLarge(nodes.len()));
        }
        let Some(root) = nodes.last() else { return Err(FilterError::Empty) };
        if !root.is_truth() {
            return Err(FilterError::Root);
        }
        for (index, node) in nodes.iter().enumerate() {
            let wants_truth = matches!(node, Node::Not(_) | Node::And(_) | Node::Or(_));
            for child in node.children() {
                let Some(target) = nodes.get(..index).and_then(|before| before.get(child as usize)) else {
                    return Err(FilterError::Forward { node: index, child });
                };
                if target.is_truth() != wants_truth {
                    let wanted = if wants_truth { "truth" } else { "value" };
                    return Err(FilterError::Kind { node: index, child, wanted });
                }
                if matches!(node, Node::Compare { .. } | Node::In { .. })
                    && matches!(target, Node::Literal(Value::Null))
                {
                    return Err(FilterError::Null);
                }
            }
        }
        Ok(Self { nodes })
    }

    /// A filter that keeps every row (`true`) or none (`false`).
    pub fn always(truth: bool) -> Self {
        Self { nodes: vec![Node::Always(truth)] }
    }

    /// The nodes, root last.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Both filters at once, as one.
    ///
    /// # Errors
    /// Where the result would be larger than [`MAX_NODES`].
    pub fn and(self, other: Self) -> Result<Self, FilterError> {
        let left_root = self.nodes.len().saturating_sub(1) as u32;
        let by = self.nodes.len() as u32;
        let mut nodes = self.nodes;
        nodes.extend(other.nodes.into_iter().map(|mut node| {
            node.shift(by);
            node
        }));
        let right_root = nodes.len().saturating_sub(1) as u32;
        nodes.push(Node::And(vec![left_root, right_root]));
        Self::new(nodes)
    }

    /// The filters that this one is the conjunction of (itself where its root is no AND), each on its own.
    pub fn conjuncts(&self) -> Vec<Self> {
        let mut out = Vec::new();
        if !self.nodes.is_empty() {
            self.collect(self.nodes.len() - 1, &mut out);
        }
        out
    }

    fn collect(&self, at: usize, out: &mut Vec<Self>) {
        match self.nodes.get(at) {
            Some(Node::And(children)) => {
                for child in children {
                    self.collect(*child as usize, out);
                }
            }
            Some(_) => {
                let mut nodes = Vec::new();
                self.copy(at, &mut nodes);
                out.push(Self { nodes });
            }
            None => {}
        }
    }

    /// Copies the tree at `at` in post-order, so that equal trees have equal lists.
    fn copy(&self, at: usize, into: &mut Vec<Node>) -> u32 {
        let node = match self.nodes.get(at) {
            Some(Node::Compare { op, left, right }) => {
                let left = self.copy(*left as usize, into);
                let right = self.copy(*right as usize, into);
                Node::Compare { op: *op, left, right }
            }
            Some(Node::In { needle, list }) => {
                let needle = self.copy(*needle as usize, into);
                let list = list.iter().map(|child| self.copy(*child as usize, into)).collect();
                Node::In { needle, list }
            }
            Some(Node::IsNull(child)) => Node::IsNull(self.copy(*child as usize, into)),
            Some(Node::Not(child)) => Node::Not(self.copy(*child as usize, into)),
            Some(Node::And(children)) => {
                Node::And(children.iter().map(|child| self.copy(*child as usize, into)).collect())
            }
            Some(Node::Or(children)) => {
                Node::Or(children.iter().map(|child| self.copy(*child as usize, into)).collect())
            }
            Some(leaf) => leaf.clone(),
            // INVARIANT: indices were checked by `new`.
            None => Node::Always(false),
        };
        into.push(node);
        into.len().saturating_sub(1) as u32
    }

    /// The columns that the filter names.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnName> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Column(name) => Some(name),
            _ => None,
        })
    }

    /// The claims that the filter names.
    pub fn claims(&self) -> impl Iterator<Item = &ClaimName> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Claim(name) => Some(name),
            _ => None,
        })
    }

    /// Whether the filter requires `column = claim` or `column = literal` for some column among its conjuncts, and
    /// for which.
    pub fn equalities(&self) -> Vec<(&ColumnName, &Node)> {
        let mut out = Vec::new();
        let mut stack = vec![self.nodes.len().saturating_sub(1)];
        while let Some(at) = stack.pop() {
            match self.nodes.get(at) {
                Some(Node::And(children)) => stack.extend(children.iter().map(|child| *child as usize)),
                Some(Node::Compare { op: CompareOp::Eq, left, right }) => {
                    match (self.nodes.get(*left as usize), self.nodes.get(*right as usize)) {
                        (Some(Node::Column(name)), Some(value @ (Node::Claim(_) | Node::Literal(_))))
                        | (Some(value @ (Node::Claim(_) | Node::Literal(_))), Some(Node::Column(name))) => {
                            out.push((name, value));
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        out
    }

    /// For each claim used: the type of the column that it is compared with, where there is one.
    /// The gateway refuses a request whose claim does not fit.
    pub fn claim_types<'a>(
        &'a self,
        column_type: &dyn Fn(&ColumnName) -> Option<ColumnType>,
    ) -> Vec<(&'a ClaimName, Option<ColumnType>, bool)> {
        let mut out = Vec::new();
        for node in &self.nodes {
            let (pairs, list): (Vec<(u32, u32)>, bool) = match node {
                Node::Compare { left, right, .. } => (vec![(*left, *right)], false),
                Node::In { needle, list } => (list.iter().map(|item| (*needle, *item)).collect(), list.len() == 1),
                _ => continue,
            };
            for (left, right) in pairs {
                let (left, right) = (self.nodes.get(left as usize), self.nodes.get(right as usize));
                for (one, other, may_list) in [(left, right, false), (right, left, list)] {
                    if let Some(Node::Claim(claim)) = one {
                        let ty = match other {
                            Some(Node::Column(name)) => column_type(name),
                            Some(Node::Literal(value)) => value.column_type(),
                            _ => None,
                        };
                        out.push((claim, ty, may_list));
                    }
                }
            }
        }
        out
    }

    /// Checks that every column exists for this filter and that literals fit the columns they are compared with.
    ///
    /// # Errors
    /// Names the first column or comparison that does not hold.
    pub fn check(&self, column_type: &dyn Fn(&ColumnName) -> Option<ColumnType>) -> Result<(), FilterError> {
        for name in self.columns() {
            if column_type(name).is_none() {
                return Err(FilterError::Column(name.clone()));
            }
        }
        for node in &self.nodes {
            let pairs: Vec<(u32, u32)> = match node {
                Node::Compare { left, right, .. } => vec![(*left, *right)],
                Node::In { needle, list } => list.iter().map(|item| (*needle, *item)).collect(),
                _ => continue,
            };
            for (left, right) in pairs {
                let (Some(left), Some(right)) = (self.nodes.get(left as usize), self.nodes.get(right as usize)) else {
                    continue;
                };
                let fits = match (left, right) {
                    (Node::Column(name), Node::Literal(value)) | (Node::Literal(value), Node::Column(name)) => {
                        column_type(name).is_some_and(|ty| value.fits(&ty))
                    }
                    (Node::Column(one), Node::Column(other)) => column_type(one) == column_type(other),
                    _ => true,
                };
                if !fits {
                    return Err(FilterError::Type { left: describe(left), right: describe(right) });
                }
            }
        }
        Ok(())
    }
}

fn describe(node: &Node) -> String {
    match node {
        Node::Literal(value) => match value.column_type() {
            Some(ty) => format!("a literal of type {}", ty.label()),
            None => "NULL".into(),
        },
        Node::Claim(name) => format!("claim `{name}`"),
        Node::Column(name) => format!("column `{name}`"),
        _ => "a condition".into(),
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let nodes = Vec::<Node>::deserialize(deserializer)?;
        Self::new(nodes).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
