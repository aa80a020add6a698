//! Typed values and column types, common to every store and every encoding.

use serde::{Deserialize, Serialize};

/// The type of a column, as far as masks, filters and encodings need to know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// A whole number of 64 bits.
    Integer,
    /// A binary floating-point number.
    Float,
    /// An exact decimal of any size.
    Decimal,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// A day of the calendar.
    Date,
    /// A time of day.
    Time,
    /// A date and time without a zone.
    Timestamp,
    /// A moment: a date and time with a zone.
    TimestampTz,
    /// A span of time.
    Interval,
    /// A UUID.
    Uuid,
    /// JSON.
    Json,
    /// An array of one of the others.
    Array(Box<ColumnType>),
    /// Anything: SQLite columns without a declared type, and stores' types that have no place above.
    Any,
}

impl ColumnType {
    /// The name used in messages, `/v1/mounts` and MCP.
    pub fn label(&self) -> String {
        match self {
            Self::Boolean => "boolean".into(),
            Self::Integer => "integer".into(),
            Self::Float => "float".into(),
            Self::Decimal => "decimal".into(),
            Self::Text => "text".into(),
            Self::Bytes => "bytes".into(),
            Self::Date => "date".into(),
            Self::Time => "time".into(),
            Self::Timestamp => "timestamp".into(),
            Self::TimestampTz => "timestamptz".into(),
            Self::Interval => "interval".into(),
            Self::Uuid => "uuid".into(),
            Self::Json => "json".into(),
            Self::Array(of) => format!("{}[]", of.label()),
            Self::Any => "any".into(),
        }
    }

    /// Whether numbers of this type can be rounded or bucketed.
    pub fn is_numeric(&self) -> bool {
        matches!(self, Self::Integer | Self::Float | Self::Decimal)
    }
}

/// A value on its way in (parameters, claims, literals of filters) or out (a cell of an answer).
///
/// Text forms are used where a binary form would lose digits or zone: decimals, dates and times travel as the
/// store prints them in ISO 8601.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// SQL's NULL, JSON's null.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Float(f64),
    /// An exact decimal in plain digits (`12.50`), or `NaN`.
    Decimal(String),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// `2026-11-24`
    Date(String),
    /// `08:53:01.25`
    Time(String),
    /// `2026-11-24T08:53:01.25`
    Timestamp(String),
    /// `2026-11-24T08:53:01.25Z`
    TimestampTz(String),
    /// ISO 8601 duration.
    Interval(String),
    /// Hyphenated lower-case hexadecimal.
    Uuid(String),
    /// JSON as text.
    Json(String),
    /// Values of one type, or NULL.
    Array(Vec<Value>),
}

impl Value {
    /// The type that the value itself shows; NULL shows none.
    pub fn column_type(&self) -> Option<ColumnType> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(_) => ColumnType::Boolean,
            Self::Integer(_) => ColumnType::Integer,
            Self::Float(_) => ColumnType::Float,
            Self::Decimal(_) => ColumnType::Decimal,
            Self::Text(_) => ColumnType::Text,
            Self::Bytes(_) => ColumnType::Bytes,
            Self::Date(_) => ColumnType::Date,
            Self::Time(_) => ColumnType::Time,
            Self::Timestamp(_) => ColumnType::Timestamp,
            Self::TimestampTz(_) => ColumnType::TimestampTz,
            Self::Interval(_) => ColumnType::Interval,
            Self::Uuid(_) => ColumnType::Uuid,
            Self::Json(_) => ColumnType::Json,
            Self::Array(items) => {
                ColumnType::Array(Box::new(items.iter().find_map(Self::column_type).unwrap_or(ColumnType::Any)))
            }
        })
    }

    /// Whether a value of this type may be compared with a column of type `column` without the store having to
    /// convert between families (which would lose index use, or raise on rows that are not in scope).
    ///
    /// Text stands for dates, times, UUIDs and decimals, in the forms of [`Value`]; the binder converts it.
    pub fn fits(&self, column: &ColumnType) -> bool {
        use ColumnType as T;
        match (self, column) {
            (_, T::Any) | (Self::Null, _) => true,
            (Self::Boolean(_), T::Boolean) => true,
            (Self::Integer(_), T::Integer | T::Float | T::Decimal) => true,
            (Self::Float(_), T::Float | T::Decimal) => true,
            (Self::Decimal(_), T::Decimal | T::Float) => true,
            (Self::Text(_), T::Text | T::Date | T::Time | T::Timestamp | T::TimestampTz | T::Interval | T::Uuid) => {
                true
            }
            (Self::Bytes(_), T::Bytes) => true,
            (Self::Date(_), T::Date) => true,
            (Self::Time(_), T::Time) => true,
            (Self::Timestamp(_), T::Timestamp) => true,
            (Self::TimestampTz(_), T::TimestampTz) => true,
            (Self::Interval(_), T::Interval) => true,
            (Self::Uuid(_), T::Uuid) => true,
            (Self::Json(_), T::Json) => true,
            (Self::Array(items), T::Array(of)) => items.iter().all(|item| item.fits(of)),
            _ => false,
        }
    }

    /// Bytes that the value holds, about; for caps on answers.
    pub fn weight(&self) -> usize {
        match self {
            Self::Null | Self::Boolean(_) => 1,
            Self::Integer(_) | Self::Float(_) => 8,
            Self::Decimal(s)
            | Self::Text(s)
            | Self::Date(s)
            | Self::Time(s)
            | Self::Timestamp(s)
            | Self::TimestampTz(s)
            | Self::Interval(s)
            | Self::Uuid(s)
            | Self::Json(s) => s.len(),
            Self::Bytes(b) => b.len(),
            Self::Array(items) => items.iter().map(Self::weight).sum(),
        }
    }
}
