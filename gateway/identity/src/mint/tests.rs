use mountgate_core::{ClaimValue, Code, Principal};

use super::*;
use crate::{
    ClaimType, Credential, IdentityConfig, Reason,
    identity::{
        now_ms,
        tests::{again, claims, grant, open, region},
    },
};

fn minter(identity: &Identity, grant: &MinterGrant) -> Minter {
    let token = identity.add_minter("portal", grant).unwrap();
    match identity.authenticate(token.expose(), now_ms()).unwrap() {
        Credential::Minter(minter) => minter,
        other => panic!("{other:?}"),
    }
}

fn customer(number: i64) -> Claims {
    claims(&[("customer_id", ClaimValue::Integer(number))])
}

#[test]
fn a_session_has_its_agents_claims_and_its_own_until_its_end() {
    let (_dir, identity) = open();
    identity.add_agent("bot", &region()).unwrap();
    let portal = minter(&identity, &grant());
    let now = now_ms();
    let minted = identity.mint_session(&portal, &"bot".into(), &customer(42), 60_000, now).unwrap();
    assert_eq!(minted.until_ms, now + 60_000);
    assert!(minted.token.expose().starts_with("mgs_"));
    let Credential::Caller(caller) = identity.authenticate(minted.token.expose(), now).unwrap() else {
        panic!("a session is a caller");
    };
    assert_eq!(caller.agent.as_str(), "bot");
    assert_eq!(caller.principal, Principal::Session(minted.id.clone()));
    assert_eq!(caller.until_ms, Some(minted.until_ms));
    let mut both = region();
    both.extend(customer(42));
    assert_eq!(*caller.claims, both);
    assert!(identity.authenticate(minted.token.expose(), minted.until_ms - 1).is_ok());
    let error = identity.authenticate(minted.token.expose(), minted.until_ms).unwrap_err();
    assert_eq!(*error.reason(), Reason::Expired);
    let listed = again(&identity).list_sessions().unwrap().remove(0);
    assert_eq!((listed.id, listed.claims), (minted.id, customer(42)));
    assert_eq!(listed.minter.unwrap().as_str(), "portal");
}

#[test]
fn a_session_never_changes_a_claim_of_its_agent() {
    let (_dir, identity) = open();
    identity.add_agent("bot", &region()).unwrap();
    let wide = MinterGrant { claims: BTreeMap::from([("region".into(), ClaimRule::of(ClaimType::Text))]), ..grant() };
    let portal = minter(&identity, &wide);
    for value in ["south", "north"] {
        let widened = claims(&[("region", ClaimValue::Text(value.into()))]);
        for result in [
            identity.mint_session(&portal, &"bot".into(), &widened, 60_000, now_ms()),
            identity.operator_mint(&"bot".into(), &widened, 60_000, now_ms()),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, IdentityError::ClaimShadows(_)), "{error}");
            assert_eq!(error.refusal().code, Code::NotPermitted);
        }
    }
    assert!(identity.list_sessions().unwrap().is_empty());
}

#[test]
fn a_minter_gives_its_claims_of_their_types_and_values_only() {
    let (_dir, identity) = open();
    identity.add_agent("bot", &Claims::new()).unwrap();
    let tier = ClaimRule {
        ty: ClaimType::Text,
        values: Some(vec![ClaimValue::Text("basic".into()), ClaimValue::Text("plus".into())]),
    };
    let rules = MinterGrant {
        claims: BTreeMap::from([
            ("customer_id".into(), ClaimRule::of(ClaimType::Integer)),
            ("tier".into(), tier),
            ("shops".into(), ClaimRule::of(ClaimType::Texts)),
        ]),
        ..grant()
    };
    let portal = minter(&identity, &rules);
    let mint = |name: &str, value: ClaimValue| {
        identity.mint_session(&portal, &"bot".into(), &claims(&[(name, value)]), 60_000, now_ms())
    };
    let text = |text: &str| ClaimValue::Text(text.into());
    // Widened: a claim that is not among its.
    assert!(matches!(mint("role", text("admin")), Err(IdentityError::ClaimNotAllowed(_))));
    // Mistyped, also where the text would print alike.
    for value in [text("42"), ClaimValue::Boolean(true), ClaimValue::Integers(vec![42]), ClaimValue::Integers(vec![])] {
        let error = mint("customer_id", value).unwrap_err();
        assert!(matches!(error, IdentityError::ClaimMistyped { wanted: "integer", .. }), "{error}");
        assert_eq!(error.refusal().code, Code::ClaimMistyped);
    }
    assert!(matches!(mint("shops", ClaimValue::Integers(vec![1])), Err(IdentityError::ClaimMistyped { .. })));
    assert!(matches!(mint("tier", text("gold")), Err(IdentityError::ClaimValue(_))));
    assert!(matches!(mint("tier", text("Basic")), Err(IdentityError::ClaimValue(_))), "bytewise");
    assert!(identity.list_sessions().unwrap().is_empty(), "nothing of a refused mint stays");

    mint("customer_id", ClaimValue::Integer(42)).unwrap();
    mint("tier", text("plus")).unwrap();
    mint("shops", ClaimValue::Texts(vec!["a".into()])).unwrap();
    // JSON's empty list is a list of texts too.
    mint("shops", ClaimValue::Integers(vec![])).unwrap();
}

