//! Metadata that is old, forged, mixed or frozen. Attackers here hold the folder, and where it is said some keys.

use std::{fs, path::Path};

use mountgate_trust::{
    Kind, Repository, SecretKey, Store,
    repository::{Ceremony, Change, Keyring},
};
use serde_json::{Value, json};
use tough::schema::RoleType;

use crate::fixtures::{DAY, World, expected, publication, refused, releases};

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn write(path: &Path, value: &Value) {
    fs::write(path, serde_json::to_vec(value).unwrap()).unwrap();
}

/// The repository as somebody makes it who may change files and holds no key: everything is re-signed with keys of his
/// own, which the root does not name.
fn forge(world: &World, file: &str, change: impl FnOnce(&mut Value)) {
    let path = world.metadata(file);
    let mut metadata = read(&path);
    change(&mut metadata);
    write(&path, &metadata);
}

fn latest(world: &World, role: &str) -> String {
    let names = fs::read_dir(world.repository().join("metadata")).unwrap();
    let versions = names.filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(&format!(".{role}.json"))?.parse::<u64>().ok()
    });
    format!("{}.{role}.json", versions.max().unwrap())
}

#[test]
fn a_wrong_key() {
    let world = World::new();
    let store = world.store();
    // A whole repository of the attacker's, better than the real one in every number.
    let other = World::new();
    for release in 2..6 {
        other.publish("acme/a", release, format!("evil{release}").as_bytes());
    }
    fs::remove_dir_all(world.repository()).unwrap();
    crate::fixtures::copy(&other.repository(), &world.repository());
    refused(&world, &store, Kind::Unsigned);
}

#[test]
fn a_signature_of_a_key_that_the_root_does_not_name() {
    let world = World::new();
    let store = world.store();
    world.publish("acme/a", 2, b"a2");
    forge(&world, "timestamp.json", |timestamp| timestamp["signed"]["version"] = json!(99));
    refused(&world, &store, Kind::Unsigned);
}

#[test]
fn below_threshold() {
    let world = World::new();
    let store = world.store();
    // A new root with one signature of the two that are needed, otherwise perfect.
    let mut repository = world.open();
    let key = SecretKey::generate().unwrap();
    let change = Change { add: vec![key.public()], ..Change::default() };
    let done = repository.rotate(RoleType::Root, &change, &mut world.keys.all()).unwrap();
    assert_eq!(done, Ceremony::Done(2));
    drop(repository);
    forge(&world, "2.root.json", |root| {
        let signatures = root["signatures"].as_array_mut().unwrap();
        assert!(signatures.len() >= 2);
        signatures.truncate(1);
    });
    refused(&world, &store, Kind::Unsigned);
    // The one signature twice.
    forge(&world, "2.root.json", |root| {
        let signatures = root["signatures"].as_array_mut().unwrap();
        signatures.push(signatures[0].clone());
    });
    refused(&world, &store, Kind::Unsigned);
}

#[test]
fn a_draft_of_a_root_waits_for_its_threshold() {
    let world = World::new();
    let store = world.store();
    let key = SecretKey::generate().unwrap();
    let change = Change { add: vec![key.public()], ..Change::default() };
    let one = || Keyring::of([world.keys.root[0].clone(), world.keys.snapshot.clone(), world.keys.timestamp.clone()]);
    let waits = world.open().rotate(RoleType::Root, &change, &mut one()).unwrap();
    assert_eq!(waits, Ceremony::Waits { old: 1, new: 1 });
    // The same person again is no second one.
    assert_eq!(world.open().sign_draft(&mut one()).unwrap(), Ceremony::Waits { old: 1, new: 1 });
    assert!(!world.metadata("2.root.json").exists());
    let other = [world.keys.root[1].clone(), world.keys.snapshot.clone(), world.keys.timestamp.clone()];
    assert_eq!(world.open().sign_draft(&mut Keyring::of(other)).unwrap(), Ceremony::Done(2));
    assert_eq!(store.refresh().unwrap().set().versions.root, 2);
}

