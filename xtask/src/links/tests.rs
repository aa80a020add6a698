use super::*;

#[test]
fn links_are_found_outside_code() {
    let found = links("a [`X::y`](a/b.rs) and [z](c.md#d)\n```\n[no](x)\n```\n");
    let shown: Vec<(&str, &str, usize)> =
        found.iter().map(|link| (link.text.as_str(), link.target.as_str(), link.line)).collect();
    assert_eq!(shown, [("`X::y`", "a/b.rs", 1), ("z", "c.md#d", 1)]);
}

#[test]
fn a_symbol_must_be_defined_where_it_is_linked() {
    let source = "pub struct Scope { x: u8 }\nimpl Scope {\n    pub fn narrow() {}\n}\nenum Code {\n    NotInScope = 1,\n    Other(u8),\n}\n// mentions gone\n";
    for name in ["Scope", "narrow", "NotInScope", "Other"] {
        assert!(defines(source, name), "{name}");
    }
    for name in ["narro", "gone", "x1", "Missing"] {
        assert!(!defines(source, name), "{name}");
    }
}

#[test]
fn a_test_must_be_one() {
    let source = "#[test]\nfn held() {}\n\nfn helper() {}\n\n#[tokio::test]\n#[ignore]\nasync fn also() {}\n";
    assert!(is_test(source, "held"));
    assert!(is_test(source, "also"));
    assert!(!is_test(source, "helper"));
    assert!(!is_test(source, "absent"));
}

#[test]
fn a_link_to_nothing_is_told() {
    let root = tools::root().unwrap();
    let link = |text: &str, target: &str| Link { text: text.to_owned(), target: target.to_owned(), line: 1 };
    assert_eq!(follow(&root, &link("`links`", "xtask/src/links.rs")), Ok(()));
    assert_eq!(follow(&root, &link("`a_test_must_be_one`", "xtask/src/links/tests.rs")), Ok(()));
    assert!(follow(&root, &link("`a_test_that_has_gone`", "xtask/src/links/tests.rs")).is_err());
    assert!(follow(&root, &link("gone", "xtask/src/gone.rs")).is_err());
}

#[test]
fn an_invariant_needs_a_test() {
    assert_eq!(rows_without_a_test("| 1 | [`A`](a.rs) | [`t`](a/tests.rs) |"), Vec::<String>::new());
    assert_eq!(rows_without_a_test("| 1 | [`A`](a.rs) | none |").len(), 1);
    assert_eq!(rows_without_a_test("").len(), 1);
}
