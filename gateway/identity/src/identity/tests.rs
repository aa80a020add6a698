#![expect(clippy::string_slice, reason = "tokens are ASCII")]

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, time::Instant};

use mountgate_core::{ClaimValue, Code, Principal};
use tempfile::TempDir;

use super::*;
use crate::{ClaimRule, ClaimType};

pub(crate) fn open() -> (TempDir, Identity) {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::open(dir.path().join("identity.sqlite"), IdentityConfig::default()).unwrap();
    (dir, identity)
}

/// What another process, the command line, has open.
pub(crate) fn again(identity: &Identity) -> Identity {
    Identity::open(identity.path(), IdentityConfig::default()).unwrap()
}

pub(crate) fn claims(text: &[(&str, ClaimValue)]) -> Claims {
    text.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
}

pub(crate) fn region() -> Claims {
    claims(&[("region", ClaimValue::Text("north".into()))])
}

pub(crate) fn grant() -> MinterGrant {
    MinterGrant {
        agents: vec!["bot".into()],
        claims: BTreeMap::from([("customer_id".into(), ClaimRule::of(ClaimType::Integer))]),
        max_ttl_ms: 3_600_000,
    }
}

fn reason(identity: &Identity, token: &str) -> Option<Reason> {
    identity.authenticate(token, now_ms()).err().map(|error| error.reason().clone())
}

fn caller(identity: &Identity, token: &Token) -> Caller {
    match identity.authenticate(token.expose(), now_ms()).unwrap() {
        Credential::Caller(caller) => caller,
        other => panic!("{other:?}"),
    }
}