#[test]
fn a_rolled_back_timestamp() {
    let world = World::new();
    let old = world.keep();
    world.publish("acme/a", 2, b"a2");
    let store = world.store();
    world.put_back(&old);
    refused(&world, &store, Kind::RolledBack);
}

#[test]
fn a_rolled_back_timestamp_after_the_timestamp_key_was_rotated() {
    // `tough` forgets what it saw where the root that it starts from names other keys than the latest: the store starts
    // from the latest.
    let world = World::new();
    let key = SecretKey::generate().unwrap();
    let mut keyring = world.keys.all();
    keyring.add(key.clone());
    let mut repository = world.open();
    let change = Change { add: vec![key.public()], remove: vec![world.keys.timestamp.public().id()], threshold: None };
    assert_eq!(repository.rotate(RoleType::Timestamp, &change, &mut keyring).unwrap(), Ceremony::Done(2));
    drop(repository);
    let store = world.store();
    let old = world.keep();
    world.open().publish(&publication("acme/a", 2, b"a2"), &mut keyring).unwrap();
    store.refresh().unwrap();
    world.put_back(&old);
    refused(&world, &store, Kind::RolledBack);
}

#[test]
fn a_rolled_back_snapshot() {
    let world = World::new();
    let old = world.keep();
    world.publish("acme/a", 2, b"a2");
    let store = world.store();
    // Whoever holds the timestamp's key says that the old snapshot is the latest.
    let version = read(&world.metadata("timestamp.json"))["signed"]["version"].as_u64().unwrap();
    world.put_back(&old);
    resign_timestamp(&world, version + 1);
    refused(&world, &store, Kind::RolledBack);
}

/// Signs the timestamp that is there under another version.
fn resign_timestamp(world: &World, version: u64) {
    let path = world.metadata("timestamp.json");
    let mut timestamp = read(&path)["signed"].clone();
    timestamp["version"] = json!(version);
    write(&path, &sign(&timestamp, &world.keys.timestamp));
}

fn sign(signed: &Value, key: &SecretKey) -> Value {
    let mut message = Vec::new();
    let mut out = serde_json::Serializer::with_formatter(&mut message, olpc_cjson::CanonicalFormatter::new());
    serde::Serialize::serialize(signed, &mut out).unwrap();
    json!({ "signed": signed, "signatures": [{ "keyid": key.public().id(), "sig": key.sign_hex(&message) }] })
}

/// Signs a snapshot over what is there with a role's metadata replaced, and a timestamp over that.
fn resign_snapshot(world: &World, role: &str, version: u64, bytes: &[u8]) {
    let path = world.metadata(&latest(world, "snapshot"));
    let mut snapshot = read(&path)["signed"].clone();
    let next = snapshot["version"].as_u64().unwrap() + 1;
    snapshot["version"] = json!(next);
    snapshot["meta"][format!("{role}.json")] = metafile(version, bytes);
    let signed = sign(&snapshot, &world.keys.snapshot);
    write(&world.metadata(&format!("{next}.snapshot.json")), &signed);
    let bytes = serde_json::to_vec(&signed).unwrap();
    let path = world.metadata("timestamp.json");
    let mut timestamp = read(&path)["signed"].clone();
    timestamp["version"] = json!(timestamp["version"].as_u64().unwrap() + 1);
    timestamp["meta"]["snapshot.json"] = metafile(next, &bytes);
    write(&path, &sign(&timestamp, &world.keys.timestamp));
}

fn metafile(version: u64, bytes: &[u8]) -> Value {
    let digest = mountgate_core::Digest::of(bytes).to_hex();
    json!({ "version": version, "length": bytes.len(), "hashes": { "sha256": digest } })
}

