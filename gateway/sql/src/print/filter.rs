//! Row filters of the ceiling and the policy.

use mountgate_core::{ColumnType, CompareOp, Filter, Node, Refusal, RelationInfo, RelationName, ScopedRelation, Value};

use super::{Printer, expr::truth_word, mask::Masked};
use crate::{Bind, Dialect};

/// The filter being printed.
struct At<'f> {
    filter: &'f Filter,
    name: &'f RelationName,
    relation: &'f ScopedRelation,
    /// What its columns are columns of.
    store: &'f RelationInfo,
    alias: &'f str,
    /// Whether columns are seen under the ceiling's masks.
    masked: bool,
}

/// What a value is compared with: the column's type, and how.
struct Against {
    ty: ColumnType,
    /// PostgreSQL: both sides are compared as text, whatever the column's own type.
    as_text: bool,
    /// The comparison is made bytewise by force.
    bytewise: bool,
}

impl Printer<'_, '_> {
    pub(super) fn filter(
        &mut self,
        filter: &Filter,
        name: &RelationName,
        relation: &ScopedRelation,
        alias: &str,
        masked: bool,
    ) -> Result<(), Refusal> {
        let at = At { filter, name, relation, store: relation.read(), alias, masked };
        self.truth(&at, filter.nodes().len().saturating_sub(1))
    }

    /// A filter that the store's wall holds: nothing is printed, but the claims that it names are wanted of the caller.
    pub(super) fn held(
        &mut self,
        filter: &Filter,
        name: &RelationName,
        relation: &ScopedRelation,
    ) -> Result<(), Refusal> {
        let (printed, bound) = (self.out.len(), self.binds.len());
        let at = At { filter, name, relation, store: &relation.store, alias: "\"s\"", masked: false };
        self.truth(&at, filter.nodes().len().saturating_sub(1))?;
        self.out.truncate(printed);
        for bind in self.binds.split_off(bound) {
            if matches!(bind, Bind::Claim { .. }) && !self.held.contains(&bind) {
                self.held.push(bind);
            }
        }
        Ok(())
    }

    fn truth(&mut self, at: &At<'_>, index: usize) -> Result<(), Refusal> {
        match at.filter.nodes().get(index) {
            Some(Node::Always(truth)) => {
                self.push(truth_word(self.dialect, *truth));
                Ok(())
            }
            Some(Node::Compare { op, left, right }) => {
                let against = self.against(at, &[*left, *right], *op);
                self.push("(");
                self.side(at, *left as usize, &against)?;
                self.push(" ");
                self.push(op.symbol());
                self.push(" ");
                self.side(at, *right as usize, &against)?;
                self.push(")");
                Ok(())
            }
            Some(Node::In { needle, list }) => {
                let members: Vec<u32> = std::iter::once(*needle).chain(list.iter().copied()).collect();
                let against = self.against(at, &members, CompareOp::Eq);
                self.push("(");
                self.side(at, *needle as usize, &against)?;
                if let ([only], Some(Node::Claim(claim))) =
                    (list.as_slice(), list.first().and_then(|only| at.filter.nodes().get(*only as usize)))
                {
                    let _ = only;
                    let bind = self.bind(Bind::Claim {
                        name: claim.clone(),
                        column: against.ty.clone(),
                        list: true,
                        as_text: against.as_text,
                    });
                    match self.dialect {
                        Dialect::Sqlite => {
                            self.push(" IN (SELECT \"j\".\"value\" FROM \"temp\".json_each(");
                            self.push(&bind);
                            self.push(") AS \"j\"))");
                        }
                        Dialect::Postgres => {
                            self.push(" = ANY (");
                            self.push(&bind);
                            self.push("::");
                            self.push(cast(&against));
                            self.push("[]))");
                        }
                    }
                    return Ok(());
                }
                if list.is_empty() {
                    self.push(" IS NULL AND ");
                    self.push(truth_word(self.dialect, false));
                    self.push(")");
                    return Ok(());
                }
                self.push(" IN (");
                self.separated(list, |this, member| this.side(at, *member as usize, &against))?;
                self.push("))");
                Ok(())
            }
            Some(Node::IsNull(child)) => {
                let against = self.against(at, &[*child], CompareOp::Eq);
                self.push("(");
                self.side(at, *child as usize, &Against { bytewise: false, as_text: against.as_text, ..against })?;
                self.push(" IS NULL)");
                Ok(())
            }
            Some(Node::Not(child)) => {
                self.push("(NOT ");
                self.truth(at, *child as usize)?;
                self.push(")");
                Ok(())
            }
            Some(Node::And(children)) => self.joined(at, children, " AND ", true),
            Some(Node::Or(children)) => self.joined(at, children, " OR ", false),
            // INVARIANT: `Filter::new` checked the shape. Whatever it might miss keeps no row.
            Some(Node::Literal(_) | Node::Claim(_) | Node::Column(_)) | None => {
                self.push(truth_word(self.dialect, false));
                Ok(())
            }
        }
    }

    fn joined(&mut self, at: &At<'_>, children: &[u32], word: &str, empty: bool) -> Result<(), Refusal> {
        if children.is_empty() {
            self.push(truth_word(self.dialect, empty));
            return Ok(());
        }
        self.push("(");
        for (number, child) in children.iter().enumerate() {
            self.push(if number > 0 { word } else { "" });
            self.truth(at, *child as usize)?;
        }
        self.push(")");
        Ok(())
    }

