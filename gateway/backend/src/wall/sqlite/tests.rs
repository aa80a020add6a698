use std::collections::BTreeMap;

use mountgate_core::{
    Catalogue, Ceiling, ClaimValue, ColumnInfo, ColumnName, ColumnType, DatePart, Filter, LimitKey, Limits, Mask,
    RelationInfo, RelationName, Value, ceiling::RelationDeclaration,
};

use mountgate_driver::{FileView, Shown};

use super::{From, SqliteWall, Texts, view::Views};

fn ceiling(columns: &[&str], masks: &[(&str, Mask)], filter: Option<Filter>) -> Ceiling {
    let column = |name: &str, ty: ColumnType, loose: bool| ColumnInfo {
        name: name.into(),
        ty,
        store_type: String::new(),
        loose_equality: loose,
    };
    let store = RelationInfo {
        schema: "main".into(),
        name: "Odd \"name".into(),
        columns: vec![
            column("id", ColumnType::Integer, false),
            column("name", ColumnType::Text, true),
            column("born", ColumnType::Date, false),
            column("paid", ColumnType::Float, false),
            column("kind", ColumnType::Any, false),
        ],
        key: vec!["id".into()],
    };
    let declaration = RelationDeclaration {
        columns: columns.iter().map(|name| ColumnName::from(*name)).collect(),
        masks: masks.iter().map(|(name, mask)| (ColumnName::from(*name), mask.clone())).collect(),
        filter,
        ..RelationDeclaration::default()
    };
    let relation = RelationName::from("people");
    let catalogue = Catalogue { relations: [(relation.clone(), store)].into(), ..Catalogue::default() };
    let declared = BTreeMap::from([(relation, declaration)]);
    Ceiling::build(&declared, &catalogue, vec![], Limits::default(), LimitKey::Agent, None, None).unwrap()
}

const FROM: From<'static> = From::Table("x1", "Odd \"name");

/// The one view's text and what it says that it reads, with the constants.
fn view(ceiling: &Ceiling) -> (String, Vec<String>, Vec<Value>) {
    let mut texts = Texts { mask_key: &|_, _| [1; 32], claims: vec![], constants: vec![], keys: vec![] };
    let relation = RelationName::from("people");
    let view = texts.view(&FROM, &relation, ceiling.relation(&relation).unwrap(), false).unwrap();
    let reads = view.reads.into_iter().flat_map(|(table, columns)| {
        assert_eq!(table, "Odd \"name");
        columns
    });
    (view.select.unwrap(), reads.collect(), texts.constants)
}

fn filter(text: &str) -> Option<Filter> {
    Some(mountgate_sql::filter::parse(text).unwrap())
}

