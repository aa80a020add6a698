use bytes::BytesMut;
use mountgate_core::{Code, Refusal, Value};
use mountgate_mediate::ReplyColumn;
use proptest::prelude::*;

use super::*;

fn column(name: &str, ty: &str, masks: &[&str]) -> ReplyColumn {
    ReplyColumn { name: name.into(), ty: ty.into(), masks: masks.iter().map(|mask| (*mask).into()).collect() }
}

fn whole(format: Format, columns: &[ReplyColumn], rows: &[Vec<Value>]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let mut encoder = Encoder::begin(format, "d-1", false, columns, &mut out);
    for row in rows {
        encoder.row(row, &mut out);
    }
    encoder.end(End { rows: rows.len() as u64, truncated: false }, &mut out);
    out.to_vec()
}

fn text(format: Format, columns: &[ReplyColumn], rows: &[Vec<Value>]) -> String {
    String::from_utf8(whole(format, columns, rows)).unwrap()
}

fn cell(value: Value) -> String {
    let text = text(Format::Json, &[column("c", "any", &[])], &[vec![value]]);
    let (_, rest) = text.split_once("\"rows\":[[").unwrap();
    rest.split_once("]],\"row_count\"").unwrap().0.to_owned()
}

/// Every type: its JSON, and what MessagePack makes of it where that is another.
fn cells() -> Vec<(Value, &'static str, Option<rmp_value::Value>)> {
    use rmp_value::Value as M;
    let t = |text: &str| text.to_owned();
    vec![
        (Value::Null, "null", None),
        (Value::Boolean(true), "true", None),
        (Value::Boolean(false), "false", None),
        (Value::Integer(0), "0", None),
        (Value::Integer(9_007_199_254_740_993), "9007199254740993", None),
        (Value::Integer(i64::MIN), "-9223372036854775808", None),
        (Value::Integer(i64::MAX), "9223372036854775807", None),
        (Value::Float(1.0), "1.0", None),
        (Value::Float(0.1), "0.1", None),
        (Value::Float(-0.0), "-0.0", None),
        (Value::Float(f64::NAN), "\"NaN\"", None),
        (Value::Float(f64::INFINITY), "\"Infinity\"", None),
        (Value::Float(f64::NEG_INFINITY), "\"-Infinity\"", None),
        (Value::Decimal(t("12.50")), "\"12.50\"", None),
        (Value::Text(t("é \"quoted\" \\ \n\r\t\u{1}\u{7f}")), "\"é \\\"quoted\\\" \\\\ \\n\\r\\t\\u0001\u{7f}\"", None),
        (Value::Text(t("</script>\u{2028}")), "\"</script>\u{2028}\"", None),
        (Value::Bytes(vec![0, 255]), "\"AP8=\"", Some(M::Bytes(vec![0, 255]))),
        (Value::Bytes(vec![]), "\"\"", Some(M::Bytes(vec![]))),
        (Value::Date(t("2026-11-24")), "\"2026-11-24\"", None),
        (Value::Time(t("08:53:01.25")), "\"08:53:01.25\"", None),
        (Value::Timestamp(t("2026-11-24T08:53:01.25")), "\"2026-11-24T08:53:01.25\"", None),
        (Value::TimestampTz(t("2026-11-24T08:53:01.25Z")), "\"2026-11-24T08:53:01.25Z\"", None),
        (Value::Interval(t("P1DT2H")), "\"P1DT2H\"", None),
        (Value::Uuid(t("67e55044-10b1-426f-9247-bb680e5fe0c8")), "\"67e55044-10b1-426f-9247-bb680e5fe0c8\"", None),
        (
            Value::Json(t("{\"a\": 1.10, \"b\": [100000000000000000000]}")),
            "{\"a\": 1.10, \"b\": [100000000000000000000]}",
            Some(M::Text(t("{\"a\": 1.10, \"b\": [100000000000000000000]}"))),
        ),
        (
            Value::Array(vec![Value::Integer(1), Value::Null, Value::Array(vec![Value::Text(t("x"))])]),
            "[1,null,[\"x\"]]",
            None,
        ),
    ]
}

