//! PostgreSQL's binary results as values.
//!
//! Which decoder a column needs is settled when the statement is prepared, so a type that has none is refused before
//! a row is read. Dates and times are ISO 8601 with `infinity` and ` BC` as PostgreSQL writes them; fractions lose
//! trailing zeros; moments are in UTC and end in `Z`. Arrays lose their lower bounds. Text that is not UTF-8 (a
//! database of encoding SQL_ASCII) comes out as bytes.

mod time;

use mountgate_core::{ColumnType, Value};
use postgres_protocol::types as wire;
use tokio_postgres::types::{Kind, Type};

/// How a column is decoded.
#[derive(Clone, Debug)]
pub(super) enum Decoder {
    Boolean,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Char,
    Bytes,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Json,
    Jsonb,
    Inet,
    MacAddr,
    Bits,
    Array(Box<Decoder>),
}

/// The bytes are not what the type's binary form should be.
#[derive(Debug)]
pub(super) struct Malformed;

impl Decoder {
    /// The decoder of a type; `None` for a type that has none.
    pub(super) fn of(ty: &Type) -> Option<Self> {
        Some(match ty.kind() {
            Kind::Array(of) => Self::Array(Box::new(Self::of(of)?)),
            Kind::Domain(of) => Self::of(of)?,
            Kind::Enum(_) => Self::Text,
            Kind::Simple => return Self::simple(ty),
            Kind::Pseudo if *ty == Type::UNKNOWN => Self::Text,
            Kind::Pseudo | Kind::Range(_) | Kind::Multirange(_) | Kind::Composite(_) => return None,
            _ => return None,
        })
    }

    fn simple(ty: &Type) -> Option<Self> {
        Some(match *ty {
            Type::BOOL => Self::Boolean,
            Type::INT2 => Self::Int2,
            Type::INT4 => Self::Int4,
            Type::INT8 => Self::Int8,
            Type::OID => Self::Oid,
            Type::FLOAT4 => Self::Float4,
            Type::FLOAT8 => Self::Float8,
            Type::NUMERIC => Self::Numeric,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::XML | Type::UNKNOWN => Self::Text,
            Type::CHAR => Self::Char,
            Type::BYTEA => Self::Bytes,
            Type::DATE => Self::Date,
            Type::TIME => Self::Time,
            Type::TIMETZ => Self::TimeTz,
            Type::TIMESTAMP => Self::Timestamp,
            Type::TIMESTAMPTZ => Self::TimestampTz,
            Type::INTERVAL => Self::Interval,
            Type::UUID => Self::Uuid,
            Type::JSON => Self::Json,
            Type::JSONB => Self::Jsonb,
            Type::INET | Type::CIDR => Self::Inet,
            Type::MACADDR => Self::MacAddr,
            Type::BIT | Type::VARBIT => Self::Bits,
            _ if ty.name() == "citext" => Self::Text,
            _ => return None,
        })
    }

    /// The type of a column decoded so.
    pub(super) fn column_type(&self) -> ColumnType {
        match self {
            Self::Boolean => ColumnType::Boolean,
            Self::Int2 | Self::Int4 | Self::Int8 | Self::Oid => ColumnType::Integer,
            Self::Float4 | Self::Float8 => ColumnType::Float,
            Self::Numeric => ColumnType::Decimal,
            Self::Text | Self::Char | Self::Inet | Self::MacAddr | Self::Bits => ColumnType::Text,
            Self::Bytes => ColumnType::Bytes,
            Self::Date => ColumnType::Date,
            Self::Time | Self::TimeTz => ColumnType::Time,
            Self::Timestamp => ColumnType::Timestamp,
            Self::TimestampTz => ColumnType::TimestampTz,
            Self::Interval => ColumnType::Interval,
            Self::Uuid => ColumnType::Uuid,
            Self::Json | Self::Jsonb => ColumnType::Json,
            Self::Array(of) => ColumnType::Array(Box::new(of.column_type())),
        }
    }

