//! Files that are other than they should be.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use mountgate_trust::{Kind, Store};

use crate::fixtures::{World, refused};

/// The file of acme/a's component.
fn component(world: &World, bytes: &[u8]) -> PathBuf {
    let digest = mountgate_core::Digest::of(bytes).to_hex();
    world.repository().join(format!("targets/acme/{digest}.a.wasm"))
}

#[test]
fn a_tampered_target() {
    let world = World::new();
    let store = world.store();
    world.publish("acme/a", 2, b"a2");
    fs::write(component(&world, b"a2"), b"b2").unwrap();
    refused(&world, &store, Kind::Mismatched);
}

#[test]
fn a_target_that_is_cut_short() {
    let world = World::new();
    let store = world.store();
    world.publish("acme/a", 2, b"a2");
    fs::write(component(&world, b"a2"), b"a").unwrap();
    refused(&world, &store, Kind::Mismatched);
}

#[test]
fn an_endless_file() {
    let world = World::new();
    let store = world.store();
    world.publish("acme/a", 2, b"a2");
    let path = component(&world, b"a2");
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    refused(&world, &store, Kind::Unreachable);
    // A pipe that nobody writes to would be waited for.
    fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let error = refused(&world, &store, Kind::Unreachable);
    assert!(error.to_string().contains("no regular file"), "{error}");
    // A file that is far longer than was signed.
    fs::remove_file(&path).unwrap();
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    refused(&world, &store, Kind::TooLarge);
}

#[test]
fn endless_metadata() {
    let world = World::new();
    let store = world.store();
    let path = world.metadata("timestamp.json");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    refused(&world, &store, Kind::TooLarge);
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    refused(&world, &store, Kind::Unreachable);
}

#[test]
fn a_symlink() {
    let world = World::new();
    let store = world.store();
    world.publish("acme/a", 2, b"a2");
    // The very bytes that were signed, by way of a link: where it leads is not the repository's to say.
    let (path, elsewhere) = (component(&world, b"a2"), world.folder.path().join("elsewhere"));
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    let error = refused(&world, &store, Kind::Unreachable);
    assert!(error.to_string().contains("link"), "{error}");
    // A folder by way of a link.
    fs::remove_file(&path).unwrap();
    fs::rename(&elsewhere, &path).unwrap();
    let folder = world.folder.path().join("folder");
    fs::rename(world.repository().join("targets/acme"), &folder).unwrap();
    symlink(&folder, world.repository().join("targets/acme")).unwrap();
    refused(&world, &store, Kind::Unreachable);
    fs::remove_file(world.repository().join("targets/acme")).unwrap();
    fs::rename(&folder, world.repository().join("targets/acme")).unwrap();
    store.refresh().unwrap();
}

#[test]
fn a_plugin_that_is_changed_on_the_gateways_disk() {
    let world = World::new();
    let store = world.store();
    let set = store.current().unwrap();
    let mut changed = 0;
    for path in walk(&world.config().folder) {
        if path.extension().is_some_and(|extension| extension == "wasm") {
            fs::write(&path, b"xx").unwrap();
            changed += 1;
        }
    }
    assert!(changed >= 2);
    assert_eq!(set.plugins["acme/a"].component().unwrap_err().kind(), Kind::Mismatched);
    // At the next start there is no set, and the repository is asked.
    let again = Store::open(world.config()).unwrap();
    assert!(again.current().is_none());
    assert_eq!(again.status().failure.unwrap().kind, Kind::Mismatched.as_str());
    again.refresh().unwrap();
    assert_eq!(again.current().unwrap().plugins["acme/a"].component().unwrap(), b"a1");
}

#[test]
fn a_pointer_that_leads_out_of_the_store() {
    let world = World::new();
    drop(world.store());
    let path = world.config().folder.join("current");
    for name in ["../elsewhere", "set-1/../../x", "/etc", "set-"] {
        fs::write(&path, format!(r#"{{"number":1,"set":"{name}","before":null,"seen":"seen-1"}}"#)).unwrap();
        assert_eq!(Store::open(world.config()).unwrap_err().kind(), Kind::Malformed, "{name}");
    }
}

fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}
