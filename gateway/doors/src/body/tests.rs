use mountgate_core::{Code, Refusal, Value};
use proptest::prelude::*;

use super::*;

fn json(text: &str) -> Result<Item, Refusal> {
    decode(text.as_bytes(), Encoding::Json)
}

fn msgpack(bytes: &[u8]) -> Result<Item, Refusal> {
    decode(bytes, Encoding::MessagePack)
}

/// The refusal's message and hint, as one text.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
    let refusal = result.expect_err("it was taken");
    assert_eq!(refusal.code, Code::Malformed, "{refusal}");
    assert!(refusal.message.len() < 400, "an error that echoes the body: {}", refusal.message);
    format!("{} | {}", refusal.message, refusal.hint.unwrap_or_default())
}

#[test]
fn json_that_is_not_one_whole_value_is_refused() {
    for (bad, why) in [
        ("", "empty"),
        ("  ", "empty"),
        ("{", "ends early"),
        ("{\"a\"", "ends early"),
        ("{\"a\":", "ends early"),
        ("{\"a\":1", "ends early"),
        ("{\"a\":1,", "ends early"),
        ("{\"a\":1,}", "expected a key"),
        ("{a:1}", "expected a key"),
        ("{'a':1}", "expected a key"),
        ("[1,]", "expected a value"),
        ("[1 2]", "expected `,` or `]`"),
        ("\"a", "not closed"),
        ("tru", "expected a value"),
        ("nul", "expected a value"),
        ("NaN", "expected a value"),
        ("Infinity", "expected a value"),
        ("-Infinity", "expected a digit"),
        ("01", "start with 0"),
        ("+1", "expected a value"),
        (".5", "expected a value"),
        ("1.", "after the point"),
        ("1e", "exponent"),
        ("0x1F", "follows"),
        ("{} {}", "follows"),
        ("{}x", "follows"),
        ("// no\n{}", "expected a value"),
        ("\u{feff}{}", "expected a value"),
        ("\"\u{1}\"", "control character"),
        ("\"\0\"", "control character"),
        ("\"\\x41\"", "unknown escape"),
        ("\"\\u12\"", "hexadecimal"),
        ("\"\\ud800\"", "surrogate"),
        ("\"\\ud800\\u0041\"", "surrogate"),
        ("\"\\udc00\"", "surrogate"),
        ("\"\\u0000\"", "NUL"),
        ("{\"a\\u0000\":1}", "NUL"),
    ] {
        let text = refused(json(bad));
        assert!(text.contains(why), "{bad:?}: {text}");
    }
}

#[test]
fn json_that_is_not_utf8_is_refused() {
    for bad in [&b"\"\xff\""[..], b"\"\xc3\x28\"", b"\"\xed\xa0\x80\"", b"\"\xc0\x80\""] {
        assert!(refused(decode(bad, Encoding::Json)).contains("not UTF-8"));
    }
}

#[test]
fn numbers_that_would_lose_digits_are_refused() {
    for bad in ["9223372036854775808", "-9223372036854775809", "100000000000000000000", "18446744073709551615"] {
        let text = refused(json(&format!("{{\"params\":[1,{bad}]}}")));
        assert!(text.contains("`params[1]`") && text.contains("send it as a text"), "{text}");
    }
    assert!(refused(json("1e999")).contains("beyond what a float holds"));
    assert!(refused(json("-1e999")).contains("beyond what a float holds"));
    assert_eq!(json("9223372036854775807"), Ok(Item::Integer(i64::MAX)));
    assert_eq!(json("-9223372036854775808"), Ok(Item::Integer(i64::MIN)));
    assert_eq!(json("1.0"), Ok(Item::Float(1.0)));
    assert_eq!(json("1e2"), Ok(Item::Float(100.0)));
}

