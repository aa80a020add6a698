//! TLS on both ports of a gateway that serves, and certificates as who an agent is.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Value as Json, json};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

use super::*;

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

    /// A certificate and its key.
    fn sign(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.subject_alt_names = vec![match name.contains("://") {
            true => SanType::URI(name.try_into().unwrap()),
            false => SanType::DnsName(name.try_into().unwrap()),
        }];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn write(shop: &Shop, name: &str, (certificate, key): &(String, String)) {
    std::fs::write(shop.path().join(format!("{name}.pem")), certificate).unwrap();
    std::fs::write(shop.path().join(format!("{name}.key")), key).unwrap();
}

/// Asks under TLS: the status and the answer; none where there is no handshake.
fn ask(
    address: SocketAddr,
    trusts: &Authority,
    own: Option<&(String, String)>,
    token: Option<&str>,
) -> anyhow::Result<(u16, Json)> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusts.pem.as_bytes())?)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder.with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes())?],
            PrivateKeyDer::from_pem_slice(key.as_bytes())?,
        )?,
    };
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    let body = json!({ "mount": "support", "sql": "SELECT order_id FROM orders" }).to_string();
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!(
        "POST /v1/query HTTP/1.1\r\nhost: {address}\r\n{authorization}content-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = crate::http::read(&answer)?;
    Ok((answer.status, answer.body))
}

fn main(shop: &Shop, clients: &str) {
    shop.main(&format!(
        "[server.tls]\ncertificate = \"port.pem\"\nkey = {{ file = \"port.key\" }}\n{clients}\n\
         [server.admin_tls]\ncertificate = \"admin.pem\"\nkey = {{ file = \"admin.key\" }}\n"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_agents_and_files_that_change_are_taken() {
    let shop = Shop::new();
    let (first, second, agents) = (Authority::new(), Authority::new(), Authority::new());
    write(&shop, "port", &first.sign("localhost"));
    write(&shop, "admin", &first.sign("localhost"));
    std::fs::write(shop.path().join("agents.pem"), &agents.pem).unwrap();
    main(
        &shop,
        "client_ca = \"agents.pem\"\n\
         clients = { \"spiffe://corp/support\" = \"support-bot\", \"spiffe://corp/sales\" = \"sales-bot\" }",
    );
    let server = start(&shop).await;
    let (data, admin) = (server.data_address().unwrap(), server.admin_address().unwrap());
    running(server, async |gateway, reload| {
        let claims = [("customer_id".into(), ClaimValue::Integer(1))].into();
        let identity = gateway.identity();
        let key = identity.add_agent("support-bot", &claims).unwrap().expose().to_owned();
        let other = identity.add_agent("sales-bot", &claims).unwrap().expose().to_owned();
        let operator = identity.add_operator("alice").unwrap().expose().to_owned();
        let support = agents.sign("spiffe://corp/support");
        for (what, own, token) in [
            ("a name that is nobody's", agents.sign("spiffe://corp/stranger"), None),
            ("nobody's with a token", agents.sign("spiffe://corp/stranger"), Some(key.as_str())),
            ("another agent's token", support.clone(), Some(other.as_str())),
            ("a token that is none", support.clone(), Some("mga_nonsense")),
            ("an operator's token", support.clone(), Some(operator.as_str())),
        ] {
            let (status, answer) = ask(data, &first, Some(&own), token).unwrap();
            assert_eq!((status, &answer["error"]["code"]), (401, &json!("unauthenticated")), "{what}");
        }
        assert!(ask(data, &first, Some(&second.sign("spiffe://corp/support")), Some(&key)).is_err());
        assert_eq!(ask(data, &first, None, None).unwrap().0, 401);
        // Of another agent, who has no such mount.
        assert_eq!(ask(data, &first, Some(&agents.sign("spiffe://corp/sales")), None).unwrap().0, 404);
        for (own, token) in [(None, Some(key.as_str())), (Some(&support), None), (Some(&support), Some(key.as_str()))] {
            let (status, answer) = ask(data, &first, own, token).unwrap();
            assert_eq!((status, &answer["row_count"]), (200, &json!(2)), "{answer}");
        }

        // The command line asks the admin port, and no other that stands in its place.
        let pinned = std::fs::read(shop.path().join("admin.pem")).unwrap();
        let asked = crate::http::ask(admin, "/v1/admin/reload", &operator, &json!(null), Some(&pinned)).unwrap();
        assert_eq!(asked.status, 200);
        assert!(crate::http::ask(data, "/v1/admin/reload", &operator, &json!(null), Some(&pinned)).is_err());

        // Renewed by another authority: taken by a reload, without a restart.
        write(&shop, "port", &second.sign("localhost"));
        reload.send(()).await.unwrap();
        eventually("the renewed certificate", || ask(data, &second, None, Some(&key)).is_ok()).await;
        assert!(ask(data, &first, None, Some(&key)).is_err());

        // Half a renewal (another key) stays out, and what was in force stays in.
        std::fs::write(shop.path().join("port.key"), first.sign("localhost").1).unwrap();
        reload.send(()).await.unwrap();
        eventually("the refusal", || gateway.full_health().reload.failed.is_some()).await;
        assert_eq!(ask(data, &second, None, Some(&key)).unwrap().0, 200);

        identity.revoke_agent("support-bot").unwrap();
        assert_eq!(ask(data, &second, Some(&support), None).unwrap().0, 401);
    })
    .await;
}

#[test]
fn a_port_beyond_this_machine_without_tls_is_warned_of() {
    let shop = Shop::new();
    let loud = |text: &str| {
        std::fs::write(shop.config_path(), text).unwrap();
        shop.config().warnings.iter().filter(|warning| warning.contains("without TLS")).count()
    };
    let backend = "\n[backends.shop]\nkind = \"sqlite\"\npath = \"shop.db\"\n";
    let tls = "certificate = \"port.pem\"\nkey = { file = \"port.key\" }\n";
    assert_eq!(loud(&format!("[server]\ndata = \"0.0.0.0:1\"\nadmin = \"[::]:2\"\n{backend}")), 2);
    assert_eq!(loud(&format!("[server]\ndata = \"0.0.0.0:1\"\n[server.tls]\n{tls}{backend}")), 0);
    assert_eq!(loud(&format!("[server]\nadmin = \"0.0.0.0:1\"\n[server.tls]\n{tls}{backend}")), 1);
    assert_eq!(loud(&format!("[server]\ndata = \"127.0.0.1:1\"\n{backend}")), 0);
}
