//! TLS to PostgreSQL. It is taken up below the guard that counts messages, so that the guard sees them, and before the first
//! of them: the server is asked once, and a `no` ends it. Nothing goes on in the clear.

use std::{fmt, io, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    },
};

use crate::{Class, StoreError};

/// `SSLRequest`: its length, and the number that stands for it.
const WISH: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// How the server of a connection under TLS is known.
#[derive(Clone)]
pub struct PostgresTls {
    config: Arc<ClientConfig>,
    verified: bool,
}

impl fmt::Debug for PostgresTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTls").field("verified", &self.verified).finish_non_exhaustive()
    }
}

impl PostgresTls {
    /// By a certificate for its host's name, from an authority of that PEM; from one that the machine trusts where there is
    /// none (`sslmode = "verify-full"`).
    ///
    /// # Errors
    /// Where there is no authority.
    pub fn verified(ca: Option<&[u8]>) -> Result<Self, StoreError> {
        let refused = |why: String| StoreError::new(Class::Refused, why);
        let mut roots = RootCertStore::empty();
        match ca {
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate =
                        certificate.map_err(|error| refused(format!("the authority is no PEM: {error}")))?;
                    roots.add(certificate).map_err(|error| refused(format!("the authority: {error}")))?;
                }
            }
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        if roots.is_empty() {
            return Err(refused("there is no authority to know the server by".to_owned()));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), verified: true })
    }

    /// By nothing: what is sent can't be read on the way, and whoever is on the way can pose as the server
    /// (`sslmode = "require"`).
    ///
    /// # Errors
    /// None that can happen: the cryptography has its versions.
    pub fn unverified() -> Result<Self, StoreError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| StoreError::new(Class::Refused, error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), verified: false })
    }

    /// Whether the server is known by its certificate.
    pub fn is_verified(&self) -> bool {
        self.verified
    }

    /// Asks the server for TLS, and shakes hands.
    pub(super) async fn secure(&self, mut socket: TcpStream, host: &str) -> io::Result<TlsStream<TcpStream>> {
        socket.write_all(&WISH).await?;
        // One byte and no more: what a stranger put behind it is then part of the handshake, and breaks it.
        if socket.read_u8().await? != b'S' {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the server does not speak TLS"));
        }
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, socket).await
    }
}

/// Takes any certificate; that the other end holds its key is still checked.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
