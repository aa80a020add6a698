use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

#[test]
fn only_https_is_asked_but_for_this_machine() {
    for bad in [
        "",
        "login.example.com/jwks",
        "ftp://login.example.com/jwks",
        "file:///etc/passwd",
        "http://login.example.com/jwks",
        "http://10.0.0.1/jwks",
        "http://127.0.0.1.example.com/jwks",
        "http://localhost@evil.example/jwks",
        "https://user:password@login.example.com/jwks",
        "https:///jwks",
        "https://login example.com/",
    ] {
        assert!(JwksAddress::parse(bad).is_err(), "{bad}");
    }
    let sound = JwksAddress::parse("https://login.example.com/jwks?v=2").unwrap();
    assert_eq!((sound.tls, sound.port, sound.path.as_str()), (true, 443, "/jwks?v=2"));
    let local = JwksAddress::parse("http://[::1]:8080").unwrap();
    assert_eq!((local.tls, local.host.as_str(), local.port, local.path.as_str()), (false, "::1", 8080, "/"));
}

/// Answers one request with these bytes.
async fn answer(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await;
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        // No second request comes: a redirect is not followed.
        tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err()
    });
    let address = JwksAddress::parse(&format!("http://localhost:{port}/jwks")).unwrap();
    let answered = fetch(&address, None).await;
    assert!(serving.await.unwrap(), "it was asked again");
    answered
}

#[tokio::test]
async fn answers_that_are_no_key_set_of_the_address_are_refused() {
    let large = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 300 << 10]].concat();
    for (bytes, why) in [
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec(), "redirects"),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\n{}".to_vec(), "answers 500"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}".to_vec(), "encoded"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{}".to_vec(), "breaks off"),
        (large, "more than"),
        (b"\x15\x03\x01\0\x02\x02\x28".to_vec(), ""),
        (vec![], ""),
    ] {
        let error = answer(bytes).await.unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(answer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec()).await.unwrap(), b"{}");
}
