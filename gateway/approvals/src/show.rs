//! What people are shown of a hold.

use data_encoding::BASE64;
use mountgate_core::{Claims, Digest, Effect, Value};
use mountgate_identity::Person;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::{Header, HeldWrite, Preview, State, approve::may_approve, store::Row};

/// A hold in a list: no values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// Whose, what, until when.
    #[serde(flatten)]
    pub header: Header,
    /// Where it is.
    pub state: State,
    /// When it ended, in milliseconds since 1970-01-01T00:00Z.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// How many rows were changed, once it is executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_rows: Option<u64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Who has approved it.
    pub approved_by: Vec<String>,
    /// Why whoever asks may not approve it; none where they may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_yours: Option<&'static str>,
}

impl Listed {
    pub(crate) fn new(row: Row, approved_by: Vec<String>, person: &Person) -> Self {
        Self {
            not_yours: may_approve(person, &row.header).err(),
            header: row.header,
            state: row.state,
            ended_ms: row.ended_ms,
            changed_rows: row.rows,
            code: row.code,
            approved_by,
        }
    }
}

/// A row before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShownRow {
    /// The key's values, in the order of `key`.
    pub key: Vec<Json>,
    /// The row before, in the order of `columns`; none where it is inserted.
    pub before: Option<Vec<Json>>,
    /// The row after; none where it is deleted.
    pub after: Option<Vec<Json>>,
}

/// A hold with its values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// What a list says of it.
    #[serde(flatten)]
    pub listed: Listed,
    /// What an approval must name, so that what is approved is what was shown; none once the values are erased.
    pub digest: Option<Digest>,
    /// The statement.
    pub sql: Option<String>,
    /// The values bound to it, by position.
    pub params: Vec<Json>,
    /// What the agent wants it for.
    pub purpose: Option<String>,
    /// Why, in the agent's words.
    pub reason: Option<String>,
    /// Why a person must look, in the policy's words.
    pub why: Option<String>,
    /// The claims under which it was asked.
    pub claims_asked: Claims,
    /// The columns of the relation's key.
    pub key: Vec<String>,
    /// The columns of each row.
    pub columns: Vec<String>,
    /// The rows that would be changed.
    pub changes: Vec<ShownRow>,
}

impl Shown {
    pub(crate) fn new(listed: Listed, opened: Option<(HeldWrite, Digest)>) -> Self {
        let mut shown = Self {
            listed,
            digest: None,
            sql: None,
            params: vec![],
            purpose: None,
            reason: None,
            why: None,
            claims_asked: Claims::new(),
            key: vec![],
            columns: vec![],
            changes: vec![],
        };
        let Some((write, digest)) = opened else { return shown };
        let HeldWrite { sql, params, purpose, reason, why, idempotency_key: _, claims, preview } = write;
        shown.digest = Some(digest);
        shown.sql = Some(sql);
        shown.params = params.iter().map(shown_value).collect();
        shown.purpose = purpose;
        shown.reason = reason;
        shown.why = why;
        shown.claims_asked = claims;
        if let Preview::Effect(effect) = preview {
            shown.rows(&effect);
        }
        shown
    }

    fn rows(&mut self, effect: &Effect) {
        let names = |columns: &[mountgate_core::ColumnName]| columns.iter().map(ToString::to_string).collect();
        let values = |values: &Vec<Value>| values.iter().map(shown_value).collect::<Vec<_>>();
        self.key = names(&effect.key);
        self.columns = names(&effect.columns);
        self.changes = effect
            .rows
            .iter()
            .map(|row| ShownRow {
                key: values(&row.key),
                before: row.before.as_ref().map(values),
                after: row.after.as_ref().map(values),
            })
            .collect();
    }
}

/// A value as JSON that says what it is: what JSON has no word for is an object with its type.
pub fn shown_value(value: &Value) -> Json {
    let typed = |ty: &str, value: &str| json!({ "type": ty, "value": value });
    match value {
        Value::Null => Json::Null,
        Value::Boolean(truth) => json!(truth),
        Value::Integer(integer) => json!(integer),
        Value::Float(float) if float.is_finite() => json!({ "type": "float", "value": float }),
        Value::Float(float) => typed("float", &float.to_string()),
        Value::Text(text) => json!(text),
        Value::Decimal(text) => typed("decimal", text),
        Value::Bytes(bytes) => typed("bytes", &BASE64.encode(bytes)),
        Value::Date(text) => typed("date", text),
        Value::Time(text) => typed("time", text),
        Value::Timestamp(text) => typed("timestamp", text),
        Value::TimestampTz(text) => typed("timestamptz", text),
        Value::Interval(text) => typed("interval", text),
        Value::Uuid(text) => typed("uuid", text),
        Value::Json(text) => typed("json", text),
        Value::Array(items) => json!({ "type": "array", "value": items.iter().map(shown_value).collect::<Vec<_>>() }),
    }
}
