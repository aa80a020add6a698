//! A ceiling's filter as a condition of the view.
//!
//! Text is compared bytewise, whatever the column's collation. A claim comes from the row that the seal's check gave, in
//! a scalar subquery of its own, so that it is worked out once for a query and not once for a row. A claim that is not
//! there, or of another type, is NULL: it keeps no row, under NOT either.

use mountgate_core::{ColumnType, CompareOp, Filter, Node, RelationInfo, Value};

use super::literal;

/// The filter as a condition over the base relation's alias `"t"` and the seal's row `"k"`.
pub(super) fn condition(filter: &Filter, store: &RelationInfo, search_path: &str) -> Result<String, String> {
    let printer = Printer { filter, store, search_path };
    printer.truth(filter.nodes().len().saturating_sub(1))
}

struct Printer<'f> {
    filter: &'f Filter,
    store: &'f RelationInfo,
    search_path: &'f str,
}

/// How values are compared.
struct Comparison {
    /// What the values are.
    ty: ColumnType,
    /// Whether both sides become text that is compared byte by byte.
    bytes: bool,
}

impl Printer<'_> {
    fn node(&self, index: usize) -> Option<&Node> {
        self.filter.nodes().get(index)
    }

    fn truth(&self, index: usize) -> Result<String, String> {
        Ok(match self.node(index) {
            Some(Node::Always(truth)) => if *truth { "TRUE" } else { "FALSE" }.to_owned(),
            Some(Node::Compare { op, left, right }) => {
                let how = self.comparison(&[*left, *right], !matches!(op, CompareOp::Eq | CompareOp::Ne))?;
                format!("({} {} {})", self.side(*left, &how)?, op.symbol(), self.side(*right, &how)?)
            }
            Some(Node::In { needle, list }) => {
                let members: Vec<u32> = std::iter::once(*needle).chain(list.iter().copied()).collect();
                let how = self.comparison(&members, false)?;
                let needle = self.side(*needle, &how)?;
                match list.as_slice() {
                    [] => format!("({needle} IS NULL AND FALSE)"),
                    [only] if matches!(self.node(*only as usize), Some(Node::Claim(_))) => {
                        format!("({needle} = ANY ({}))", self.list(*only, &how))
                    }
                    list => {
                        let list: Vec<String> =
                            list.iter().map(|member| self.side(*member, &how)).collect::<Result<_, _>>()?;
                        format!("({needle} IN ({}))", list.join(", "))
                    }
                }
            }
            Some(Node::IsNull(child)) => match self.node(*child as usize) {
                // A claim that is there is not NULL; one that isn't is no reason to keep a row.
                Some(Node::Claim(claim)) => {
                    let claim = literal::text(claim.as_str());
                    format!(
                        "(SELECT CASE WHEN pg_catalog.jsonb_exists(\"k\".\"c\", {claim}) THEN FALSE END FROM \"k\")"
                    )
                }
                Some(Node::Column(column)) => format!("(\"t\".{} IS NULL)", literal::ident(column.as_str())),
                Some(Node::Literal(value)) => if *value == Value::Null { "TRUE" } else { "FALSE" }.to_owned(),
                _ => return Err(unsound()),
            },
            Some(Node::Not(child)) => format!("(NOT {})", self.truth(*child as usize)?),
            Some(Node::And(children)) => self.joined(children, " AND ", "TRUE")?,
            Some(Node::Or(children)) => self.joined(children, " OR ", "FALSE")?,
            Some(Node::Literal(_) | Node::Claim(_) | Node::Column(_)) | None => return Err(unsound()),
        })
    }

    fn joined(&self, children: &[u32], word: &str, empty: &str) -> Result<String, String> {
        if children.is_empty() {
            return Ok(empty.to_owned());
        }
        let children: Vec<String> =
            children.iter().map(|child| self.truth(*child as usize)).collect::<Result<_, _>>()?;
        Ok(format!("({})", children.join(word)))
    }

    fn comparison(&self, nodes: &[u32], ordered: bool) -> Result<Comparison, String> {
        let mut how: Option<Comparison> = None;
        for node in nodes {
            let Some(Node::Column(column)) = self.node(*node as usize) else { continue };
            let info = self.store.column(column).ok_or_else(|| format!("there is no column `{column}`"))?;
            let bytes = match &info.ty {
                ColumnType::Any => true,
                // An enumeration has no operator with text, and a collation may take two texts for one.
                ColumnType::Text => ordered || info.loose_equality || !is_text(&info.store_type),
                _ => false,
            };
            match &mut how {
                None => how = Some(Comparison { ty: info.ty.clone(), bytes }),
                Some(how) => how.bytes |= bytes,
            }
        }
        if let Some(how) = how {
            return Ok(how);
        }
        // No column: what the literals are.
        let literal = nodes.iter().find_map(|node| match self.node(*node as usize) {
            Some(Node::Literal(value)) => value.column_type(),
            _ => None,
        });
        Ok(match literal {
            Some(ty) => Comparison { bytes: ordered && ty == ColumnType::Text, ty },
            None => Comparison { ty: ColumnType::Any, bytes: true },
        })
    }

    fn side(&self, index: u32, how: &Comparison) -> Result<String, String> {
        Ok(match self.node(index as usize) {
            Some(Node::Column(column)) => {
                let info = self.store.column(column).ok_or_else(|| format!("there is no column `{column}`"))?;
                let name = format!("\"t\".{}", literal::ident(info.name.as_str()));
                if how.bytes {
                    format!("(({}) COLLATE \"C\")", literal::stable_text(&name, &info.ty, self.search_path))
                } else {
                    name
                }
            }
            Some(Node::Literal(value)) if how.bytes => match value {
                Value::Boolean(truth) => format!("'{truth}'::text"),
                value => literal::value(value, "text"),
            },
            Some(Node::Literal(value)) => literal::value(value, &literal::type_of(&how.ty)),
            Some(Node::Claim(claim)) => {
                let name = literal::text(claim.as_str());
                let value = self.claim(&format!("\"k\".\"c\" -> {name}"), how);
                format!("(SELECT {value} FROM \"k\")")
            }
            _ => return Err(unsound()),
        })
    }

    /// The claim in that JSON expression, as the comparison wants it.
    fn claim(&self, json: &str, how: &Comparison) -> String {
        let ty = if how.bytes { "text".to_owned() } else { literal::type_of(&how.ty) };
        let is = |kind: &str| format!("pg_catalog.jsonb_typeof({json}) = '{kind}'");
        let condition = match &how.ty {
            ColumnType::Integer | ColumnType::Float | ColumnType::Decimal => is("number"),
            ColumnType::Boolean => is("boolean"),
            ColumnType::Text | ColumnType::Uuid => is("string"),
            ColumnType::Date
            | ColumnType::Time
            | ColumnType::Timestamp
            | ColumnType::TimestampTz
            | ColumnType::Interval => {
                // A zone that the session chose would move what a moment without a zone means.
                match literal::pinned(&how.ty, self.search_path) {
                    Some(pinned) => format!("{} AND {pinned}", is("string")),
                    None => is("string"),
                }
            }
            ColumnType::Any => format!("pg_catalog.jsonb_typeof({json}) IN ('string', 'number', 'boolean')"),
            // No claim is of these types.
            ColumnType::Bytes | ColumnType::Json | ColumnType::Array(_) => return format!("NULL::{ty}"),
        };
        format!("CASE WHEN {condition} THEN ({json} #>> '{{}}')::{ty} END")
    }

    /// A claim as a list: its values, or itself where it is one value; NULL where it isn't there.
    fn list(&self, index: u32, how: &Comparison) -> String {
        let Some(Node::Claim(claim)) = self.node(index as usize) else { return "NULL".into() };
        let name = literal::text(claim.as_str());
        let claim = format!("(\"k\".\"c\" -> {name})");
        let item = self.claim("\"e\".\"v\"", how);
        let ty = if how.bytes { "text".to_owned() } else { literal::type_of(&how.ty) };
        format!(
            "(SELECT CASE WHEN pg_catalog.jsonb_exists(\"k\".\"c\", {name}) THEN COALESCE((SELECT pg_catalog.array_agg({item}) \
             FROM pg_catalog.jsonb_array_elements(CASE pg_catalog.jsonb_typeof({claim}) WHEN 'array' THEN {claim} \
             ELSE pg_catalog.jsonb_build_array({claim}) END) AS \"e\"(\"v\")), '{{}}'::{ty}[]) END FROM \"k\")::{ty}[]"
        )
    }
}

fn unsound() -> String {
    "the filter is not one".to_owned()
}

/// Whether PostgreSQL compares the type with text as it is.
fn is_text(store_type: &str) -> bool {
    let bare = store_type.split('(').next().unwrap_or_default().trim();
    matches!(bare, "text" | "varchar" | "character varying")
}
