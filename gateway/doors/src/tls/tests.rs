//! What gets nothing from a port under TLS, first: plain bytes, silence, certificates of strangers, of yesterday, and of
//! authorities that are trusted no longer.

use std::{io, sync::atomic::Ordering, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType, date_time_ymd,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream as Client,
    rustls::{ClientConfig, SupportedProtocolVersion, pki_types::ServerName, version},
};

use super::*;
use crate::{
    limits::HttpLimits,
    testing::{Answered, Server, parse, request},
};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key.
struct Signed {
    pem: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn sign(&self, names: &[&str], purpose: ExtendedKeyUsagePurpose, last_year: Option<i32>) -> Signed {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.contains("://") {
                true => SanType::URI((*name).try_into().unwrap()),
                false => SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        params.extended_key_usages = vec![purpose];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last_year.unwrap_or(2100), 1, 1);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        Signed { pem: signed.pem(), key: key.serialize_pem(), der: signed.der().clone() }
    }

    fn server(&self) -> Signed {
        self.sign(&["localhost"], ExtendedKeyUsagePurpose::ServerAuth, None)
    }

    fn client(&self, names: &[&str]) -> Signed {
        self.sign(names, ExtendedKeyUsagePurpose::ClientAuth, None)
    }
}

fn files(server: &Signed, clients: Option<&Authority>) -> Arc<TlsFiles> {
    let ca = clients.map(|ca| ca.pem.as_bytes());
    Arc::new(TlsFiles::read(server.pem.as_bytes(), server.key.as_bytes(), ca, false).unwrap())
}

const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

fn client(trusts: &Authority, versions: &[&'static SupportedProtocolVersion], own: Option<&Signed>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusts.pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots);
    match own {
        Some(own) => builder
            .with_client_auth_cert(vec![own.der.clone()], PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap())
            .unwrap(),
        None => builder.with_no_client_auth(),
    }
}

async fn connect(server: &Server, config: ClientConfig) -> io::Result<Client<TcpStream>> {
    let stream = TcpStream::connect(server.address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn ask(server: &Server, config: ClientConfig) -> io::Result<Answered> {
    let mut stream = connect(server, config).await?;
    let bytes = request("GET", "/v1/mounts", server.address, &["authorization: Bearer good"], b"");
    stream.write_all(&bytes).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(parse(&answer))
}

/// A request on a connection that stays.
async fn again(server: &Server, stream: &mut Client<TcpStream>) -> u16 {
    let head = format!("GET /v1/mounts HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer good\r\n\r\n", server.address);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let mut some = [0; 4096];
        let read = stream.read(&mut some).await.unwrap();
        assert!(read > 0, "the connection ended");
        answer.extend_from_slice(&some[..read]);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else { continue };
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let length: usize =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().trim().parse().unwrap();
        if answer.len() >= end + 4 + length {
            return head.get(9..12).unwrap().parse().unwrap();
        }
    }
}

async fn start(limits: HttpLimits, files: Arc<TlsFiles>) -> (Server, Tls) {
    let tls = Tls::new(files);
    (Server::start_with(limits, Some(tls.clone())).await, tls)
}

fn entered(server: &Server) -> Vec<Option<Certificate>> {
    server.seen.certificates.lock().unwrap().clone()
}

#[tokio::test]
async fn plain_bytes_silence_and_strangers_get_nothing() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let limits = HttpLimits { header_timeout: Duration::from_millis(300), ..HttpLimits::default() };
    let (server, _tls) = start(limits, files(&authority.server(), None)).await;
    let plain = request("GET", "/v1/mounts", server.address, &["authorization: Bearer good"], b"");
    for bytes in [&plain[..], b"", b"\x16\x03\x01\x02\x00\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = server.connect().await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // Closed within the time of a head, and no HTTP is said.
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        let _ = read.expect("the connection is not closed");
        assert!(!answer.windows(4).any(|four| four == b"HTTP"), "{bytes:?}");
    }
    assert!(ask(&server, client(&stranger, BOTH, None)).await.is_err());
    assert!(entered(&server).is_empty());
    assert_eq!(ask(&server, client(&authority, BOTH, None)).await.unwrap().status, 200);
}

#[tokio::test]
async fn both_versions_and_both_protocols_are_spoken() {
    let authority = Authority::new();
    let (server, _tls) = start(HttpLimits::default(), files(&authority.server(), None)).await;
    for one in [&version::TLS12, &version::TLS13] {
        assert_eq!(ask(&server, client(&authority, &[one], None)).await.unwrap().status, 200);
    }
    for (offered, taken) in [
        (vec![&b"h2"[..], b"http/1.1"], Some(&b"h2"[..])),
        (vec![&b"http/1.1"[..]], Some(&b"http/1.1"[..])),
        (vec![], None),
    ] {
        let mut config = client(&authority, BOTH, None);
        config.alpn_protocols = offered.into_iter().map(<[u8]>::to_vec).collect();
        let stream = connect(&server, config).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), taken);
    }
    let mut config = client(&authority, BOTH, None);
    config.alpn_protocols = vec![b"spdy/3".to_vec()];
    assert!(connect(&server, config).await.is_err());
    // HTTP/2, as its first frames show.
    let mut config = client(&authority, BOTH, None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut stream = connect(&server, config).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "no SETTINGS");
}