#[test]
fn duplicate_keys_are_refused_wherever_they_are() {
    for (bad, path) in [
        ("{\"sql\":\"a\",\"sql\":\"b\"}", "`sql`"),
        ("{\"a\":{\"b\":1,\"c\":2,\"b\":3}}", "`a.b`"),
        ("[{\"a\":1,\"\\u0061\":2}]", "`[0].a`"),
    ] {
        let text = refused(json(bad));
        assert!(text.contains(path) && text.contains("twice"), "{text}");
    }
    let mut many: String = (0..50).map(|n| format!("\"k{n}\":{n},")).collect();
    many.push_str("\"k7\":1");
    assert!(refused(json(&format!("{{{many}}}"))).contains("`k7` is there twice"));
    // {"a":1,"a":2}
    assert!(refused(msgpack(&[0x82, 0xa1, b'a', 1, 0xa1, b'a', 2])).contains("`a` is there twice"));
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(json(&nested(DEPTH)).is_ok());
    assert!(refused(json(&nested(DEPTH + 1))).contains("deeper than 32"));
    assert!(refused(json(&"[".repeat(1 << 20))).contains("deeper than 32"));
    assert!(refused(json(&"{\"a\":".repeat(1 << 18))).contains("deeper than 32"));
    let mut bytes = vec![0x91; DEPTH];
    bytes.push(0xc0);
    assert!(msgpack(&bytes).is_ok());
    bytes.insert(0, 0x91);
    assert!(refused(msgpack(&bytes)).contains("deeper than 32"));
    assert!(refused(msgpack(&vec![0x91; 1 << 20])).contains("deeper than 32"));
}

#[test]
fn the_number_of_values_is_bounded() {
    let many = format!("[{}0]", "0,".repeat(ITEMS));
    assert!(refused(json(&many)).contains("more than 65536 values"));
    let mut bytes = vec![0xdd, 0, 2, 0, 0];
    bytes.resize(5 + (2 << 16), 0);
    assert!(refused(msgpack(&bytes)).contains("more than 65536 values"));
}

