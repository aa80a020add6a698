//! What a statement looks up: the value that each reference fixes each demanded key to. Read off what [`keys`](super::keys)
//! found, so that what is counted is what is looked for.

use mountgate_core::{Claims, ColumnName, Node, RelationName, Value};

use crate::ir::{Expr, ItemKind, Resolved};

/// A key that a reference to a relation is fixed to.
#[derive(Clone, Debug, PartialEq)]
pub struct Sought {
    /// The relation.
    pub relation: RelationName,
    /// The key.
    pub column: ColumnName,
    value: Source,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    /// A parameter, and the type that it is cast to.
    Parameter(usize, Option<String>),
    /// As written; a cast or sign makes it another text.
    Written(Value),
    /// By a filter of the scope.
    Claim(mountgate_core::ClaimName),
}

impl Sought {
    /// The value, or something that is another for every other value: one value looked for in two spellings may count
    /// twice, two values never once.
    pub fn value(&self, parameters: &[Value], claims: &Claims) -> Value {
        match &self.value {
            Source::Parameter(index, cast) => {
                // INVARIANT: a plan is authorized with as many parameters as it takes.
                let value = parameters.get(*index).cloned().unwrap_or(Value::Null);
                match cast {
                    None => value,
                    Some(cast) => apart(value, cast),
                }
            }
            Source::Written(value) => value.clone(),
            Source::Claim(name) => claims.get(name).map_or(Value::Null, |claim| claim.to_value()),
        }
    }
}

/// Every key that the statement's references are fixed to; `None` where one is fixed to something that can't be told.
pub(crate) fn sought(resolved: &Resolved<'_>) -> Option<Vec<Sought>> {
    let mut out = Vec::new();
    for item in &resolved.items {
        let ItemKind::Relation { rel, pinned, .. } = &item.kind else { continue };
        for key in rel.required() {
            let said = pinned
                .iter()
                .find(|(at, _)| {
                    usize::try_from(*at).ok().and_then(|at| rel.column(at)).is_some_and(|(name, _, _)| name == key)
                })
                .map(|(_, value)| written(value));
            let held = || {
                let equalities = rel.filters().flat_map(|filter| filter.equalities());
                equalities.filter(|(column, _)| *column == key).find_map(|(_, node)| match node {
                    Node::Claim(name) => Some(Source::Claim(name.clone())),
                    Node::Literal(value) => Some(Source::Written(value.clone())),
                    _ => None,
                })
            };
            let value = match said {
                Some(said) => said?,
                None => held()?,
            };
            out.push(Sought { relation: rel.name().clone(), column: key.clone(), value });
        }
    }
    Some(out)
}

fn written(expr: &Expr<'_>) -> Option<Source> {
    Some(match expr {
        Expr::Parameter(index) => Source::Parameter(*index, None),
        Expr::Number(number) => Source::Written(self::number(number)),
        Expr::Text(literal) => Source::Written(Value::Text((*literal).to_owned())),
        Expr::Blob(literal) => Source::Written(apart(Value::Text("blob".to_owned()), literal)),
        Expr::Boolean(truth) => Source::Written(Value::Boolean(*truth)),
        Expr::Prefix { op: "-", expr } => match &**expr {
            Expr::Number(number) => Source::Written(self::number(&format!("-{number}"))),
            _ => return None,
        },
        // What a cast makes of a value is another value.
        Expr::Cast { expr, printed, .. } => match written(expr)? {
            Source::Parameter(index, None) => Source::Parameter(index, Some(printed.to_string())),
            Source::Written(value) => Source::Written(apart(value, printed)),
            Source::Parameter(_, Some(_)) | Source::Claim(_) => return None,
        },
        _ => return None,
    })
}

fn number(number: &str) -> Value {
    number.parse().map_or_else(|_| apart(Value::Text("number".to_owned()), number), Value::Integer)
}

/// A value like none that an agent can send: lists of lists are not taken.
fn apart(value: Value, how: &str) -> Value {
    Value::Array(vec![Value::Array(vec![value]), Value::Text(how.to_owned())])
}
