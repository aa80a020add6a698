use super::*;

#[test]
fn what_is_written_reads_as_toml() {
    assert_eq!(text("a \"b\""), "'a \"b\"'");
    assert_eq!(key("plain-1"), "plain-1");
    assert_eq!(key("sales.orders"), "\"sales.orders\"");
    assert_eq!(
        mask(&Mask::Partial { first: 1, last: 2, fill: "*".into() }),
        "{ partial = { first = 1, last = 2, fill = \"*\" } }"
    );
    assert_eq!(span(90_000), "90s");
    assert_eq!(span(1_500), "1500ms");
    let some = Limits { rows: vec![Rate { amount: 5, window_ms: 60_000 }], max_rows: Some(9), ..Limits::default() };
    assert_eq!(limits(&some), ["rows = \"5/minute\"", "max_rows = 9"]);
    let bytes = Limits { bytes: vec![Rate { amount: 5, window_ms: 1_000 }], ..Limits::default() };
    assert_eq!(limits(&bytes), ["bytes = \"5B/second\""]);
}

#[test]
fn types_are_read_by_their_names() {
    assert_eq!(column_type("timestamptz"), Ok(ColumnType::TimestampTz));
    assert_eq!(column_type("text[]"), Ok(ColumnType::Array(Box::new(ColumnType::Text))));
    assert!(column_type("strng").is_err());
    assert!(column_type("interger").is_err_and(|why| why.contains("did you mean `integer`?")));
}