    /// Decodes a cell that isn't NULL.
    pub(super) fn decode(&self, cell: &[u8]) -> Result<Value, Malformed> {
        Ok(match self {
            Self::Boolean => Value::Boolean(wire::bool_from_sql(cell).map_err(bad)?),
            Self::Int2 => Value::Integer(wire::int2_from_sql(cell).map_err(bad)?.into()),
            Self::Int4 => Value::Integer(wire::int4_from_sql(cell).map_err(bad)?.into()),
            Self::Int8 => Value::Integer(wire::int8_from_sql(cell).map_err(bad)?),
            Self::Oid => Value::Integer(wire::oid_from_sql(cell).map_err(bad)?.into()),
            // By way of its shortest text: 0.1::float4 is 0.1 and not 0.10000000149011612.
            Self::Float4 => {
                Value::Float(wire::float4_from_sql(cell).map_err(bad)?.to_string().parse().map_err(|_| Malformed)?)
            }
            Self::Float8 => Value::Float(wire::float8_from_sql(cell).map_err(bad)?),
            Self::Numeric => Value::Decimal(numeric(cell)?),
            Self::Text => text(cell),
            // One byte; an empty text for NUL, as PostgreSQL prints it.
            Self::Char => match cell {
                [0] => Value::Text(String::new()),
                [byte] if byte.is_ascii() => Value::Text(char::from(*byte).to_string()),
                _ => Value::Bytes(cell.to_vec()),
            },
            Self::Bytes => Value::Bytes(cell.to_vec()),
            Self::Date => Value::Date(time::date(wire::date_from_sql(cell).map_err(bad)?)),
            Self::Time => Value::Time(time::time(wire::time_from_sql(cell).map_err(bad)?)),
            Self::TimeTz => Value::Time(time::time_with_zone(cell)?),
            Self::Timestamp => Value::Timestamp(time::timestamp(wire::timestamp_from_sql(cell).map_err(bad)?, "")),
            Self::TimestampTz => Value::TimestampTz(time::timestamp(wire::timestamp_from_sql(cell).map_err(bad)?, "Z")),
            Self::Interval => Value::Interval(time::interval(cell)?),
            Self::Uuid => Value::Uuid(uuid(wire::uuid_from_sql(cell).map_err(bad)?)),
            Self::Json => json(cell)?,
            Self::Jsonb => match cell.split_first() {
                Some((1, rest)) => json(rest)?,
                _ => return Err(Malformed),
            },
            Self::Inet => Value::Text(inet(cell)?),
            Self::MacAddr => {
                let parts = wire::macaddr_from_sql(cell).map_err(bad)?.map(|byte| format!("{byte:02x}"));
                Value::Text(parts.join(":"))
            }
            Self::Bits => {
                let bits = wire::varbit_from_sql(cell).map_err(bad)?;
                let bit = |n: usize| bits.bytes().get(n / 8).is_some_and(|byte| byte & (0x80 >> (n % 8)) != 0);
                Value::Text((0..bits.len()).map(|n| if bit(n) { '1' } else { '0' }).collect())
            }
            Self::Array(of) => array(of, cell)?,
        })
    }
}

fn bad<E>(_: E) -> Malformed {
    Malformed
}

fn text(cell: &[u8]) -> Value {
    match std::str::from_utf8(cell) {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => Value::Bytes(cell.to_vec()),
    }
}

fn json(cell: &[u8]) -> Result<Value, Malformed> {
    std::str::from_utf8(cell).map(|text| Value::Json(text.to_owned())).map_err(bad)
}

fn uuid(bytes: [u8; 16]) -> String {
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    let mut out = String::with_capacity(36);
    for (n, c) in hex.chars().enumerate() {
        if matches!(n, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(c);
    }
    out
}

fn inet(cell: &[u8]) -> Result<String, Malformed> {
    let is_cidr = cell.get(2) == Some(&1);
    let inet = wire::inet_from_sql(cell).map_err(bad)?;
    let whole = if inet.addr().is_ipv4() { 32 } else { 128 };
    Ok(if inet.netmask() == whole && !is_cidr {
        inet.addr().to_string()
    } else {
        format!("{}/{}", inet.addr(), inet.netmask())
    })
}

/// Reads big-endian numbers off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(bad)
    }
    fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }
    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }
    fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }
    fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }
}

/// A numeric in plain digits, with the digits after the point that it is held with.
fn numeric(cell: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader(cell);
    let count = usize::from(reader.u16()?);
    let weight = i32::from(reader.i16()?);
    let sign = reader.u16()?;
    let scale = usize::from(reader.u16()?);
    match sign {
        0x0000 | 0x4000 => {}
        0xC000 => return Ok("NaN".into()),
        0xD000 => return Ok("Infinity".into()),
        0xF000 => return Ok("-Infinity".into()),
        _ => return Err(Malformed),
    }
    let digits: Vec<u16> = (0..count).map(|_| reader.u16()).collect::<Result<_, _>>()?;
    // The base-10000 digit that stands for 10000^place.
    let digit = |place: i32| usize::try_from(weight - place).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    let mut out = String::new();
    if sign == 0x4000 {
        out.push('-');
    }
    if weight < 0 {
        out.push('0');
    } else {
        for place in (0..=weight).rev() {
            let digit = digit(place);
            out.push_str(&if place == weight { digit.to_string() } else { format!("{digit:04}") });
        }
    }
    if scale > 0 {
        out.push('.');
        let mut left = scale;
        let mut place = -1;
        while left > 0 {
            out.extend(format!("{:04}", digit(place)).chars().take(left));
            left = left.saturating_sub(4);
            place -= 1;
        }
    }
    Ok(out)
}

fn array(of: &Decoder, cell: &[u8]) -> Result<Value, Malformed> {
    let mut reader = Reader(cell);
    let dimensions = reader.i32()?;
    let _has_nulls = reader.i32()?;
    let _element_type = reader.i32()?;
    // PostgreSQL has at most six.
    if !(0..=6).contains(&dimensions) {
        return Err(Malformed);
    }
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(reader.i32()?).map_err(bad)?);
        let _lower_bound = reader.i32()?;
    }
    if lengths.is_empty() {
        return Ok(Value::Array(Vec::new()));
    }
    elements(of, &lengths, &mut reader)
}

fn elements(of: &Decoder, lengths: &[usize], reader: &mut Reader<'_>) -> Result<Value, Malformed> {
    let Some((length, inner)) = lengths.split_first() else {
        return match reader.i32()? {
            -1 => Ok(Value::Null),
            size => of.decode(reader.take(usize::try_from(size).map_err(bad)?)?),
        };
    };
    // Not reserved ahead: the length is the sender's word.
    let mut items = Vec::new();
    for _ in 0..*length {
        items.push(elements(of, inner, reader)?);
    }
    Ok(Value::Array(items))
}
