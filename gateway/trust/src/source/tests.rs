use std::path::Path;

use super::*;

#[test]
fn addresses_of_a_machine_and_of_the_network_behind_it_are_not_public() {
    for inside in [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "fe80::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "100::1",
        "5f00::1",
        "fec0::1",
    ] {
        assert!(!is_public(inside.parse().unwrap()), "{inside}");
    }
    for public in ["1.1.1.1", "8.8.8.8", "100.128.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::1"] {
        assert!(is_public(public.parse().unwrap()), "{public}");
    }
}

#[test]
fn addresses_read_as_written() {
    let base = Path::new("/etc/mountgate");
    let shown = |text| Address::parse(text, base).map(|address| address.to_string());
    assert_eq!(shown("plugins"), Ok("/etc/mountgate/plugins".into()));
    assert_eq!(shown("/srv/plugins"), Ok("/srv/plugins".into()));
    assert_eq!(shown("https://p.example.com"), Ok("https://p.example.com:443/".into()));
    assert_eq!(shown("http://p.example.com:8080/a//b/"), Ok("http://p.example.com:8080/a/b/".into()));
    assert_eq!(shown("https://[2606:4700::1]:8443/x"), Ok("https://[2606:4700::1]:8443/x/".into()));
    for bad in [
        "",
        "ftp://x",
        "file:///etc",
        "https://",
        "https://user@host/",
        "https://host:port/",
        "https://host/../x",
        "https://host/a?b",
        "https://host/a%2e",
        "https://ho st/",
        "https://[::1",
    ] {
        assert!(shown(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_path_climbs_nowhere() {
    let digest = mountgate_core::Digest::of(b"");
    assert!(RepoPath::metadata("1.root.json").is_some());
    assert!(RepoPath::target("acme/support.wasm", &digest).is_some());
    for bad in ["../1.root.json", "..", "", "a/b", "/etc/passwd", ".hidden", "a%2fb", "a\\b", "a b", "http://x"] {
        assert_eq!(RepoPath::metadata(bad), None, "{bad}");
    }
    for bad in
        ["support.wasm", "../support.wasm", "acme/../x.wasm", "acme/a/b.wasm", "/acme/x", "//10.0.0.1/x", "acme/"]
    {
        let path = RepoPath::target(bad, &digest);
        // A name without its second part is the digest's file in the folder, which is harmless.
        assert!(path.is_none() || bad == "acme/", "{bad}");
    }
}
