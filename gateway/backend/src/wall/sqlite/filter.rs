//! The ceiling's filter over the table's own values.
//!
//! Values are compared as SQLite compares a column with a value that is bound: the functions that give claims and
//! constants have no affinity, as parameters have none. Text is compared bytewise, whatever the column's collation: `Bob`
//! is not `bob`.

use mountgate_core::{ColumnName, ColumnType, Filter, Node, RelationCeiling};

use super::{Texts, base};

impl Texts<'_> {
    pub(super) fn filter(&mut self, filter: &Filter, shown: &RelationCeiling) -> Result<String, String> {
        let nodes = filter.nodes();
        let root = nodes.len().checked_sub(1).ok_or("a filter without a node")?;
        self.condition(nodes, root, shown)
    }

    fn condition(&mut self, nodes: &[Node], at: usize, shown: &RelationCeiling) -> Result<String, String> {
        let all = |texts: &mut Self, children: &[u32], word: &str, none: &str| {
            let parts: Result<Vec<_>, _> =
                children.iter().map(|child| texts.condition(nodes, *child as usize, shown)).collect();
            let parts = parts?;
            Ok(if parts.is_empty() { none.to_owned() } else { format!("({})", parts.join(word)) })
        };
        match nodes.get(at) {
            Some(Node::Always(true)) => Ok("1".to_owned()),
            Some(Node::Always(false)) => Ok("0".to_owned()),
            Some(Node::Compare { op, left, right }) => {
                let ty = type_of(nodes, &[*left, *right], shown);
                let left = self.value(nodes, *left, &ty, shown)?;
                let right = self.value(nodes, *right, &ty, shown)?;
                Ok(format!("({left} {} {right})", op.symbol()))
            }
            Some(Node::In { needle, list }) => {
                let together: Vec<u32> = std::iter::once(*needle).chain(list.iter().copied()).collect();
                let ty = type_of(nodes, &together, shown);
                let needle = self.value(nodes, *needle, &ty, shown)?;
                // A claim that stands alone may be a list.
                if let [only] = list.as_slice()
                    && let Some(Node::Claim(claim)) = nodes.get(*only as usize)
                {
                    let claim = self.claim(claim, &ty, true);
                    // Not what a table of the file is that is called so.
                    return Ok(format!(
                        "({needle} IN (SELECT \"j\".\"value\" FROM \"temp\".json_each({claim}) AS \"j\"))"
                    ));
                }
                if list.is_empty() {
                    return Ok("0".to_owned());
                }
                let list: Result<Vec<_>, _> = list.iter().map(|item| self.value(nodes, *item, &ty, shown)).collect();
                Ok(format!("({needle} IN ({}))", list?.join(", ")))
            }
            Some(Node::IsNull(child)) => {
                let ty = type_of(nodes, &[*child], shown);
                Ok(format!("({} IS NULL)", self.value(nodes, *child, &ty, shown)?))
            }
            Some(Node::Not(child)) => Ok(format!("(NOT {})", self.condition(nodes, *child as usize, shown)?)),
            Some(Node::And(children)) => all(self, children, " AND ", "1"),
            Some(Node::Or(children)) => all(self, children, " OR ", "0"),
            Some(Node::Literal(_) | Node::Claim(_) | Node::Column(_)) | None => {
                Err("a filter has a value where a condition is wanted".to_owned())
            }
        }
    }

    fn value(&mut self, nodes: &[Node], at: u32, ty: &ColumnType, shown: &RelationCeiling) -> Result<String, String> {
        match nodes.get(at as usize) {
            Some(Node::Column(name)) => {
                let info = shown.store.column(name).ok_or_else(|| missing(name, shown))?;
                let numeric = info.ty.is_numeric() || info.ty == ColumnType::Boolean;
                let bytewise = info.loose_equality || !numeric;
                Ok(if bytewise { format!("{} COLLATE BINARY", base(name)) } else { base(name) })
            }
            Some(Node::Claim(name)) => Ok(self.claim(name, ty, false)),
            Some(Node::Literal(value)) => Ok(self.written(value)),
            Some(
                Node::Always(_)
                | Node::Compare { .. }
                | Node::In { .. }
                | Node::IsNull(_)
                | Node::Not(_)
                | Node::And(_)
                | Node::Or(_),
            )
            | None => Err("a filter has a condition where a value is wanted".to_owned()),
        }
    }
}

/// The type that values are compared as: that of a column among them, or else of a literal.
fn type_of(nodes: &[Node], together: &[u32], shown: &RelationCeiling) -> ColumnType {
    let among = || together.iter().filter_map(|at| nodes.get(*at as usize));
    let column = among().find_map(|node| match node {
        Node::Column(name) => shown.store.column(name).map(|info| info.ty.clone()),
        _ => None,
    });
    let literal = || {
        among().find_map(|node| match node {
            Node::Literal(value) => value.column_type(),
            _ => None,
        })
    };
    column.or_else(literal).unwrap_or(ColumnType::Any)
}

fn missing(name: &ColumnName, shown: &RelationCeiling) -> String {
    format!("a filter names column `{name}`, which `{}` does not have", shown.store.name)
}
