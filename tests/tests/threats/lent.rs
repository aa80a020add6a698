//! A policy as the attacker: what its filter may name. A filter on a hidden column tells the column through the rows
//! that stay (`salary > 100000`), so only columns that the ceiling lends may be named, and those never show.

use mountgate_core::Code;

use super::world::{BOTH, World, text};

const DATA: &str = "
CREATE TABLE staff (id INTEGER PRIMARY KEY, name VARCHAR(40), region VARCHAR(20), salary INTEGER);
INSERT INTO staff VALUES (1, 'Ada', 'north', 120000), (2, 'Bob', 'south', 90000), (3, 'Cyd', 'NORTH', 150000);
";

/// What is lent, and the policy's filter.
fn mount(lend: &str, filter: &str) -> String {
    format!(
        r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "tiers"

[[settings.tiers]]
when = {{ role = "clerk" }}

[settings.tiers.tables.staff]
filter = "{filter}"

[tables.staff]
columns = ["id", "name"]
{lend}
"#
    )
}

async fn world(engine: super::world::Engine, name: &str, lend: &str, filter: &str) -> World {
    World::with(engine, name, DATA, &mount(lend, filter), &[("role", "clerk"), ("region", "north")]).await
}

#[tokio::test]
async fn a_policys_filter_on_a_hidden_column_is_a_fault() {
    for engine in BOTH {
        for (at, filter) in
            ["salary > 100000", "name = 'Ada' OR NOT salary > 100000", "region = claim.region"].into_iter().enumerate()
        {
            // Lending one column lends no other.
            let lend = if at == 2 { "lend = [\"salary\"]" } else { "lend = [\"region\"]" };
            let mount = mount(lend, filter);
            let claims = [("role", "clerk"), ("region", "north")];
            // `tiers` knows the ceiling: its settings are refused when the mount loads. What a policy that says it
            // nevertheless gets is in policies.rs.
            let refused = World::load(engine, &format!("lent_fault_{at}"), DATA, &mount, &claims).await.err().unwrap();
            let told = format!("{refused:#}");
            let expected = "the ceiling neither shows nor lends a column";
            assert!(told.contains(expected) && told.contains("mounts/test.toml:"), "{engine:?} {filter}: {told}");
        }
    }
}

#[tokio::test]
async fn a_lent_column_filters_and_never_shows() {
    for engine in BOTH {
        let lent = "lend = [\"region\", \"salary\"]";
        let rich = world(engine, "lent_rich", lent, "salary > 100000").await;
        let answer = rich.ask("SELECT * FROM staff ORDER BY id", &[]).await.unwrap();
        assert_eq!(answer.columns, ["id", "name"]);
        let names: Vec<_> = answer.rows.iter().map(|row| row[1].clone()).collect();
        assert_eq!(names, [text("Ada"), text("Cyd")], "{engine:?}");

        // A claim compares bytewise: `NORTH` is another region.
        let north = world(engine, "lent_north", lent, "region = claim.region").await;
        let answer = north.ask("SELECT name FROM staff", &[]).await.unwrap();
        assert_eq!(answer.rows, [[text("Ada")]], "{engine:?}");

        // To the agent it is a column that does not exist, wherever it is named.
        for named in ["region", "salary"] {
            for sql in [
                format!("SELECT {named} FROM staff"),
                format!("SELECT name FROM staff WHERE {named} IS NOT NULL"),
                format!("SELECT count(*) FROM staff GROUP BY {named}"),
                format!("SELECT name FROM staff ORDER BY {named}"),
                format!("SELECT s.name FROM staff s JOIN staff t ON s.{named} = t.{named}"),
                format!("SELECT count(*) FROM staff s JOIN staff t USING ({named})"),
            ] {
                let refused = rich.ask(&sql, &[]).await.unwrap_err();
                let none = rich.ask(&sql.replace(named, "nosuch"), &[]).await.unwrap_err();
                assert_eq!(refused.code, Code::NotInScope, "{engine:?} {sql}: {refused:?}");
                // Same but for the name that the agent wrote, and the places behind it.
                let unnamed = |text: &str| text.replace(named, "nosuch").split(" (line").next().map(str::to_owned);
                assert_eq!(unnamed(&refused.message), unnamed(&none.message), "{engine:?} {sql}");
            }
        }

        // The lent filter is fenced like any other: the predicate raises on row 2 only, which is out of scope.
        let raising = match engine {
            super::world::Engine::Sqlite => {
                "SELECT name FROM staff WHERE abs(CASE WHEN id = 2 THEN -9223372036854775807 - 1 ELSE 1 END) = 1"
            }
            super::world::Engine::Postgres => "SELECT name FROM staff WHERE 1 / (id - 2) <> 7",
        };
        assert_eq!(rich.ask(raising, &[]).await.unwrap().rows.len(), 2, "{engine:?}");
    }
}