#[test]
fn msgpack_that_is_not_one_whole_value_is_refused() {
    for (bad, why) in [
        (&[][..], "empty"),
        (&[0xc1], "0xc1 is never used"),
        (&[0x81], "ends early"),
        (&[0x81, 0xa1], "ends early"),
        (&[0x81, 0xa1, b'a'], "ends early"),
        (&[0xd9, 5, b'a'], "ends early"),
        (&[0xdb, 0xff, 0xff, 0xff, 0xff], "ends early"),
        (&[0xc6, 0xff, 0xff, 0xff, 0xff], "ends early"),
        (&[0xdd, 0xff, 0xff, 0xff, 0xff], "ends early"),
        (&[0xdf, 0xff, 0xff, 0xff, 0xff], "ends early"),
        (&[0xcb, 0], "ends early"),
        (&[0x80, 0x80], "follows"),
        (&[0xc0, 0], "follows"),
        (&[0xa1, 0xff], "not UTF-8"),
        (&[0xa1, 0], "NUL"),
        (&[0x81, 1, 2], "not a text"),
        (&[0x81, 0xc4, 1, b'a', 2], "not a text"),
        (&[0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0], "64 bits do not hold"),
        (&[0xca, 0x7f, 0xc0, 0, 0], "finite"),
        (&[0xca, 0xff, 0x80, 0, 0], "finite"),
        (&[0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], "finite"),
        (&[0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0], "finite"),
        // Extension types: the timestamp of 32, 64 and 96 bits, and others.
        (&[0xd6, 0xff, 0, 0, 0, 0], "extension type"),
        (&[0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 0], "extension type"),
        (&[0xc7, 12, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "extension type"),
        (&[0xd4, 1, 0], "extension type"),
        (&[0xd5, 1, 0, 0], "extension type"),
        (&[0xd8, 1], "extension type"),
        (&[0xc8, 0, 1, 1, 0], "extension type"),
        (&[0xc9, 0, 0, 0, 1, 1, 0], "extension type"),
    ] {
        let text = refused(msgpack(bad));
        assert!(text.contains(why), "{bad:x?}: {text}");
    }
}

#[test]
fn msgpack_integers_of_every_width_keep_their_value() {
    for (bytes, value) in [
        (&[0x7f][..], 127),
        (&[0xe0], -32),
        (&[0xcc, 0xff], 255),
        (&[0xcd, 0xff, 0xff], 65_535),
        (&[0xce, 0xff, 0xff, 0xff, 0xff], 4_294_967_295),
        (&[0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], i64::MAX),
        (&[0xd0, 0x80], -128),
        (&[0xd1, 0x80, 0], -32_768),
        (&[0xd2, 0x80, 0, 0, 0], -2_147_483_648),
        (&[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], i64::MIN),
        (&[0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], -1),
    ] {
        assert_eq!(msgpack(bytes), Ok(Item::Integer(value)), "{bytes:x?}");
    }
}

#[track_caller]
fn query_of(text: &str) -> Result<mountgate_mediate::Query, Refusal> {
    query(json(text).unwrap())
}

#[test]
fn bodies_of_another_shape_are_refused_with_path_and_likely_spelling() {
    for (bad, why) in [
        ("[]", "the body is a list, not a map"),
        ("null", "the body is null, not a map"),
        ("{}", "`mount` is missing"),
        ("{\"mount\":\"m\"}", "`sql` is missing"),
        ("{\"mount\":1,\"sql\":\"\"}", "`mount` must be a text, not an integer"),
        ("{\"mount\":null,\"sql\":\"\"}", "`mount` must be a text, not null"),
        ("{\"mount\":\"m\",\"sql\":[\"SELECT 1\"]}", "`sql` must be a text, not a list"),
        ("{\"mount\":\"m\",\"sql\":\"\",\"params\":{}}", "`params` must be a list, not a map"),
        ("{\"mount\":\"m\",\"sql\":\"\",\"params\":\"1\"}", "`params` must be a list, not a text"),
        ("{\"mount\":\"m\",\"sql\":\"\",\"purpose\":1}", "`purpose` must be a text"),
        ("{\"mount\":\"m\",\"sql\":\"\",\"parms\":[]}", "unknown key `parms` | did you mean `params`?"),
        ("{\"mount\":\"m\",\"SQL\":\"\"}", "unknown key `SQL` | did you mean `sql`?"),
        ("{\"mounts\":\"m\",\"sql\":\"\"}", "unknown key `mounts` | did you mean `mount`?"),
        (
            "{\"mount\":\"m\",\"sql\":\"\",\"zzz\":1}",
            "unknown key `zzz` | known here: `mount`, `params`, `purpose`, `sql`",
        ),
        ("{\"mount\":\"m\",\"sql\":\"\",\"params\":[[[1]]]}", "`params[0][0]` is a list in a list"),
        (
            "{\"mount\":\"m\",\"sql\":\"\",\"params\":[[1,\"a\"]]}",
            "`params[0][1]` is of type text in a list of integer",
        ),
        ("{\"mount\":\"m\",\"sql\":\"\",\"params\":[{}]}", "`type` is missing from `params[0]`"),
        ("{\"mount\":\"m\",\"sql\":\"\",\"params\":[{\"typ\":\"date\",\"value\":1}]}", "did you mean `type`?"),
        ("{\"mount\":\"m\",\"sql\":\"\",\"params\":[{\"type\":\"dat\",\"value\":1}]}", "did you mean `date`?"),
        ("{\"mount\":\"m\",\"sql\":\"\",\"params\":[{\"type\":\"date\"}]}", "`value` is missing from `params[0]`"),
        (
            "{\"mount\":\"m\",\"sql\":\"\",\"params\":[{\"type\":\"date\",\"value\":\"x\",\"of\":1}]}",
            "unknown key `params[0].of`",
        ),
    ] {
        let text = refused(query_of(bad));
        assert!(text.contains(why), "{bad}: {text}");
    }
}

#[test]
fn parameters_keep_their_types() {
    let text = r#"{"mount":"m","sql":"s","params":[null,true,9007199254740993,1.5,"é",[1,null,2],["a"],[],
        {"type":"decimal","value":"-12.50"},{"type":"decimal","value":7},{"type":"bytes","value":"AP8="},
        {"type":"integer","value":"9007199254740993"},{"type":"float","value":2},
        {"type":"date","value":"2026-11-24"},{"type":"time","value":"08:53:01.25"},
        {"type":"timestamp","value":"2026-11-24 08:53:01.25"},{"type":"timestamptz","value":"2026-11-24T09:53:01+01:00"},
        {"type":"interval","value":"P1DT2H"},{"type":"uuid","value":"67E5504410B1426F9247BB680E5FE0C8"},
        {"type":"json","value":{"a":[1,2.0,"\u00e9\n"],"b":null}},{"type":"json","value":"text"},
        {"type":"integer[]","value":[1,"2",null]},{"type":"text","value":null},{"type":"uuid[]","value":null}]}"#;
    let text_of = |text: &str| text.to_owned();
    assert_eq!(
        query_of(text).unwrap().params,
        [
            Value::Null,
            Value::Boolean(true),
            Value::Integer(9_007_199_254_740_993),
            Value::Float(1.5),
            Value::Text(text_of("é")),
            Value::Array(vec![Value::Integer(1), Value::Null, Value::Integer(2)]),
            Value::Array(vec![Value::Text(text_of("a"))]),
            Value::Array(vec![]),
            Value::Decimal(text_of("-12.50")),
            Value::Decimal(text_of("7")),
            Value::Bytes(vec![0, 255]),
            Value::Integer(9_007_199_254_740_993),
            Value::Float(2.0),
            Value::Date(text_of("2026-11-24")),
            Value::Time(text_of("08:53:01.25")),
            Value::Timestamp(text_of("2026-11-24T08:53:01.25")),
            Value::TimestampTz(text_of("2026-11-24T08:53:01Z")),
            Value::Interval(text_of("P1DT2H")),
            Value::Uuid(text_of("67e55044-10b1-426f-9247-bb680e5fe0c8")),
            Value::Json(text_of("{\"a\":[1,2.0,\"é\\n\"],\"b\":null}")),
            Value::Json(text_of("\"text\"")),
            Value::Array(vec![Value::Integer(1), Value::Integer(2), Value::Null]),
            Value::Null,
            Value::Null,
        ]
    );
}

