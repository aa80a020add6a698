//! Statements from `tests/corpus`.

use mountgate_core::Value;
use mountgate_tests::{root, tpch};

/// A statement of the corpus.
pub(crate) struct Case {
    /// What it is called in reports.
    pub(crate) name: String,
    /// The statement.
    pub(crate) sql: String,
    /// Its parameters.
    pub(crate) parameters: Vec<Value>,
    /// Whether its order is total, so that the rows must come in it.
    pub(crate) ordered: bool,
}

/// The file's text.
pub(crate) fn file(path: &str) -> String {
    let path = format!("{}/corpus/{path}", root());
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The statements of a file: `-- name`, then perhaps `-- params: [JSON]`, then the statement up to a line that ends in
/// `;`. A name that ends in ` (ordered)` says that the order is total.
pub(crate) fn statements(path: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut open = false;
    for line in file(path).lines() {
        if open {
            let case = cases.last_mut().unwrap();
            if let Some(json) = line.strip_prefix("-- params: ") {
                let list: Vec<serde_json::Value> = serde_json::from_str(json).unwrap();
                case.parameters = list.iter().map(parameter).collect();
                continue;
            }
            if !case.sql.is_empty() {
                case.sql.push('\n');
            }
            case.sql.push_str(line.strip_suffix(';').unwrap_or(line));
            open = !line.ends_with(';');
        } else if let Some(name) = line.strip_prefix("-- ") {
            let ordered = name.ends_with(" (ordered)");
            cases.push(Case { name: name.into(), sql: String::new(), parameters: vec![], ordered });
            open = true;
        } else {
            assert!(line.trim().is_empty() || line.starts_with("--"), "{path}: `{line}` is outside of a statement");
        }
    }
    assert!(!open, "{path} ends within a statement");
    cases
}

/// The TPC-H queries. Their orders are total on this data.
pub(crate) fn tpch(dialect: &str) -> Vec<Case> {
    let case = |(name, sql): (String, String)| {
        let ordered = sql.contains("\nORDER BY");
        Case { name, sql, parameters: vec![], ordered }
    };
    tpch::queries(dialect).unwrap().into_iter().map(case).collect()
}

/// The statements of the shop for a dialect.
pub(crate) fn shop(dialect: &str) -> Vec<Case> {
    let mut cases = statements("statements/common.sql");
    cases.extend(statements(&format!("statements/{dialect}.sql")));
    cases
}

/// What the gateway is known to refuse for a dialect.
pub(crate) fn refused(dialect: &str) -> Vec<Case> {
    statements(&format!("statements/refused_{dialect}.sql"))
}

fn parameter(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Boolean(*truth),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::Float(number.as_f64().unwrap()),
        },
        serde_json::Value::String(text) => Value::Text(text.clone()),
        other => panic!("{other} is no parameter"),
    }
}
