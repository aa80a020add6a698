//! An entry for fuzzers: any bytes, both dialects, no panic; whatever is accepted prints to one query.

use std::{collections::BTreeMap, sync::OnceLock};

use mountgate_core::{
    Catalogue, Ceiling, ColumnInfo, ColumnName, ColumnType, DatePart, Grant, LimitKey, Limits, Mask, RelationInfo,
    RelationName, Scope, WriteDeclaration, ceiling::RelationDeclaration,
};

use crate::{Dialect, Statement, filter, print};

/// Parses, resolves and enforces the bytes in both dialects against a small shop. Returns how many dialects took them.
///
/// # Panics
/// Where an accepted statement prints to something that does not parse to one query: what a fuzzer looks for.
#[expect(clippy::panic, reason = "a finding of the fuzzer's")]
pub fn fuzz_statement(data: &[u8]) -> usize {
    let Ok(text) = std::str::from_utf8(data) else { return 0 };
    let _ = filter::parse(text);
    let Some(ceiling) = shop() else { return 0 };
    let mut taken = 0;
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        let Ok(statement) = Statement::parse(dialect, text) else { continue };
        let Ok(touch) = statement.touch(ceiling) else { continue };
        let Ok(scope) = Scope::narrow(ceiling, &touch, &Grant::Ceiling) else { continue };
        // What the ceiling takes, the ceiling as a scope takes too.
        let plan = match statement.enforce(&scope) {
            Ok(plan) => plan,
            Err(refusal) => panic!("{dialect:?} takes the touch and not the scope ({refusal}): {text}"),
        };
        if !print::reparses(dialect, plan.sql()) {
            panic!("{dialect:?} prints what does not parse: {text} -> {}", plan.sql());
        }
        taken += 1;
    }
    taken
}

/// A mount with a filter, a mask, a hidden column and a relation without any of these.
pub fn shop() -> Option<&'static Ceiling> {
    static SHOP: OnceLock<Option<Ceiling>> = OnceLock::new();
    SHOP.get_or_init(build).as_ref()
}

fn build() -> Option<Ceiling> {
    let column = |name: &str, ty: ColumnType, store_type: &str| ColumnInfo {
        name: ColumnName::from(name),
        ty,
        store_type: store_type.to_owned(),
        loose_equality: name == "name",
    };
    let relation = |name: &str, columns: Vec<ColumnInfo>| {
        let info = RelationInfo {
            schema: "main".to_owned(),
            name: name.to_owned(),
            columns,
            key: vec![ColumnName::from("id")],
        };
        (RelationName::from(name), info)
    };
    let (int, text) = (ColumnType::Integer, ColumnType::Text);
    let catalogue = Catalogue {
        relations: BTreeMap::from([
            relation(
                "emp",
                vec![
                    column("id", int.clone(), "int8"),
                    column("name", text.clone(), "text"),
                    column("dept", int.clone(), "int4"),
                    column("salary", int.clone(), "int8"),
                    column("email", text.clone(), "text"),
                    column("hired", ColumnType::Date, "date"),
                    column("tenant", text.clone(), "text"),
                    column("data", ColumnType::Json, "jsonb"),
                ],
            ),
            relation("dept", vec![column("id", int, "int4"), column("title", text, "text")]),
        ]),
        ..Catalogue::default()
    };
    let names = |list: &[&str]| list.iter().map(|name| ColumnName::from(*name)).collect::<Vec<_>>();
    let declared = BTreeMap::from([
        (
            RelationName::from("emp"),
            RelationDeclaration {
                columns: names(&["id", "name", "dept", "email", "hired", "data"]),
                masks: BTreeMap::from([
                    (ColumnName::from("email"), Mask::Partial { first: 1, last: 4, fill: "*".to_owned() }),
                    (ColumnName::from("hired"), Mask::Truncate(DatePart::Year)),
                ]),
                filter: filter::parse("tenant = claim.tenant").ok(),
                write: Some(WriteDeclaration {
                    insert: names(&["id", "name", "dept"]),
                    update: names(&["name", "dept"]),
                    delete: true,
                    max_rows: 3,
                    ..WriteDeclaration::default()
                }),
                ..RelationDeclaration::default()
            },
        ),
        (
            RelationName::from("dept"),
            RelationDeclaration { columns: names(&["id", "title"]), ..RelationDeclaration::default() },
        ),
    ]);
    Ceiling::build(&declared, &catalogue, vec![], Limits::default(), LimitKey::default(), None, None).ok()
}