#[test]
fn typed_parameters_of_another_form_are_refused() {
    for (ty, value) in [
        ("decimal", "\"1e5\""),
        ("decimal", "\"NaN\""),
        ("decimal", "\"1.\""),
        ("decimal", "\"--1\""),
        ("decimal", "1.5"),
        ("bytes", "\"not base64!\""),
        ("bytes", "\"AP8\""),
        ("integer", "\"1.0\""),
        ("integer", "1.0"),
        ("integer", "\"9223372036854775808\""),
        ("float", "\"1\""),
        ("boolean", "1"),
        ("text", "1"),
        ("date", "\"2026-11-31\""),
        ("date", "\"2026-11-24T00:00:00\""),
        ("date", "\"now\""),
        ("time", "\"25:00\""),
        ("timestamp", "\"2026-11-24\""),
        ("timestamp", "\"2026-11-24T08:53:01Z\""),
        ("timestamp", "\"2026-11-24T08:53:01+02:00\""),
        ("timestamptz", "\"2026-11-24T08:53:01\""),
        ("interval", "\"1 day\""),
        ("uuid", "\"67e5\""),
        ("integer[]", "1"),
        ("integer[]", "[[1]]"),
        ("integer[]", "[\"a\"]"),
    ] {
        let body = format!("{{\"mount\":\"m\",\"sql\":\"\",\"params\":[{{\"type\":\"{ty}\",\"value\":{value}}}]}}");
        let text = refused(query_of(&body));
        assert!(text.contains("`params[0].value"), "{ty} {value}: {text}");
    }
    let long = format!(
        "{{\"mount\":\"m\",\"sql\":\"\",\"params\":[{{\"type\":\"decimal\",\"value\":\"{}\"}}]}}",
        "1".repeat(2000)
    );
    assert!(refused(query_of(&long)).contains("shorter than"));
}