/// Publishes metadata of a role's as somebody would who holds that key, the snapshot's and the timestamp's.
fn sign_role(world: &World, role: &str, key: &SecretKey, change: impl FnOnce(&mut Value)) {
    let mut metadata = read(&world.metadata(&latest(world, role)))["signed"].clone();
    let version = metadata["version"].as_u64().unwrap() + 1;
    metadata["version"] = json!(version);
    change(&mut metadata);
    let signed = sign(&metadata, key);
    write(&world.metadata(&format!("{version}.{role}.json")), &signed);
    resign_snapshot(world, role, version, &serde_json::to_vec(&signed).unwrap());
}

#[test]
fn a_rolled_back_target() {
    let world = World::new();
    let old = read(&world.metadata(&latest(&world, "acme")))["signed"]["targets"].clone();
    world.publish("acme/a", 2, b"a2");
    let store = world.store();
    // Whoever holds acme's key signs release 1 again, in metadata that is new in every number.
    sign_role(&world, "acme", &world.keys.acme, |metadata| metadata["targets"] = old);
    let error = refused(&world, &store, Kind::RolledBack);
    assert!(error.to_string().contains("rollback_of"), "{error}");
}

#[test]
fn a_release_that_is_another_component_than_before() {
    let world = World::new();
    let store = world.store();
    let digest = mountgate_core::Digest::of(b"other");
    let mut manifest = mountgate_trust::Manifest::new("acme/a".parse().unwrap(), 1, b"other", "0.2.0");
    manifest.cases = vec![];
    let text = serde_json::to_vec(&manifest).unwrap();
    let targets = world.repository().join("targets/acme");
    fs::write(targets.join(format!("{}.a.wasm", digest.to_hex())), b"other").unwrap();
    fs::write(targets.join(format!("{}.a.json", mountgate_core::Digest::of(&text).to_hex())), &text).unwrap();
    sign_role(&world, "acme", &world.keys.acme, |metadata| {
        metadata["targets"]["acme/a.wasm"] = json!({ "length": 5, "hashes": { "sha256": digest.to_hex() } });
        metadata["targets"]["acme/a.json"] =
            json!({ "length": text.len(), "hashes": { "sha256": mountgate_core::Digest::of(&text).to_hex() } });
    });
    refused(&world, &store, Kind::RolledBack);
}

#[test]
fn a_frozen_timestamp() {
    let world = World::new();
    let store = world.store();
    // Nothing new comes, though it was published: what is offered is signed, consistent, and old.
    world.pass(8 * DAY);
    let error = refused(&world, &store, Kind::Expired);
    assert!(error.to_string().contains("frozen"), "{error}");
}

#[test]
fn an_expired_publisher_alone_is_noticed() {
    // `tough` does not count delegated roles when it says when a repository expires.
    let world = World::new();
    let mut repository = world.open();
    repository.lifetimes.targets = 2;
    repository.publish(&publication("acme/a", 2, b"a2"), &mut world.keys.all()).unwrap();
    drop(repository);
    let store = world.store();
    world.pass(3 * DAY);
    refused(&world, &store, Kind::Expired);
}

#[test]
fn an_expired_root() {
    let world = World::new();
    let mut repository = world.open();
    repository.lifetimes.root = 1;
    assert_eq!(repository.renew_root(&mut world.keys.all()).unwrap(), Ceremony::Done(2));
    drop(repository);
    let store = world.store();
    world.pass(2 * DAY);
    let error = refused(&world, &store, Kind::Expired);
    assert!(error.to_string().contains("`root`"), "{error}");
    // Renewed, it is good again: from the root that the gateway knows, though that has expired.
    world.open().renew_root(&mut world.keys.all()).unwrap();
    store.refresh().unwrap();
}

