use super::*;

#[test]
fn declared_types_follow_sqlite_and_the_names_people_use() {
    for (declared, wanted) in [
        (None, ColumnType::Any),
        (Some(""), ColumnType::Any),
        (Some("INTEGER"), ColumnType::Integer),
        (Some("bigint unsigned"), ColumnType::Integer),
        (Some("VARCHAR(20)"), ColumnType::Text),
        (Some("nvarchar"), ColumnType::Text),
        (Some("BLOB"), ColumnType::Bytes),
        (Some("double precision"), ColumnType::Float),
        (Some("DECIMAL(10, 2)"), ColumnType::Decimal),
        (Some("NUMERIC"), ColumnType::Decimal),
        (Some("boolean"), ColumnType::Boolean),
        (Some("DATE"), ColumnType::Date),
        (Some("time"), ColumnType::Time),
        (Some("DATETIME"), ColumnType::Timestamp),
        (Some("timestamp(3)"), ColumnType::Timestamp),
        (Some("timestamp(3) with time zone"), ColumnType::TimestampTz),
        (Some("TIMESTAMPTZ"), ColumnType::TimestampTz),
        (Some("json"), ColumnType::Json),
        (Some("UUID"), ColumnType::Text),
        (Some("POINT"), ColumnType::Integer), // as SQLite itself has it
        (Some("STRING"), ColumnType::Any),
    ] {
        assert_eq!(column_type(declared), wanted, "{declared:?}");
    }
}

#[test]
fn text_that_is_not_utf8_stays_whole_as_bytes() {
    assert_eq!(value(ValueRef::Text(b"a\xffb"), &ColumnType::Text), Value::Bytes(b"a\xffb".to_vec()));
    assert_eq!(value(ValueRef::Text("é".as_bytes()), &ColumnType::Text), Value::Text("é".into()));
}

#[test]
fn only_zero_and_one_are_booleans() {
    assert_eq!(value(ValueRef::Integer(1), &ColumnType::Boolean), Value::Boolean(true));
    assert_eq!(value(ValueRef::Integer(0), &ColumnType::Boolean), Value::Boolean(false));
    assert_eq!(value(ValueRef::Integer(2), &ColumnType::Boolean), Value::Integer(2));
    assert_eq!(value(ValueRef::Integer(1), &ColumnType::Integer), Value::Integer(1));
}
