//! TLS of a port, by rustls: what it is made of, and who is at a connection's other end.
//!
//! A port's TLS is swapped whole when its certificates change ([`Tls::swap`]): connections that are there go on, and a
//! client's certificate is checked again, by the authorities then in force, before the next request of its connection is
//! answered, and once a minute.

#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mountgate_mediate::{Certificate, SubjectName};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _},
        server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    },
    server::TlsStream,
};

/// How long a client's certificate is taken to be as good as when it was checked last.
const CHECKED_FOR: Duration = Duration::from_secs(60);

/// What a port's TLS is made of, checked.
#[derive(Debug)]
pub struct TlsFiles {
    config: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// Which of the files is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The port's certificates.
    Certificate(String),
    /// Their key.
    Key(String),
    /// The authorities of clients.
    ClientCa(String),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| format!("it is no PEM: {error}"))?;
    if all.is_empty() {
        Err("it has no certificate in PEM (`-----BEGIN CERTIFICATE-----`)".to_owned())
    } else {
        Ok(all)
    }
}

impl TlsFiles {
    /// From a chain of certificates, the port's own first, its key, and the authorities of clients' certificates, all in PEM.
    /// Where there are such authorities, a client may show a certificate, and must where `demand`.
    ///
    /// # Errors
    /// Where one of them can't be used, or the key is not the certificate's.
    pub fn read(certificate: &[u8], key: &[u8], client_ca: Option<&[u8]>, demand: bool) -> Result<Self, TlsFault> {
        let chain = certificates(certificate).map_err(TlsFault::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            TlsFault::Key("it has no private key in PEM that can be read without a passphrase".to_owned())
        })?;
        let clients = client_ca.map(|pem| authorities(pem, demand).map_err(TlsFault::ClientCa)).transpose()?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsFault::Certificate(error.to_string()))?;
        let builder = match &clients {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut config =
            builder.with_single_cert(chain, key).map_err(|error| TlsFault::Certificate(error.to_string()))?;
        // What the port speaks.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if clients.is_some() {
            // A session that is taken up again brings its certificate unchecked.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self { config: Arc::new(config), clients })
    }
}

fn authorities(pem: &[u8], demand: bool) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let builder = if demand { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| error.to_string())
}

/// A port's TLS. Cloning it clones a handle.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Mutex<Arc<TlsFiles>>>);

impl Tls {
    /// With these files.
    pub fn new(files: Arc<TlsFiles>) -> Self {
        Self(Arc::new(Mutex::new(files)))
    }

    /// Puts others in force, for the next handshake and for the next request of a client with a certificate.
    pub fn swap(&self, files: Arc<TlsFiles>) {
        *self.0.lock() = files;
    }

    fn files(&self) -> Arc<TlsFiles> {
        Arc::clone(&self.0.lock())
    }

    /// Shakes hands.
    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<(TlsStream<TcpStream>, Option<Peer>)> {
        let files = self.files();
        let stream = TlsAcceptor::from(Arc::clone(&files.config)).accept(stream).await?;
        let peer = stream.get_ref().1.peer_certificates().and_then(|chain| Peer::new(self.clone(), files, chain));
        Ok((stream, peer))
    }
}

/// Who has shown a certificate at a connection's other end.
#[derive(Clone)]
pub(crate) struct Peer(Arc<Inner>);

struct Inner {
    tls: Tls,
    chain: Vec<CertificateDer<'static>>,
    certificate: Certificate,
    void: Certificate,
    checked: Mutex<Checked>,
}

struct Checked {
    by: Arc<TlsFiles>,
    at: Instant,
    good: bool,
}

impl Peer {
    fn new(tls: Tls, files: Arc<TlsFiles>, chain: &[CertificateDer<'_>]) -> Option<Self> {
        let own = chain.first()?;
        let certificate = match webpki::EndEntityCert::try_from(own) {
            Ok(parsed) => {
                let uris = parsed.valid_uri_names().map(|uri| SubjectName::Uri(uri.to_owned()));
                let dns = parsed.valid_dns_names().map(|name| SubjectName::Dns(name.to_ascii_lowercase()));
                Certificate::new(uris.chain(dns), own)
            }
            Err(_) => Certificate::void(),
        };
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let checked = Mutex::new(Checked { by: files, at: Instant::now(), good: true });
        Some(Self(Arc::new(Inner { tls, chain, certificate, void: Certificate::void(), checked })))
    }

    /// The certificate, or one that is nobody's where it is good no longer.
    pub(crate) fn certificate(&self) -> &Certificate {
        if self.is_good() { &self.0.certificate } else { &self.0.void }
    }

    fn is_good(&self) -> bool {
        let files = self.0.tls.files();
        let mut checked = self.0.checked.lock();
        if !Arc::ptr_eq(&checked.by, &files) || checked.at.elapsed() >= CHECKED_FOR {
            let good = match (&files.clients, self.0.chain.split_first()) {
                (Some(verifier), Some((own, others))) => {
                    verifier.verify_client_cert(own, others, UnixTime::now()).is_ok()
                }
                _ => false,
            };
            *checked = Checked { by: files, at: Instant::now(), good };
        }
        checked.good
    }
}