#[test]
fn to_a_minter_an_agent_that_is_not_its_own_does_not_exist() {
    let (_dir, identity) = open();
    identity.add_agent("other", &Claims::new()).unwrap();
    let portal = minter(&identity, &grant());
    let told = |agent: &str| {
        let error = identity.mint_session(&portal, &agent.into(), &Claims::new(), 60_000, now_ms()).unwrap_err();
        assert!(matches!(error, IdentityError::AgentNotAllowed(_)));
        error.refusal().message.replace(agent, "X")
    };
    // Another's, none at all, and its own before it exists and after it was revoked.
    let other = told("other");
    assert_eq!(other, told("nobody"));
    assert_eq!(other, told("bot"));
    identity.add_agent("bot", &Claims::new()).unwrap();
    identity.mint_session(&portal, &"bot".into(), &Claims::new(), 60_000, now_ms()).unwrap();
    identity.revoke_agent("bot").unwrap();
    assert_eq!(other, told("bot"));
}

#[test]
fn lifetimes_are_bounded_by_the_minter_and_the_gateway() {
    let (_dir, identity) = open();
    identity.add_agent("bot", &Claims::new()).unwrap();
    let portal = minter(&identity, &grant());
    let day = IdentityConfig::default().max_session_ms;
    for ttl in [i64::MIN, -1, 0, 3_600_001, day + 1, i64::MAX] {
        let result = identity.mint_session(&portal, &"bot".into(), &Claims::new(), ttl, now_ms());
        assert!(matches!(result, Err(IdentityError::Lifetime { .. })), "{ttl}");
    }
    identity.mint_session(&portal, &"bot".into(), &Claims::new(), 3_600_000, now_ms()).unwrap();
    identity.operator_mint(&"bot".into(), &Claims::new(), day, now_ms()).unwrap();
    assert!(identity.operator_mint(&"bot".into(), &Claims::new(), day + 1, now_ms()).is_err());
    let long = MinterGrant { max_ttl_ms: day + 1, ..grant() };
    assert!(matches!(identity.add_minter("long", &long), Err(IdentityError::Lifetime { .. })));
}

#[test]
fn live_sessions_of_an_agent_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let config = IdentityConfig { max_sessions: 3, ..IdentityConfig::default() };
    let identity = Identity::open(dir.path().join("identity.sqlite"), config).unwrap();
    identity.add_agent("bot", &Claims::new()).unwrap();
    identity.add_agent("other", &Claims::new()).unwrap();
    let mint = |agent: &str, now| identity.operator_mint(&agent.into(), &Claims::new(), 60_000, now);
    let now = now_ms();
    mint("bot", now - 60_000).unwrap();
    let first = mint("bot", now).unwrap();
    mint("bot", now).unwrap();
    mint("bot", now).unwrap();
    let error = mint("bot", now).unwrap_err();
    assert!(matches!(error, IdentityError::TooManySessions { most: 3, .. }), "the ended one does not count: {error}");
    mint("other", now).unwrap();
    identity.revoke_session(&first.id).unwrap();
    mint("bot", now).unwrap();
    assert!(mint("bot", now + 59_999).is_err());
    assert!(mint("bot", now + 60_000).is_ok());
}

#[test]
fn a_minters_rules_must_be_possible() {
    let (_dir, identity) = open();
    let with = |name: &str, ty, values: Option<Vec<ClaimValue>>| MinterGrant {
        claims: BTreeMap::from([(name.into(), ClaimRule { ty, values })]),
        ..grant()
    };
    let add = |grant: MinterGrant| identity.add_minter("portal", &grant).map(drop);
    assert!(matches!(add(with("c", ClaimType::Text, Some(vec![]))), Err(IdentityError::Rule { .. })));
    let mistyped = with("c", ClaimType::Text, Some(vec![ClaimValue::Integer(1)]));
    assert!(matches!(add(mistyped), Err(IdentityError::Rule { .. })));
    assert!(matches!(add(with("C", ClaimType::Text, None)), Err(IdentityError::ClaimName(_))));
    assert!(matches!(add(MinterGrant { agents: vec!["Bad Name".into()], ..grant() }), Err(IdentityError::Name { .. })));
    assert!(matches!(add(MinterGrant { max_ttl_ms: 0, ..grant() }), Err(IdentityError::Lifetime { .. })));
}

#[test]
fn what_a_minter_is_told_says_nothing_of_the_gateways_files() {
    let error = IdentityError::Store { act: "write", path: "/secret/place".into(), why: "disk full".into() };
    let refusal = error.refusal();
    assert_eq!(refusal.code, Code::Internal);
    assert!(!refusal.message.contains("secret") && !refusal.message.contains("disk"));
}

#[test]
fn types_of_claims_are_read_as_they_are_written() {
    for ty in ["boolean", "integer", "text", "integers", "texts"] {
        assert_eq!(ty.parse::<ClaimType>().unwrap().keyword(), ty);
        assert_eq!(serde_json::to_string(&ty.parse::<ClaimType>().unwrap()).unwrap(), format!("\"{ty}\""));
    }
    assert!("string".parse::<ClaimType>().unwrap_err().contains("`string`"));
}