#[test]
fn bytes_of_msgpack_are_bytes_and_never_json() {
    // {"mount":"m","sql":"s","params":[bin 00ff]}
    let mut bytes = vec![0x83, 0xa5];
    bytes.extend(b"mount\xa1m\xa3sql\xa1s\xa6params\x91\xc4\x02\x00\xff");
    assert_eq!(query(msgpack(&bytes).unwrap()).unwrap().params, [Value::Bytes(vec![0, 255])]);
    let document = Item::Map(vec![
        ("mount".into(), Item::Text("m".into())),
        ("sql".into(), Item::Text("s".into())),
        (
            "params".into(),
            Item::List(vec![Item::Map(vec![
                ("type".into(), Item::Text("json".into())),
                ("value".into(), Item::List(vec![Item::Bytes(vec![1])])),
            ])]),
        ),
    ]);
    assert!(refused(query(document)).contains("holds bytes"));
}

#[test]
fn sessions_of_another_shape_are_refused() {
    let mint_of = |text: &str| mint(json(text).unwrap());
    for (bad, why) in [
        ("{\"agent\":\"a\"}", "`ttl_seconds` is missing"),
        ("{\"agent\":\"a\",\"ttl_seconds\":-1}", "below zero"),
        ("{\"agent\":\"a\",\"ttl_seconds\":1.5}", "must be a whole number"),
        ("{\"agent\":\"a\",\"ttl_seconds\":60,\"claims\":[]}", "`claims` must be a map"),
        ("{\"agent\":\"a\",\"ttl_seconds\":60,\"claims\":null}", "`claims` must be a map"),
        ("{\"agent\":\"a\",\"ttl_seconds\":60,\"claims\":{\"x\":1.5}}", "`claims.x` must be"),
        ("{\"agent\":\"a\",\"ttl_seconds\":60,\"claims\":{\"x\":null}}", "`claims.x` must be"),
        ("{\"agent\":\"a\",\"ttl_seconds\":60,\"claims\":{\"x\":[]}}", "empty list"),
        ("{\"agent\":\"a\",\"ttl_seconds\":60,\"claims\":{\"x\":[1,\"a\"]}}", "`claims.x[1]`"),
        ("{\"agent\":\"a\",\"ttl_seconds\":60,\"claims\":{\"x\":{}}}", "`claims.x` must be"),
        ("{\"agent\":\"a\",\"ttl\":60}", "did you mean `ttl_seconds`?"),
    ] {
        let text = refused(mint_of(bad));
        assert!(text.contains(why), "{bad}: {text}");
    }
    let minted = mint_of("{\"agent\":\"a\",\"claims\":{\"n\":42,\"l\":[\"x\"]},\"ttl_seconds\":60}").unwrap();
    assert_eq!(minted.ttl_seconds, 60);
    assert_eq!(minted.claims.len(), 2);
}

