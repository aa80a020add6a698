//! A server in the middle: it speaks TLS as PostgreSQL does, and hands everything on to a real one.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use super::*;
use crate::PostgresConfig;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn acceptor(&self, name: &str, last_year: i32) -> TlsAcceptor {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// What the server says to the wish for TLS, and what comes before its handshake.
#[derive(Clone)]
enum Says {
    Tls(TlsAcceptor),
    /// As one that was told to let TLS be.
    No,
    /// Then it goes on in the clear, as one in the middle would have it.
    Nothing,
    /// A word in the clear behind its yes (CVE-2021-23222).
    More(TlsAcceptor),
}

/// A server before the real one; its port.
async fn server(says: Says) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url: tokio_postgres::Config = std::env::var("MOUNTGATE_TEST_POSTGRES").unwrap().parse().unwrap();
    let real = url.get_ports().first().copied().unwrap_or(5432);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let says = says.clone();
            tokio::spawn(async move {
                let mut wish = [0; 8];
                client.read_exact(&mut wish).await.unwrap();
                if wish != WISH {
                    return;
                }
                let acceptor = match says {
                    Says::Tls(acceptor) => {
                        client.write_all(b"S").await.unwrap();
                        acceptor
                    }
                    Says::More(acceptor) => {
                        client.write_all(b"SR\0\0\0\x08\0\0\0\0").await.unwrap();
                        acceptor
                    }
                    Says::No => return client.write_all(b"N").await.unwrap(),
                    Says::Nothing => return client.write_all(b"R\0\0\0\x08\0\0\0\0").await.unwrap(),
                };
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut real = TcpStream::connect(("127.0.0.1", real)).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut real).await;
            });
        }
    });
    port
}

fn config(host: &str, port: u16) -> PostgresConfig {
    PostgresConfig::new(&format!("host={host} port={port} user=postgres dbname=postgres sslmode=require")).unwrap()
}

async fn ask(config: &PostgresConfig) -> Result<Vec<Vec<Option<String>>>, StoreError> {
    crate::PostgresAdmin::connect(config).await?.rows("SELECT 1 + 1").await
}

#[tokio::test]
async fn who_is_not_the_server_is_not_spoken_to() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let verified = PostgresTls::verified(Some(ours.pem.as_bytes())).unwrap();
    for (what, says) in [
        ("another authority", Says::Tls(theirs.acceptor("localhost", 2100))),
        ("another name", Says::Tls(ours.acceptor("elsewhere.example.org", 2100))),
        ("expired", Says::Tls(ours.acceptor("localhost", 2021))),
        ("no TLS", Says::No),
        ("no answer to the wish", Says::Nothing),
        ("a word in the clear", Says::More(ours.acceptor("localhost", 2100))),
    ] {
        let error = ask(&config("localhost", server(says).await).tls(verified.clone())).await.unwrap_err();
        assert_eq!(error.class, Class::Unavailable, "{what}: {}", error.detail);
    }
    // Nor is anything said in the clear where nothing is known of the server.
    for says in [Says::No, Says::Nothing, Says::More(ours.acceptor("localhost", 2100))] {
        assert!(ask(&config("localhost", server(says).await)).await.is_err());
    }
}

#[tokio::test]
async fn a_server_that_is_known_is_asked_under_tls() {
    let ours = Authority::new();
    let port = server(Says::Tls(ours.acceptor("localhost", 2100))).await;
    let verified = config("localhost", port).tls(PostgresTls::verified(Some(ours.pem.as_bytes())).unwrap());
    assert!(!verified.is_unverified() && config("localhost", port).is_unverified());
    for config in [verified, config("127.0.0.1", port)] {
        assert_eq!(ask(&config).await.unwrap(), [[Some("2".to_owned())]]);
    }
}

#[test]
fn an_authority_that_is_none_is_refused() {
    for pem in [&b""[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert_eq!(PostgresTls::verified(Some(pem)).unwrap_err().class, Class::Refused);
    }
}
