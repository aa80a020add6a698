use super::*;

#[test]
fn a_key_is_made_once_and_for_the_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("a/state");
    let first = Keys::in_folder(&state).unwrap();
    let again = Keys::in_folder(&state).unwrap();
    assert_eq!(first.ledger(), again.ledger());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state.join(FILE)), 0o600);
    assert_eq!(mode(&state), 0o700);
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "no draft is left behind");

    let other = Keys::in_folder(&folder.path().join("b")).unwrap();
    assert_ne!(first.ledger(), other.ledger());
}

#[test]
fn keys_for_different_things_differ() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::in_folder(folder.path()).unwrap();
    let masks = keys.masks(&"m".into());
    let all = [
        *keys.ledger(),
        *keys.checkpoints(),
        *keys.compiled(),
        masks.key(&"a".into(), &"b.c".into()),
        masks.key(&"a.b".into(), &"c".into()),
        keys.masks(&"n".into()).key(&"a".into(), &"b.c".into()),
    ];
    for (at, key) in all.iter().enumerate() {
        assert!(!all[..at].contains(key), "key {at} is another's");
        assert_ne!(key, &[0; 32]);
    }
    assert_eq!(all[3], keys.masks(&"m".into()).key(&"a".into(), &"b.c".into()));
}

#[test]
fn a_lost_open_or_broken_key_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    fs::write(folder.path().join(IDENTITIES), "").unwrap();
    assert!(matches!(Keys::in_folder(folder.path()), Err(KeyError::Lost { .. })));
    fs::remove_file(folder.path().join(IDENTITIES)).unwrap();
    Keys::in_folder(folder.path()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Keys::in_folder(folder.path()), Err(KeyError::Open { .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for bad in ["", "00ff", &"zz".repeat(32)] {
        fs::write(&path, bad).unwrap();
        let error = Keys::in_folder(folder.path()).unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }), "{bad}");
        assert!(bad.is_empty() || !error.to_string().contains(bad), "the key is not printed");
    }
}