/// A reader of MessagePack for these tests alone, by the specification.
mod rmp_value {
    #[derive(Clone, Debug, PartialEq)]
    pub(super) enum Value {
        Null,
        Boolean(bool),
        Integer(i64),
        Float(f64),
        Text(String),
        Bytes(Vec<u8>),
        List(Vec<Value>),
        Map(Vec<(Value, Value)>),
    }

    pub(super) fn read(bytes: &mut &[u8]) -> Value {
        use rmp::{Marker, decode};
        let marker = Marker::from_u8(bytes[0]);
        match marker {
            Marker::Null => decode::read_nil(bytes).map(|()| Value::Null).unwrap(),
            Marker::True | Marker::False => Value::Boolean(decode::read_bool(bytes).unwrap()),
            Marker::F64 => Value::Float(decode::read_f64(bytes).unwrap()),
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                let length = decode::read_str_len(bytes).unwrap() as usize;
                Value::Text(String::from_utf8(take(bytes, length)).unwrap())
            }
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                let length = decode::read_bin_len(bytes).unwrap() as usize;
                Value::Bytes(take(bytes, length))
            }
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
                let length = decode::read_array_len(bytes).unwrap();
                Value::List((0..length).map(|_| read(bytes)).collect())
            }
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
                let length = decode::read_map_len(bytes).unwrap();
                Value::Map((0..length).map(|_| (read(bytes), read(bytes))).collect())
            }
            _ => Value::Integer(decode::read_int(bytes).unwrap()),
        }
    }

    fn take(bytes: &mut &[u8], length: usize) -> Vec<u8> {
        let (taken, rest) = bytes.split_at(length);
        *bytes = rest;
        taken.to_vec()
    }

    impl Value {
        pub(super) fn get(&self, key: &str) -> &Value {
            let Value::Map(entries) = self else { panic!("not a map") };
            &entries.iter().find(|(name, _)| *name == Value::Text(key.into())).unwrap().1
        }

        pub(super) fn of_json(json: &serde_json::Value) -> Self {
            match json {
                serde_json::Value::Null => Self::Null,
                serde_json::Value::Bool(b) => Self::Boolean(*b),
                serde_json::Value::Number(n) => {
                    n.as_i64().map_or_else(|| Self::Float(n.as_f64().unwrap()), Self::Integer)
                }
                serde_json::Value::String(s) => Self::Text(s.clone()),
                serde_json::Value::Array(items) => Self::List(items.iter().map(Self::of_json).collect()),
                serde_json::Value::Object(_) => panic!("no objects here"),
            }
        }
    }
}

#[test]
fn every_type_in_json() {
    for (value, json, _) in cells() {
        assert_eq!(cell(value.clone()), json, "{value:?}");
    }
}

#[test]
fn every_type_in_messagepack() {
    for (value, json, other) in cells() {
        let bytes = whole(Format::MessagePack, &[column("c", "any", &[])], &[vec![value.clone()]]);
        let mut rest = &bytes[..];
        let read = rmp_value::read(&mut rest);
        assert!(rest.is_empty());
        let expected = other.unwrap_or_else(|| rmp_value::Value::of_json(&serde_json::from_str(json).unwrap()));
        assert_eq!(
            *read.get("rows"),
            rmp_value::Value::List(vec![rmp_value::Value::List(vec![expected])]),
            "{value:?}"
        );
    }
}

#[test]
fn every_type_in_ndjson_is_one_line() {
    for (value, json, _) in cells() {
        let text = text(Format::Ndjson, &[column("c", "any", &[])], &[vec![value.clone()]]);
        let lines: Vec<&str> = text.split_terminator('\n').collect();
        assert_eq!(lines.len(), 3, "{value:?}");
        assert_eq!(lines[1], format!("[{json}]"), "{value:?}");
    }
}