#[test]
fn mixed_snapshots() {
    let world = World::new();
    let old = latest(&world, "acme");
    let store = world.store();
    world.publish("acme/a", 2, b"a2");
    // The new snapshot, and in the place of the new metadata of acme the old one, which is signed just as well.
    fs::copy(world.metadata(&old), world.metadata(&latest(&world, "acme"))).unwrap();
    refused(&world, &store, Kind::Mismatched);
}

#[test]
fn a_snapshot_that_leaves_a_role_out() {
    let world = World::new();
    let store = world.store();
    let path = world.metadata(&latest(&world, "snapshot"));
    let mut snapshot = read(&path)["signed"].clone();
    let next = snapshot["version"].as_u64().unwrap() + 1;
    snapshot["version"] = json!(next);
    snapshot["meta"].as_object_mut().unwrap().remove("globex.json").unwrap();
    let signed = sign(&snapshot, &world.keys.snapshot);
    write(&world.metadata(&format!("{next}.snapshot.json")), &signed);
    let bytes = serde_json::to_vec(&signed).unwrap();
    let path = world.metadata("timestamp.json");
    let mut timestamp = read(&path)["signed"].clone();
    timestamp["version"] = json!(timestamp["version"].as_u64().unwrap() + 1);
    timestamp["meta"]["snapshot.json"] = metafile(next, &bytes);
    write(&path, &sign(&timestamp, &world.keys.timestamp));
    refused(&world, &store, Kind::RolledBack);
    // To a gateway that has seen nothing yet, it is a repository without a part that it delegates.
    let mut config = world.config();
    config.folder = world.folder.path().join("another");
    assert_eq!(Store::open(config).unwrap().refresh().unwrap_err().kind(), Kind::NotDelegated);
}

#[test]
fn swapped_names() {
    let world = World::new();
    world.publish("acme/b", 1, b"b");
    let store = world.store();
    // By whoever holds acme's key: a's component and manifest under b's name.
    sign_role(&world, "acme", &world.keys.acme, |metadata| {
        metadata["targets"]["acme/b.wasm"] = metadata["targets"]["acme/a.wasm"].clone();
        metadata["targets"]["acme/b.json"] = metadata["targets"]["acme/a.json"].clone();
    });
    let targets = world.repository().join("targets/acme");
    for file in fs::read_dir(&targets).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if let Some((digest, rest)) = name.split_once(".a.") {
            fs::copy(targets.join(&name), targets.join(format!("{digest}.b.{rest}"))).unwrap();
        }
    }
    refused(&world, &store, Kind::BadPlugin);
}

#[test]
fn swapped_components() {
    let world = World::new();
    world.publish("acme/b", 1, b"b");
    let store = world.store();
    sign_role(&world, "acme", &world.keys.acme, |metadata| {
        metadata["targets"]["acme/b.wasm"] = metadata["targets"]["acme/a.wasm"].clone();
    });
    let targets = world.repository().join("targets/acme");
    let digest = mountgate_core::Digest::of(b"a1").to_hex();
    fs::copy(targets.join(format!("{digest}.a.wasm")), targets.join(format!("{digest}.b.wasm"))).unwrap();
    refused(&world, &store, Kind::Mismatched);
}

#[test]
fn a_name_of_somebody_elses() {
    let world = World::new();
    let store = world.store();
    sign_role(&world, "acme", &world.keys.acme, |metadata| {
        metadata["targets"]["globex/b.wasm"] = metadata["targets"]["acme/a.wasm"].clone();
        metadata["targets"]["globex/b.json"] = metadata["targets"]["acme/a.json"].clone();
    });
    refused(&world, &store, Kind::NotDelegated);
}

#[test]
fn a_name_below_its_own_that_only_a_careless_pattern_names() {
    let world = World::new();
    let store = world.store();
    sign_role(&world, "acme", &world.keys.acme, |metadata| {
        metadata["targets"]["acme/deep/a.wasm"] = metadata["targets"]["acme/a.wasm"].clone();
    });
    refused(&world, &store, Kind::NotDelegated);
}

