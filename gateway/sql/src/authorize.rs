//! The only way to an [`Authorized`].

use std::sync::Arc;

use mountgate_core::{ClaimName, ClaimValue, Claims, Code, ColumnName, ColumnType, Refusal, RelationName, Value};

use crate::{Bind, Dialect, KeyPart, OutputColumn, Plan};

/// Proof that its content was made by [`Plan::authorize`] or [`crate::WritePlan::authorize`]: resolved, rewritten, and bound to a caller's claims.
#[derive(Debug)]
pub struct Authorized<T>(T);

impl<T> Authorized<T> {
    /// What is authorized.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// For the two ways to bind a plan alone.
    pub(crate) fn of(authorized: T) -> Self {
        Self(authorized)
    }

    /// What is authorized, without the proof.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// A read, ready for a store.
#[derive(Debug)]
pub struct Read {
    plan: Arc<Plan>,
    values: Vec<Value>,
    claims: Vec<(ClaimName, ClaimValue)>,
}

impl Read {
    /// The text.
    pub fn sql(&self) -> &Arc<str> {
        &self.plan.sql
    }

    /// The values of its placeholders, in order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The columns of the answer.
    pub fn columns(&self) -> &[OutputColumn] {
        &self.plan.columns
    }

    /// The claims that the ceiling's and the policy's filters name, for the store's own wall; each once, of a type that fits.
    pub fn claims(&self) -> &[(ClaimName, ClaimValue)] {
        &self.claims
    }

    /// The plan that it was made from.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }
}

/// Keys of hash masks, of one mount. Called once for each key of a statement; must not block.
pub trait MaskKeys {
    /// The key of the column, the same each time.
    fn key(&self, relation: &RelationName, column: &ColumnName) -> [u8; 32];
}

impl Plan {
    /// Binds parameters and claims.
    ///
    /// # Errors
    /// `parameter_invalid` where the number of parameters is wrong or one holds a NUL character; `claim_missing`,
    /// `claim_mistyped` by the claim's name.
    pub fn authorize(
        self: &Arc<Self>,
        parameters: &[Value],
        claims: &Claims,
        keys: &dyn MaskKeys,
    ) -> Result<Authorized<Read>, Refusal> {
        check_parameters(parameters, self.parameters)?;
        let mut values = Vec::with_capacity(self.binds.len());
        for bind in &self.binds {
            values.push(match bind {
                // INVARIANT: indices are below `parameters`, whose number was checked.
                Bind::Parameter(index) => parameters.get(*index).cloned().unwrap_or(Value::Null),
                Bind::Claim { name, column, list, as_text } => {
                    claim(self.dialect, claims, name, column, *list, *as_text)?
                }
                Bind::Literal(value) => value.clone(),
                Bind::MaskKey { relation, column, part } => {
                    let key = keys.key(relation, column);
                    let block = |with: u8| {
                        let mut block = [with; 64];
                        for (at, byte) in block.iter_mut().zip(key) {
                            *at ^= byte;
                        }
                        block.to_vec()
                    };
                    Value::Bytes(match part {
                        KeyPart::Key => key.to_vec(),
                        KeyPart::Inner => block(0x36),
                        KeyPart::Outer => block(0x5c),
                    })
                }
            });
        }
        let mut wanted: Vec<(ClaimName, ClaimValue)> = Vec::new();
        for bind in &self.held {
            if let Bind::Claim { name, column, list, as_text } = bind {
                claim(self.dialect, claims, name, column, *list, *as_text)?;
            }
        }
        for bind in self.binds.iter().chain(&self.held) {
            if let Bind::Claim { name, .. } = bind
                && let Some(value) = claims.get(name)
                && !wanted.iter().any(|(known, _)| known == name)
            {
                wanted.push((name.clone(), value.clone()));
            }
        }
        Ok(Authorized(Read { plan: Arc::clone(self), values, claims: wanted }))
    }
}

/// That there are as many parameters as wanted, and that a store can take each.
pub(crate) fn check_parameters(parameters: &[Value], wanted: usize) -> Result<(), Refusal> {
    if parameters.len() != wanted {
        return Err(Refusal::new(
            Code::ParameterInvalid,
            format!("the statement takes {wanted} parameters and got {}", parameters.len()),
        )
        .hint("pass exactly one value for each parameter"));
    }
    if parameters.iter().any(holds_nul) {
        return Err(Refusal::new(Code::ParameterInvalid, "a parameter contains a NUL character")
            .hint("send bytes as bytes, not as text"));
    }
    Ok(())
}

fn claim(
    dialect: Dialect,
    claims: &Claims,
    name: &ClaimName,
    column: &ColumnType,
    list: bool,
    as_text: bool,
) -> Result<Value, Refusal> {
    let Some(claim) = claims.get(name) else {
        return Err(Refusal::new(
            Code::ClaimMissing,
            format!("the caller has no claim `{name}`, which this table needs"),
        )
        .hint("ask with a session that carries the claim"));
    };
    let mistyped = || {
        let wanted = if list { format!("{} or a list of it", column.label()) } else { column.label() };
        Refusal::new(
            Code::ClaimMistyped,
            format!("the claim `{name}` is of type {}, and this table needs {wanted}", claim.label()),
        )
        .hint("ask with a session whose claim is of the right type")
    };
    if !claim.fits(column, list) {
        return Err(mistyped());
    }
    let mut value = claim.to_value();
    if holds_nul(&value) {
        return Err(mistyped());
    }
    if as_text {
        value = text_of(value);
    }
    if !list {
        return Ok(value);
    }
    let items = match value {
        Value::Array(items) => items,
        one => vec![one],
    };
    match dialect {
        Dialect::Postgres => Ok(Value::Array(items)),
        // The statement reads it through json_each.
        Dialect::Sqlite => Ok(Value::Text(json_list(&items))),
    }
}

fn text_of(value: Value) -> Value {
    match value {
        Value::Integer(i) => Value::Text(i.to_string()),
        Value::Boolean(b) => Value::Text(if b { "t" } else { "f" }.to_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(text_of).collect()),
        other => other,
    }
}

/// Claims are booleans, integers and texts, alone or in lists (`ClaimValue`).
fn json_list(items: &[Value]) -> String {
    let mut json = String::from("[");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        match item {
            Value::Integer(i) => json.push_str(&i.to_string()),
            Value::Boolean(b) => json.push_str(if *b { "1" } else { "0" }),
            Value::Text(text) => {
                json.push('"');
                for ch in text.chars() {
                    match ch {
                        '"' => json.push_str("\\\""),
                        '\\' => json.push_str("\\\\"),
                        ch if ch < ' ' => json.push_str(&format!("\\u{:04x}", ch as u32)),
                        ch => json.push(ch),
                    }
                }
                json.push('"');
            }
            // No claim is of these types; null equals nothing.
            Value::Null
            | Value::Float(_)
            | Value::Decimal(_)
            | Value::Bytes(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Timestamp(_)
            | Value::TimestampTz(_)
            | Value::Interval(_)
            | Value::Uuid(_)
            | Value::Json(_)
            | Value::Array(_) => json.push_str("null"),
        }
    }
    json.push(']');
    json
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::Text(text) | Value::Json(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Null
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Decimal(_)
        | Value::Bytes(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Interval(_)
        | Value::Uuid(_) => false,
    }
}
