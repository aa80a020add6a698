use mountgate_core::Claims;
use rusqlite::Connection;

use super::*;
use crate::{Credential, IdentityConfig, Reason};

fn support() -> PersonGrant {
    PersonGrant { approves: [MountName::new("support")].into(), runs: [AgentName::new("bot")].into() }
}

fn open(folder: &tempfile::TempDir) -> Identity {
    Identity::open(folder.path().join("identities.db"), IdentityConfig::default()).unwrap()
}

#[test]
fn a_person_is_nothing_else_and_ends_with_the_revocation() {
    let folder = tempfile::tempdir().unwrap();
    let identity = open(&folder);
    let token = identity.add_person("alice", &support()).unwrap();
    assert!(token.expose().starts_with("mgp_"));
    let Ok(Credential::Person(person)) = identity.authenticate(token.expose(), 0) else { panic!("no person") };
    assert_eq!((person.name(), person.grant()), ("alice", &support()));
    // Another process's revocation holds for the next look, by token and by name.
    let other = open(&folder);
    other.revoke_person("alice").unwrap();
    assert_eq!(identity.authenticate(token.expose(), 0).unwrap_err().reason(), &Reason::Revoked);
    assert_eq!(identity.person("alice").unwrap(), None);
    assert!(identity.add_person("alice", &support()).is_err(), "a revoked name is not given again");
    assert!(identity.grant_person("alice", &support()).is_err());
}

#[test]
fn a_grant_that_is_changed_holds_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, other) = (open(&folder), open(&folder));
    identity.add_person("alice", &support()).unwrap();
    let billing = PersonGrant { approves: [MountName::new("billing")].into(), ..PersonGrant::default() };
    other.grant_person("alice", &billing).unwrap();
    assert_eq!(identity.person("alice").unwrap().unwrap().grant(), &billing);
    assert_eq!(identity.list_people().unwrap()[0].grant, billing);
    for bad in ["", "a b", "*", "-a"] {
        let grant = PersonGrant { approves: [MountName::new(bad)].into(), ..PersonGrant::default() };
        assert!(identity.grant_person("alice", &grant).is_err(), "{bad}");
    }
    assert!(identity.grant_person("bob", &billing).is_err());
    // An operator of the same name is somebody else.
    let operator = identity.add_operator("alice").unwrap();
    assert!(matches!(identity.authenticate(operator.expose(), 0), Ok(Credential::Operator(_))));
}

#[test]
fn a_file_of_the_version_before_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identities.db");
    let (agent, operator, session);
    {
        let identity = open(&folder);
        agent = identity.add_agent("bot", &Claims::new()).unwrap();
        operator = identity.add_operator("carol").unwrap();
        session = identity.operator_mint(&"bot".into(), &Claims::new(), 60_000, crate::identity::now_ms()).unwrap();
        identity.revoke_operator("carol").unwrap();
    }
    {
        let file = Connection::open(&path).unwrap();
        let schema: String =
            file.query_row("SELECT sql FROM sqlite_master WHERE name = 'credentials'", [], |row| row.get(0)).unwrap();
        let before = schema.replace(", 'person'", "");
        assert_ne!(schema, before);
        file.execute_batch("PRAGMA writable_schema = ON; PRAGMA user_version = 1").unwrap();
        file.execute("UPDATE sqlite_master SET sql = ?1 WHERE name = 'credentials'", [before]).unwrap();
    }
    let identity = open(&folder);
    let now = crate::identity::now_ms();
    assert!(matches!(identity.authenticate(agent.expose(), now), Ok(Credential::Caller(_))));
    assert!(matches!(identity.authenticate(session.token.expose(), now), Ok(Credential::Caller(_))));
    assert_eq!(identity.authenticate(operator.expose(), now).unwrap_err().reason(), &Reason::Revoked);
    identity.add_person("alice", &support()).unwrap();
    drop(identity);
    // What keeps rows from being deleted, and the indexes, are there again.
    let file = Connection::open(&path).unwrap();
    assert!(file.execute("DELETE FROM credentials WHERE kind = 'agent'", []).is_err());
    let made: i64 = file
        .query_row("SELECT count(*) FROM sqlite_master WHERE name IN ('names', 'changes', 'sessions')", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(made, 3);
}

#[test]
fn what_was_asked_by_the_revoked_does_not_stand() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, other) = (open(&folder), open(&folder));
    identity.add_agent("bot", &Claims::new()).unwrap();
    let bot = AgentName::new("bot");
    let session = identity.operator_mint(&bot, &Claims::new(), 1, 0).unwrap().id;
    assert!(identity.stands(&bot, Some(&session)).unwrap(), "one that has ended by itself");
    assert!(!identity.stands(&AgentName::new("none"), None).unwrap());
    let session = identity.operator_mint(&bot, &Claims::new(), 60_000, crate::identity::now_ms()).unwrap().id;
    other.revoke_session(&session).unwrap();
    assert!(!identity.stands(&bot, Some(&session)).unwrap());
    assert!(identity.stands(&bot, None).unwrap());
    other.revoke_agent("bot").unwrap();
    assert!(!identity.stands(&bot, None).unwrap());
}
