use std::fs;

use super::*;

#[test]
fn what_is_another_is_seen_and_what_is_touched_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("mountgate.toml");
    let mount = folder.path().join("mounts/one.toml");
    fs::create_dir(folder.path().join("mounts")).unwrap();
    fs::write(&main, "a").unwrap();
    fs::write(&mount, "one").unwrap();
    let watched = Watched::beside(&main);
    let first = Seen::of(&watched);

    fs::write(&mount, "one").unwrap();
    assert!(first.again(&watched) == first, "the same bytes, written again");

    // The same length within the same moment: `stat` alone would not show it.
    fs::write(&mount, "two").unwrap();
    let second = first.again(&watched);
    assert!(second != first);

    fs::write(folder.path().join("mounts/two.toml"), "").unwrap();
    let third = second.again(&watched);
    assert!(third != second, "a new file");
    fs::write(folder.path().join("mounts/.hidden.toml"), "").unwrap();
    fs::write(folder.path().join("mounts/notes.txt"), "").unwrap();
    assert!(third.again(&watched) == third, "what is no mount");

    fs::rename(&mount, folder.path().join("mounts/three.toml")).unwrap();
    assert!(third.again(&watched) != third, "another name");
    fs::remove_file(&main).unwrap();
    assert!(third.again(&watched) != third, "one that is gone");
}

#[test]
fn links_that_are_swapped_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("a", "one"), ("b", "two")] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("mountgate.toml"), text).unwrap();
    }
    let link = folder.path().join("now");
    std::os::unix::fs::symlink(folder.path().join("a"), &link).unwrap();
    let watched = Watched::beside(&link.join("mountgate.toml"));
    let first = Seen::of(&watched);
    let next = folder.path().join("next");
    std::os::unix::fs::symlink(folder.path().join("b"), &next).unwrap();
    fs::rename(&next, &link).unwrap();
    assert!(first.again(&watched) != first);
}
