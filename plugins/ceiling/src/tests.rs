use mountgate_plugin_sdk::testing::{self, RequestBuilder};

use super::*;

#[test]
fn any_setting_is_refused_by_name() {
    let error = testing::configure::<Ceiling>(r#"{"tier": 1}"#).unwrap_err();
    assert!(error.contains("`tier`"), "{error}");
    assert!(testing::configure::<Ceiling>("[]").is_err());
}

#[test]
fn the_grant_repeats_columns_masks_and_filter() {
    let request = RequestBuilder::new("a", "m")
        .relation("customers", &[("customer_id", "integer"), ("email", "text")])
        .ceiling_mask("customers", "email", Mask::Hash)
        .ceiling_filter("customers", col("customer_id").eq(claim("customer_id")))
        .build();
    let verdict = testing::configure::<Ceiling>("{}").unwrap().decide(request.clone()).unwrap();
    assert_eq!(verdict.granted("customers"), Some(&RelationGrant::from_ceiling(&request.ceiling[0])));
    assert_eq!(verdict.granted("orders"), None);
}
