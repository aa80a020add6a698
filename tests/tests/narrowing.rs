//! The narrowing is the policy's, and the ceiling holds without it: the same table of questions with everything up;
//! in a weakened build (`MOUNTGATE_WEAKEN=1`) also with the verdict taken to be "the ceiling as it is" (then what
//! `tiers` withholds must come back, so that this test is seen to bite), and with the ceiling down (then the policies'
//! own verdicts must give the same answers).

use mountgate_core::{ClaimValue, Code, Value};
use mountgate_tests::gateway::Fixture;

const MOUNT: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "tiers"

[settings]
otherwise = "deny"

[[settings.tiers]]
when   = { role = "junior" }
limits = { max_rows = 2 }

[settings.tiers.tables.customers]
columns = ["customer_id", "name", "email"]
masks   = { email = "hash" }

[settings.tiers.tables.orders]
columns = ["order_id", "customer_id", "status"]
filter  = "status = 'open'"

[[settings.tiers]]
when   = { role = "senior" }
others = "ceiling"

[tables.customers]
columns = ["customer_id", "name", "email", "region"]
masks   = { email = { partial = { first = 1, last = 4 } } }
filter  = "region = claim.region"

[tables.orders]
columns = ["order_id", "customer_id", "status", "total"]
"#;

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn claims(role: &str) -> Vec<(&'static str, ClaimValue)> {
    vec![("role", ClaimValue::Text(role.into())), ("region", ClaimValue::Text("north".into()))]
}

struct Desk {
    fixture: Fixture,
    junior: String,
    senior: String,
    stranger: String,
}

async fn desk() -> anyhow::Result<Desk> {
    desk_of(Fixture::shop(MOUNT).await?)
}

fn desk_of(fixture: Fixture) -> anyhow::Result<Desk> {
    let stranger = fixture.agent("desk")?;
    let (junior, senior) = (fixture.session("desk", &claims("junior"))?, fixture.session("desk", &claims("senior"))?);
    Ok(Desk { fixture, junior, senior, stranger })
}

/// What `tiers` withholds from a junior, each with the code that it is refused by.
async fn withheld_from_junior(desk: &Desk) -> anyhow::Result<Vec<(&'static str, bool)>> {
    let ask = async |sql| desk.fixture.ask(&desk.junior, sql, &[]).await;
    let refused =
        |answer: Result<_, mountgate_core::Refusal>, code| matches!(answer, Err(refusal) if refusal.code == code);
    let emails = ask("SELECT email FROM customers").await;
    let hashed = emails.is_ok_and(|answer| {
        answer
            .rows
            .iter()
            .all(|row| matches!(row.as_slice(), [Value::Text(hash)] if hash.len() == 32 && !hash.contains('@')))
    });
    let open_only = ask("SELECT status FROM orders").await?.rows.iter().all(|row| row == &[text("open")]);
    let two_rows = ask("SELECT order_id FROM orders").await?;
    let star = ask("SELECT * FROM orders").await?.columns == ["order_id", "customer_id", "status"];
    Ok(vec![
        ("region is hidden", refused(ask("SELECT region FROM customers").await, Code::NotInScope)),
        ("total is hidden", refused(ask("SELECT total FROM orders").await, Code::NotInScope)),
        ("total is hidden in WHERE", refused(ask("SELECT 1 FROM orders WHERE total > 1").await, Code::NotInScope)),
        ("email is hashed", hashed),
        ("open orders only", open_only),
        ("two rows at most", two_rows.rows.len() == 2 && two_rows.truncated),
        ("* is what is in scope", star),
    ])
}

async fn everything_up(desk: &Desk) -> anyhow::Result<()> {
    for (what, held) in withheld_from_junior(desk).await? {
        assert!(held, "{what}");
    }
    // The ceiling holds for both: rows of the region, the mask under the policy's.
    let senior = desk.fixture.ask(&desk.senior, "SELECT name, email FROM customers ORDER BY 1", &[]).await?;
    assert_eq!(senior.rows, [[text("Ada"), text("a**********.org")], [text("Cyd"), text("c**********.org")]]);
    let stranger = desk.fixture.ask(&desk.stranger, "SELECT name FROM customers", &[]).await;
    assert_eq!(stranger.map_err(|refusal| refusal.code), Err(Code::DeniedByPolicy));
    Ok(())
}