#[test]
fn visible_columns_and_nothing_else() {
    let (select, reads, _) = view(&ceiling(&["name", "id"], &[], None));
    assert_eq!(select, r#"SELECT "b"."id" AS "id", "b"."name" AS "name" FROM "x1"."Odd ""name" AS "b""#);
    assert_eq!(reads, ["id", "name"]);
    let (select, reads, _) = view(&ceiling(&[], &[], filter("id = 1")));
    assert!(select.starts_with(r#"SELECT NULL AS "mountgate" FROM"#), "{select}");
    assert_eq!(reads, ["id"]);
}

#[test]
fn masks() {
    let masked = |column: &str, mask: Mask| {
        let (select, reads, constants) = view(&ceiling(&[column], &[(column, mask)], None));
        let value = select.split(" AS \"").next().unwrap().trim_start_matches("SELECT ").to_owned();
        (value, reads.len(), constants)
    };
    let text = |text: &str| Value::Text(text.into());
    let partial = Mask::Partial { first: 1, last: 2, fill: "'".into() };
    for (column, mask, value, reads, constants) in [
        ("name", Mask::Null, "CAST(NULL AS TEXT)", 0, vec![]),
        ("name", Mask::Fixed(text("x")), "CAST('x' AS TEXT)", 0, vec![]),
        ("name", Mask::Fixed(text("it's")), "CAST('it''s' AS TEXT)", 0, vec![]),
        ("name", Mask::Fixed(text("\0")), "CAST(mountgate_wall_value(0) AS TEXT)", 0, vec![text("\0")]),
        ("id", Mask::Fixed(Value::Integer(-7)), "CAST((-7) AS INTEGER)", 0, vec![]),
        (
            "name",
            partial,
            "CAST(mountgate_partial(\"b\".\"name\", 1, 2, mountgate_wall_value(0)) AS TEXT)",
            1,
            vec![text("'")],
        ),
        ("name", Mask::Hash, "CAST(mountgate_wall_hash(0, \"b\".\"name\") AS TEXT)", 1, vec![]),
        (
            "born",
            Mask::Truncate(DatePart::Year),
            "mountgate_truncate(\"b\".\"born\", mountgate_wall_value(0))",
            1,
            vec![text("year")],
        ),
        ("paid", Mask::Round { digits: 1 }, "CAST(round(\"b\".\"paid\", 1) AS REAL)", 1, vec![]),
        ("id", Mask::Bucket { width: 10 }, "CAST(mountgate_bucket(\"b\".\"id\", 10) AS INTEGER)", 1, vec![]),
    ] {
        assert_eq!(masked(column, mask.clone()), (value.to_owned(), reads, constants), "{mask:?}");
    }
}

#[test]
fn a_fixed_number_is_the_number() {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    for number in [0.0, -0.0, 0.1, 1.5, -2.0 / 3.0, 1e300, 5e-324, f64::MAX, f64::MIN_POSITIVE, 123_456.789, -1e-7] {
        let (select, ..) = view(&ceiling(&["paid"], &[("paid", Mask::Fixed(Value::Float(number)))], None));
        let value = select.split(" AS \"").next().unwrap().trim_start_matches("SELECT ").to_owned();
        let told: f64 = db.query_row(&format!("SELECT {value}"), [], |row| row.get(0)).unwrap();
        assert_eq!(told, number, "{value}");
    }
    for whole in [i64::MIN, -1, 0, i64::MAX] {
        let (select, ..) = view(&ceiling(&["id"], &[("id", Mask::Fixed(Value::Integer(whole)))], None));
        let value = select.split(" AS \"").next().unwrap().trim_start_matches("SELECT ").to_owned();
        assert_eq!(db.query_row(&format!("SELECT {value}"), [], |row| row.get::<_, i64>(0)), Ok(whole));
    }
}

#[test]
fn filters_hold_no_claim_and_compare_bytewise() {
    let (select, reads, constants) = view(&ceiling(
        &["id"],
        &[],
        filter(
            "name = claim.name AND (born > '2020-01-01' OR NOT id IN (1, 2)) AND kind IN (claim.kinds) AND paid IS NULL",
        ),
    ));
    let wanted = r#" WHERE (("b"."name" COLLATE BINARY = mountgate_wall_claim(0)) AND (("b"."born" COLLATE BINARY > '2020-01-01') OR (NOT ("b"."id" IN ((1), (2))))) AND ("b"."kind" COLLATE BINARY IN (SELECT "j"."value" FROM "temp".json_each(mountgate_wall_claim(1)) AS "j")) AND ("b"."paid" IS NULL))"#;
    assert!(select.ends_with(wanted), "{select}");
    assert_eq!(reads, ["born", "id", "kind", "name", "paid"]);
    assert_eq!(constants.len(), 0);
}

#[test]
fn claims_that_are_missing_or_mistyped_are_null() {
    let mut names = 0;
    let mut draw = || {
        names += 1;
        Ok(format!("n{names}"))
    };
    let ceiling = ceiling(&["id"], &[], filter("name = claim.name AND id IN (claim.ids)"));
    let wall = SqliteWall::new("x1", &BTreeMap::new(), &ceiling, &mut draw, &|_, _| [1; 32]).unwrap();
    let call = |claims: &[(&str, ClaimValue)]| {
        let claims: Vec<_> = claims.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        wall.call(&claims, false).claims
    };
    let (name, text) = ("name", |text: &str| ClaimValue::Text(text.into()));
    assert_eq!(call(&[]), [Value::Null, Value::Null]);
    let ids = ClaimValue::Integers(vec![1, 2]);
    assert_eq!(call(&[("ids", ids.clone()), (name, text("a"))])[1], Value::Json("[1,2]".into()));
    assert_eq!(call(&[("ids", ClaimValue::Integer(7))])[1], Value::Json("[7]".into()));
    assert_eq!(call(&[("ids", text("1")), (name, ids)]), [Value::Null, Value::Null]);
    assert_eq!(call(&[(name, text("\"]'"))])[0], Value::Text("\"]'".into()));
    assert_eq!(call(&[(name, ClaimValue::Integer(1))])[0], Value::Null);
    let told = r#"SELECT "b"."id" AS "id" FROM "main"."Odd ""name" AS "b" WHERE (("b"."name" COLLATE BINARY = claim.name) AND ("b"."id" IN (SELECT "j"."value" FROM "temp".json_each(claim.ids) AS "j")))"#;
    assert_eq!(wall.shown("Odd \"name_n1"), Some(told));
    let behind = wall.before(ceiling);
    assert_eq!(behind.relation(&"people".into()).unwrap().wall.as_ref().unwrap().name, "Odd \"name_n1");
}

#[test]
fn lent_columns_are_in_a_view_of_their_own() {
    let mut ceiling = ceiling(&["id"], &[], filter("kind = 'x'"));
    let mut names = 0;
    let mut draw = || {
        names += 1;
        Ok(format!("n{names}"))
    };
    let relation = RelationName::from("people");
    let mut lent = ceiling.relation(&relation).unwrap().clone();
    lent.lent = vec![mountgate_core::LentColumn { name: "paid".into(), ty: ColumnType::Float }];
    let mut texts = Texts { mask_key: &|_, _| [1; 32], claims: vec![], constants: vec![], keys: vec![] };
    let view = texts.view(&FROM, &relation, &lent, true).unwrap();
    let columns = r#"SELECT "b"."id" AS "id", "b"."paid" AS "paid" FROM"#;
    let select = view.select.unwrap();
    assert!(view.shown == Shown::Lenders && select.starts_with(columns) && select.contains(" WHERE "), "{select}");
    // Whom an aggregate counts is needed where agents don't see it.
    let counted = mountgate_core::RelationCeiling {
        aggregate: Some(mountgate_core::Aggregate { unit: "paid".into(), min_group: 5 }),
        lent: vec![],
        ..lent.clone()
    };
    assert_eq!(texts.view(&FROM, &relation, &counted, true).unwrap().select, Some(select));
    let view = texts.view(&FROM, &relation, &lent, false).unwrap();
    assert!(view.shown == Shown::Everyone && !view.select.unwrap().contains("paid"));
    assert!(!view.reads.values().any(|reads| reads.contains("paid")));
    // Without one, there is one view.
    ceiling = SqliteWall::new("x1", &BTreeMap::new(), &ceiling, &mut draw, &|_, _| [1; 32]).unwrap().before(ceiling);
    let walled = ceiling.relation(&relation).unwrap().wall.as_ref().unwrap();
    assert_eq!(walled.name, walled.lending);
}

/// The texts that the view `v` of the file becomes, by name; or why it becomes none.
fn again(sql: &str, reads: &[&str], others: &[(&str, &str, &[&str])]) -> Result<Vec<(String, String)>, String> {
    let view = |sql: &str, reads: &[&str]| FileView {
        sql: sql.to_owned(),
        columns: vec!["c".into()],
        reads: reads.iter().map(|table| ((*table).to_owned(), ["a".to_owned()].into())).collect(),
    };
    let mut file: BTreeMap<String, FileView> =
        others.iter().map(|(name, sql, reads)| ((*name).to_owned(), view(sql, reads))).collect();
    file.insert("v".into(), view(sql, reads));
    let (mut drawn, mut views) = (0, BTreeMap::new());
    let mut draw = || {
        drawn += 1;
        Ok(format!("n{drawn}"))
    };
    let mut again = Views { schema: "x1", file: &file, made: BTreeMap::new() };
    again.again("V", &mut draw, &mut views)?.unwrap();
    assert!(views.values().all(|view| view.shown == Shown::Views && !view.calls));
    Ok(views.into_iter().map(|(name, view)| (name, view.select.unwrap_or_default().trim().to_owned())).collect())
}

#[test]
fn views_of_the_file_are_made_again_under_names_of_the_walls() {
    let one = |sql: &str, reads: &[&str]| again(sql, reads, &[]).unwrap().pop().unwrap().1;
    assert_eq!(
        one("CREATE VIEW v AS SELECT T.a -- T\n FROM T WHERE 't' <> a", &["t"]),
        "SELECT T.a -- T\n FROM \"x1\".\"t\" AS \"T\" WHERE 't' <> a"
    );
    assert_eq!(
        one("CREATE VIEW v(\"as\") AS SELECT a FROM main.t AS x, \"t\" JOIN [t] AS z", &["t"]),
        "SELECT a FROM \"x1\".\"t\" AS x, \"x1\".\"t\" AS \"t\" JOIN \"x1\".\"t\" AS z"
    );
    assert_eq!(
        one(
            "CREATE VIEW v AS SELECT (SELECT max(a) FROM t), 1 FROM json_each('[1]') WHERE a IN (SELECT a FROM t u)",
            &["t"]
        ),
        "SELECT (SELECT max(a) FROM \"x1\".\"t\" AS \"t\"), 1 FROM json_each('[1]') WHERE a IN (SELECT a FROM \"x1\".\"t\" u)"
    );
    let made = again("CREATE VIEW v AS WITH c AS (SELECT a FROM t) SELECT c.a FROM c, C AS d", &["t"], &[]).unwrap();
    let text = "WITH \"n1\" AS (SELECT a FROM \"x1\".\"t\" AS \"t\") SELECT c.a FROM \"n1\" AS \"c\", \"n1\" AS d";
    assert_eq!(made, [("V_n2".to_owned(), text.to_owned()), ("n1".to_owned(), String::new())]);
    let inner = ("w", "CREATE VIEW w AS SELECT a FROM t", ["t"].as_slice());
    let made = again("CREATE VIEW v AS SELECT w.a FROM W, t", &["w", "t"], &[inner]).unwrap();
    let outer = "SELECT w.a FROM \"temp\".\"W_n1\" AS \"W\", \"x1\".\"t\" AS \"t\"";
    let inner = "SELECT a FROM \"x1\".\"t\" AS \"t\"";
    assert_eq!(made, [("V_n2".to_owned(), outer.to_owned()), ("W_n1".to_owned(), inner.to_owned())]);
}

#[test]
fn a_view_that_can_not_be_followed_is_refused() {
    for sql in [
        "CREATE VIEW v AS SELECT a FROM other.t",
        "CREATE VIEW v AS SELECT a FROM nosuch",
        "CREATE VIEW v AS SELECT a FROM v",
        "CREATE VIEW v AS SELECT a FROM t WHERE a IN t",
        "CREATE VIEW v AS WITH t AS (SELECT 1 AS a) SELECT a FROM t",
        "CREATE VIEW v AS WITH c AS (SELECT 1 AS a) SELECT a FROM c, (WITH c AS (SELECT 2 AS a) SELECT a FROM c), t",
        "CREATE VIEW v AS nonsense",
    ] {
        assert!(again(sql, &["t"], &[]).is_err(), "{sql}");
    }
}
