use super::*;

fn unfit(record: &str, is_decision: bool) -> String {
    match past(serde_json::from_str(record).unwrap(), is_decision) {
        Ok(past) => panic!("{past:?}"),
        Err(Unfit::NotAsked(code)) => format!("not asked: {code}"),
        Err(Unfit::Unjudged(why)) => why,
    }
}

const REQUEST: &str = r#""request":{"agent":"a","session":"s","claims":{"region":"north"},"mount":"m","door":"http","purpose":null,
"time":null,"usage":null,"parameters":null,"touch":{"verb":"read","relations":[{"relation":"t","columns":[["a",["filtered"]]],"references":1}],
"predicates":[{"relation":"t","column":"a","op":"eq","digest":"ab","claims":[]},{"relation":"t","column":"a","op":"eq","digest":"ab","claims":["region"]}]},
"ceiling":[{"name":"t","columns":[{"name":"a","ty":"text","key":false,"masks":[]}],"filter":null}],
"limits":{"requests":[],"rows":[],"bytes":[],"max_rows":null,"max_bytes":null,"timeout_ms":null,"concurrency":null}}"#;

#[test]
fn what_says_nothing_of_the_policys_grant_is_not_judged() {
    assert_eq!(unfit(r#"{"code":"not_in_scope"}"#, false), "not asked: not_in_scope");
    assert!(unfit(&format!("{{{REQUEST},\"code\":\"budget_exhausted\"}}"), false).contains("budget_exhausted"));
    // A code that this version does not know is not taken for one that it does.
    assert!(unfit(&format!("{{{REQUEST},\"code\":\"of_a_later_version\"}}"), false).contains("of_a_later_version"));
    let warm = format!(
        "{{{REQUEST},\"replayable\":false,\"verdict\":{{\"deny\":{{\"code\":\"x\",\"reason\":\"\",\"hint\":null}}}}}}"
    );
    assert!(unfit(&warm, true).contains("warm"));
}

#[test]
fn parameters_are_known_where_there_are_none() {
    let read = |more: &str| {
        let record = format!("{{{REQUEST},\"code\":\"denied_by_policy\"{more}}}");
        past(serde_json::from_str(&record).unwrap(), false).unwrap_or_else(|_| panic!("no request: {record}"))
    };
    assert_eq!(read("").parameters, None, "how many there were is not on record");
    assert_eq!(read(",\"parameters\":[\"ab\"]").parameters, None);
    assert_eq!(read(",\"parameters\":[]").parameters, Some(vec![]));
    let asked = read("");
    assert!(asked.literals_withheld && matches!(asked.was, Was::Denied));
    assert_eq!(asked.touch.predicates.len(), 2);
}

#[test]
fn only_ids_are_accepted() {
    let id = "0123456789abcdef01234567";
    let accepted = Accepted::parse(&format!("# why\n\n  {id} since Ada said so\n")).unwrap();
    assert!(accepted.takes(Some(id)) && !accepted.takes(None) && !accepted.takes(Some("0")));
    assert_eq!(accepted.stale(["f"].into_iter()), [id]);
    for wrong in ["granted", "0123456789ABCDEF01234567", "0123"] {
        assert!(Accepted::parse(wrong).unwrap_err().starts_with("line 1"), "{wrong}");
    }
    assert!(Accepted::all().takes(None));
}