#[test]
fn reads_of_another_shape_are_refused() {
    for (bad, why) in [
        ("", "`from` is missing"),
        ("\"from\":1", "`from` must be a text"),
        ("\"from\":\"t\",\"select\":\"*\"", "`select` must be a list"),
        ("\"from\":\"t\",\"select\":[]", "names no column"),
        ("\"from\":\"t\",\"select\":[1]", "`select[0]` must be a text"),
        ("\"from\":\"t\",\"where\":\"a = 1\"", "`where` must be a map of equalities"),
        ("\"from\":\"t\",\"where\":{\"a\":[]}", "`where.a` is an empty list"),
        ("\"from\":\"t\",\"where\":{\"a\":[null]}", "`where.a[0]` is null"),
        ("\"from\":\"t\",\"where\":{\"a\":{\"b\":1}}", "unknown key `where.a.b`"),
        ("\"from\":\"t\",\"where\":[1]", "`where[0]` is an integer, not a map"),
        ("\"from\":\"t\",\"where\":[{\"column\":\"a\"}]", "`op` is missing from `where[0]`"),
        ("\"from\":\"t\",\"where\":[{\"column\":\"a\",\"op\":\"=\",\"value\":1}]", "operators: `eq`"),
        ("\"from\":\"t\",\"where\":[{\"column\":\"a\",\"op\":\"eqq\",\"value\":1}]", "did you mean `eq`?"),
        ("\"from\":\"t\",\"where\":[{\"column\":\"a\",\"op\":\"eq\"}]", "`value` is missing from `where[0]`"),
        ("\"from\":\"t\",\"where\":[{\"column\":\"a\",\"op\":\"eq\",\"value\":null}]", "is_null"),
        ("\"from\":\"t\",\"where\":[{\"column\":\"a\",\"op\":\"in\",\"value\":1}]", "`where[0].value` must be a list"),
        (
            "\"from\":\"t\",\"where\":[{\"column\":\"a\",\"op\":\"is_null\",\"value\":1}]",
            "`where[0].value` does not go",
        ),
        ("\"from\":\"t\",\"order\":\"a\"", "`order` must be a list"),
        ("\"from\":\"t\",\"order\":[{\"column\":\"a\",\"desc\":true}]", "did you mean `descending`?"),
        ("\"from\":\"t\",\"order\":[{\"column\":\"a\",\"descending\":1}]", "must be a boolean"),
        ("\"from\":\"t\",\"limit\":-1", "below zero"),
        ("\"from\":\"t\",\"limit\":\"1\"", "whole number"),
        ("\"from\":\"t\",\"wher\":{}", "did you mean `where`?"),
    ] {
        let comma = if bad.is_empty() { "" } else { "," };
        let text = refused(read(json(&format!("{{\"mount\":\"m\"{comma}{bad}}}")).unwrap()));
        assert!(text.contains(why), "{bad}: {text}");
    }
}

#[test]
fn both_forms_of_conditions_mean_the_same() {
    let of = |text: &str| read(json(text).unwrap()).unwrap().read;
    let short = of("{\"mount\":\"m\",\"from\":\"t\",\"where\":{\"a\":1,\"b\":[2,3],\"c\":null},\"order\":[\"a\"]}");
    let long = of("{\"mount\":\"m\",\"from\":\"t\",\"where\":[{\"column\":\"a\",\"op\":\"eq\",\"value\":1},\
         {\"column\":\"b\",\"op\":\"in\",\"value\":[2,3]},{\"column\":\"c\",\"op\":\"is_null\"}],\
         \"order\":[{\"column\":\"a\",\"descending\":false}]}");
    assert_eq!(short, long);
    assert_eq!(short.r#where.len(), 3);
    assert_eq!(short.r#where[1].values, [Value::Integer(2), Value::Integer(3)]);
}

#[test]
fn messages_do_not_echo_what_could_break_a_log() {
    let text = refused(query_of(&format!("{{\"mount\":\"m\",\"sql\":\"\",\"a`\\n{}\":1}}", "x".repeat(9000))));
    assert!(!text.contains('\n') && text.len() < 400, "{text}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(data in proptest::collection::vec(any::<u8>(), 0..256)) {
        fuzz_body(&data);
    }

    #[test]
    fn bytes_near_json_are_read_or_refused(text in "[\\[\\]{}:,\"\\\\u0-9eE.+\\- a-fntrl]{0,64}") {
        fuzz_body(text.as_bytes());
    }

    /// Whatever this reader takes, the general one takes too, and to the same value.
    #[test]
    fn json_agrees_with_the_general_reader(text in "[\\[\\]{}:,\"\\\\u0-9eE.+\\- a-c]{0,48}") {
        if let Ok(item) = json(&text) {
            let mut written = Vec::new();
            super::json::write(&item, &mut written);
            let ours: serde_json::Value = serde_json::from_slice(&written).unwrap();
            let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn texts_survive_being_written(text in any::<String>()) {
        let mut written = Vec::new();
        crate::encode::json_text(&text, &mut written);
        prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), text);
    }
}