#[test]
fn documents_of_several_lines_stay_one_line_and_what_is_no_json_is_quoted() {
    let text = text(
        Format::Ndjson,
        &[column("c", "json", &[])],
        &[
            vec![Value::Json("{\n  \"a\": \"x\\ny\",\r\n  \"b\": 1\n}".into())],
            vec![Value::Json("{\"a\":1}],\"row_count\":0}".into())],
            vec![Value::Json("NaN".into())],
            vec![Value::Json(String::new())],
        ],
    );
    let lines: Vec<&str> = text.split_terminator('\n').collect();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[1], "[{  \"a\": \"x\\ny\",  \"b\": 1}]");
    assert_eq!(lines[2], "[\"{\\\"a\\\":1}],\\\"row_count\\\":0}\"]");
    assert_eq!(lines[3], "[\"NaN\"]");
    assert_eq!(lines[4], "[\"\"]");
}

#[test]
fn the_whole_of_an_answer() {
    let columns = [column("id", "integer", &[]), column("email", "text", &["partial"])];
    let rows = [vec![Value::Integer(1), Value::Text("a".into())], vec![Value::Integer(2), Value::Null]];
    assert_eq!(
        text(Format::Json, &columns, &rows),
        "{\"decision_id\":\"d-1\",\"columns\":[{\"name\":\"id\",\"type\":\"integer\"},\
         {\"name\":\"email\",\"type\":\"text\",\"masks\":[\"partial\"]}],\"rows\":[[1,\"a\"],[2,null]],\
         \"row_count\":2,\"truncated\":false,\"complete\":true}"
    );
    assert_eq!(
        text(Format::Ndjson, &columns, &rows),
        "{\"decision_id\":\"d-1\",\"columns\":[{\"name\":\"id\",\"type\":\"integer\"},\
         {\"name\":\"email\",\"type\":\"text\",\"masks\":[\"partial\"]}]}\n[1,\"a\"]\n[2,null]\n\
         {\"row_count\":2,\"truncated\":false,\"complete\":true}\n"
    );
    let bytes = whole(Format::MessagePack, &columns, &rows);
    let read = rmp_value::read(&mut &bytes[..]);
    assert_eq!(*read.get("row_count"), rmp_value::Value::Integer(2));
    assert_eq!(*read.get("truncated"), rmp_value::Value::Boolean(false));
    assert_eq!(*read.get("complete"), rmp_value::Value::Boolean(true));
    assert_eq!(*read.get("decision_id"), rmp_value::Value::Text("d-1".into()));
    let rmp_value::Value::List(read_columns) = read.get("columns") else { panic!("no columns") };
    assert_eq!(*read_columns[1].get("masks"), rmp_value::Value::List(vec![rmp_value::Value::Text("partial".into())]));
    let empty = text(Format::Json, &columns[..1], &[]);
    assert!(empty.ends_with("\"rows\":[],\"row_count\":0,\"truncated\":false,\"complete\":true}"), "{empty}");
}

#[test]
fn an_answer_cut_anywhere_does_not_look_whole() {
    let columns = [column("c", "text", &[])];
    let rows = [vec![Value::Text("\"complete\":true}".into())], vec![Value::Json("{\"complete\":true}".into())]];
    let json = whole(Format::Json, &columns, &rows);
    for end in 0..json.len() {
        assert!(serde_json::from_slice::<serde_json::Value>(&json[..end]).is_err(), "cut at {end}");
    }
    let lines = text(Format::Ndjson, &columns, &rows);
    for end in (0..lines.len()).filter(|end| lines.is_char_boundary(*end)) {
        let last = lines.get(..end).unwrap().lines().last().unwrap_or_default();
        let parsed: Option<serde_json::Value> = serde_json::from_str(last).ok();
        let looks_whole = parsed.is_some_and(|line| line.get("complete") == Some(&true.into()));
        // Without its line break the last line is whole all the same.
        assert!(!looks_whole || end == lines.len() - 1, "cut at {end}");
    }
    let msgpack = whole(Format::MessagePack, &columns, &rows);
    for end in 0..msgpack.len() {
        let cut = crate::body::decode(&msgpack[..end], crate::media::Encoding::MessagePack);
        assert!(cut.is_err(), "cut at {end}");
    }
}

