use super::*;

fn well_formed(expr: &Expr) {
    assert!(!expr.nodes.is_empty());
    for (at, node) in expr.nodes.iter().enumerate() {
        let children: Vec<u32> = match node {
            Node::Literal(_) | Node::Claim(_) | Node::Column(_) | Node::Always(_) => vec![],
            Node::Compare(c) => vec![c.left, c.right],
            Node::InList(m) => std::iter::once(m.needle).chain(m.options.iter().copied()).collect(),
            Node::IsNull(child) | Node::Negated(child) => vec![*child],
            Node::AllOf(children) | Node::AnyOf(children) => children.clone(),
        };
        for child in children {
            assert!((child as usize) < at, "node {at} points at {child} in {expr:?}");
        }
    }
}

#[test]
fn comparisons_are_three_nodes() {
    let expr = col("customer_id").eq(claim("customer_id"));
    assert_eq!(
        expr.into_nodes(),
        vec![
            Node::Column("customer_id".into()),
            Node::Claim("customer_id".into()),
            Node::Compare(Comparison { op: CompareOp::Eq, left: 0, right: 1 }),
        ]
    );
}

#[test]
fn chains_become_one_conjunction() {
    let expr = col("a").eq(1).and(col("b").gt(2)).and(col("c").is_null());
    well_formed(&expr);
    assert_eq!(expr.nodes.last(), Some(&Node::AllOf(vec![2, 5, 7])));
    assert_eq!(expr.nodes.len(), 9);
}

#[test]
fn nesting_keeps_children_before_parents() {
    let expr = not(col("a").eq(1).or(col("b").in_list(["x", "y"])))
        .and(always(true))
        .or(all([col("c").ne(claim("c")), any([col("d").le(4), col("d").is_null()])]));
    well_formed(&expr);
    let outer = expr.clone().and(expr);
    well_formed(&outer);
}

#[test]
fn empty_joins_are_constants_and_single_ones_are_themselves() {
    assert_eq!(all([]), always(true));
    assert_eq!(any([]), always(false));
    assert_eq!(all([col("a").eq(1)]), col("a").eq(1));
}
