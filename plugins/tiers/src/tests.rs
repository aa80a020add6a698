use mountgate_plugin_sdk::testing::{self, RequestBuilder};

use super::*;

const SETTINGS: &str = r#"{
    "tiers": [
        { "when": { "role": ["junior", "temp"] },
          "tables": {
              "orders": {},
              "customers": { "columns": ["customer_id", "email", "region"],
                             "masks": { "email": "hash" },
                             "filter": "region = claim.region" } },
          "limits": { "max_rows": 50, "requests": "10/minute" },
          "valid_for": "30s" },
        { "when": { "role": "senior", "vetted": true, "level": 3 }, "others": "ceiling", "deny": ["employee_records"] }
    ]
}"#;

fn partial() -> Mask {
    Mask::Partial(Partial { first: 1, last: 4, fill: "*".into() })
}

fn request() -> RequestBuilder {
    RequestBuilder::new("support-bot", "support")
        .relation("customers", &[("customer_id", "integer"), ("name", "text"), ("email", "text"), ("region", "text")])
        .ceiling_mask("customers", "email", partial())
        .ceiling_filter("customers", col("customer_id").eq(claim("customer_id")))
        .relation("orders", &[("order_id", "integer"), ("status", "text")])
        .relation("employee_records", &[("salary", "integer")])
}

fn decide(settings: &str, request: RequestBuilder) -> Verdict {
    testing::configure::<Tiers>(settings).unwrap().decide(request.build()).unwrap()
}

#[test]
fn whom_no_tier_matches_is_denied() {
    for nobody in [
        request(),
        request().claim("role", "admin"),
        request().claim("role", "Junior"),
        request().claim("role", 1),
        request().claim("role", "senior").claim("vetted", true),
        request().claim("role", "senior").claim("vetted", false).claim("level", 3),
        request().claim("role", "senior").claim("vetted", "true").claim("level", 3),
    ] {
        assert_eq!(decide(SETTINGS, nobody).denied(), Some("no_tier"));
    }
}

#[test]
fn a_table_that_the_tier_does_not_name_is_not_granted() {
    let verdict = decide(SETTINGS, request().claim("role", "junior"));
    assert_eq!(verdict.granted("employee_records"), None);
    let misspelt = SETTINGS.replace("\"customers\"", "\"custmers\"");
    assert_eq!(decide(&misspelt, request().claim("role", "junior")).granted("customers"), None);
}

#[test]
fn a_tier_narrows_and_repeats_the_ceiling() {
    let verdict = decide(SETTINGS, request().claim("role", "junior"));
    let customers = verdict.granted("customers").unwrap();
    let names: Vec<&str> = customers.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["customer_id", "email", "region"]);
    assert_eq!(customers.masks_of("email"), Some(&[partial(), Mask::Hash][..]));
    let both = col("customer_id").eq(claim("customer_id")).and(col("region").eq(claim("region")));
    assert_eq!(customers.filter, Some(both.into_nodes()));
    assert_eq!(verdict.granted("orders"), Some(&RelationGrant::from_ceiling(&request().build().ceiling[1])));
    let Verdict::Allow(allow) = verdict else { panic!("{verdict:?}") };
    assert_eq!((allow.limits.max_rows, allow.valid_for_ms), (Some(50), Some(30_000)));
    assert_eq!(allow.limits.requests, vec![Rate { amount: 10, window_ms: 60_000 }]);
}

#[test]
fn a_lent_column_may_be_filtered_by_and_is_not_granted() {
    let lent = request().lent("customers", "tenant", "text").claim("role", "junior");
    let settings = SETTINGS.replace("region = claim.region", "tenant = 'north'");
    let verdict = decide(&settings, lent.clone());
    let customers = verdict.granted("customers").unwrap();
    assert!(!customers.has_column("tenant"));
    let both = col("customer_id").eq(claim("customer_id")).and(col("tenant").eq("north"));
    assert_eq!(customers.filter, Some(both.into_nodes()));
    // Granting it is past the ceiling; the policy says so itself, and the gateway would.
    let reaching = SETTINGS.replace("\"email\", \"region\"", "\"email\", \"tenant\"");
    let refused = testing::configure::<Tiers>(&reaching).unwrap().decide(lent.build());
    assert!(refused.unwrap_err().contains("no column `tenant`"));
}

