use super::*;

fn nodes(text: &str) -> Vec<Node> {
    parse(text).unwrap().nodes().to_vec()
}

#[test]
fn what_is_no_filter_is_refused_with_a_reason() {
    for (text, reason) in [
        ("", "empty"),
        ("   ", "empty"),
        ("a", "expected a comparison"),
        ("active", "= TRUE"),
        ("a =", "ends where"),
        ("a = NULL", "IS NULL"),
        ("a == 1", "write `=`"),
        ("a = 1 b", "not expected"),
        ("lower(a) = 'x'", "calls no functions"),
        ("t.a = 1", "without a qualifier"),
        ("a = 'x", "not closed"),
        ("a LIKE 'x'", "expected a comparison"),
        ("a = (SELECT 1)", "expected a column"),
        ("a = 1; DROP TABLE x", "cannot stand"),
        ("a = 1 -- x", "cannot stand"),
        ("a IN ()", "expected a column"),
        ("a < ANY(claim.x)", "`=` only"),
        ("a = ANY(b)", "takes a claim"),
        ("a = 0x1F", "not a number"),
        ("a = 1_000", "not expected"),
        ("a IS TRUE", "expected NULL"),
        ("a NOT 1", "after NOT"),
        ("a BETWEEN 1 OR 2", "expected AND"),
        ("claim. = 1", "expected a name"),
        ("1", "expected a comparison"),
    ] {
        let why = parse(text).expect_err(text);
        assert!(why.contains(reason), "{text}: {why}");
    }
    let deep = format!("{}a = 1{}", "(".repeat(100), ")".repeat(100));
    assert!(parse(&deep).unwrap_err().contains("nests deeper"));
    assert!(parse(&"NOT ".repeat(600)).is_err());
    assert!(parse(&format!("{}a = 1", "NOT ".repeat(600))).is_err(), "more nodes than a filter may have");
}

#[test]
fn a_mounts_filter_reads_as_it_stands() {
    assert_eq!(
        nodes("customer_id = claim.customer_id"),
        [
            Node::Column("customer_id".into()),
            Node::Claim("customer_id".into()),
            Node::Compare { op: CompareOp::Eq, left: 0, right: 1 }
        ]
    );
    assert_eq!(
        nodes("status IN ('a', 'it''s') AND NOT \"Odd name\" IS NULL"),
        [
            Node::Column("status".into()),
            Node::Literal(Value::Text("a".into())),
            Node::Literal(Value::Text("it's".into())),
            Node::In { needle: 0, list: vec![1, 2] },
            Node::Column("Odd name".into()),
            Node::IsNull(4),
            Node::Not(5),
            Node::And(vec![3, 6]),
        ]
    );
    assert_eq!(nodes("TRUE"), [Node::Always(true)]);
    assert_eq!(nodes("region = ANY(claim.regions)"), nodes("region IN (claim.regions)"));
    assert_eq!(nodes("a BETWEEN -1 AND 2.50").len(), 6);
    assert_eq!(nodes("a = 99999999999999999999")[1], Node::Literal(Value::Decimal("99999999999999999999".into())));
    assert_eq!(nodes("TRUE = active").len(), 3);
    assert_eq!(nodes("a = 1 OR a = 2 AND b = 3").last(), Some(&Node::Or(vec![2, 9])));
}

#[test]
fn what_is_written_is_read_as_the_same() {
    for text in [
        "customer_id = claim.customer_id",
        "region IN ('north', 'it''s') AND (state = 'open' OR closed_at IS NULL)",
        "NOT (a = 1 OR b = 2) AND \"or\" <> -3",
        "region IN (claim.regions)",
        "a <= 1.5e0 OR b >= 12.50 AND NOT c IN (1, 2)",
        "\"select\" = TRUE AND \"true\" IS NOT NULL",
        "TRUE",
        "FALSE",
        "\"Grande colonne\" = ''",
    ] {
        let read = parse(text).unwrap();
        assert_eq!(super::text(&read), text);
        assert_eq!(parse(&super::text(&read)).unwrap(), read);
    }
    // One meaning, one text.
    for (one, other) in [
        ("a = 1 AND (b = 2 AND c = 3)", "a = 1 AND b = 2 AND c = 3"),
        ("(((a = 1)))", "a = 1"),
        ("a BETWEEN 1 AND 2", "a >= 1 AND a <= 2"),
        ("a != 1", "a <> 1"),
        ("a NOT IN (1)", "NOT a IN (1)"),
        ("a = ANY(claim.x)", "a IN (claim.x)"),
    ] {
        assert_eq!(super::text(&parse(one).unwrap()), other);
    }
    let day = Filter::new(vec![
        Node::Column("d".into()),
        Node::Literal(Value::Date("2026-11-24".into())),
        Node::Compare { op: CompareOp::Lt, left: 0, right: 1 },
    ]);
    assert_eq!(super::text(&day.unwrap()), "d < '2026-11-24'");
}
