//! Ceilings, verdicts and claims.

use mountgate_core::{ClaimValue, Claims, CompareOp, DatePart, Filter, Mask, Node, Value};
use mountgate_sql::Dialect;

use super::{
    rng::Rng,
    schema,
    world::{Column, Kind, Table, World, column_type},
};

/// The caller's claims: one of each type.
pub fn claims(_: &World, rng: &mut Rng) -> Claims {
    let words = ["Ann", "Bob", "open", "paid"];
    Claims::from([
        ("number".into(), ClaimValue::Integer(rng.between(1, 20))),
        ("word".into(), ClaimValue::Text((*rng.pick(&words)).to_owned())),
        ("flag".into(), ClaimValue::Boolean(rng.chance(50))),
        ("numbers".into(), ClaimValue::Integers((0..rng.below(9)).map(|_| rng.between(1, 30)).collect())),
        ("words".into(), ClaimValue::Texts((0..rng.below(4)).map(|_| (*rng.pick(&words)).to_owned()).collect())),
    ])
}

/// Makes the ceiling's and the verdict's rules for a table.
pub fn rule(world: &mut World, at: usize, rng: &mut Rng) {
    let (dialect, as_it_is) = (world.dialect, world.as_it_is);
    let at_table = at;
    let table = &mut world.tables[at];
    table.declared = at == 0 || rng.chance(80);
    table.granted = table.declared && (as_it_is || at == 0 || rng.chance(90));
    for (at, column) in table.columns.iter_mut().enumerate() {
        let shown = table.declared
            && !["FALSE", "true"].contains(&column.name.as_str())
            && (at == 0 && rng.chance(85) || rng.chance(70));
        column.ceiling = shown.then(|| mask(dialect, column, column.kind, 22, rng).into_iter().collect());
    }
    if table.declared && table.columns.iter().all(|column| column.ceiling.is_none()) {
        table.columns[0].ceiling = Some(vec![]);
    }
    let visible = |column: &Column| column.ceiling.as_ref().is_some_and(Vec::is_empty);
    // Most of what is asked of such a table is refused: in few worlds, and never the first.
    if table.declared && at_table > 0 {
        match rng.below(100) {
            0..6 => table.keyed = visible(&table.columns[0]),
            6..12 => {
                let masked = table.columns[0].ceiling.as_ref().is_some_and(|masks| !masks.is_empty());
                table.least = (!masked).then(|| 2 + rng.below(3) as u32);
            }
            _ => {}
        }
        if rng.chance(30) {
            // SQLite calls no column of a view by these names, so that its wall can't lend them.
            let hidden = table
                .columns
                .iter()
                .filter(|column| column.ceiling.is_none() && !["FALSE", "true"].contains(&column.name.as_str()));
            table.lend = hidden.take(2).map(|column| column.name.clone()).collect();
        }
    }
    if table.declared && rng.chance(70) {
        let columns: Vec<(Column, Kind, bool)> =
            table.columns.iter().map(|column| (column.clone(), column.kind, true)).collect();
        table.filter = filter(dialect, &columns, rng);
    }
    for column in &mut table.columns {
        column.scope = column.ceiling.clone();
    }
    if !table.granted || as_it_is {
        return;
    }
    let shown: Vec<(Column, Kind, bool)> = table
        .columns
        .iter()
        .filter(|column| column.ceiling.is_some())
        .map(|column| {
            let masks = column.ceiling.as_deref().unwrap_or_default();
            (column.clone(), masked(column.kind, masks), masks.is_empty())
        })
        .chain(
            table.columns.iter().filter(|column| table.lend.contains(&column.name)).map(|c| (c.clone(), c.kind, true)),
        )
        .collect();
    if rng.chance(50) {
        table.narrowed = filter(dialect, &shown, rng);
        // A verdict may repeat the ceiling's own filter.
        if let (Some(ceiling), true) = (&table.filter, rng.chance(30)) {
            table.narrowed = match table.narrowed.take() {
                Some(own) => ceiling.clone().and(own).ok(),
                None => Some(ceiling.clone()),
            };
        }
    }
    let kept: Vec<bool> = table.columns.iter().map(|_| rng.chance(85)).collect();
    for (column, keep) in table.columns.iter_mut().zip(kept) {
        let Some(ceiling) = &column.ceiling else { continue };
        let kind = masked(column.kind, ceiling);
        let mut all = ceiling.clone();
        all.extend(mask(dialect, column, kind, 15, rng));
        column.scope = keep.then_some(all);
    }
    if table.shown().next().is_none() {
        for column in &mut table.columns {
            column.scope = column.ceiling.clone();
        }
    }
}