#[tokio::test]
async fn tiers_narrows_and_the_ceiling_holds() -> anyhow::Result<()> {
    let _quiet = DEFENCES.lock().await;
    everything_up(&desk().await?).await
}

/// In a weakened build, tests that take a defence down must not meet those that want it up.
static DEFENCES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[cfg(mountgate_weaken)]
mod weakened {
    use mountgate_core::weaken::{Defence, set};

    use super::*;

    const CEILING: &str = r#"
name    = "test"
backend = "shop"
agents  = ["desk"]
policy  = "ceiling"

[tables.customers]
columns = ["customer_id", "name", "email"]
masks   = { email = { partial = { first = 1, last = 4 } } }
filter  = "region = claim.region"
"#;

    struct Down(Defence);

    impl Down {
        fn take(defence: Defence) -> Self {
            set(defence, true);
            Self(defence)
        }
    }

    impl Drop for Down {
        fn drop(&mut self) {
            set(self.0, false);
        }
    }

    #[tokio::test]
    async fn without_the_verdict_what_tiers_withholds_comes_back() -> anyhow::Result<()> {
        let _quiet = DEFENCES.lock().await;
        let desk = desk().await?;
        let _down = Down::take(Defence::Verdict);
        // The cap of rows is a limit of the verdict, not of its grant; all else was the grant's.
        for (what, held) in
            withheld_from_junior(&desk).await?.into_iter().filter(|(what, _)| !what.contains("two rows"))
        {
            assert!(!held, "{what}: held without the policy, so the test of it proves nothing");
        }
        Ok(())
    }

    #[tokio::test]
    async fn without_the_ceiling_the_policies_verdicts_give_the_same_answers() -> anyhow::Result<()> {
        let _quiet = DEFENCES.lock().await;
        // The store's own wall is made from the ceiling, and would hold.
        let desk = desk_of(Fixture::unwalled(mountgate_tests::gateway::SHOP, MOUNT, "").await?)?;
        let ceiling = Fixture::unwalled(mountgate_tests::gateway::SHOP, CEILING, "").await?;
        ceiling.agent("desk")?;
        let token = ceiling.session("desk", &claims("any"))?;
        let questions = [
            (&desk.fixture, &desk.junior, "SELECT customer_id, name, email FROM customers ORDER BY 1"),
            (&desk.fixture, &desk.junior, "SELECT order_id, status FROM orders ORDER BY 1"),
            (&desk.fixture, &desk.senior, "SELECT * FROM customers ORDER BY 1"),
            (
                &desk.fixture,
                &desk.senior,
                "SELECT c.name, sum(o.total) FROM customers c JOIN orders o USING (customer_id) GROUP BY 1 ORDER BY 1",
            ),
            (&ceiling, &token, "SELECT * FROM customers ORDER BY 1"),
            (&ceiling, &token, "SELECT count(*) FROM customers WHERE email LIKE 'a%'"),
        ];
        for (fixture, token, sql) in questions {
            let up = fixture.ask(token, sql, &[]).await?;
            let down = Down::take(Defence::Ceiling);
            // Another text, so that the plan made with the ceiling up is not met again.
            let without = fixture.ask(token, &format!("{sql} -- again"), &[]).await?;
            drop(down);
            assert_eq!(up, without, "{sql}");
        }
        Ok(())
    }
}

#[tokio::test]
async fn no_canary_in_anything_written() -> anyhow::Result<()> {
    let _quiet = DEFENCES.lock().await;
    let desk = desk().await?;
    for sql in [
        "SELECT * FROM customers",
        "SELECT salary_canary FROM customers",
        "SELECT note_canary FROM orders",
        "SELECT word FROM secrets",
        "SELECT * FROM orders o JOIN customers c USING (customer_id)",
        "SELECT count(*) FROM customers WHERE salary_canary = 7771001",
    ] {
        let _ = desk.fixture.ask(&desk.senior, sql, &[]).await;
    }
    let written = desk.fixture.written()?;
    // The number that the agent itself sent is its own; the cells' texts are not.
    for canary in ["canary-1", "canary-secret", "7771002"] {
        assert!(!written.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary}");
    }
    Ok(())
}