    /// How the nodes are compared with one another.
    fn against(&self, at: &At<'_>, nodes: &[u32], op: CompareOp) -> Against {
        let orders = !matches!(op, CompareOp::Eq | CompareOp::Ne);
        let mut against = Against { ty: ColumnType::Any, as_text: false, bytewise: false };
        let (mut columns, mut known) = (0, false);
        for node in nodes {
            let Some(Node::Column(column)) = at.filter.nodes().get(*node as usize) else { continue };
            columns += 1;
            let info = at.store.column(column);
            let ty = if at.masked {
                at.relation.visible_to_filters.get(column).map(|(ty, _)| ty.clone())
            } else {
                info.map(|info| info.ty.clone())
            };
            let ty = ty.unwrap_or(ColumnType::Any);
            if matches!(ty, ColumnType::Text | ColumnType::Any) {
                against.bytewise |= info.is_some_and(|info| info.loose_equality) || orders && ty == ColumnType::Text;
            }
            // A text-like type of its own (an enumeration) has no operator with text.
            let plain = info.is_none_or(|info| is_text(&info.store_type));
            against.as_text |= ty == ColumnType::Any || ty == ColumnType::Text && !plain;
            against.ty = ty;
            known = true;
        }
        if !known {
            for node in nodes {
                if let Some(Node::Literal(value)) = at.filter.nodes().get(*node as usize) {
                    against.ty = value.column_type().unwrap_or(ColumnType::Any);
                    known = true;
                }
            }
            against.as_text = !known;
        }
        // Two columns of one type compare as they are.
        if columns == nodes.len() && !against.bytewise {
            against.as_text = false;
        }
        against
    }

    fn side(&mut self, at: &At<'_>, index: usize, against: &Against) -> Result<(), Refusal> {
        match at.filter.nodes().get(index) {
            Some(Node::Column(column)) => {
                let masks = if at.masked {
                    at.relation.visible_to_filters.get(column).map(|(_, masks)| masks.as_slice()).unwrap_or_default()
                } else {
                    &[]
                };
                let printed =
                    self.masked(&Masked { relation: at.name, store: at.store, alias: at.alias, column, masks })?;
                match (self.dialect, against.bytewise, against.as_text) {
                    (Dialect::Sqlite, true, _) => self.push(&format!("{printed} COLLATE BINARY")),
                    (Dialect::Sqlite, false, _) | (Dialect::Postgres, false, false) => self.push(&printed),
                    (Dialect::Postgres, true, _) => self.push(&format!("(({printed})::text) COLLATE \"C\"")),
                    (Dialect::Postgres, false, true) => self.push(&format!("({printed})::text")),
                }
                Ok(())
            }
            Some(Node::Claim(claim)) => {
                let bind = self.bind(Bind::Claim {
                    name: claim.clone(),
                    column: against.ty.clone(),
                    list: false,
                    as_text: against.as_text && self.dialect == Dialect::Postgres,
                });
                self.placed(&bind, against);
                Ok(())
            }
            Some(Node::Literal(Value::Integer(number))) if !against.as_text || self.dialect == Dialect::Sqlite => {
                self.push(&format!("({number})"));
                Ok(())
            }
            Some(Node::Literal(Value::Boolean(truth))) if !against.as_text || self.dialect == Dialect::Sqlite => {
                self.push(truth_word(self.dialect, *truth));
                Ok(())
            }
            Some(Node::Literal(value)) => {
                let value = match (value, against.as_text && self.dialect == Dialect::Postgres) {
                    (Value::Integer(number), true) => Value::Text(number.to_string()),
                    (Value::Boolean(truth), true) => Value::Text(if *truth { "true" } else { "false" }.to_owned()),
                    (value, true | false) => value.clone(),
                };
                let bind = self.bind(Bind::Literal(value));
                self.placed(&bind, against);
                Ok(())
            }
            // INVARIANT: `Filter::new` checked that a side is a value.
            Some(
                Node::Always(_)
                | Node::Compare { .. }
                | Node::In { .. }
                | Node::IsNull(_)
                | Node::Not(_)
                | Node::And(_)
                | Node::Or(_),
            )
            | None => {
                self.push("NULL");
                Ok(())
            }
        }
    }

    fn placed(&mut self, bind: &str, against: &Against) {
        self.push(bind);
        if self.dialect == Dialect::Postgres {
            self.push("::");
            self.push(cast(against));
        }
    }
}

fn cast(against: &Against) -> &'static str {
    if against.as_text || against.bytewise { "text" } else { type_name(&against.ty) }
}

/// PostgreSQL's type for a value of the family.
pub(super) fn type_name(ty: &ColumnType) -> &'static str {
    match ty {
        ColumnType::Boolean => "bool",
        ColumnType::Integer => "int8",
        ColumnType::Float => "float8",
        ColumnType::Decimal => "numeric",
        ColumnType::Text | ColumnType::Any => "text",
        ColumnType::Bytes => "bytea",
        ColumnType::Date => "date",
        ColumnType::Time => "time",
        ColumnType::Timestamp => "timestamp",
        ColumnType::TimestampTz => "timestamptz",
        ColumnType::Interval => "interval",
        ColumnType::Uuid => "uuid",
        ColumnType::Json => "jsonb",
        ColumnType::Array(_) => "text[]",
    }
}

/// Whether PostgreSQL compares the type with text as it is.
fn is_text(store_type: &str) -> bool {
    let bare = store_type.split('(').next().unwrap_or_default().trim();
    matches!(bare, "text" | "varchar" | "character varying" | "bpchar" | "char" | "character" | "name" | "citext" | "")
}
