use super::*;

#[test]
fn what_is_no_duration_or_rate_is_refused() {
    for text in ["", "5", "s", "-1s", "0s", "5 s", "1.5s", "1d", "9223372036854775807h"] {
        assert!(DurationSetting::read(text).unwrap_err().contains("no duration"), "{text}");
    }
    for text in ["", "10", "0/minute", "-1/minute", "x/minute", "10/week", "10/", "99999999999999999999/day"] {
        assert!(RateSetting::read(text).unwrap_err().contains("no rate"), "{text}");
    }
    assert!(serde_json::from_str::<LimitsSetting>(r#"{"max_row": 1}"#).unwrap_err().to_string().contains("`max_row`"));
}

#[test]
fn limits_read() {
    let limits: LimitsSetting = serde_json::from_str(
        r#"{"requests": "10/minute", "rows": "10_000/hour", "max_rows": 50, "timeout": "5s", "concurrency": 2}"#,
    )
    .unwrap();
    let limits = Limits::from(limits);
    assert_eq!(limits.requests, vec![Rate { amount: 10, window_ms: 60_000 }]);
    assert_eq!(limits.rows, vec![Rate { amount: 10_000, window_ms: 3_600_000 }]);
    assert_eq!((limits.max_rows, limits.timeout_ms, limits.concurrency), (Some(50), Some(5_000), Some(2)));
    assert_eq!(DurationSetting::read("500ms"), Ok(DurationSetting(500)));
}
