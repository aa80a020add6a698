use super::refused;

#[test]
fn the_two_words_are_found_wherever_they_are_words() {
    for text in [
        "SELECT 1 FROM a NATURAL JOIN b",
        "SELECT 1 FROM a natural\nleft join b",
        "SELECT 1 FROM a JOIN b USING(x)",
        "SELECT 1 FROM a JOIN b uSiNg (x)",
        "SELECT x'00'USING FROM a",
        "SELECT 'it''s' FROM a JOIN b USING (x)",
        "SELECT \"a\"\"\" FROM a JOIN b ON 1=1 JOIN c\tUSING\x0c(x)",
        "SELECT '' '' USING",
    ] {
        assert!(refused(text).is_some_and(|why| why.starts_with("NATURAL")), "{text}");
    }
}

#[test]
fn texts_and_other_names_may_hold_them() {
    for text in [
        "SELECT 'natural', \"using\" FROM a WHERE b = 'NATURAL JOIN ''USING'' x' AND c = ?1",
        "SELECT using_it, unnatural, naturalé FROM a WHERE b -> '$.x' = - -1 AND c ->> 'y' / 2 * 3",
        "SELECT 'a--b', '/* */', '[$@#:]' FROM a",
    ] {
        assert_eq!(refused(text), None, "{text}");
    }
}

#[test]
fn what_may_be_read_in_two_ways_is_not_read() {
    for text in [
        "SELECT $a(') NATURAL JOIN b -- ')",
        "SELECT :a, @b, #c",
        "SELECT [a'] FROM b",
        "SELECT `a'` FROM b",
        "SELECT 1 -- '\n NATURAL JOIN b",
        "SELECT 1 /* ' */ FROM a NATURAL JOIN b",
        "SELECT 'open",
        "SELECT \"open",
        "SELECT 1\0",
    ] {
        assert!(refused(text).is_some(), "{text}");
    }
}
