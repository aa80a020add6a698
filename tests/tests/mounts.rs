//! What a mount's file promises, asked of a whole gateway: who is served, when, with which claims, how much.

use mountgate_core::{ClaimValue, Code, Value};
use mountgate_tests::gateway::Fixture;

/// A mount of orders for `desk`, with more keys before its table and after it.
fn mount(before: &str, filter: &str, after: &str) -> String {
    format!(
        "name = \"test\"\nbackend = \"shop\"\nagents = [\"desk\"]\npolicy = \"ceiling\"\n{before}\n\n\
         [tables.orders]\ncolumns = [\"order_id\", \"status\"]\n{filter}\n\n{after}\n"
    )
}

async fn code(fixture: &Fixture, token: &str) -> Option<Code> {
    fixture.ask(token, "SELECT order_id FROM orders", &[]).await.err().map(|refusal| refusal.code)
}

#[tokio::test]
async fn a_mount_past_its_end_or_outside_its_hours_does_not_serve() -> anyhow::Result<()> {
    for (before, wanted) in [
        ("expires = 2020-01-01", Some(Code::MountExpired)),
        ("expires = 2999-01-01", None),
        ("hours = \"Mon-Sun 00:00-24:00 Europe/Berlin\"", None),
    ] {
        let fixture = Fixture::shop(&mount(before, "", "")).await?;
        let token = fixture.agent("desk")?;
        assert_eq!(code(&fixture, &token).await, wanted, "{before}");
    }
    let mut refused = 0;
    for days in ["Mon,Wed,Fri", "Tue,Thu,Sat,Sun"] {
        let fixture = Fixture::shop(&mount(&format!("hours = \"{days} 00:00-24:00 UTC\""), "", "")).await?;
        let token = fixture.agent("desk")?;
        match code(&fixture, &token).await {
            None => {}
            Some(code) => {
                assert_eq!(code, Code::OutsideHours);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 1, "one half of the week is now and the other is not");
    Ok(())
}

#[tokio::test]
async fn a_mount_that_is_not_the_agents_is_as_one_that_does_not_exist() -> anyhow::Result<()> {
    let fixture = Fixture::shop(&mount("", "", "")).await?;
    let stranger = fixture.agent("stranger")?;
    let refusal = fixture.ask(&stranger, "SELECT 1", &[]).await.err();
    assert_eq!(
        refusal.map(|refusal| (refusal.code, refusal.message)),
        Some((Code::MountNotFound, "no mount `test` for agent `stranger`".to_owned()))
    );
    Ok(())
}

#[tokio::test]
async fn an_agent_of_its_own_policy_gets_that_one() -> anyhow::Result<()> {
    let own = "[agent.beta]\npolicy = \"tiers\"\n\n[agent.beta.settings]\notherwise = \"deny\"\n\
               tiers = [{ when = { role = \"desk\" }, others = \"ceiling\" }]";
    let fixture = Fixture::shop(&mount("", "", own)).await?;
    let (desk, beta) = (fixture.agent("desk")?, fixture.agent("beta")?);
    assert_eq!(code(&fixture, &desk).await, None);
    assert_eq!(code(&fixture, &beta).await, Some(Code::DeniedByPolicy));
    let session = fixture.session("beta", &[("role", ClaimValue::Text("desk".into()))])?;
    assert_eq!(code(&fixture, &session).await, None);
    Ok(())
}

#[tokio::test]
async fn a_claim_that_is_missing_or_mistyped_denies() -> anyhow::Result<()> {
    let fixture = Fixture::shop(&mount("", "filter = \"customer_id = claim.customer_id\"", "")).await?;
    let desk = fixture.agent("desk")?;
    assert_eq!(code(&fixture, &desk).await, Some(Code::ClaimMissing));
    for (claim, wanted) in [
        (ClaimValue::Text("1".into()), Some(Code::ClaimMistyped)),
        (ClaimValue::Boolean(true), Some(Code::ClaimMistyped)),
        (ClaimValue::Integers(vec![1, 2]), Some(Code::ClaimMistyped)),
        (ClaimValue::Integer(1), None),
    ] {
        let session = fixture.session("desk", &[("customer_id", claim.clone())])?;
        assert_eq!(code(&fixture, &session).await, wanted, "{claim:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_from_the_next_request_on() -> anyhow::Result<()> {
    let fixture = Fixture::shop(&mount("", "", "")).await?;
    let desk = fixture.agent("desk")?;
    let session = fixture.session("desk", &[])?;
    assert_eq!(code(&fixture, &desk).await, None);
    fixture.gateway.identity().revoke_agent("desk")?;
    assert_eq!(code(&fixture, &desk).await, Some(Code::Unauthenticated));
    assert_eq!(code(&fixture, &session).await, Some(Code::Unauthenticated), "its sessions end with it");
    Ok(())
}

#[tokio::test]
async fn a_cap_cuts_and_says_so_and_a_rate_refuses() -> anyhow::Result<()> {
    let limits = "[limits]\nrequests = \"3/hour\"\nrows = \"5/hour\"\nmax_rows = 3";
    let fixture = Fixture::shop(&mount("", "", limits)).await?;
    let desk = fixture.agent("desk")?;
    let ask = async || fixture.ask(&desk, "SELECT order_id FROM orders ORDER BY 1", &[]).await;
    let first = ask().await?;
    assert_eq!((first.rows.len(), first.truncated), (3, true));
    // Two rows are left of the hour's five.
    let second = ask().await?;
    assert_eq!(
        (second.rows.as_slice(), second.truncated),
        ([vec![Value::Integer(10)], vec![Value::Integer(11)]].as_slice(), true)
    );
    let third = ask().await.err().map(|refusal| (refusal.code, refusal.retry_after.is_some()));
    assert_eq!(third, Some((Code::BudgetExhausted, true)));
    Ok(())
}