#[test]
fn a_publisher_that_delegates_further() {
    // To a role that is another's, and to one of its own making.
    for (name, kind) in [("globex", Kind::Unsigned), ("initech", Kind::NotDelegated)] {
        let world = World::new();
        let store = world.store();
        let key = SecretKey::generate().unwrap();
        let keys = json!({ key.public().id(): {
            "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": key.public().to_string() },
        } });
        let pattern = format!("{name}/*");
        sign_role(&world, "acme", &world.keys.acme, |metadata| {
            metadata["delegations"] = json!({ "keys": keys, "roles": [{
                "name": name, "keyids": [key.public().id()], "threshold": 1, "paths": [pattern], "terminating": true,
            }] });
        });
        refused(&world, &store, kind);
    }
}

#[test]
fn a_revocation_of_a_publishers_own() {
    let world = World::new();
    let store = world.store();
    // The field means something in the repository's own targets alone.
    sign_role(&world, "acme", &world.keys.acme, |metadata| {
        metadata["x-mountgate-revoked"] = json!([{ "name": "globex/b", "reason": "competitor" }]);
    });
    store.refresh().unwrap();
    assert!(store.current().unwrap().plugins["globex/b"].standing.holds_at(world.now()));
}

#[test]
fn a_key_rotated_out() {
    let world = World::new();
    let store = world.store();
    let key = SecretKey::generate().unwrap();
    let mut keyring = world.keys.all();
    keyring.add(key.clone());
    let mut repository = world.open();
    let change = Change { add: vec![key.public()], remove: vec![world.keys.snapshot.public().id()], threshold: None };
    assert_eq!(repository.rotate(RoleType::Snapshot, &change, &mut keyring).unwrap(), Ceremony::Done(2));
    drop(repository);
    store.refresh().unwrap();
    // Who holds the old snapshot key, and the timestamp's, signs on.
    let acme = fs::read(world.metadata(&latest(&world, "acme"))).unwrap();
    let version = read(&world.metadata(&latest(&world, "acme")))["signed"]["version"].as_u64().unwrap();
    resign_snapshot(&world, "acme", version, &acme);
    refused(&world, &store, Kind::Unsigned);
}

#[test]
fn a_root_that_is_hidden_once_it_was_seen() {
    let world = World::new();
    let before = world.keep();
    let mut repository = world.open();
    let key = SecretKey::generate().unwrap();
    let mut keyring = world.keys.all();
    keyring.add(key.clone());
    let change = Change { add: vec![key.public()], remove: vec![world.keys.timestamp.public().id()], threshold: None };
    repository.rotate(RoleType::Timestamp, &change, &mut keyring).unwrap();
    drop(repository);
    let store = world.store();
    // The old repository, with a timestamp that the old key signs anew: the new root is not offered any more.
    world.put_back(&before);
    resign_timestamp(&world, 1_000);
    refused(&world, &store, Kind::Unsigned);
}

#[test]
fn a_root_that_cannot_be_read_is_not_one_that_is_not_there() {
    let world = World::new();
    let store = world.store();
    world.publish("acme/a", 2, b"a2");
    // `tough` takes any failure for the end of the roots, and goes on with the keys that it has.
    fs::create_dir(world.metadata("2.root.json")).unwrap();
    refused(&world, &store, Kind::Unreachable);
}

