use mountgate_plugin_sdk::testing::{self, MountBuilder};

use super::*;

fn mount() -> Mount {
    MountBuilder::new("m")
        .relation("customers", &[("customer_id", Scalar::Integer), ("email", Scalar::Text)])
        .mask("customers", "email", Mask::Hash)
        .filter("customers", col("customer_id").eq(claim("customer_id")))
        .relation("orders", &[("order_id", Scalar::Integer)])
        .build()
}

#[test]
fn any_setting_is_refused_by_name() {
    let error = testing::configure::<Ceiling>(r#"{"tier": 1}"#, &mount()).unwrap_err();
    assert!(error.contains("`tier`"), "{error}");
    assert!(testing::configure::<Ceiling>("[]", &mount()).is_err());
}

#[test]
fn the_grant_repeats_columns_masks_and_filter() {
    let policy = testing::configure::<Ceiling>("{}", &mount()).unwrap();
    let answer = policy.decide(policy.request("a").touch("customers")).unwrap();
    assert_eq!(answer.granted("customers"), Some(mount().relation("customers").unwrap().narrowed()));
    assert_eq!(answer.granted("orders"), None);
    let answer = policy.decide(policy.request("a").touch("orders").touch("customers")).unwrap();
    for relation in ["orders", "customers"] {
        assert_eq!(answer.granted(relation), Some(mount().relation(relation).unwrap().narrowed()));
    }
}
