use jiff::civil::date;

use super::Hours;

fn at(y: i16, m: i8, d: i8, h: i8, min: i8, zone: &str) -> i64 {
    date(y, m, d).at(h, min, 0, 0).in_tz(zone).unwrap().timestamp().as_millisecond()
}

#[test]
fn closed_outside_and_open_inside() {
    let hours = Hours::parse("Mon-Fri 07:00-19:00 Europe/Berlin").unwrap();
    // 2026-11-24 is a Tuesday.
    assert!(!hours.open_at(at(2026, 11, 24, 6, 59, "Europe/Berlin")));
    assert!(hours.open_at(at(2026, 11, 24, 7, 0, "Europe/Berlin")));
    assert!(hours.open_at(at(2026, 11, 24, 18, 59, "Europe/Berlin")));
    assert!(!hours.open_at(at(2026, 11, 24, 19, 0, "Europe/Berlin")));
    assert!(!hours.open_at(at(2026, 11, 22, 12, 0, "Europe/Berlin")));
    // The zone matters: 06:30 UTC is 07:30 in Berlin.
    assert!(hours.open_at(at(2026, 11, 24, 6, 30, "UTC")));
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_began() {
    let hours = Hours::parse("Fri 22:00-06:00 UTC").unwrap();
    assert!(hours.open_at(at(2026, 11, 27, 23, 0, "UTC")));
    assert!(hours.open_at(at(2026, 11, 28, 5, 59, "UTC")));
    assert!(!hours.open_at(at(2026, 11, 28, 6, 0, "UTC")));
    assert!(!hours.open_at(at(2026, 11, 27, 5, 0, "UTC")));
}

#[test]
fn mistakes_are_named() {
    for (text, says) in [
        ("Mon-Fri 07:00-19:00", "should read like"),
        ("Mon-Fry 07:00-19:00 UTC", "Fry"),
        ("Mon 7-19 UTC", "07:00"),
        ("Mon 07:00-25:00 UTC", "25:00"),
        ("Mon 07:00-07:00 UTC", "empty"),
        ("Mon 07:00-08:00 Europe/Berlim", "Europe/Berlim"),
    ] {
        assert!(Hours::parse(text).unwrap_err().contains(says), "{text}");
    }
}