#[tokio::test]
async fn a_handshake_holds_a_place_and_no_longer_than_a_head() {
    let authority = Authority::new();
    let limits = HttpLimits { connections: 1, header_timeout: Duration::from_millis(500), ..HttpLimits::default() };
    let (server, _tls) = start(limits, files(&authority.server(), None)).await;
    let silent = server.connect().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(ask(&server, client(&authority, BOTH, None)).await.is_err());
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(ask(&server, client(&authority, BOTH, None)).await.unwrap().status, 200);
    drop(silent);
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_under_tls_too() {
    let authority = Authority::new();
    let limits = HttpLimits { write_timeout: Duration::from_millis(500), ..HttpLimits::default() };
    let (server, _tls) = start(limits, files(&authority.server(), None)).await;
    let mut stream = connect(&server, client(&authority, BOTH, None)).await.unwrap();
    let body = br#"{"mount": "support", "sql": "endless"}"#;
    let headers = ["authorization: Bearer good", "content-type: application/json", "accept: application/x-ndjson"];
    stream.write_all(&request("POST", "/v1/query", server.address, &headers, body)).await.unwrap();
    for _ in 0..100 {
        if server.seen.dropped.load(Ordering::SeqCst) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the answer is kept for a client that takes none of it");
}

#[tokio::test]
async fn certificates_of_strangers_of_yesterday_and_of_servers_are_refused() {
    let (authority, clients, stranger) = (Authority::new(), Authority::new(), Authority::new());
    let (server, _tls) = start(HttpLimits::default(), files(&authority.server(), Some(&clients))).await;
    let uri = "spiffe://corp/bot";
    for (what, own) in [
        ("of another authority", stranger.client(&[uri])),
        ("of the port's authority", authority.client(&[uri])),
        ("expired", clients.sign(&[uri], ExtendedKeyUsagePurpose::ClientAuth, Some(2021))),
        ("a server's", clients.sign(&[uri], ExtendedKeyUsagePurpose::ServerAuth, None)),
    ] {
        for one in [&version::TLS12, &version::TLS13] {
            assert!(ask(&server, client(&authority, &[one], Some(&own))).await.is_err(), "{what}");
        }
    }
    assert!(entered(&server).is_empty());
    // Without one, a client has what it has by its token.
    assert_eq!(ask(&server, client(&authority, BOTH, None)).await.unwrap().status, 200);
    assert_eq!(entered(&server), [None]);
    let own = clients.client(&[uri, "Bot.example.com", "*.example.com"]);
    for one in [&version::TLS12, &version::TLS13] {
        assert_eq!(ask(&server, client(&authority, &[one], Some(&own))).await.unwrap().status, 200);
    }
    let names = [
        SubjectName::Uri(uri.into()),
        SubjectName::Dns("bot.example.com".into()),
        SubjectName::Dns("*.example.com".into()),
    ];
    let expected = Some(Certificate::new(names, &own.der));
    assert_eq!(entered(&server)[1..], [expected.clone(), expected]);
}

#[tokio::test]
async fn a_port_may_demand_a_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let own = authority.server();
    let files = TlsFiles::read(own.pem.as_bytes(), own.key.as_bytes(), Some(clients.pem.as_bytes()), true).unwrap();
    let (server, _tls) = start(HttpLimits::default(), Arc::new(files)).await;
    assert!(ask(&server, client(&authority, BOTH, None)).await.is_err());
    let bot = clients.client(&["spiffe://corp/bot"]);
    assert_eq!(ask(&server, client(&authority, BOTH, Some(&bot))).await.unwrap().status, 200);
}

#[tokio::test]
async fn other_files_hold_for_the_next_handshake_and_the_next_request() {
    let (first, second, clients) = (Authority::new(), Authority::new(), Authority::new());
    let (server, tls) = start(HttpLimits::default(), files(&first.server(), Some(&clients))).await;
    let bot = clients.client(&["spiffe://corp/bot"]);
    let mut stream = connect(&server, client(&first, BOTH, Some(&bot))).await.unwrap();
    assert_eq!(again(&server, &mut stream).await, 200);

    // Renewed: the connection goes on, as its agent.
    tls.swap(files(&second.server(), Some(&clients)));
    assert_eq!(again(&server, &mut stream).await, 200);
    assert!(ask(&server, client(&first, BOTH, None)).await.is_err());
    assert_eq!(ask(&server, client(&second, BOTH, None)).await.unwrap().status, 200);

    // Its authority is trusted no longer: nobody asks at the other end of a connection that was made before.
    let before = entered(&server).len();
    tls.swap(files(&second.server(), Some(&Authority::new())));
    again(&server, &mut stream).await;
    tls.swap(files(&second.server(), None));
    again(&server, &mut stream).await;
    assert_eq!(entered(&server)[before..], [Some(Certificate::void()), Some(Certificate::void())]);
}

#[test]
fn files_that_cannot_be_used_are_told_apart() {
    let authority = Authority::new();
    let (one, other) = (authority.server(), authority.server());
    let read = |certificate: &str, key: &str, ca: Option<&str>| {
        TlsFiles::read(certificate.as_bytes(), key.as_bytes(), ca.map(str::as_bytes), false).map(drop)
    };
    assert!(matches!(read("", &one.key, None), Err(TlsFault::Certificate(_))));
    assert!(matches!(read(&one.key, &one.key, None), Err(TlsFault::Certificate(_))));
    assert!(matches!(read(&one.pem, "", None), Err(TlsFault::Key(_))));
    assert!(matches!(read(&one.pem, &one.pem, None), Err(TlsFault::Key(_))));
    assert!(matches!(read(&one.pem, &other.key, None), Err(TlsFault::Certificate(_))));
    assert!(matches!(read(&one.pem, &one.key, Some("")), Err(TlsFault::ClientCa(_))));
    assert!(read(&one.pem, &one.key, Some(&authority.pem)).is_ok());
}
