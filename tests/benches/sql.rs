//! What it costs to make a statement safe, beside sqlparser's own parse of it: parse + resolve + enforce of a five-line
//! join, and what is left of it for an identical text, whose plan a mount remembers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]

use std::{collections::HashMap, hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use mountgate_core::{
    Catalogue, Ceiling, Claims, ColumnName, ColumnType, Grant, Limits, RelationName, Scope,
    catalogue::{ColumnInfo, RelationInfo},
    ceiling::RelationDeclaration,
};
use mountgate_sql::{Dialect, MaskKeys, Statement};
use sqlparser::{
    dialect::{PostgreSqlDialect, SQLiteDialect},
    parser::Parser,
};

/// Good in both dialects.
const JOIN: &str = "SELECT c.customer_id, c.name, o.order_id, o.status, t.subject
FROM customers c
JOIN orders o ON o.customer_id = c.customer_id
LEFT JOIN tickets t ON t.customer_id = c.customer_id AND t.state = 'open'
WHERE o.status = 'shipped' AND o.total_cents > 1000 ORDER BY o.order_id DESC LIMIT 20";

struct NoKeys;

impl MaskKeys for NoKeys {
    fn key(&self, _: &RelationName, _: &ColumnName) -> [u8; 32] {
        [7; 32]
    }
}

fn ceiling(dialect: Dialect) -> Ceiling {
    let integer = if dialect == Dialect::Postgres { "int8" } else { "INTEGER" };
    let tables: [(&str, &[(&str, ColumnType)]); 3] = [
        ("customers", &[("customer_id", ColumnType::Integer), ("name", ColumnType::Text), ("email", ColumnType::Text)]),
        (
            "orders",
            &[
                ("order_id", ColumnType::Integer),
                ("customer_id", ColumnType::Integer),
                ("status", ColumnType::Text),
                ("total_cents", ColumnType::Integer),
            ],
        ),
        (
            "tickets",
            &[
                ("ticket_id", ColumnType::Integer),
                ("customer_id", ColumnType::Integer),
                ("subject", ColumnType::Text),
                ("state", ColumnType::Text),
            ],
        ),
    ];
    let (mut catalogue, mut declared) = (Catalogue::default(), std::collections::BTreeMap::new());
    for (name, columns) in tables {
        let info = RelationInfo {
            schema: if dialect == Dialect::Postgres { "public" } else { "main" }.to_owned(),
            name: name.to_owned(),
            columns: columns
                .iter()
                .map(|(name, ty)| ColumnInfo {
                    name: (*name).into(),
                    ty: ty.clone(),
                    store_type: if *ty == ColumnType::Integer { integer } else { "text" }.to_owned(),
                    loose_equality: false,
                })
                .collect(),
            key: columns.iter().take(1).map(|(name, _)| (*name).into()).collect(),
        };
        catalogue.relations.insert(name.into(), info);
        let declaration = RelationDeclaration {
            columns: columns.iter().map(|(name, _)| (*name).into()).collect(),
            filter: Some(mountgate_sql::filter::parse("customer_id = claim.customer_id").unwrap()),
            ..RelationDeclaration::default()
        };
        declared.insert(name.into(), declaration);
    }
    Ceiling::build(&declared, &catalogue, vec!["bench".into()], Limits::default(), Default::default(), None, None)
        .unwrap()
}

fn bench(criterion: &mut Criterion) {
    let claims: Claims = [("customer_id".into(), mountgate_core::ClaimValue::Integer(42))].into();
    for (name, dialect) in [("sqlite", Dialect::Sqlite), ("postgres", Dialect::Postgres)] {
        let ceiling = ceiling(dialect);
        let mut group = criterion.benchmark_group(format!("five-line join, {name}"));
        group.bench_function("sqlparser's parse alone", |bencher| {
            bencher.iter(|| match dialect {
                Dialect::Sqlite => Parser::parse_sql(&SQLiteDialect {}, black_box(JOIN)).unwrap(),
                Dialect::Postgres => Parser::parse_sql(&PostgreSqlDialect {}, black_box(JOIN)).unwrap(),
            });
        });
        group.bench_function("parse, resolve, enforce", |bencher| {
            bencher.iter(|| {
                let statement = Statement::parse(dialect, black_box(JOIN)).unwrap();
                let touch = statement.touch(&ceiling).unwrap();
                let scope = Scope::narrow(&ceiling, &touch, &Grant::Ceiling).unwrap();
                statement.enforce(&scope).unwrap()
            });
        });
        let statement = Statement::parse(dialect, JOIN).unwrap();
        let touch = statement.touch(&ceiling).unwrap();
        let scope = Scope::narrow(&ceiling, &touch, &Grant::Ceiling).unwrap();
        let known = HashMap::from([(Arc::<str>::from(JOIN), Arc::new(statement.enforce(&scope).unwrap()))]);
        group.bench_function("an identical text: its plan found, claims bound", |bencher| {
            bencher.iter(|| known[black_box(JOIN)].authorize(&[], &claims, &NoKeys).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
