//! Key sets of issuers, asked for over HTTP. The address is the configuration's: no token, no answer and no redirect
//! leads elsewhere.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, Uri, body::Bytes, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

/// How long an answer may take, all of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer, in bytes.
const LARGEST: usize = 256 << 10;

/// Where an issuer publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksAddress {
    tls: bool,
    host: String,
    port: u16,
    /// With its query.
    path: String,
}

impl JwksAddress {
    /// Reads a URL: `https`, or `http` on this machine.
    ///
    /// # Errors
    /// What is no such URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write one like `https://login.example.com/.well-known/jwks.json`";
        let uri: Uri = text.parse().map_err(|_| format!("`{text}` is no URL: {example}"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(format!("`{text}` is no `https` URL: {example}")),
        };
        let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        if authority.contains('@') {
            return Err("a URL with a user or password is not asked: take them out".to_owned());
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(format!("`{text}` has no host: {example}"));
        }
        let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !tls && !local {
            return Err(format!(
                "keys that come in the clear are whoever's who is on the way: write `https://{authority}…` (`http` is for this machine alone)"
            ));
        }
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { tls, host, port, path })
    }

    /// Whether it is asked under TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }
}

/// The authorities by which an issuer's host is believed.
#[derive(Clone)]
pub struct Roots(Arc<ClientConfig>);

impl Roots {
    /// Those of the PEM; those that the machine trusts where there is none.
    ///
    /// # Errors
    /// Where there is no authority.
    pub fn read(pem: Option<&[u8]>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        match pem {
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate = certificate.map_err(|error| format!("it is no PEM: {error}"))?;
                    roots.add(certificate).map_err(|error| error.to_string())?;
                }
                if roots.is_empty() {
                    return Err("it has no certificate in PEM (`-----BEGIN CERTIFICATE-----`)".to_owned());
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err(
                        "this machine trusts no authority: install its `ca-certificates`, or write `ca = \"…\"`"
                            .to_owned(),
                    );
                }
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// Asks for the set, once. `roots` are needed for `https`.
///
/// # Errors
/// In words for the operator, without the URL.
pub async fn fetch(address: &JwksAddress, roots: Option<&Roots>) -> Result<Vec<u8>, String> {
    tokio::time::timeout(PATIENCE, ask(address, roots))
        .await
        .unwrap_or_else(|_| Err(format!("no whole answer within {} s", PATIENCE.as_secs())))
}

async fn ask(address: &JwksAddress, roots: Option<&Roots>) -> Result<Vec<u8>, String> {
    let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
    let mut all: Vec<SocketAddr> = found.map_err(|error| format!("its host is not found: {error}"))?.collect();
    if !address.tls {
        // A name of this machine that leads elsewhere.
        all.retain(|one| one.ip().is_loopback());
    }
    let mut last = "its host has no address".to_owned();
    let mut connected = None;
    for one in all {
        match TcpStream::connect(one).await {
            Ok(stream) => {
                connected = Some(stream);
                break;
            }
            Err(error) => last = error.to_string(),
        }
    }
    let stream = connected.ok_or(last)?;
    if !address.tls {
        return get(stream, address).await;
    }
    let roots = roots.ok_or("there is no authority to believe its host by")?;
    let name = ServerName::try_from(address.host.clone()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::clone(&roots.0));
    let stream = connector.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
    get(stream, address).await
}

async fn get<S>(stream: S, address: &JwksAddress) -> Result<Vec<u8>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let JwksAddress { host, port, path, .. } = address;
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    let request = Request::get(path)
        .header(header::HOST, format!("{open}{host}{close}:{port}"))
        .header(header::USER_AGENT, concat!("mountgate/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(64 << 10)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // It ends with the answer: dropped, it closes the connection.
    let connection = tokio::spawn(connection);
    let answered = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => {
                return Err(format!("it redirects ({status}), and may not choose another address"));
            }
            status => return Err(format!("it answers {status}")),
        }
        if response.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err("its answer is encoded, which was not asked for".to_owned());
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| format!("its answer breaks off, or has more than {LARGEST} bytes: {error}"))?;
        Ok(body.to_bytes().to_vec())
    };
    let answered = answered.await;
    connection.abort();
    answered
}

#[cfg(test)]
mod tests;