#[test]
fn a_root_of_other_thresholds_by_one_key_under_two_ids() {
    let world = World::new();
    let store = world.store();
    let root = read(&world.metadata("1.root.json"))["signed"].clone();
    let mut root = root;
    root["version"] = json!(2);
    let first = &world.keys.root[0];
    let key = |extra: bool| {
        let mut key = json!({
            "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": first.public().to_string() },
        });
        if extra {
            key["x"] = json!("1");
        }
        key
    };
    let id = |key: &Value| {
        let mut bytes = Vec::new();
        let mut out = serde_json::Serializer::with_formatter(&mut bytes, olpc_cjson::CanonicalFormatter::new());
        serde::Serialize::serialize(key, &mut out).unwrap();
        mountgate_core::Digest::of(&bytes).to_hex()
    };
    let (one, two) = (key(false), key(true));
    root["keys"][id(&two)] = two.clone();
    root["roles"]["root"]["keyids"] = json!([id(&one), id(&two)]);
    let mut message = Vec::new();
    let mut out = serde_json::Serializer::with_formatter(&mut message, olpc_cjson::CanonicalFormatter::new());
    serde::Serialize::serialize(&root, &mut out).unwrap();
    let mut signatures: Vec<Value> = world
        .keys
        .root
        .iter()
        .skip(1)
        .map(|key| json!({ "keyid": key.public().id(), "sig": key.sign_hex(&message) }))
        .collect();
    for id in [id(&one), id(&two)] {
        signatures.push(json!({ "keyid": id, "sig": first.sign_hex(&message) }));
    }
    write(&world.metadata("2.root.json"), &json!({ "signed": root, "signatures": signatures }));
    let error = refused(&world, &store, Kind::Unsigned);
    assert!(error.to_string().contains("different keys"), "{error}");
}

#[test]
fn no_consistent_snapshots() {
    let world = World::new();
    let mut root = read(&world.metadata("1.root.json"))["signed"].clone();
    root["consistent_snapshot"] = json!(false);
    let mut message = Vec::new();
    let mut out = serde_json::Serializer::with_formatter(&mut message, olpc_cjson::CanonicalFormatter::new());
    serde::Serialize::serialize(&root, &mut out).unwrap();
    let signatures: Vec<Value> = world
        .keys
        .root
        .iter()
        .map(|key| json!({ "keyid": key.public().id(), "sig": key.sign_hex(&message) }))
        .collect();
    write(&world.root(), &json!({ "signed": root, "signatures": signatures }));
    assert_eq!(Store::open(world.config()).unwrap_err().kind(), Kind::Malformed);
}

#[test]
fn a_pinned_root_of_another_repository() {
    let world = World::new();
    let store = world.store();
    drop(store);
    let other = World::new();
    fs::copy(other.root(), world.root()).unwrap();
    let error = Store::open(world.config()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsigned);
    assert!(error.to_string().contains("begin anew"), "{error}");
}

#[test]
fn a_publisher_does_not_sign_over_a_folder_that_was_tampered_with() {
    let world = World::new();
    forge(&world, &latest(&world, "acme"), |metadata| {
        metadata["signed"]["targets"]["acme/evil.wasm"] = metadata["signed"]["targets"]["acme/a.wasm"].clone();
    });
    assert!(Repository::open(&world.repository()).is_err());
}

#[test]
fn what_was_seen_in_a_refresh_that_failed_is_not_taken_back() {
    let world = World::new();
    let store = world.store();
    let old = world.keep();
    world.publish("acme/a", 2, b"a2");
    let newer = world.keep();
    // The new timestamp is seen, the rest of the update is kept back …
    fs::remove_file(world.metadata(&latest(&world, "acme"))).unwrap();
    assert_eq!(store.refresh().unwrap_err().kind(), Kind::Unreachable);
    // … and then the old repository is offered, as if nothing had happened.
    world.put_back(&old);
    refused(&world, &store, Kind::RolledBack);
    world.put_back(&newer);
    store.refresh().unwrap();
    assert_eq!(releases(&store), expected(&[("acme/a", 2), ("globex/b", 1)]));
}

/// Publishes acme/a's component under another name, with acme's key.
pub(crate) fn sign_name(world: &World, name: &str) {
    sign_role(world, "acme", &world.keys.acme, |metadata| {
        let file = metadata["targets"]["acme/a.wasm"].clone();
        metadata["targets"][name] = file;
    });
}
