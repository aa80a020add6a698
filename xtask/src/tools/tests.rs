use super::*;

fn counts(line: &str) -> Option<(u64, u64, u64)> {
    Counts::of_line(line).map(|counts| (counts.passed, counts.failed, counts.skipped))
}

#[test]
fn closing_lines_are_counted() {
    assert_eq!(counts("     Summary [   0.035s] 15 tests run: 15 passed, 2 skipped\n"), Some((15, 0, 2)));
    assert_eq!(counts("     Summary [   0.035s] 3/15 tests run: 2 passed, 1 failed, 0 skipped"), Some((2, 1, 0)));
    assert_eq!(
        counts("Summary [ 9.1s] 5 tests run: 3 passed (1 slow), 1 failed, 1 timed out, 0 skipped"),
        Some((3, 2, 0))
    );
    assert_eq!(
        counts(
            "\u{1b}[32;1m     Summary\u{1b}[0m [ 0.0s] \u{1b}[1m1\u{1b}[0m test run: \u{1b}[1m1\u{1b}[0m passed, 0 skipped"
        ),
        Some((1, 0, 0))
    );
    assert_eq!(
        counts("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s"),
        Some((3, 0, 1))
    );
    assert_eq!(counts("7 passed, 1 failed"), Some((7, 1, 0)));
}

#[test]
fn other_lines_are_not() {
    for line in [
        "",
        "running 3 tests",
        "PASS [ 0.1s] a passed, test",
        "3 passed",
        "it passed, 3 failed",
        "x: 3 passed, 0 failed y",
    ] {
        assert_eq!(counts(line), None, "{line}");
    }
}

#[test]
fn commands_are_told_as_typed() {
    let mut command = Command::new("/somewhere/bin/cargo");
    command.args(["test", "--", "a b", "it's"]).env("X", "1");
    assert_eq!(by_hand(&command), r"X=1 cargo test -- 'a b' 'it'\''s'");
}
