//! Masks: what an agent sees instead of a column's value. Computed in the backend, inside the scoped subquery.
//! NULL stays NULL under every mask, but `null` and `fixed`, which replace it too.

use serde::{Deserialize, Serialize};

use crate::{ColumnType, Value};

/// The part of a date or timestamp that `truncate` keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatePart {
    /// The year.
    Year,
    /// The quarter.
    Quarter,
    /// The month.
    Month,
    /// The day (of a timestamp).
    Day,
    /// The hour (of a timestamp).
    Hour,
}

impl DatePart {
    /// The part's name in configuration and messages.
    pub fn label(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }
}

/// A mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// NULL instead of the value.
    Null,
    /// One value instead of every value.
    Fixed(Value),
    /// The first and last characters, the rest replaced by `fill`, character by character. A text of
    /// `first + last` characters or fewer is replaced wholly.
    Partial {
        /// Characters kept at the start.
        first: u32,
        /// Characters kept at the end.
        last: u32,
        /// What stands for each other character; one character.
        fill: String,
    },
    /// A keyed hash (HMAC-SHA-256 under a key of the mount and column), 32 hexadecimal digits. Equal values have
    /// equal hashes within one mount and column, so a join within it still works, and so does counting.
    Hash,
    /// A date or timestamp cut to a part.
    Truncate(DatePart),
    /// A number rounded to so many decimal digits; negative digits round to tens, hundreds, …
    Round {
        /// Digits after the point.
        digits: i32,
    },
    /// A number replaced by the lower edge of its bucket: `floor(x / width) * width`.
    Bucket {
        /// The width, a whole number above zero.
        width: i64,
    },
}

/// Why a mask does not fit a column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mask `{mask}` does not fit a column of type {column}: {why}")]
pub struct MaskError {
    /// The mask's name.
    pub mask: &'static str,
    /// The column's type.
    pub column: String,
    /// What it would need.
    pub why: String,
}

impl Mask {
    /// Whether what it makes is of the store's own type of the column, not only of the same family.
    pub(crate) fn keeps_the_type(&self) -> bool {
        match self {
            Self::Truncate(_) | Self::Round { .. } | Self::Bucket { .. } => true,
            Self::Null | Self::Fixed(_) | Self::Partial { .. } | Self::Hash => false,
        }
    }

    /// The mask's name in configuration, `/v1/explain` and the ledger.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Fixed(_) => "fixed",
            Self::Partial { .. } => "partial",
            Self::Hash => "hash",
            Self::Truncate(_) => "truncate",
            Self::Round { .. } => "round",
            Self::Bucket { .. } => "bucket",
        }
    }

    /// The type of a column of type `input` under this mask.
    ///
    /// # Errors
    /// Where the mask makes no sense for the type.
    pub fn output_type(&self, input: &ColumnType) -> Result<ColumnType, MaskError> {
        let no = |why: &str| MaskError { mask: self.label(), column: input.label(), why: why.into() };
        match self {
            Self::Null => Ok(input.clone()),
            Self::Fixed(value) if value.fits(input) => Ok(input.clone()),
            Self::Fixed(_) => Err(no("the fixed value is of another type")),
            Self::Partial { fill, .. } => match input {
                ColumnType::Text | ColumnType::Any if fill.chars().count() == 1 => Ok(ColumnType::Text),
                ColumnType::Text | ColumnType::Any => Err(no("`fill` must be one character")),
                _ => Err(no("it takes text")),
            },
            Self::Hash => match input {
                ColumnType::Array(_) | ColumnType::Json => Err(no("it takes a scalar")),
                _ => Ok(ColumnType::Text),
            },
            Self::Truncate(part) => match input {
                ColumnType::Date if !matches!(part, DatePart::Hour | DatePart::Day) => Ok(ColumnType::Date),
                ColumnType::Timestamp | ColumnType::TimestampTz => Ok(input.clone()),
                _ => Err(no("it takes a date (year, quarter, month) or a timestamp")),
            },
            Self::Round { digits } if !(-18..=18).contains(digits) => Err(no("`digits` must be from -18 to 18")),
            Self::Bucket { width } if *width <= 0 => Err(no("`width` must be above zero")),
            Self::Round { .. } | Self::Bucket { .. } if input.is_numeric() => Ok(input.clone()),
            Self::Round { .. } | Self::Bucket { .. } => Err(no("it takes a number")),
        }
    }
}