fn masked(kind: Kind, masks: &[Mask]) -> Kind {
    if masks.iter().any(|mask| matches!(mask, Mask::Hash | Mask::Partial { .. })) { Kind::Text } else { kind }
}

/// Perhaps a mask that fits.
fn mask(dialect: Dialect, column: &Column, kind: Kind, percent: u64, rng: &mut Rng) -> Option<Mask> {
    if !rng.chance(percent) {
        return None;
    }
    let mask = match rng.below(7) {
        0 => Mask::Null,
        1 => {
            let mut plain = column.clone();
            (plain.kind, plain.digits) = (kind, false);
            let value = std::iter::repeat_with(|| schema::value(dialect, &plain, rng))
                .find(|value| *value != Value::Null && value.fits(&column_type(kind)))?;
            Mask::Fixed(value)
        }
        2 => Mask::Partial {
            first: rng.below(3) as u32,
            last: rng.below(3) as u32,
            fill: (*rng.pick(&["*", "·"])).into(),
        },
        3 => Mask::Hash,
        4 => Mask::Truncate(*rng.pick(&[
            DatePart::Year,
            DatePart::Quarter,
            DatePart::Month,
            DatePart::Day,
            DatePart::Hour,
        ])),
        5 => Mask::Round { digits: rng.between(-2, 1) as i32 },
        _ => Mask::Bucket { width: *rng.pick(&[2, 5, 10]) },
    };
    // The text of an interval is the store's choice; `Any` holds bytes and numbers, whose text is too.
    if matches!(mask, Mask::Hash | Mask::Partial { .. }) && matches!(kind, Kind::Interval | Kind::Any) {
        return None;
    }
    mask.output_type(&column_type(kind)).is_ok().then_some(mask)
}

struct Builder<'b> {
    dialect: Dialect,
    columns: &'b [(Column, Kind, bool)],
    nodes: Vec<Node>,
}

/// A filter over the columns (each with its kind as the filter sees it, and whether it is unmasked).
fn filter(dialect: Dialect, columns: &[(Column, Kind, bool)], rng: &mut Rng) -> Option<Filter> {
    let usable: Vec<_> = columns
        .iter()
        .filter(|(_, kind, _)| {
            matches!(kind, Kind::Int | Kind::Text | Kind::Bool | Kind::Float | Kind::Dec | Kind::Date | Kind::Uuid)
                || *kind == Kind::Ts && dialect == Dialect::Sqlite
                || *kind == Kind::Any
        })
        .cloned()
        .collect();
    if usable.is_empty() {
        return None;
    }
    let mut builder = Builder { dialect, columns: &usable, nodes: vec![] };
    let depth = rng.below(3);
    builder.truth(depth, rng);
    let filter = Filter::new(builder.nodes).ok()?;
    let types = |name: &mountgate_core::ColumnName| {
        columns.iter().find(|(column, ..)| column.name == name.as_str()).map(|(_, kind, _)| column_type(*kind))
    };
    filter.check(&types).is_ok().then_some(filter)
}

