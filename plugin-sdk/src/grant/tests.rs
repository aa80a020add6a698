use crate::{prelude::*, testing::RequestBuilder};

fn customers() -> RelationGrant {
    let request = RequestBuilder::new("a", "m")
        .relation("customers", &[("customer_id", "integer"), ("name", "text"), ("email", "text")])
        .ceiling_mask("customers", "email", Mask::Partial(Partial { first: 1, last: 4, fill: "*".into() }))
        .ceiling_filter("customers", col("customer_id").eq(claim("customer_id")))
        .build();
    RelationGrant::from_ceiling(request.relation("customers").unwrap())
}

#[test]
fn a_column_that_the_ceiling_does_not_show_is_refused() {
    assert_eq!(
        customers().only_columns(["name", "salary"]).unwrap_err(),
        "the ceiling shows no column `salary` of `customers`"
    );
    assert!(customers().mask("salary", Mask::Hash).unwrap_err().contains("`salary`"));
    assert!(customers().only_columns(["name", "name"]).unwrap_err().contains("twice"));
}

#[test]
fn masks_stand_on_the_ceilings() {
    let grant = customers().mask("email", Mask::Hash).unwrap();
    let masks = grant.masks_of("email").unwrap();
    assert_eq!(masks.len(), 2);
    assert!(matches!(masks[0], Mask::Partial(_)));
    assert_eq!(masks[1], Mask::Hash);
}

#[test]
fn filters_stand_beside_the_ceilings() {
    let grant = customers().filter(col("name").ne("x"));
    let both = col("customer_id").eq(claim("customer_id")).and(col("name").ne("x"));
    assert_eq!(grant.filter, Some(both.into_nodes()));
}
