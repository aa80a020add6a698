use super::*;

fn read(json: &str) -> Result<Mask, String> {
    MaskSetting::read(serde_json::from_str(json).unwrap()).map(|setting| setting.0)
}

#[test]
fn what_is_no_mask_is_refused_and_says_what_would_be() {
    for (json, says) in [
        (r#""sha1""#, "`sha1`"),
        (r#"{"partial": {"first": 1, "lst": 2}}"#, "`lst`"),
        (r#"{"partial": {"fill": "xx"}}"#, "one character"),
        (r#"{"truncate": "week"}"#, "`quarter`"),
        (r#"{"round": 40}"#, "-18 to 18"),
        (r#"{"bucket": 0}"#, "above zero"),
        (r#"{"bucket": {"size": 3}}"#, "above zero"),
        (r#"{"hash": {}}"#, "`hash`"),
        (r#"{"fixed": null}"#, "`fixed`"),
        (r#"{"fixed": "x", "round": 2}"#, "one name or one key"),
        (r#"[]"#, "one name or one key"),
    ] {
        let error = read(json).unwrap_err();
        assert!(error.contains(says), "{json}: {error}");
    }
}

#[test]
fn every_mask_reads() {
    for (json, mask) in [
        (r#""null""#, Mask::Null),
        (r#""hash""#, Mask::Hash),
        (r#"{"fixed": "-"}"#, Mask::Fixed(Value::Text("-".into()))),
        (r#"{"fixed": 7}"#, Mask::Fixed(Value::Integer(7))),
        (r#"{"partial": {"first": 1, "last": 4}}"#, Mask::Partial(Partial { first: 1, last: 4, fill: "*".into() })),
        (r#"{"truncate": "month"}"#, Mask::Truncate(DatePart::Month)),
        (r#"{"round": 2}"#, Mask::Round(2)),
        (r#"{"round": {"digits": -3}}"#, Mask::Round(-3)),
        (r#"{"bucket": 10}"#, Mask::Bucket(10)),
        (r#"{"bucket": {"width": 10}}"#, Mask::Bucket(10)),
    ] {
        assert_eq!(read(json), Ok(mask), "{json}");
    }
}
