//! `write = { insert = ["body"], update = ["state"], delete = true, max_rows = 10, approval = "over 5 rows", approvals = 2 }`

use mountgate_core::{Approval, ColumnName, WriteDeclaration};

use super::reader::Value;

/// The most rows that a mount may let one write change: each is kept before and after, in memory.
const MOST_ROWS: i64 = 1000;

/// The most people that a write may need.
const MOST_PEOPLE: i64 = 16;

/// What agents may write of a table. Closed by default: one row, after approval.
pub(super) fn write(value: &Value<'_>) -> Option<WriteDeclaration> {
    let table = value.table()?;
    let insert = table.get("insert").map(|value| columns(&value)).unwrap_or_default();
    let update = table.get("update").map(|value| columns(&value)).unwrap_or_default();
    let delete = table.get("delete").and_then(|value| value.boolean()).unwrap_or_default();
    let max_rows = match table.get("max_rows") {
        Some(value) => value.integer(1, MOST_ROWS).and_then(|rows| u64::try_from(rows).ok())?,
        None => 1,
    };
    let approval = match table.get("approval") {
        Some(value) => value.parsed(|text| approval(text, max_rows))?,
        None => Approval::Required,
    };
    let approvals = match table.get("approvals") {
        Some(value) => value.integer(1, MOST_PEOPLE)?,
        None => 0,
    };
    if insert.is_empty() && update.is_empty() && !delete {
        value.reject(
            "nothing may be written: name columns in `insert` or `update`, say `delete = true`, or take it out",
        );
        return None;
    }
    let approvals = u32::try_from(approvals).ok()?;
    Some(WriteDeclaration { insert, update, delete, max_rows, approval, approvals })
}

/// Columns named one by one.
fn columns(value: &Value<'_>) -> Vec<ColumnName> {
    let columns = super::mount::names(value);
    if columns.is_empty() {
        value.reject("no column is named: name one, or take it out");
    }
    columns
}

fn approval(text: &str, max_rows: u64) -> Result<Approval, String> {
    match text {
        "required" => Ok(Approval::Required),
        "none" => Ok(Approval::None),
        other => {
            let rows = other.strip_prefix("over ").and_then(|rest| rest.strip_suffix(" rows"));
            match rows.filter(|digits| !digits.starts_with('+')).and_then(|digits| digits.parse::<u64>().ok()) {
                Some(rows) if (1..max_rows).contains(&rows) => Ok(Approval::OverRows(rows)),
                Some(rows) => Err(format!(
                    "over {rows} rows is never needed or always, where `max_rows` is {max_rows}: write a number below it, `required` or `none`"
                )),
                None => Err(format!("`{other}` is none of `required`, `none` and `over 5 rows`")),
            }
        }
    }
}
