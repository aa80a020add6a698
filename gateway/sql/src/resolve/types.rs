//! Literals and type names.

use std::fmt::Write as _;

use mountgate_core::ColumnType;
use sqlparser::{
    ast::{self, ArrayElemTypeDef, CharacterLength, DataType, DateTimeField, ExactNumberInfo, TimezoneInfo},
    tokenizer::Span,
};

use super::{Outcome, Resolver, query::strip};
use crate::{Dialect, allow, ir::Expr, refuse};

/// A type that may be cast to, as it is printed.
pub(super) struct Type {
    pub(super) printed: Box<str>,
    pub(super) ty: ColumnType,
}

/// A type's name as the allow-list spells it, and its modifiers.
struct Spelt {
    name: String,
    first: Option<u64>,
    second: Option<i64>,
}

impl<'a> Resolver<'a> {
    pub(super) fn value(&mut self, value: &'a ast::ValueWithSpan) -> Outcome<Expr<'a>> {
        let ast::ValueWithSpan { value, span } = value;
        Ok(match value {
            // The lexical gate checked its digits.
            ast::Value::Number(digits, _) => Expr::Number(digits),
            ast::Value::SingleQuotedString(text)
            | ast::Value::EscapedStringLiteral(text)
            | ast::Value::UnicodeStringLiteral(text)
            | ast::Value::DollarQuotedString(ast::DollarQuotedString { value: text, tag: _ }) => {
                if text.contains('\0') {
                    return Err(refuse::unsupported("a string with a NUL character", *span));
                }
                Expr::Text(text)
            }
            ast::Value::HexStringLiteral(digits) if self.dialect == Dialect::Sqlite => Expr::Blob(digits),
            ast::Value::Boolean(truth) => Expr::Boolean(*truth),
            ast::Value::Null => Expr::Null,
            ast::Value::Placeholder(number) => {
                // INVARIANT: the lexical gate made it a number from 1.
                let number: usize =
                    number.parse().map_err(|_| refuse::unsupported(format!("the parameter `{number}`"), *span))?;
                Expr::Parameter(number.saturating_sub(1))
            }
            ast::Value::HexStringLiteral(_)
            | ast::Value::TripleSingleQuotedString(_)
            | ast::Value::TripleDoubleQuotedString(_)
            | ast::Value::SingleQuotedByteStringLiteral(_)
            | ast::Value::DoubleQuotedByteStringLiteral(_)
            | ast::Value::TripleSingleQuotedByteStringLiteral(_)
            | ast::Value::TripleDoubleQuotedByteStringLiteral(_)
            | ast::Value::SingleQuotedRawStringLiteral(_)
            | ast::Value::DoubleQuotedRawStringLiteral(_)
            | ast::Value::TripleSingleQuotedRawStringLiteral(_)
            | ast::Value::TripleDoubleQuotedRawStringLiteral(_)
            | ast::Value::NationalStringLiteral(_)
            | ast::Value::QuoteDelimitedStringLiteral(_)
            | ast::Value::NationalQuoteDelimitedStringLiteral(_)
            | ast::Value::DoubleQuotedString(_) => {
                return Err(refuse::unsupported("this kind of literal", *span));
            }
        })
    }

    pub(super) fn interval(&mut self, interval: &'a ast::Interval, span: Span) -> Outcome<Expr<'a>> {
        let ast::Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } =
            interval;
        if self.dialect == Dialect::Sqlite {
            return Err(refuse::unsupported("`INTERVAL`", span).hint("write `date(…, '+1 day')`"));
        }
        if leading_precision.is_some() || last_field.is_some() || fractional_seconds_precision.is_some() {
            return Err(refuse::unsupported("an interval with a precision or a range of fields", span)
                .hint("write `INTERVAL '1 day 02:00'`"));
        }
        let ast::Expr::Value(value) = strip(value) else {
            return Err(
                refuse::unsupported("an interval of an expression", span).hint("multiply: `n * INTERVAL '1 day'`")
            );
        };
        let Expr::Text(text) = self.value(value)? else {
            return Err(refuse::unsupported("an interval of anything but a text", span));
        };
        let unit = match leading_field {
            None => None,
            Some(unit) => Some(match field(unit, span)? {
                "year" | "years" => "YEAR",
                "month" | "months" => "MONTH",
                "day" | "days" => "DAY",
                "hour" | "hours" => "HOUR",
                "minute" | "minutes" => "MINUTE",
                "second" | "seconds" => "SECOND",
                other => return Err(refuse::unsupported(format!("an interval in `{other}`"), span)),
            }),
        };
        Ok(Expr::Interval(text, unit))
    }

    pub(super) fn cast_type(&self, data_type: &DataType, span: Span) -> Outcome<Type> {
        let mut element = data_type;
        let mut dimensions = 0;
        while let DataType::Array(of) = element {
            element = match of {
                ArrayElemTypeDef::SquareBracket(of, None) => of,
                ArrayElemTypeDef::None
                | ArrayElemTypeDef::AngleBracket(_)
                | ArrayElemTypeDef::SquareBracket(_, Some(_))
                | ArrayElemTypeDef::Parenthesis(_)
                | ArrayElemTypeDef::Qualified(_, _) => {
                    return Err(refuse::unsupported(format!("the type `{data_type}`"), span));
                }
            };
            dimensions += 1;
        }
        let no = || refuse::unsupported(format!("a cast to `{data_type}`"), span);
        let spelt = spell(element).ok_or_else(no)?;
        let added = || self.extras.iter().find_map(|extra| extra.as_type(&spelt.name));
        let (mut printed, mut ty, takes_precision) = match allow::cast_type(self.dialect, &spelt.name) {
            Some(listed) => (listed.printed.to_owned(), listed.ty.clone(), listed.takes_precision),
            None => added().map(|(printed, is)| (printed, is.clone(), false)).ok_or_else(no)?,
        };
        if let Some(first) = spelt.first {
            if !takes_precision {
                return Err(no());
            }
            // PostgreSQL writes the precision of `timestamp(3) with time zone` inside the name.
            let suffix = match spelt.second {
                Some(second) => format!("({first},{second})"),
                None => format!("({first})"),
            };
            match printed.find(" with") {
                Some(at) => printed.insert_str(at, &suffix),
                None => printed.push_str(&suffix),
            }
        }
        if dimensions > 0 {
            if self.dialect == Dialect::Sqlite || dimensions > 6 {
                return Err(no());
            }
            ty = ColumnType::Array(Box::new(ty));
        }
        for _ in 0..dimensions {
            let _ = write!(printed, "[]");
        }
        Ok(Type { printed: printed.into(), ty })
    }
}

/// The name of a type of the parser's, lower case. `None`: one that no dialect here can have.
fn spell(data_type: &DataType) -> Option<Spelt> {
    let plain = |name: &str| Some(Spelt { name: name.to_owned(), first: None, second: None });
    let sized = |name: &str, first: Option<u64>| Some(Spelt { name: name.to_owned(), first, second: None });
    let exact = |name: &str, info: &ExactNumberInfo| {
        let (first, second) = match info {
            ExactNumberInfo::None => (None, None),
            ExactNumberInfo::Precision(first) => (Some(*first), None),
            ExactNumberInfo::PrecisionAndScale(first, second) => (Some(*first), Some(*second)),
        };
        Some(Spelt { name: name.to_owned(), first, second })
    };
    let characters = |name: &str, length: &Option<CharacterLength>| match length {
        None => plain(name),
        Some(CharacterLength::IntegerLength { length, unit: None }) => sized(name, Some(*length)),
        Some(CharacterLength::IntegerLength { length: _, unit: Some(_) } | CharacterLength::Max) => None,
    };
    match data_type {
        DataType::Uuid => plain("uuid"),
        DataType::Bool => plain("bool"),
        DataType::Boolean => plain("bool"),
        DataType::Date => plain("date"),
        DataType::JSON => plain("json"),
        DataType::JSONB => plain("jsonb"),
        DataType::Text => plain("text"),
        DataType::Bytea => plain("bytea"),
        DataType::Real => plain("real"),
        DataType::Float4 => plain("float4"),
        DataType::Float8 => plain("float8"),
        DataType::DoublePrecision => plain("double precision"),
        DataType::Regclass => plain("regclass"),
        DataType::TsVector => plain("tsvector"),
        DataType::TsQuery => plain("tsquery"),
        DataType::Float32 => plain("float32"),
        DataType::Float64 => plain("float64"),
        DataType::TinyText => plain("tinytext"),
        DataType::MediumText => plain("mediumtext"),
        DataType::LongText => plain("longtext"),
        DataType::TinyBlob => plain("tinyblob"),
        DataType::MediumBlob => plain("mediumblob"),
        DataType::LongBlob => plain("longblob"),
        DataType::Signed => plain("signed"),
        DataType::SignedInteger => plain("signed integer"),
        DataType::Unsigned => plain("unsigned"),
        DataType::UnsignedInteger => plain("unsigned integer"),
        DataType::Int16 => plain("int16"),
        DataType::Int32 => plain("int32"),
        DataType::Int64 => plain("int64"),
        DataType::Int128 => plain("int128"),
        DataType::Int256 => plain("int256"),
        DataType::HugeInt => plain("hugeint"),
        DataType::UHugeInt => plain("uhugeint"),
        DataType::UInt8 => plain("uint8"),
        DataType::UInt16 => plain("uint16"),
        DataType::UInt32 => plain("uint32"),
        DataType::UInt64 => plain("uint64"),
        DataType::UInt128 => plain("uint128"),
        DataType::UInt256 => plain("uint256"),
        DataType::UTinyInt => plain("utinyint"),
        DataType::USmallInt => plain("usmallint"),
        DataType::UBigInt => plain("ubigint"),
        DataType::Date32 => plain("date32"),
        DataType::RealUnsigned => plain("real unsigned"),
        DataType::DoublePrecisionUnsigned => plain("double precision unsigned"),
        DataType::Unspecified => None,
        DataType::Trigger => plain("trigger"),
        DataType::AnyType => plain("any"),
        DataType::TinyInt(length) => sized("tinyint", *length),
        DataType::TinyIntUnsigned(length) => sized("tinyint unsigned", *length),
        DataType::Int2(length) => sized("int2", *length),
        DataType::Int2Unsigned(length) => sized("int2 unsigned", *length),
        DataType::SmallInt(length) => sized("smallint", *length),
        DataType::SmallIntUnsigned(length) => sized("smallint unsigned", *length),
        DataType::MediumInt(length) => sized("mediumint", *length),
        DataType::MediumIntUnsigned(length) => sized("mediumint unsigned", *length),
        DataType::Int(length) => sized("int", *length),
        DataType::Int4(length) => sized("int4", *length),
        DataType::Int8(length) => sized("int8", *length),
        DataType::Integer(length) => sized("integer", *length),
        DataType::IntUnsigned(length) => sized("int unsigned", *length),
        DataType::Int4Unsigned(length) => sized("int4 unsigned", *length),
        DataType::IntegerUnsigned(length) => sized("integer unsigned", *length),
        DataType::BigInt(length) => sized("bigint", *length),
        DataType::BigIntUnsigned(length) => sized("bigint unsigned", *length),
        DataType::Int8Unsigned(length) => sized("int8 unsigned", *length),
        DataType::Datetime(length) => sized("datetime", *length),
        DataType::TimestampNtz(length) => sized("timestamp_ntz", *length),
        DataType::CharacterLargeObject(length) => sized("character large object", *length),
        DataType::CharLargeObject(length) => sized("char large object", *length),
        DataType::Clob(length) => sized("clob", *length),
        DataType::Binary(length) => sized("binary", *length),
        DataType::Blob(length) => sized("blob", *length),
        DataType::Bytes(length) => sized("bytes", *length),
        DataType::String(length) => sized("string", *length),
        DataType::Bit(length) => sized("bit", *length),
        DataType::BitVarying(length) => sized("bit varying", *length),
        DataType::VarBit(length) => sized("varbit", *length),
        DataType::Numeric(info) => exact("numeric", info),
        DataType::Decimal(info) => exact("decimal", info),
        DataType::DecimalUnsigned(info) => exact("decimal unsigned", info),
        DataType::BigNumeric(info) => exact("bignumeric", info),
        DataType::BigDecimal(info) => exact("bigdecimal", info),
        DataType::Dec(info) => exact("dec", info),
        DataType::DecUnsigned(info) => exact("dec unsigned", info),
        DataType::Float(info) => exact("float", info),
        DataType::FloatUnsigned(info) => exact("float unsigned", info),
        DataType::Double(info) => exact("double", info),
        DataType::DoubleUnsigned(info) => exact("double unsigned", info),
        DataType::Character(length) => characters("character", length),
        DataType::Char(length) => characters("char", length),
        DataType::CharacterVarying(length) => characters("character varying", length),
        DataType::CharVarying(length) => characters("char varying", length),
        DataType::Varchar(length) => characters("varchar", length),
        DataType::Nvarchar(length) => characters("nvarchar", length),
        DataType::Varbinary(None) => plain("varbinary"),
        DataType::Time(precision, zone) => sized(
            match zone {
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => "time",
                TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => "timetz",
            },
            *precision,
        ),
        DataType::Timestamp(precision, zone) => sized(
            match zone {
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => "timestamp",
                TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => "timestamptz",
            },
            *precision,
        ),
        DataType::Interval { fields: None, precision } => sized("interval", *precision),
        DataType::Custom(name, modifiers) => {
            let ast::ObjectName(parts) = name;
            match (parts.as_slice(), modifiers.as_slice()) {
                // `"char"` is another type than `char`, and `"Text"` is none.
                ([ast::ObjectNamePart::Identifier(ident)], []) if ident.quote_style.is_none() => {
                    plain(&ident.value.to_ascii_lowercase())
                }
                // Of types with a schema only those that an operator added are known.
                ([ast::ObjectNamePart::Identifier(schema), ast::ObjectNamePart::Identifier(ident)], [])
                    if schema.quote_style.is_none() && ident.quote_style.is_none() =>
                {
                    plain(&format!("{}.{}", schema.value, ident.value).to_ascii_lowercase())
                }
                ([] | [_] | [_, _, ..], _) => None,
            }
        }
        DataType::Interval { fields: Some(_), precision: _ }
        | DataType::Varbinary(Some(_))
        | DataType::Table(_)
        | DataType::NamedTable { name: _, columns: _ }
        | DataType::Datetime64(_, _)
        | DataType::FixedString(_)
        | DataType::Array(_)
        | DataType::Map(_, _, _)
        | DataType::Tuple(_)
        | DataType::Nested(_)
        | DataType::Enum(_, _)
        | DataType::Set(_)
        | DataType::Struct(_, _)
        | DataType::Union(_)
        | DataType::Nullable(_)
        | DataType::LowCardinality(_)
        | DataType::GeometricType(_) => None,
    }
}

/// The name of a field of a date or time.
pub(super) fn field(field: &DateTimeField, span: Span) -> Outcome<&'static str> {
    Ok(match field {
        DateTimeField::Year => "year",
        DateTimeField::Years => "years",
        DateTimeField::Month => "month",
        DateTimeField::Months => "months",
        DateTimeField::Weeks => "weeks",
        DateTimeField::Day => "day",
        DateTimeField::Days => "days",
        DateTimeField::Hour => "hour",
        DateTimeField::Hours => "hours",
        DateTimeField::Minute => "minute",
        DateTimeField::Minutes => "minutes",
        DateTimeField::Second => "second",
        DateTimeField::Seconds => "seconds",
        DateTimeField::Century => "century",
        DateTimeField::Decade => "decade",
        DateTimeField::Dow => "dow",
        DateTimeField::Doy => "doy",
        DateTimeField::Epoch => "epoch",
        DateTimeField::Isodow => "isodow",
        DateTimeField::Isoyear => "isoyear",
        DateTimeField::Julian => "julian",
        DateTimeField::Microsecond => "microsecond",
        DateTimeField::Microseconds => "microseconds",
        DateTimeField::Millennium => "millennium",
        DateTimeField::Millisecond => "millisecond",
        DateTimeField::Milliseconds => "milliseconds",
        DateTimeField::Quarter => "quarter",
        DateTimeField::Timezone => "timezone",
        DateTimeField::TimezoneHour => "timezone_hour",
        DateTimeField::TimezoneMinute => "timezone_minute",
        DateTimeField::Week(None) => "week",
        DateTimeField::Week(Some(_))
        | DateTimeField::Millenium
        | DateTimeField::DayOfWeek
        | DateTimeField::DayOfYear
        | DateTimeField::Date
        | DateTimeField::Datetime
        | DateTimeField::IsoWeek
        | DateTimeField::Nanosecond
        | DateTimeField::Nanoseconds
        | DateTimeField::Time
        | DateTimeField::TimezoneAbbr
        | DateTimeField::TimezoneRegion
        | DateTimeField::NoDateTime
        | DateTimeField::Custom(_) => return Err(refuse::unsupported(format!("the field `{field}`"), span)),
    })
}
