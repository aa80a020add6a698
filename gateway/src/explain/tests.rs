use mountgate_core::{ClaimValue, Code};
use mountgate_policy::HostConfig;

use super::*;
use crate::shop::Shop;

async fn ask(shop: &Shop, mount: &str, agent: &str, claim: Option<i64>, sql: &str) -> anyhow::Result<Explained> {
    let config = shop.config();
    let keys = Keys::peek(&config.main).unwrap();
    let mut composer = Composer::new(HostConfig::default()).unwrap();
    let claims = claim.map(|id| ("customer_id".into(), ClaimValue::Integer(id))).into_iter().collect();
    let ask = Explain { mount: mount.into(), agent: agent.into(), claims, sql: sql.into(), parameters: vec![] };
    explain(&config, &mut composer, &keys, &ask).await
}

#[tokio::test]
async fn an_allowed_statement_is_laid_open_whole() {
    let shop = Shop::new();
    let sql = "SELECT o.status, c.email FROM orders o JOIN customers c ON c.customer_id = o.customer_id";
    let seen = ask(&shop, "support", "support-bot", Some(42), sql).await.unwrap();
    assert!(seen.allowed, "{:?} {:?} {:?}", seen.refusal, seen.closed, seen.fault);
    assert_eq!(seen.touch.as_ref().unwrap().relations.len(), 2);
    assert!(matches!(seen.verdict, Some(Verdict::Allow { .. })));
    let rewritten = seen.sql.as_ref().unwrap();
    assert!(rewritten.contains("FROM \"temp\".\"orders_"), "{rewritten}");
    assert!(!rewritten.contains("mountgate_partial"), "the wall's view masks: {rewritten}");
    let customers = seen.wall.iter().find(|(name, _)| name.starts_with("customers_")).unwrap().1;
    assert!(customers.contains("mountgate_partial(\"b\".\"email\", 1, 4, '*')"), "{customers}");
    assert!(customers.ends_with("WHERE (\"b\".\"customer_id\" = claim.customer_id)"), "{customers}");
    assert!(!rewritten.contains("= 42"), "a claim is bound and never in the text: {rewritten}");
    assert!(seen.binds.iter().any(|bind| bind == "claim `customer_id`, as integer"), "{:?}", seen.binds);
    assert_eq!(seen.limits.as_ref().unwrap().max_rows, Some(100));
}

#[tokio::test]
async fn without_a_wall_the_text_masks() {
    let shop = Shop::new();
    shop.main("wall = \"off\"\n");
    let seen = ask(&shop, "support", "support-bot", Some(42), "SELECT email FROM customers").await.unwrap();
    let rewritten = seen.sql.as_ref().unwrap();
    assert!(
        rewritten.contains("mountgate_partial") && rewritten.contains("FROM \"main\".\"customers\""),
        "{rewritten}"
    );
}

#[tokio::test]
async fn a_refused_statement_says_where_it_ends() {
    let shop = Shop::new();
    let hidden = ask(&shop, "support", "support-bot", Some(42), "SELECT note FROM orders").await.unwrap();
    assert!(!hidden.allowed && hidden.touch.is_none() && hidden.sql.is_none());
    assert_eq!(hidden.refusal.unwrap().code, Code::NotInScope);

    let unclaimed = ask(&shop, "support", "support-bot", None, "SELECT status FROM orders").await.unwrap();
    assert_eq!(unclaimed.refusal.unwrap().code, Code::ClaimMissing);
    assert!(unclaimed.sql.is_some(), "the rewritten text is there to see which claim is meant");

    let stranger = ask(&shop, "support", "nobody", Some(42), "SELECT status FROM orders").await.unwrap();
    assert!(!stranger.allowed);
    assert_eq!(stranger.closed.unwrap().code, Code::MountNotFound);
}

#[tokio::test]
async fn an_ended_mount_is_said_to_have_ended() {
    let shop = Shop::new();
    shop.mount_with("policy = \"ceiling\"", "policy = \"ceiling\"\nexpires = 2020-01-01");
    let seen = ask(&shop, "support", "support-bot", Some(1), "SELECT status FROM orders").await.unwrap();
    assert!(!seen.allowed && seen.refusal.is_none());
    assert_eq!(seen.closed.unwrap().code, Code::MountExpired);
}

#[tokio::test]
async fn a_mount_is_named_as_it_is_spelt() {
    let shop = Shop::new();
    let error = ask(&shop, "suport", "support-bot", None, "SELECT 1").await.unwrap_err();
    assert!(error.to_string().contains("did you mean `support`?"), "{error}");
}