fn minter(identity: &Identity, token: &Token) -> Minter {
    match identity.authenticate(token.expose(), now_ms()).unwrap() {
        Credential::Minter(minter) => minter,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_is_let_in_by_an_empty_file() {
    let (_dir, identity) = open();
    let (stranger, ..) = Token::new(Kind::Agent).unwrap();
    assert_eq!(reason(&identity, stranger.expose()), Some(Reason::Unknown));
    assert_eq!(reason(&identity, ""), Some(Reason::Malformed));
}

#[test]
fn the_caller_is_told_one_thing_whatever_the_reason() {
    let (_dir, identity) = open();
    let revoked = identity.add_agent("gone", &Claims::new()).unwrap();
    identity.revoke_agent("gone").unwrap();
    let (stranger, ..) = Token::new(Kind::Agent).unwrap();
    let told = |token: &str| {
        let error = identity.authenticate(token, now_ms()).unwrap_err();
        (error.to_string(), error.refusal())
    };
    assert_eq!(told(revoked.expose()), told(stranger.expose()));
    assert_eq!(told(revoked.expose()), told("nonsense"));
    assert_eq!(told("").1.code, Code::Unauthenticated);
}

#[test]
fn each_kind_of_token_gives_its_kind_of_credential() {
    let (_dir, identity) = open();
    let agent = identity.add_agent("bot", &region()).unwrap();
    let minting = identity.add_minter("portal", &grant()).unwrap();
    let operator = identity.add_operator("alice").unwrap();
    let found = caller(&identity, &agent);
    assert_eq!((found.agent.as_str(), &found.principal, found.until_ms), ("bot", &Principal::Agent, None));
    assert_eq!(*found.claims, region());
    assert_eq!(minter(&identity, &minting).name().as_str(), "portal");
    match identity.authenticate(operator.expose(), now_ms()).unwrap() {
        Credential::Operator(operator) => assert_eq!(operator.name(), "alice"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_known_id_with_another_secret_is_refused() {
    let (_dir, identity) = open();
    let token = identity.add_agent("bot", &Claims::new()).unwrap();
    let (other, ..) = Token::new(Kind::Agent).unwrap();
    // The known id, another's secret, and a checksum that holds.
    let mut text = format!("{}{}", &token.expose()[..21], &other.expose()[21..85]);
    let sum = data_encoding::HEXLOWER.encode(mountgate_core::Digest::of(text.as_bytes()).as_bytes());
    text.push_str(&sum[..8]);
    assert_eq!(reason(&identity, &text), Some(Reason::WrongSecret));
    // The known id and secret under another kind.
    let mut text = format!("mgo_{}", &token.expose()[4..85]);
    let sum = data_encoding::HEXLOWER.encode(mountgate_core::Digest::of(text.as_bytes()).as_bytes());
    text.push_str(&sum[..8]);
    assert_eq!(reason(&identity, &text), Some(Reason::WrongSecret));
}

#[test]
fn secrets_are_compared_in_constant_time_for_known_and_unknown_ids_alike() {
    // The structure, as far as a test can hold it: one comparison, by `subtle`, before the id is found to be unknown.
    let source = include_str!("../index.rs");
    let body = source.split("fn credential").nth(1).unwrap().split("let credential = match").next().unwrap();
    assert_eq!(body.matches("ct_eq").count(), 1);
    assert!(body.find("ct_eq").unwrap() < body.find("Reason::Unknown").unwrap());
    assert!(!source.contains("hash ==") && !source.contains("== presented") && !source.contains("presented.hash =="));
}

#[test]
fn a_revocation_by_another_process_holds_for_the_next_request() {
    let (_dir, gateway) = open();
    let command_line = again(&gateway);
    for round in 0..20 {
        let name = format!("bot-{round}");
        let token = command_line.add_agent(&name, &Claims::new()).unwrap();
        assert_eq!(caller(&gateway, &token).agent.as_str(), name);
        command_line.revoke_agent(&name).unwrap();
        assert_eq!(reason(&gateway, token.expose()), Some(Reason::Revoked));
    }
}

#[test]
fn revoking_an_agent_ends_its_sessions_and_no_others() {
    let (_dir, identity) = open();
    let bot = identity.add_agent("bot", &Claims::new()).unwrap();
    let other = identity.add_agent("other", &Claims::new()).unwrap();
    let ended = identity.operator_mint(&"bot".into(), &Claims::new(), 1_000_000, now_ms()).unwrap();
    let stays = identity.operator_mint(&"other".into(), &Claims::new(), 1_000_000, now_ms()).unwrap();
    caller(&identity, &ended.token);
    assert_eq!(identity.revoke_agent("bot").unwrap(), 1);
    assert_eq!(reason(&identity, bot.expose()), Some(Reason::Revoked));
    assert_eq!(reason(&identity, ended.token.expose()), Some(Reason::Revoked));
    caller(&identity, &stays.token);
    caller(&identity, &other);
    assert!(matches!(
        identity.operator_mint(&"bot".into(), &Claims::new(), 1_000, now_ms()),
        Err(IdentityError::NotFound { .. })
    ));
}

#[test]
fn revoking_a_minter_ends_what_it_minted_and_nothing_else() {
    let (_dir, identity) = open();
    identity.add_agent("bot", &Claims::new()).unwrap();
    let token = identity.add_minter("portal", &grant()).unwrap();
    let portal = minter(&identity, &token);
    let minted = identity.mint_session(&portal, &"bot".into(), &Claims::new(), 1_000_000, now_ms()).unwrap();
    let by_operator = identity.operator_mint(&"bot".into(), &Claims::new(), 1_000_000, now_ms()).unwrap();
    assert_eq!(identity.revoke_minter("portal").unwrap(), 1);
    assert_eq!(reason(&identity, minted.token.expose()), Some(Reason::Revoked));
    assert_eq!(reason(&identity, token.expose()), Some(Reason::Revoked));
    caller(&identity, &by_operator.token);
    // A minter that was authenticated before it was revoked mints nothing after.
    assert!(matches!(
        identity.mint_session(&portal, &"bot".into(), &Claims::new(), 1_000, now_ms()),
        Err(IdentityError::MinterRevoked)
    ));
}

#[test]
fn one_session_can_be_revoked() {
    let (_dir, identity) = open();
    identity.add_agent("bot", &Claims::new()).unwrap();
    let one = identity.operator_mint(&"bot".into(), &Claims::new(), 1_000_000, now_ms()).unwrap();
    let other = identity.operator_mint(&"bot".into(), &Claims::new(), 1_000_000, now_ms()).unwrap();
    again(&identity).revoke_session(&one.id).unwrap();
    assert_eq!(reason(&identity, one.token.expose()), Some(Reason::Revoked));
    caller(&identity, &other.token);
    assert!(matches!(identity.revoke_session(&one.id), Err(IdentityError::NotFound { kind: "session", .. })));
    assert!(matches!(identity.revoke_session(&"nothing".into()), Err(IdentityError::NotFound { .. })));
    // An agent's key is no session, whatever its id.
    let key = identity.list_agents().unwrap()[0].key.as_str().into();
    assert!(identity.revoke_session(&key).is_err());
}

#[test]
fn a_rotated_key_replaces_the_old_one_at_once_and_sessions_stay() {
    let (_dir, identity) = open();
    let old = identity.add_agent("bot", &region()).unwrap();
    let session = identity.operator_mint(&"bot".into(), &Claims::new(), 1_000_000, now_ms()).unwrap();
    caller(&identity, &old);
    let new = again(&identity).rotate_agent("bot").unwrap();
    assert_eq!(reason(&identity, old.expose()), Some(Reason::Unknown));
    assert_eq!(*caller(&identity, &new).claims, region());
    caller(&identity, &session.token);
    identity.revoke_agent("bot").unwrap();
    assert_eq!(reason(&identity, session.token.expose()), Some(Reason::Revoked));
    assert!(matches!(identity.rotate_agent("bot"), Err(IdentityError::NotFound { .. })));
}

#[test]
fn names_are_checked_and_never_given_twice() {
    let (_dir, identity) = open();
    for name in ["", "Bot", "-bot", ".bot", "bot bot", "bött", "bot/1", &"b".repeat(64)] {
        assert!(matches!(identity.add_agent(name, &Claims::new()), Err(IdentityError::Name { .. })), "{name}");
    }
    for name in ["b", "0", "support-bot", "a.b_c-d", &"b".repeat(63)] {
        identity.add_agent(name, &Claims::new()).unwrap();
    }
    let error = again(&identity).add_agent("support-bot", &Claims::new()).unwrap_err();
    assert_eq!(error.to_string(), "agent `support-bot` exists already");
    identity.revoke_agent("support-bot").unwrap();
    let error = identity.add_agent("support-bot", &Claims::new()).unwrap_err();
    assert_eq!(error.to_string(), "agent `support-bot` exists already, though revoked: its name is not given again");
    // Another kind has its own names.
    identity.add_minter("support-bot", &grant()).unwrap();
    identity.add_operator("support-bot").unwrap();
    assert!(matches!(identity.revoke_agent("nobody"), Err(IdentityError::NotFound { .. })));
    identity.revoke_operator("support-bot").unwrap();
}

#[test]
fn claims_are_checked() {
    let (_dir, identity) = open();
    for name in ["", "Customer", "9", "a-b", "a b", &"c".repeat(64)] {
        let error = identity.add_agent("bot", &claims(&[(name, ClaimValue::Integer(1))])).unwrap_err();
        assert!(matches!(error, IdentityError::ClaimName(_)), "{name}");
    }
    for value in [
        ClaimValue::Text("x".repeat(4097)),
        ClaimValue::Integers(vec![0; 1001]),
        ClaimValue::Texts(vec![String::new(); 1001]),
        ClaimValue::Texts(vec!["x".repeat(4097); 5]),
    ] {
        assert!(matches!(identity.add_agent("bot", &claims(&[("c", value)])), Err(IdentityError::ClaimSize { .. })));
    }
    let many: Claims = (0..65).map(|n| (format!("c{n}").into(), ClaimValue::Integer(1))).collect();
    assert!(matches!(identity.add_agent("bot", &many), Err(IdentityError::TooManyClaims(65))));
    let wide: Claims = (0..9).map(|n| (format!("c{n}").into(), ClaimValue::Text("x".repeat(4000)))).collect();
    assert!(matches!(identity.add_agent("bot", &wide), Err(IdentityError::ClaimSize { .. })));
    // Every type comes back as it went in.
    let all = claims(&[
        ("a", ClaimValue::Boolean(true)),
        ("b", ClaimValue::Integer(i64::MIN)),
        ("c", ClaimValue::Text("42".into())),
        ("d", ClaimValue::Integers(vec![1, 2])),
        ("e", ClaimValue::Texts(vec!["1".into()])),
    ]);
    let token = identity.add_agent("bot", &all).unwrap();
    assert_eq!(*caller(&again(&identity), &token).claims, all);
}

#[test]
fn no_secret_is_in_the_file() {
    let (dir, identity) = open();
    let tokens = [
        identity.add_agent("bot", &region()).unwrap(),
        identity.add_minter("portal", &grant()).unwrap(),
        identity.add_operator("alice").unwrap(),
        identity.operator_mint(&"bot".into(), &Claims::new(), 1_000_000, now_ms()).unwrap().token,
    ];
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        let bytes = fs::read(&path).unwrap();
        for token in &tokens {
            let hex = &token.expose().as_bytes()[21..85];
            let raw = data_encoding::HEXLOWER.decode(hex).unwrap();
            assert!(!bytes.windows(hex.len()).any(|window| window == hex));
            assert!(!bytes.windows(raw.len()).any(|window| window == raw.as_slice()));
        }
    }
}

#[test]
fn a_file_open_to_others_is_closed_and_a_strange_one_refused() {
    let (dir, identity) = open();
    let path = identity.path().to_owned();
    drop(identity);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(Identity::open(&path, IdentityConfig::default()).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let other = dir.path().join("other.sqlite");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(Identity::open(&other, IdentityConfig::default()), Err(IdentityError::Version { .. })));
    fs::write(dir.path().join("text"), "not a database, but long enough to look at").unwrap();
    assert!(Identity::open(dir.path().join("text"), IdentityConfig::default()).is_err());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
    assert!(matches!(Identity::open(&path, IdentityConfig::default()), Err(IdentityError::Version { .. })));
}

#[test]
fn credentials_cannot_be_deleted_behind_the_gateways_back() {
    let (_dir, identity) = open();
    let token = identity.add_agent("bot", &Claims::new()).unwrap();
    let session = identity.operator_mint(&"bot".into(), &Claims::new(), 1_000_000, now_ms()).unwrap();
    let shell = Connection::open(identity.path()).unwrap();
    assert!(shell.execute("DELETE FROM credentials WHERE kind = 'agent'", []).is_err());
    assert!(shell.execute("DELETE FROM credentials WHERE kind = 'session'", []).is_err());
    caller(&identity, &token);
    caller(&identity, &session.token);
}

#[test]
fn a_tampered_row_opens_nothing() {
    let (_dir, identity) = open();
    identity.add_agent("bot", &region()).unwrap();
    let session = identity.operator_mint(&"bot".into(), &Claims::new(), 1_000_000, now_ms()).unwrap();
    caller(&identity, &session.token);
    let shell = Connection::open(identity.path()).unwrap();
    for change in [
        r#"detail = '{"region":"south"}'"#,
        "detail = 'not JSON'",
        "detail = '{}', until_ms = NULL",
        "until_ms = 9000000000000, name = 'nobody'",
    ] {
        let sql = format!(
            "UPDATE credentials SET {change}, changed = (SELECT last + 1 FROM changes_made) WHERE kind = 'session'"
        );
        shell.execute(&sql, []).unwrap();
        shell.execute("UPDATE changes_made SET last = last + 1", []).unwrap();
        assert!(
            matches!(reason(&identity, session.token.expose()), Some(Reason::Unreadable(_))),
            "a session's row with {change}"
        );
    }
}

#[test]
fn nobody_is_let_in_once_the_file_is_gone() {
    let (_dir, identity) = open();
    let token = identity.add_agent("bot", &Claims::new()).unwrap();
    caller(&identity, &token);
    fs::remove_file(identity.path()).unwrap();
    let start = Instant::now();
    while reason(&identity, token.expose()).is_none() {
        // Others would write their revocations to another file.
        assert!(start.elapsed() < Duration::from_secs(15), "still let in");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(matches!(reason(&identity, token.expose()), Some(Reason::Unreadable(_))));
}

#[test]
fn use_is_saved_coarsely_and_off_the_path() {
    let (_dir, identity) = open();
    let token = identity.add_agent("bot", &Claims::new()).unwrap();
    let used = |identity: &Identity| identity.list_agents().unwrap()[0].last_used_ms;
    let now = now_ms();
    assert_eq!(used(&identity), None);
    identity.authenticate(token.expose(), now).unwrap();
    identity.save_uses().unwrap();
    assert_eq!(used(&identity), Some(now));
    identity.authenticate(token.expose(), now + 59_000).unwrap();
    identity.save_uses().unwrap();
    assert_eq!(used(&identity), Some(now), "within the minute");
    identity.authenticate(token.expose(), now + 61_000).unwrap();
    drop(identity.save_uses());
    assert_eq!(used(&again(&identity)), Some(now + 61_000));
}

#[test]
fn sessions_that_have_ended_are_purged() {
    let (_dir, identity) = open();
    identity.add_agent("bot", &Claims::new()).unwrap();
    let past = now_ms() - 2 * 3_600_000;
    let old = identity.operator_mint(&"bot".into(), &Claims::new(), 1_000, past).unwrap();
    let live = identity.operator_mint(&"bot".into(), &Claims::new(), 1_000_000, now_ms()).unwrap();
    assert_eq!(reason(&identity, old.token.expose()), Some(Reason::Expired));
    identity.purge(now_ms()).unwrap();
    assert_eq!(reason(&identity, old.token.expose()), Some(Reason::Unknown));
    caller(&identity, &live.token);
    let listed = identity.list_sessions().unwrap();
    assert_eq!(listed.iter().map(|session| &session.id).collect::<Vec<_>>(), [&live.id]);
}

#[test]
fn lists_show_what_there_is_and_no_secret() {
    let (_dir, identity) = open();
    let token = identity.add_agent("bot", &region()).unwrap();
    identity.add_minter("portal", &grant()).unwrap();
    identity.add_operator("alice").unwrap();
    identity.revoke_operator("alice").unwrap();
    let agents = identity.list_agents().unwrap();
    assert_eq!((agents[0].name.as_str(), &agents[0].claims), ("bot", &region()));
    assert!(token.expose().contains(&agents[0].key));
    assert_eq!(identity.list_minters().unwrap()[0].grant, grant());
    assert!(identity.list_operators().unwrap()[0].revoked_ms.is_some());
    let json = serde_json::to_string(&agents).unwrap();
    assert!(!json.contains(&token.expose()[21..85]));
}

#[test]
fn requests_and_changes_at_once_agree() {
    let (_dir, gateway) = open();
    let command_line = again(&gateway);
    let over = AtomicBool::new(false);
    let steady = gateway.add_agent("steady", &Claims::new()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    caller(&gateway, &steady);
                }
            });
        }
        for round in 0..30 {
            let name = format!("bot-{round}");
            let token = command_line.add_agent(&name, &Claims::new()).unwrap();
            caller(&gateway, &token);
            let minted = gateway.operator_mint(&name.as_str().into(), &Claims::new(), 60_000, now_ms()).unwrap();
            caller(&gateway, &minted.token);
            command_line.revoke_agent(&name).unwrap();
            assert!(reason(&gateway, token.expose()).is_some());
            assert!(reason(&gateway, minted.token.expose()).is_some());
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
#[ignore = "a measurement, not a check; run it by hand in release"]
fn how_long_authentication_takes() {
    let (_dir, identity) = open();
    let token = identity.add_agent("bot", &region()).unwrap();
    let busy = || {
        let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e3
    };
    let before = busy();
    for _ in 0..100_000 {
        std::hint::black_box(identity.authenticate(token.expose(), 0).unwrap());
    }
    println!("{:.2} µs of CPU", (busy() - before) / 1e5);
}