#[test]
fn an_answer_that_breaks_off_says_so() {
    let columns = [column("c", "integer", &[])];
    let refusal = Refusal::new(Code::DataError, "division by zero").hint("filter zeros out");
    let error = "\"error\":{\"code\":\"data_error\",\"message\":\"division by zero\",\"hint\":\"filter zeros out\",\
                 \"decision_id\":\"d-1\",\"retry_after\":null},\"complete\":false}";
    for (format, last) in [
        (Format::Json, format!("\"rows\":[[1]],\"row_count\":1,{error}")),
        (Format::Ndjson, format!("[1]\n{{\"row_count\":1,{error}\n")),
    ] {
        let mut out = BytesMut::new();
        let mut encoder = Encoder::begin(format, "d-1", false, &columns, &mut out);
        encoder.row(&[Value::Integer(1)], &mut out);
        assert!(encoder.streams());
        encoder.break_off(&refusal, "d-1", &mut out);
        let text = String::from_utf8(out.to_vec()).unwrap();
        assert!(text.ends_with(&last), "{text}");
    }
    let mut out = BytesMut::new();
    assert!(!Encoder::begin(Format::MessagePack, "d-1", false, &columns, &mut out).streams());
}

#[test]
fn errors_have_all_their_fields_in_both_encodings() {
    let refusal = Refusal::new(Code::RateLimited, "too often").retry_after(3);
    let body = ErrorBody { error: error_fields(&refusal, None) };
    assert_eq!(
        object(&body, crate::media::Encoding::Json),
        "{\"error\":{\"code\":\"rate_limited\",\"message\":\"too often\",\"hint\":null,\"decision_id\":null,\
         \"retry_after\":3}}"
    );
    let bytes = object(&body, crate::media::Encoding::MessagePack);
    let read = rmp_value::read(&mut &bytes[..]);
    assert_eq!(*read.get("error").get("code"), rmp_value::Value::Text("rate_limited".into()));
    assert_eq!(*read.get("error").get("hint"), rmp_value::Value::Null);
    assert_eq!(*read.get("error").get("retry_after"), rmp_value::Value::Integer(3));
}

proptest! {
    #[test]
    fn floats_keep_every_bit(bits in any::<u64>()) {
        let float = f64::from_bits(bits);
        prop_assume!(float.is_finite());
        let read: f64 = cell(Value::Float(float)).parse().unwrap();
        prop_assert_eq!(read.to_bits(), float.to_bits());
    }

    #[test]
    fn any_text_is_one_json_text(text in any::<String>()) {
        let read: String = serde_json::from_str(&cell(Value::Text(text.clone()))).unwrap();
        prop_assert_eq!(read, text);
    }

    #[test]
    fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let text: String = serde_json::from_str(&cell(Value::Bytes(bytes.clone()))).unwrap();
        prop_assert_eq!(data_encoding::BASE64.decode(text.as_bytes()).unwrap(), bytes);
    }

    /// A store's text where JSON is expected, whatever it is, leaves the answer one JSON value.
    #[test]
    fn any_document_leaves_the_answer_json(text in "[\\[\\]{}:,\"\\\\a-c0-9\\n\\r ]{0,40}") {
        let answer = text_of(&text);
        let read: serde_json::Value = serde_json::from_str(&answer).unwrap();
        prop_assert_eq!(read["rows"].as_array().unwrap().len(), 1);
        prop_assert_eq!(&read["complete"], &serde_json::Value::Bool(true));
    }
}

fn text_of(document: &str) -> String {
    text(Format::Json, &[column("c", "json", &[])], &[vec![Value::Json(document.into())]])
}

#[test]
fn every_byte_that_must_be_escaped_is_found_at_every_place() {
    for byte in 0..0x80u8 {
        for at in 0..20 {
            let mut text = "é".repeat(10).into_bytes();
            text.truncate(at / 2 * 2);
            text.push(byte);
            text.extend("plain \u{7f} text \u{2028}".bytes());
            let text = String::from_utf8(text).unwrap();
            let written = cell(Value::Text(text.clone()));
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text, "{byte:#x} at {at}");
        }
    }
}
