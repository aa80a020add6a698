use crate::{prelude::*, testing::MountBuilder};

fn customers() -> Narrowed {
    let mount = MountBuilder::new("m")
        .relation("customers", &[("customer_id", Scalar::Integer), ("name", Scalar::Text), ("email", Scalar::Text)])
        .mask("customers", "email", Mask::Partial(Partial { first: 1, last: 4, fill: "*".into() }))
        .filter("customers", col("customer_id").eq(claim("customer_id")))
        .build();
    mount.relation("customers").unwrap().narrowed()
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
fn columns_keep_their_places_in_the_order_named() {
    let grant = customers().only_columns(["email", "customer_id"]).unwrap();
    assert_eq!(grant.columns().collect::<Vec<_>>(), ["email", "customer_id"]);
    let granted = Granted::from(grant.clone());
    assert_eq!(granted.columns.iter().map(|column| column.column).collect::<Vec<_>>(), [2, 0]);
    let fewer = grant.without_column("email");
    assert!(!fewer.has_column("email") && fewer.has_column("customer_id"));
    assert!(fewer.only_columns(["email"]).unwrap_err().contains("`email`"));
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
    assert_eq!(grant.rows(), Some(both.into_nodes().as_slice()));
}
