//! A statement as a tree of text, whose parts can be left out or replaced: what the shrinker works on.

use std::fmt::Write as _;

use mountgate_core::Value;
use mountgate_sql::Dialect;

/// A part of a statement.
#[derive(Clone, Debug)]
pub enum Tree {
    /// Text as it is.
    Text(String),
    /// One after another.
    Seq(Vec<Tree>),
    /// May be left out.
    Opt(Box<Tree>),
    /// The total order of the answer; without it the rows are compared as a multiset.
    Order(Box<Tree>),
    /// May lose items, down to `min`.
    List {
        /// What stands between.
        sep: &'static str,
        /// The items.
        items: Vec<Tree>,
        /// How many must stay.
        min: usize,
    },
    /// An expression: may be replaced by one of its parts, or by something simple of its type.
    Expr(Box<Tree>, &'static [&'static str]),
    /// A parameter; its number is given when it is printed.
    Param(Value),
}

/// What a tree prints to.
#[derive(Clone, Debug, Default)]
pub struct Printed {
    /// The statement.
    pub sql: String,
    /// Its parameters.
    pub params: Vec<Value>,
    /// Whether its order is total.
    pub ordered: bool,
}

/// Text.
pub fn text(text: impl Into<String>) -> Tree {
    Tree::Text(text.into())
}

/// One after another.
pub fn seq(parts: impl IntoIterator<Item = Tree>) -> Tree {
    Tree::Seq(parts.into_iter().collect())
}

/// Something between two texts.
pub fn wrap(before: impl Into<String>, tree: Tree, after: impl Into<String>) -> Tree {
    Tree::Seq(vec![text(before), tree, text(after)])
}

/// `(…)`
pub fn parens(tree: Tree) -> Tree {
    wrap("(", tree, ")")
}

/// May be left out.
pub fn opt(tree: Tree) -> Tree {
    Tree::Opt(Box::new(tree))
}

/// A list with commas.
pub fn list(items: Vec<Tree>) -> Tree {
    Tree::List { sep: ", ", items, min: 1 }
}

/// A list with commas that keeps its length.
pub fn fixed(items: Vec<Tree>) -> Tree {
    let min = items.len();
    Tree::List { sep: ", ", items, min }
}

impl Tree {
    /// As text and parameters.
    pub fn print(&self, dialect: Dialect) -> Printed {
        let mut out = Printed::default();
        self.print_into(dialect, &mut out);
        out
    }

    fn print_into(&self, dialect: Dialect, out: &mut Printed) {
        match self {
            Self::Text(text) => out.sql.push_str(text),
            Self::Seq(parts) => parts.iter().for_each(|part| part.print_into(dialect, out)),
            Self::Opt(tree) | Self::Expr(tree, _) => tree.print_into(dialect, out),
            Self::Order(tree) => {
                out.ordered = true;
                tree.print_into(dialect, out);
            }
            Self::List { sep, items, .. } => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.sql.push_str(sep);
                    }
                    item.print_into(dialect, out);
                }
            }
            Self::Param(value) => {
                out.params.push(value.clone());
                let sign = if dialect == Dialect::Sqlite { '?' } else { '$' };
                let _ = write!(out.sql, "{sign}{}", out.params.len());
            }
        }
    }

    /// Smaller trees, each with one part left out or replaced; the largest steps first.
    pub fn smaller(&self) -> Vec<Self> {
        let mut out = Vec::new();
        self.edits(&mut |tree| out.push(tree));
        out
    }

    fn edits(&self, emit: &mut dyn FnMut(Self)) {
        match self {
            Self::Text(_) | Self::Param(_) => {}
            Self::Seq(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    part.edits(&mut |changed| {
                        let mut parts = parts.clone();
                        parts[at] = changed;
                        emit(Self::Seq(parts));
                    });
                }
            }
            Self::Opt(tree) | Self::Order(tree) => {
                emit(Self::Seq(vec![]));
                let order = matches!(self, Self::Order(_));
                tree.edits(&mut |changed| {
                    emit(if order { Self::Order(Box::new(changed)) } else { Self::Opt(Box::new(changed)) });
                });
            }
            Self::List { sep, items, min } => {
                if items.len() > *min {
                    for at in 0..items.len() {
                        let mut items = items.clone();
                        items.remove(at);
                        emit(Self::List { sep, items, min: *min });
                    }
                }
                for (at, item) in items.iter().enumerate() {
                    item.edits(&mut |changed| {
                        let mut items = items.clone();
                        items[at] = changed;
                        emit(Self::List { sep, items, min: *min });
                    });
                }
            }
            Self::Expr(tree, simple) => {
                let is_simple = matches!(&**tree, Self::Text(text) if simple.contains(&text.as_str()));
                if !is_simple {
                    for simple in *simple {
                        emit(Self::Expr(Box::new(text(*simple)), &[]));
                    }
                    tree.parts(&mut |part| emit(part.clone()));
                }
                tree.edits(&mut |changed| emit(Self::Expr(Box::new(changed), simple)));
            }
        }
    }

    /// Every expression in it.
    pub fn expressions<'t>(&'t self, into: &mut Vec<&'t Self>) {
        match self {
            Self::Text(_) | Self::Param(_) => {}
            Self::Expr(tree, _) => {
                into.push(self);
                tree.expressions(into);
            }
            Self::Opt(tree) | Self::Order(tree) => tree.expressions(into),
            Self::Seq(parts) | Self::List { items: parts, .. } => parts.iter().for_each(|part| part.expressions(into)),
        }
    }

    /// With the expression of that number, counted as [`Tree::expressions`] has them, replaced.
    #[must_use]
    pub fn replaced(&self, at: &mut usize, with: &Self) -> Self {
        let boxed = |tree: &Self, at: &mut usize| Box::new(tree.replaced(at, with));
        match self {
            Self::Text(_) | Self::Param(_) => self.clone(),
            Self::Expr(tree, simple) => {
                let here = *at == 0;
                *at = at.wrapping_sub(1);
                if here { with.clone() } else { Self::Expr(boxed(tree, at), simple) }
            }
            Self::Opt(tree) => Self::Opt(boxed(tree, at)),
            Self::Order(tree) => Self::Order(boxed(tree, at)),
            Self::Seq(parts) => Self::Seq(parts.iter().map(|part| part.replaced(at, with)).collect()),
            Self::List { sep, items, min } => {
                Self::List { sep, items: items.iter().map(|item| item.replaced(at, with)).collect(), min: *min }
            }
        }
    }

    /// The same, its order no longer taken for total.
    #[must_use]
    pub fn unordered(&self) -> Self {
        match self {
            Self::Text(_) | Self::Param(_) => self.clone(),
            Self::Expr(tree, simple) => Self::Expr(Box::new(tree.unordered()), simple),
            Self::Opt(tree) | Self::Order(tree) => Self::Opt(Box::new(tree.unordered())),
            Self::Seq(parts) => Self::Seq(parts.iter().map(Self::unordered).collect()),
            Self::List { sep, items, min } => {
                Self::List { sep, items: items.iter().map(Self::unordered).collect(), min: *min }
            }
        }
    }

    /// The expressions that are parts of this one.
    fn parts(&self, emit: &mut dyn FnMut(&Self)) {
        match self {
            Self::Text(_) | Self::Param(_) => {}
            Self::Expr(..) => emit(self),
            Self::Opt(tree) | Self::Order(tree) => tree.parts(emit),
            Self::Seq(parts) | Self::List { items: parts, .. } => parts.iter().for_each(|part| part.parts(emit)),
        }
    }
}
