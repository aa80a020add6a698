use super::*;

fn read(text: &str) -> Expr {
    FilterSetting::read(text).unwrap_or_else(|error| panic!("{text}: {error}")).0
}

#[test]
fn what_has_no_meaning_is_refused() {
    for (text, says) in [
        ("", "`the end` stands where"),
        ("region", "`=`"),
        ("region =", "`the end`"),
        ("region = 'eu", "no closing"),
        ("region = 'eu' status", "`status` is left over"),
        ("region = 'eu' AND", "`the end`"),
        ("(region = 'eu'", "`)`"),
        ("session.region = 'eu'", "`session.`"),
        ("region = NULL", "is null"),
        ("region IN ()", "stands where"),
        ("region IN region", "a list in parentheses, or a claim"),
        ("lower(region) = 'eu'", "`(`"),
        ("a = 1; DROP", "`;`"),
        ("a = 1 -- b", "`-`"),
        ("a = 1.2.3", "no number"),
        ("a = 99999999999999999999", "no number"),
        ("a NOT NULL", "`NULL` stands where"),
    ] {
        let error = FilterSetting::read(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
    assert!(FilterSetting::read(&format!("{}a = 1", "NOT ".repeat(1000))).unwrap_err().contains("deeper"));
    assert!(FilterSetting::read(&"(".repeat(100_000)).unwrap_err().contains("deeper"));
}

#[test]
fn filters_read_as_built() {
    for (text, expr) in [
        ("customer_id = claim.customer_id", col("customer_id").eq(claim("customer_id"))),
        ("region in claim.regions", col("region").in_list([claim("regions")])),
        ("a = 1 AND b <> 'it''s' and c != -2.50", {
            all([col("a").eq(1), col("b").ne("it's"), col("c").ne(Value::Decimal("-2.50".into()))])
        }),
        ("a = 1 OR b = 2 AND c = 3", col("a").eq(1).or(col("b").eq(2).and(col("c").eq(3)))),
        ("(a = 1 OR b = 2) AND c = 3", col("a").eq(1).or(col("b").eq(2)).and(col("c").eq(3))),
        ("NOT a < 10_000", not(col("a").lt(10_000))),
        ("a IS NULL OR a IS NOT NULL", col("a").is_null().or(not(col("a").is_null()))),
        ("status NOT IN ('x', 'y')", not(col("status").in_list(["x", "y"]))),
        ("\"Order\" = \"of\"\"it\"", col("Order").eq(col("of\"it"))),
        ("active = true", col("active").eq(true)),
        ("false", always(false)),
        ("a >= 1 AND a <= 2 AND a > 0", all([col("a").ge(1), col("a").le(2), col("a").gt(0)])),
    ] {
        assert_eq!(read(text), expr, "{text}");
    }
}
