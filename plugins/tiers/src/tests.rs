use mountgate_plugin_sdk::testing::{self, Answer, MountBuilder, RequestBuilder};

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

fn mount() -> Mount {
    mount_builder().build()
}

fn mount_builder() -> MountBuilder {
    MountBuilder::new("support")
        .relation(
            "customers",
            &[
                ("customer_id", Scalar::Integer),
                ("name", Scalar::Text),
                ("email", Scalar::Text),
                ("region", Scalar::Text),
            ],
        )
        .mask("customers", "email", partial())
        .filter("customers", col("customer_id").eq(claim("customer_id")))
        .relation("orders", &[("order_id", Scalar::Integer), ("status", Scalar::Text)])
        .relation("employee_records", &[("salary", Scalar::Integer)])
}

fn request() -> RequestBuilder {
    // In another order than the mount's.
    RequestBuilder::new("support-bot", &mount()).touch("orders").touch("customers").touch("employee_records")
}

fn decide(settings: &str, request: RequestBuilder) -> Answer {
    testing::configure::<Tiers>(settings, &mount()).unwrap().decide(request).unwrap()
}

fn as_ceiling(relation: &str) -> Option<Narrowed> {
    Some(mount().relation(relation)?.narrowed())
}

fn refused(settings: &str) -> String {
    testing::configure::<Tiers>(settings, &mount()).unwrap_err()
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
    let answer = decide(SETTINGS, request().claim("role", "junior"));
    assert!(answer.granted("customers").is_some());
    assert_eq!(answer.granted("employee_records"), None);
}

#[test]
fn a_tier_narrows_and_repeats_the_ceiling() {
    let answer = decide(SETTINGS, request().claim("role", "junior"));
    let customers = answer.granted("customers").unwrap();
    assert_eq!(customers.columns().collect::<Vec<_>>(), ["customer_id", "email", "region"]);
    assert_eq!(customers.masks_of("email"), Some(&[partial(), Mask::Hash][..]));
    let both = col("customer_id").eq(claim("customer_id")).and(col("region").eq(claim("region")));
    assert_eq!(customers.rows(), Some(both.into_nodes().as_slice()));
    assert_eq!(answer.granted("orders"), as_ceiling("orders"));
    let Verdict::Allow(allow) = answer.verdict else { panic!("{answer:?}") };
    assert_eq!((allow.limits.max_rows, allow.valid_for_ms), (Some(50), Some(30_000)));
    assert_eq!(allow.limits.requests, vec![Rate { amount: 10, window_ms: 60_000 }]);
}

#[test]
fn a_lent_column_may_be_filtered_by_and_is_not_granted() {
    let lending = mount_builder().lend("customers", "tenant", Scalar::Text).build();
    let settings = SETTINGS.replace("region = claim.region", "tenant = 'north'");
    let policy = testing::configure::<Tiers>(&settings, &lending).unwrap();
    let answer = policy.decide(policy.request("a").claim("role", "junior").touch("customers")).unwrap();
    let customers = answer.granted("customers").unwrap();
    assert!(!customers.has_column("tenant"));
    let both = col("customer_id").eq(claim("customer_id")).and(col("tenant").eq("north"));
    assert_eq!(customers.rows(), Some(both.into_nodes().as_slice()));
    // Granting it is past the ceiling; the policy says so itself, and the gateway would.
    let reaching = SETTINGS.replace("\"email\", \"region\"", "\"email\", \"tenant\"");
    let refused = testing::configure::<Tiers>(&reaching, &lending).unwrap_err();
    assert!(refused.contains("no column `tenant`"), "{refused}");
}

#[test]
fn the_first_tier_that_matches_counts_and_list_claims_match_by_any_value() {
    let both =
        request().claim("role", vec!["senior".to_owned(), "temp".to_owned()]).claim("vetted", true).claim("level", 3);
    let answer = decide(SETTINGS, both);
    assert_eq!(answer.granted("customers").unwrap().masks_of("email").unwrap().len(), 2);
}

#[test]
fn others_may_keep_the_ceiling() {
    let answer = decide(SETTINGS, request().claim("role", "senior").claim("vetted", true).claim("level", 3));
    assert_eq!(answer.granted("customers"), as_ceiling("customers"));
    assert_eq!(answer.granted("employee_records"), None);
    let open = decide(r#"{"tiers": [], "otherwise": "ceiling"}"#, request());
    for relation in ["customers", "orders", "employee_records"] {
        assert_eq!(open.granted(relation), as_ceiling(relation));
    }
}

#[test]
fn what_the_mount_does_not_show_is_refused_when_it_loads() {
    for (table, says) in [
        (r#""custmers": {}"#, "tiers[0].tables.custmers: the mount shows no table `custmers`; it shows customers, "),
        (r#""customers": {"columns": ["salary"]}"#, "tiers[0].tables.customers.columns: "),
        (r#""customers": {"columns": ["salary"]}"#, "no column `salary` of `customers`"),
        (r#""customers": {"masks": {"salary": "hash"}}"#, "tiers[0].tables.customers.masks.salary: "),
        (r#""customers": {"filter": "tenant = 1"}"#, "tiers[0].tables.customers.filter: "),
        (r#""customers": {"filter": "tenant = 1"}"#, "`tenant` of `customers`"),
    ] {
        let error = refused(&format!(r#"{{"tiers": [{{"when": {{}}, "tables": {{{table}}}}}]}}"#));
        assert!(error.contains(says), "{table}: {error}");
    }
    let error = refused(r#"{"tiers": [{"when": {}, "others": "ceiling", "deny": ["employe_records"]}]}"#);
    assert!(error.starts_with("tiers[0].deny: the mount shows no table `employe_records`"), "{error}");
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
        let error = refused(settings);
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
