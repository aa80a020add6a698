//! Values and claims from Rust's own types.

use crate::types::{ClaimValue, Value};

macro_rules! values {
    ($($from:ty => $variant:ident($make:expr)),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(from: $from) -> Self {
                let make: fn($from) -> _ = $make;
                Self::$variant(make(from))
            }
        }
    )*};
}

values! {
    bool => Boolean(|b| b),
    i32 => Integer(i64::from),
    i64 => Integer(|i| i),
    u32 => Integer(i64::from),
    f64 => Float(|f| f),
    &str => Text(str::to_owned),
    String => Text(|s| s),
}

impl From<ClaimValue> for Vec<Value> {
    fn from(claim: ClaimValue) -> Self {
        match claim {
            ClaimValue::Boolean(b) => vec![Value::Boolean(b)],
            ClaimValue::Integer(i) => vec![Value::Integer(i)],
            ClaimValue::Text(t) => vec![Value::Text(t)],
            ClaimValue::Integers(items) => items.into_iter().map(Value::Integer).collect(),
            ClaimValue::Texts(items) => items.into_iter().map(Value::Text).collect(),
        }
    }
}

macro_rules! claims {
    ($($from:ty => $variant:ident($make:expr)),* $(,)?) => {$(
        impl From<$from> for ClaimValue {
            fn from(from: $from) -> Self {
                let make: fn($from) -> _ = $make;
                Self::$variant(make(from))
            }
        }
    )*};
}

claims! {
    bool => Boolean(|b| b),
    i32 => Integer(i64::from),
    i64 => Integer(|i| i),
    &str => Text(str::to_owned),
    String => Text(|s| s),
    Vec<i64> => Integers(|items| items),
    Vec<String> => Texts(|items| items),
}