#[test]
fn the_first_tier_that_matches_counts_and_list_claims_match_by_any_value() {
    let both =
        request().claim("role", vec!["senior".to_owned(), "temp".to_owned()]).claim("vetted", true).claim("level", 3);
    let verdict = decide(SETTINGS, both);
    assert_eq!(verdict.granted("customers").unwrap().masks_of("email").unwrap().len(), 2);
}

#[test]
fn others_may_keep_the_ceiling() {
    let verdict = decide(SETTINGS, request().claim("role", "senior").claim("vetted", true).claim("level", 3));
    assert_eq!(verdict.granted("customers"), Some(&RelationGrant::from_ceiling(&request().build().ceiling[0])));
    assert_eq!(verdict.granted("employee_records"), None);
    let open = decide(r#"{"tiers": [], "otherwise": "ceiling"}"#, request());
    assert!(open.granted("employee_records").is_some());
}

#[test]
fn a_column_that_the_ceiling_does_not_show_fails_the_decision() {
    let settings = r#"{"tiers": [{"when": {}, "tables": {"customers": {"columns": ["salary"]}}}]}"#;
    let error = testing::configure::<Tiers>(settings).unwrap().decide(request().build()).unwrap_err();
    assert!(error.contains("`salary`"), "{error}");
}

#[test]
fn settings_that_make_no_sense_are_refused_by_key() {
    for (settings, says) in [
        (r#"{}"#, "`tiers`"),
        (r#"{"tiers": []}"#, "`tiers` is empty"),
        (r#"{"tier": []}"#, "`tier`"),
        (r#"{"tiers": [], "otherwise": "allow"}"#, "`allow`"),
        (r#"{"tiers": [[{}]]}"#, "tiers[0]: write keys"),
        (r#"{"tiers": [{}]}"#, "tiers[0]: missing field `when`"),
        (r#"{"tiers": [{"when": {}, "tabels": {}}]}"#, "tiers[0]: unknown field `tabels`"),
        (r#"{"tiers": [{"when": {"role": []}}]}"#, "tiers[0].when.role: "),
        (r#"{"tiers": [{"when": {"role": null}}]}"#, "tiers[0].when.role: "),
        (r#"{"tiers": [{"when": {"level": 1.5}}]}"#, "tiers[0].when.level: "),
        (r#"{"tiers": [{"when": {}, "deny": ["a"]}]}"#, "tiers[0].deny: "),
        (r#"{"tiers": [{"when": {}, "others": "ceiling", "tables": {"a": {}}, "deny": ["a"]}]}"#, "tiers[0].deny: "),
        (r#"{"tiers": [{"when": {}, "tables": {"a": {"column": []}}}]}"#, "tiers[0].tables.a: unknown field `column`"),
        (r#"{"tiers": [{"when": {}, "tables": {"a": {"columns": []}}}]}"#, "tiers[0].tables.a.columns: "),
        (
            r#"{"tiers": [{"when": {}, "tables": {"a": {"masks": {"b": "sha1"}}}}]}"#,
            "tiers[0].tables.a.masks.b: `sha1`",
        ),
        (
            r#"{"tiers": [{"when": {}, "tables": {"a": {"columns": ["c"], "masks": {"b": "hash"}}}}]}"#,
            "tiers[0].tables.a.masks.b: ",
        ),
        (r#"{"tiers": [{"when": {}, "tables": {"a": {"filter": "x"}}}]}"#, "tiers[0].tables.a.filter: "),
        (
            r#"{"tiers": [{"when": {}}, {"when": {}, "limits": {"max_row": 1}}]}"#,
            "tiers[1].limits: unknown field `max_row`",
        ),
        (r#"{"tiers": [{"when": {}, "limits": {"requests": "10/week"}}]}"#, "tiers[0].limits: `10/week`"),
        (r#"{"tiers": [{"when": {}, "valid_for": "soon"}]}"#, "tiers[0].valid_for: `soon`"),
    ] {
        let error = testing::configure::<Tiers>(settings).unwrap_err();
        assert!(error.contains(says), "{settings}: {error}");
    }
}

#[test]
fn the_schema_is_json_and_names_every_key() {
    let manifest = Tiers::describe();
    let schema: serde_json::Value = serde_json::from_str(&manifest.settings_schema).unwrap();
    for key in ["when", "tables", "deny", "others", "limits", "valid_for"] {
        assert!(schema["$defs"]["tier"]["properties"][key].is_object(), "{key}");
    }
}
