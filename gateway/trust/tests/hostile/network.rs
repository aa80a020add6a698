//! A server that is the attacker's.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mountgate_trust::{Address, Kind, Store};

use crate::fixtures::{World, expected, refused, releases};

/// What the server does with a file.
type Answer = dyn Fn(&str, &mut TcpStream) -> bool + Send + Sync;

/// Serves a folder over HTTP, one request a connection; `instead` may answer first. Ends with the process.
fn serve(folder: PathBuf, instead: Arc<Answer>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (folder, instead) = (folder.clone(), Arc::clone(&instead));
            std::thread::spawn(move || answer(stream.unwrap(), &folder, &*instead));
        }
    });
    port
}

fn answer(mut stream: TcpStream, folder: &Path, instead: &Answer) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split_whitespace().nth(1).unwrap().to_owned();
    if instead(&path, &mut stream) {
        return;
    }
    let (status, body) = match std::fs::read(folder.join(path.trim_start_matches('/'))) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", vec![]),
    };
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(&body);
}

fn over_http(world: &World, port: u16, internal: bool) -> Store {
    let mut config = world.config();
    config.repository = Address::parse(&format!("http://127.0.0.1:{port}/"), Path::new("/")).unwrap();
    config.internal = internal;
    config.limits.file_time = Duration::from_secs(2);
    Store::open(config).unwrap()
}

#[test]
fn a_repository_over_http_is_as_good_as_a_folder() {
    let world = World::new();
    let port = serve(world.repository(), Arc::new(|_, _| false));
    let store = over_http(&world, port, true);
    store.refresh().unwrap();
    assert_eq!(releases(&store), expected(&[("acme/a", 1), ("globex/b", 1)]));
    world.publish("acme/a", 2, b"a2");
    store.refresh().unwrap();
    assert_eq!(store.current().unwrap().plugins["acme/a"].component().unwrap(), b"a2");
}

#[test]
fn a_repository_on_an_internal_host_is_not_asked_unless_that_is_meant() {
    let world = World::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let counted = move |_: &str, _: &mut TcpStream| {
        count.fetch_add(1, Ordering::Relaxed);
        false
    };
    let port = serve(world.repository(), Arc::new(counted));
    let store = over_http(&world, port, false);
    let error = store.refresh().unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(error.to_string().contains("internal = true"), "{error}");
    // A name of the same address.
    let mut config = world.config();
    config.repository = Address::parse(&format!("http://localhost:{port}/"), Path::new("/")).unwrap();
    assert!(Store::open(config).unwrap().refresh().is_err());
    assert_eq!(asked.load(Ordering::Relaxed), 0, "the internal host was asked");
}

#[test]
fn a_redirect_to_an_internal_host() {
    let world = World::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let counted = move |_: &str, _: &mut TcpStream| {
        count.fetch_add(1, Ordering::Relaxed);
        false
    };
    // What it leads to would even be the real file.
    let inside = serve(world.repository(), Arc::new(counted));
    let redirect = move |path: &str, stream: &mut TcpStream| {
        let target = path.contains("/targets/") || path.ends_with("timestamp.json");
        if target {
            let _ = write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inside}{path}\r\nContent-Length: 0\r\n\r\n"
            );
        }
        target
    };
    let port = serve(world.repository(), Arc::new(redirect));
    let error = over_http(&world, port, true).refresh().unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(error.to_string().contains("redirects"), "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), 0, "the redirect was followed");
}

#[test]
fn an_endless_answer() {
    let world = World::new();
    drop(world.store());
    world.publish("acme/a", 2, b"a2");
    for file in ["timestamp.json", ".a.wasm", "2.root.json"] {
        let endless = move |path: &str, stream: &mut TcpStream| {
            let is_it = path.ends_with(file);
            if is_it {
                let _ = write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x1_0000], b"\r\n"].concat();
                while stream.write_all(&chunk).is_ok() {}
            }
            is_it
        };
        let port = serve(world.repository(), Arc::new(endless));
        let store = over_http(&world, port, true);
        let error = store.refresh().unwrap_err();
        assert_eq!(error.kind(), Kind::TooLarge, "{file}: {error}");
        assert_eq!(releases(&store), expected(&[("acme/a", 1), ("globex/b", 1)]), "{file}");
    }
}

#[test]
fn an_answer_that_never_comes() {
    let world = World::new();
    let store = world.store();
    world.publish("acme/a", 2, b"a2");
    drop(store);
    // A byte now and then, for ever: neither silent nor done.
    let slow = |path: &str, stream: &mut TcpStream| {
        let is_it = path.ends_with("timestamp.json");
        if is_it {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
            while stream.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        is_it
    };
    let port = serve(world.repository(), Arc::new(slow));
    let store = over_http(&world, port, true);
    let error = store.refresh().unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(error.to_string().contains("was not whole after"), "{error}");
    assert_eq!(releases(&store), expected(&[("acme/a", 1), ("globex/b", 1)]));
}

#[test]
fn a_target_whose_name_is_an_address_or_climbs() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let counted = move |_: &str, _: &mut TcpStream| {
        count.fetch_add(1, Ordering::Relaxed);
        false
    };
    let world = World::new();
    let inside = serve(world.repository(), Arc::new(counted));
    for name in [
        format!("http://127.0.0.1:{inside}/x.wasm"),
        format!("//127.0.0.1:{inside}/x.wasm"),
        "../../../etc/x.wasm".to_owned(),
        "acme/../../x.wasm".to_owned(),
        "/etc/x.wasm".to_owned(),
    ] {
        let world = World::new();
        let store = world.store();
        crate::metadata::sign_name(&world, &name);
        refused(&world, &store, Kind::NotDelegated);
    }
    // One that the pattern names, and that is no plugin's: it is not asked for.
    let store = world.store();
    crate::metadata::sign_name(&world, "acme/%2e%2e%2f%2e%2e%2fx.wasm");
    store.refresh().unwrap();
    assert_eq!(releases(&store), expected(&[("acme/a", 1), ("globex/b", 1)]));
    assert_eq!(asked.load(Ordering::Relaxed), 0, "an address in a name was asked");
}
