//! Parameters. All are sent as text, so that the server reads them by the type that the statement gives them: one
//! way for integers, decimals, dates, enums and types that this crate has never heard of.

use std::error::Error;

use bytes::BytesMut;
use mountgate_core::Value;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use crate::{Class, StoreError};

/// A parameter as text; `None` for NULL.
pub(super) struct Parameter(Option<String>);

impl std::fmt::Debug for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // tokio-postgres prints parameters in its debug log; claims and mask keys are among them.
        f.write_str("_")
    }
}

impl Parameter {
    /// Encodes a value.
    ///
    /// # Errors
    /// `Parameter` for text with a NUL, which PostgreSQL has no place for.
    pub(super) fn new(value: &Value) -> Result<Self, StoreError> {
        let text = text(value);
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            return Err(StoreError::new(Class::Parameter, "a text with a NUL"));
        }
        Ok(Self(text))
    }
}

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        Ok(match &self.0 {
            None => IsNull::Yes,
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                IsNull::No
            }
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Boolean(x) => x.to_string(),
        Value::Integer(x) => x.to_string(),
        Value::Float(x) => float(*x),
        Value::Decimal(x)
        | Value::Text(x)
        | Value::Date(x)
        | Value::Time(x)
        | Value::Timestamp(x)
        | Value::TimestampTz(x)
        | Value::Interval(x)
        | Value::Uuid(x)
        | Value::Json(x) => x.clone(),
        Value::Bytes(x) => format!("\\x{}", data_encoding::HEXLOWER.encode(x)),
        Value::Array(items) => array(items),
    })
}

fn float(x: f64) -> String {
    if x.is_nan() {
        "NaN".into()
    } else if x.is_infinite() {
        if x > 0.0 { "Infinity" } else { "-Infinity" }.into()
    } else {
        // `{:e}` keeps every digit and never prints hundreds of zeros.
        format!("{x:e}")
    }
}

/// An array literal; every element quoted, so that `NULL`, commas and braces in texts stay texts.
fn array(items: &[Value]) -> String {
    let mut out = String::from("{");
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        match item {
            Value::Array(items) => out.push_str(&array(items)),
            item => match text(item) {
                None => out.push_str("NULL"),
                Some(text) => {
                    out.push('"');
                    for c in text.chars() {
                        if matches!(c, '"' | '\\') {
                            out.push('\\');
                        }
                        out.push(c);
                    }
                    out.push('"');
                }
            },
        }
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_elements_cannot_break_out() {
        let items = ["NULL", "a,b", "{}", "\"\\", ""].map(|text| Value::Text(text.into()));
        assert_eq!(array(&items), r#"{"NULL","a,b","{}","\"\\",""}"#);
        assert_eq!(array(&[Value::Null, Value::Array(vec![Value::Integer(1)])]), r#"{NULL,{"1"}}"#);
    }

    #[test]
    fn a_nul_is_a_bad_parameter() {
        assert_eq!(Parameter::new(&Value::Text("a\0b".into())).unwrap_err().class, Class::Parameter);
        let nested = Value::Array(vec![Value::Text("\0".into())]);
        assert_eq!(Parameter::new(&nested).unwrap_err().class, Class::Parameter);
    }

    #[test]
    fn floats_keep_their_digits() {
        for x in [0.1, -0.0, 1e308, 5e-324, 9007199254740993.0] {
            assert_eq!(float(x).parse::<f64>().unwrap().to_bits(), x.to_bits());
        }
        assert_eq!(float(f64::NEG_INFINITY), "-Infinity");
    }
}
