//! Answers, and what differs between two.

use std::sync::Arc;

use mountgate_core::{
    Catalogue, Ceiling, Claims, Code, ColumnName, Grant, LimitKey, Limits, RelationName, Scope, Value, ceiling,
};
use mountgate_sql::{Dialect, MaskKeys, Read, Statement};

use crate::corpus::Case;

/// An answer, its cells as text that tells types apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// A floating-point number as far as it is the same whatever the order of a sum.
pub(crate) fn float(number: f64) -> String {
    // A sum that ought to be zero is a few units in the last place of its terms.
    if number.abs() < 1e-9 { "0".into() } else { format!("{number:.9e}") }
}

/// What differs; nothing where the answers are one.
pub(crate) fn difference(direct: &Answer, ours: &Answer, ordered: bool) -> Option<String> {
    if direct.columns != ours.columns {
        return Some(format!("columns {:?} became {:?}", direct.columns, ours.columns));
    }
    let sorted = |answer: &Answer| {
        let mut rows = answer.rows.clone();
        if !ordered {
            rows.sort();
        }
        rows
    };
    let (direct, ours) = (sorted(direct), sorted(ours));
    if direct.len() != ours.len() {
        return Some(format!("{} rows became {}", direct.len(), ours.len()));
    }
    direct
        .iter()
        .zip(&ours)
        .find(|(direct, ours)| direct != ours)
        .map(|(direct, ours)| format!("{direct:?} became {ours:?}"))
}

/// A mount that allows everything: every column of every relation, no filter, no mask.
pub(crate) fn permissive(catalogue: &Catalogue) -> Ceiling {
    let whole = |info: &mountgate_core::RelationInfo| ceiling::RelationDeclaration {
        columns: info.columns.iter().map(|column| column.name.clone()).collect(),
        ..ceiling::RelationDeclaration::default()
    };
    let declared = catalogue.relations.iter().map(|(name, info)| (name.clone(), whole(info))).collect();
    Ceiling::build(&declared, catalogue, vec![], Limits::default(), LimitKey::Agent, None, None).unwrap()
}

struct NoKeys;

impl MaskKeys for NoKeys {
    fn key(&self, _: &RelationName, _: &ColumnName) -> [u8; 32] {
        panic!("a permissive mount has no masks")
    }
}

/// The way of the statement through the rewriter. A panic there is a finding like another.
pub(crate) fn rewrite(dialect: Dialect, ceiling: &Ceiling, case: &Case) -> Result<Read, String> {
    std::panic::catch_unwind(|| way(dialect, ceiling, case))
        .unwrap_or_else(|_| Err("the rewriter panics; see above".into()))
}

fn way(dialect: Dialect, ceiling: &Ceiling, case: &Case) -> Result<Read, String> {
    let refused = |refusal: mountgate_core::Refusal| format!("refused: {refusal}");
    let statement = Statement::parse(dialect, &case.sql).map_err(refused)?;
    let touch = statement.touch(ceiling).map_err(refused)?;
    let scope = Scope::narrow(ceiling, &touch, &Grant::Ceiling).map_err(|error| error.to_string())?;
    let plan = Arc::new(statement.enforce(&scope).map_err(refused)?);
    let read = plan.authorize(&case.parameters, &Claims::new(), &NoKeys).map_err(refused)?.into_inner();
    let named: Vec<_> = read.columns().iter().map(|column| column.name.clone()).collect();
    assert_eq!(named.len(), plan.columns().len(), "{}", case.name);
    Ok(read)
}

/// That the store takes the case and the rewriter refuses it as what it does not know.
pub(crate) fn refused(
    dialect: Dialect,
    ceiling: &Ceiling,
    case: &Case,
    direct: Result<Answer, String>,
) -> Option<String> {
    if let Err(error) = direct {
        return Some(format!("fails directly: {error}"));
    }
    let refusal = match Statement::parse(dialect, &case.sql).and_then(|statement| statement.touch(ceiling)) {
        Ok(_) => return Some("is accepted: move it to the statements that are compared".into()),
        Err(refusal) => refusal,
    };
    let told = matches!(refusal.code, Code::Unparseable | Code::Unsupported | Code::NotInScope);
    (!told).then(|| refusal.to_string())
}

/// Whether what the driver makes of the rewritten statement has the same shape as the direct answer.
pub(crate) async fn through_driver(
    store: &mountgate_driver::Store,
    read: &Read,
    direct: &Answer,
) -> Result<(), String> {
    through_driver_behind(store, read, direct, None).await
}

/// The same on a session behind a wall.
pub(crate) async fn through_driver_behind(
    store: &mountgate_driver::Store,
    read: &Read,
    direct: &Answer,
    behind: Option<mountgate_driver::Behind>,
) -> Result<(), String> {
    let timeout = std::time::Duration::from_secs(120);
    let call = mountgate_driver::Call { sql: read.sql().clone(), values: read.values().to_vec(), timeout, behind };
    let mut rows = store.stream(call).await.map_err(|error| format!("the driver: {error:?}"))?;
    let columns: Vec<_> = rows.columns().iter().map(|column| column.name.clone()).collect();
    let mut count = 0;
    while let Some(batch) = rows.next().await.map_err(|error| format!("the driver: {error:?}"))? {
        count += batch.len();
    }
    let planned: Vec<_> = read.columns().iter().map(|column| column.name.clone()).collect();
    if columns != direct.columns || planned != direct.columns {
        return Err(format!("columns {:?}; the driver's are {columns:?}, the plan's {planned:?}", direct.columns));
    }
    if count != direct.rows.len() {
        return Err(format!("{} rows; the driver's are {count}", direct.rows.len()));
    }
    Ok(())
}

/// Fails with every finding.
pub(crate) fn report(cases: usize, findings: &[(String, String, String)]) {
    let text: String = findings.iter().map(|(name, sql, what)| format!("\n-- {name}\n{sql}\n   => {what}\n")).collect();
    assert!(findings.is_empty(), "{} of {cases} statements differ:\n{text}", findings.len());
}

/// A value as a literal of unknown type, which is how the driver's text parameters reach PostgreSQL.
pub(crate) fn literal(value: &Value) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match value {
        Value::Null => "NULL".into(),
        Value::Boolean(truth) => quoted(if *truth { "true" } else { "false" }),
        Value::Integer(number) => quoted(&number.to_string()),
        Value::Float(number) => quoted(&number.to_string()),
        Value::Decimal(text)
        | Value::Text(text)
        | Value::Date(text)
        | Value::Time(text)
        | Value::Timestamp(text)
        | Value::TimestampTz(text)
        | Value::Interval(text)
        | Value::Uuid(text)
        | Value::Json(text) => quoted(text),
        other => panic!("{other:?} as a parameter of the corpus"),
    }
}
