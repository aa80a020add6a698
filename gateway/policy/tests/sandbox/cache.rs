use std::{fs, path::Path};

use mountgate_policy::{DiskCache, Host, HostConfig};

use crate::fixtures::{Fixture, PLAIN, config, mount, request};

fn host(dir: &Path, key: u8) -> Host {
    let disk = DiskCache { dir: dir.to_owned(), bytes: DiskCache::BYTES, key: [key; 32].into() };
    Host::new(HostConfig { disk: Some(disk), ..config() }).unwrap()
}

fn only_file(dir: &Path) -> std::path::PathBuf {
    let files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

fn serves(host: &Host, bytes: &[u8]) {
    host.admit(bytes).unwrap().configure("{}", &mount()).unwrap().decide(&request()).unwrap();
}

#[test]
fn a_tampered_file_is_ignored_and_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = Fixture::default().component(PLAIN);
    serves(&host(dir.path(), 1), &bytes);
    let file = only_file(dir.path());
    let good = fs::read(&file).unwrap();
    let mut ends = vec![0, 31, 32, good.len() / 2, good.len() - 1];
    ends.sort_unstable();
    for at in ends {
        let mut bent = good.clone();
        bent[at] ^= 1;
        fs::write(&file, &bent).unwrap();
        serves(&host(dir.path(), 1), &bytes);
        // Written anew: the code under the MAC is compiled again, so what was bent is gone.
        let anew = fs::read(&file).unwrap();
        assert_ne!(anew, bent, "byte {at}");
    }
    for cut in [0, 16, 32, good.len() - 1] {
        fs::write(&file, &good[..cut]).unwrap();
        serves(&host(dir.path(), 1), &bytes);
        assert!(fs::read(&file).unwrap().len() > cut);
    }
}

#[test]
fn a_file_of_another_component_or_key_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) =
        (Fixture { decide: "unreachable", ..Fixture::default() }.component(PLAIN), Fixture::default().component(PLAIN));
    let theirs = host(dir.path(), 1);
    theirs.admit(&one).unwrap();
    let trapping = only_file(dir.path());
    let planted = fs::read(&trapping).unwrap();
    fs::remove_file(&trapping).unwrap();
    theirs.admit(&other).unwrap();
    let file = only_file(dir.path());
    // The trapping component's code, with its good MAC, under the other's name.
    fs::write(&file, &planted).unwrap();
    serves(&host(dir.path(), 1), &other);
    // Code of the right component, written under another key.
    let under_one = fs::read(&file).unwrap();
    serves(&host(dir.path(), 2), &other);
    assert_ne!(fs::read(&file).unwrap()[..32], under_one[..32]);
}

#[test]
fn a_good_file_is_used_and_not_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = Fixture::default().component(PLAIN);
    serves(&host(dir.path(), 1), &bytes);
    let file = only_file(dir.path());
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        // Written anew it would be another file under the same name.
        let written = fs::metadata(&file).unwrap().ino();
        serves(&host(dir.path(), 1), &bytes);
        let file = fs::metadata(&file).unwrap();
        assert_eq!(file.ino(), written);
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn the_folder_keeps_to_its_bytes_and_what_is_used_stays() {
    let dir = tempfile::tempdir().unwrap();
    let components: Vec<Vec<u8>> = (0..4)
        .map(|n| Fixture { extra: &format!("(func (drop (i32.const {n})))"), ..Fixture::default() }.component(PLAIN))
        .collect();
    host(dir.path(), 1).admit(&components[0]).unwrap();
    let one = fs::metadata(only_file(dir.path())).unwrap().len();
    let first = only_file(dir.path());
    let disk = DiskCache { dir: dir.path().to_owned(), bytes: one * 5 / 2, key: [1; 32].into() };
    let small = Host::new(HostConfig { disk: Some(disk), ..config() }).unwrap();
    for component in &components[1..] {
        std::thread::sleep(std::time::Duration::from_millis(20));
        // The first one is used again and again, by gateways that start.
        serves(&host(dir.path(), 1), &components[0]);
        std::thread::sleep(std::time::Duration::from_millis(20));
        small.admit(component).unwrap();
        let bytes: u64 = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= one * 5 / 2, "{bytes} bytes");
        assert!(first.exists());
    }
}
