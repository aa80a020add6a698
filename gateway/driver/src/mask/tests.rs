use super::*;

#[test]
fn hash_is_hmac_sha_256_cut_to_32_digits() {
    // RFC 4231, test case 2.
    let hash = KeyedHash::new(b"Jefe").unwrap();
    assert_eq!(hash.digest(b"what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c7");
    assert_ne!(hash.digest(b"a"), KeyedHash::new(b"jefe").unwrap().digest(b"a"));
    assert!(KeyedHash::new(b"").is_none());
}

#[test]
fn partial_shows_nothing_of_a_short_text() {
    assert_eq!(partial("alice@example.org", 1, 4, "*"), "a************.org");
    assert_eq!(partial("abcde", 1, 4, "*"), "*****");
    assert_eq!(partial("abcdef", 1, 4, "*"), "a*cdef");
    assert_eq!(partial("äöüß", 1, 1, "·"), "ä··ß");
    assert_eq!(partial("", 1, 1, "*"), "");
    assert_eq!(partial("abc", -5, -5, ""), "***");
    assert_eq!(partial("abc", i64::MAX, i64::MAX, "*"), "***");
}

#[test]
fn truncate_cuts_dates_and_timestamps_and_nothing_else() {
    for (text, part, wanted) in [
        ("2026-11-24", "year", "2026-01-01"),
        ("2026-11-24", "quarter", "2026-10-01"),
        ("2026-11-24", "month", "2026-11-01"),
        ("2026-11-24 08:53:01.25", "month", "2026-11-01 00:00:00"),
        ("2026-11-24T08:53:01Z", "day", "2026-11-24T00:00:00Z"),
        ("2026-11-24T08:53:01+01:00", "hour", "2026-11-24T08:00:00+01:00"),
        ("2026-11-24 08:53", "hour", "2026-11-24 08:00:00"),
        ("2024-02-29", "month", "2024-02-01"),
    ] {
        assert_eq!(truncate(text, part).as_deref(), Some(wanted), "{text} to {part}");
    }
    for text in [
        "",
        "secret",
        "2026-13-01",
        "2026-02-29",
        "2026-11-24x",
        "2026-11-24 25:00",
        "2026-11-24 08:53:01.",
        "20é6-01-01",
        "2026-11-24 08:53:01Zsecret",
        "2026-11-24 secret",
        "2026-11-24 08:53:01 secret",
        "2026-1-1",
        "-026-11-24",
    ] {
        assert_eq!(truncate(text, "year"), None, "{text}");
    }
    assert_eq!(truncate("2026-11-24", "century"), None);
}

#[test]
fn bucket_and_round_never_overflow() {
    assert_eq!(bucket_integer(17, 5), Some(15));
    assert_eq!(bucket_integer(-1, 5), Some(-5));
    assert_eq!(bucket_integer(i64::MIN, 10), None);
    assert_eq!(bucket_integer(1, 0), None);
    assert_eq!(bucket_float(-0.5, 2), Some(-2.0));
    assert_eq!(bucket_float(f64::INFINITY, 2), None);
    assert_eq!(round_integer(1234, -2), Some(1200));
    assert_eq!(round_integer(1250, -2), Some(1300));
    assert_eq!(round_integer(-1250, -2), Some(-1300));
    assert_eq!(round_integer(i64::MAX, -1), None);
    assert_eq!(round_integer(i64::MAX, -40), Some(0));
    assert_eq!(round_integer(7, 3), Some(7));
    assert_eq!(round_float(2.5, 0), Some(3.0));
    assert_eq!(round_float(-2.345, 2), Some(-2.35));
    assert_eq!(round_float(1e300, 18), Some(1e300));
    assert_eq!(round_float(1234.0, -2), Some(1200.0));
}

#[test]
fn numbers_are_held_as_a_numeric_column_holds_them() {
    assert_eq!(held_as_numeric(72.0), Some(72));
    assert_eq!(held_as_numeric(-0.0), Some(0));
    assert_eq!(held_as_numeric(72.5), None);
    assert_eq!(held_as_numeric(1e300), None);
    assert_eq!(held_as_numeric(f64::NAN), None);
    assert_eq!(held_as_numeric(9.3e18), None);
}