impl Builder<'_> {
    fn push(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    fn truth(&mut self, depth: usize, rng: &mut Rng) -> u32 {
        if depth > 0 {
            match rng.below(4) {
                0 => {
                    let child = self.truth(depth - 1, rng);
                    return self.push(Node::Not(child));
                }
                1 => {
                    let children = (0..2 + rng.below(2)).map(|_| self.truth(depth - 1, rng)).collect();
                    return self.push(Node::And(children));
                }
                _ => {
                    let children = (0..2 + rng.below(2)).map(|_| self.truth(depth - 1, rng)).collect();
                    return self.push(Node::Or(children));
                }
            }
        }
        let (column, kind, _) = rng.pick(self.columns).clone();
        let name = Node::Column(column.name.as_str().into());
        match rng.below(10) {
            0 => {
                let child = self.push(name);
                self.push(Node::IsNull(child))
            }
            1 => {
                let child = self.push(name);
                let null = self.push(Node::IsNull(child));
                self.push(Node::Not(null))
            }
            2 => {
                // Another column of the same kind and type.
                let twin = self.columns.iter().find(|(other, other_kind, _)| {
                    other.name != column.name && *other_kind == kind && other.declared == column.declared
                });
                let Some((twin, ..)) = twin.filter(|_| kind != Kind::Any) else { return self.push(Node::Always(true)) };
                let right = Node::Column(twin.name.as_str().into());
                let (left, right) = (self.push(name), self.push(right));
                let op = *rng.pick(&[CompareOp::Eq, CompareOp::Ne, CompareOp::Le]);
                self.push(Node::Compare { op, left, right })
            }
            3 | 4 => {
                let claim = match kind {
                    Kind::Int => "numbers",
                    Kind::Text => "words",
                    _ => return self.compare(&column, kind, rng),
                };
                let needle = self.push(name);
                let list = vec![self.push(Node::Claim(claim.into()))];
                self.push(Node::In { needle, list })
            }
            5 => {
                let needle = self.push(name);
                let list = (0..1 + rng.below(4)).filter_map(|_| self.literal(&column, kind, rng)).collect();
                self.push(Node::In { needle, list })
            }
            _ => self.compare(&column, kind, rng),
        }
    }

    fn compare(&mut self, column: &Column, kind: Kind, rng: &mut Rng) -> u32 {
        let op = match kind {
            Kind::Bool | Kind::Uuid => CompareOp::Eq,
            _ => *rng.pick(&[
                CompareOp::Eq,
                CompareOp::Ne,
                CompareOp::Lt,
                CompareOp::Le,
                CompareOp::Gt,
                CompareOp::Ge,
                CompareOp::Ge,
            ]),
        };
        let left = self.push(Node::Column(column.name.as_str().into()));
        let claim = match kind {
            Kind::Int => Some("number"),
            Kind::Text => Some("word"),
            Kind::Bool => Some("flag"),
            _ => None,
        };
        let right = match claim {
            Some(claim) if rng.chance(50) => Some(self.push(Node::Claim(claim.into()))),
            _ => self.literal(column, kind, rng),
        };
        let Some(right) = right else { return self.push(Node::Always(true)) };
        if rng.chance(20) {
            return self.push(Node::Compare { op, left: right, right: left });
        }
        self.push(Node::Compare { op, left, right })
    }

    fn literal(&mut self, column: &Column, kind: Kind, rng: &mut Rng) -> Option<u32> {
        let mut plain = column.clone();
        plain.kind = kind;
        let value = (0..20).map(|_| schema::value(self.dialect, &plain, rng)).find(|value| match value {
            Value::Null | Value::Bytes(_) => false,
            // A fraction is no value of a column of whole numbers.
            Value::Float(_) => kind != Kind::Int,
            _ => true,
        })?;
        Some(self.push(Node::Literal(value)))
    }
}

/// Whether the table's rows may differ between the two databases.
pub fn is_filtered(table: &Table) -> bool {
    table.filter.is_some() || table.narrowed.is_some()
}
