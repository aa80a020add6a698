//! A repository over HTTP. The host is resolved once, its addresses are looked at, and the connection goes to the one that
//! was looked at: a name that resolves otherwise a moment later changes nothing. Redirects are refused, whole.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, StatusCode,
    body::{Bytes, Incoming},
    header,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
};

use super::{FetchError, HttpAddress, RepoPath, is_public};

const CONNECT: Duration = Duration::from_secs(10);

pub(super) struct Client {
    address: HttpAddress,
    internal: bool,
    resolved: OnceCell<Vec<SocketAddr>>,
    tls: OnceCell<TlsConnector>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(address: HttpAddress, internal: bool) -> Self {
        Self { address, internal, resolved: OnceCell::new(), tls: OnceCell::new() }
    }

    pub(super) async fn get(&self, path: &RepoPath, most: u64) -> Result<Vec<u8>, FetchError> {
        let file = || path.to_string();
        let failed = |why: String| FetchError::Failed { file: file(), why };
        let addresses = self.resolved.get_or_try_init(|| self.resolve(path)).await?;
        let connected = async {
            let mut last = "the host has no address".to_owned();
            for address in addresses {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = format!("{address}: {error}"),
                }
            }
            Err(last)
        };
        let connected = tokio::time::timeout(CONNECT, connected).await;
        let stream = connected
            .map_err(|_| FetchError::TooSlow { file: file(), after: CONNECT })?
            .map_err(|why| failed(format!("cannot connect to `{}`: {why}", self.address.host)))?;
        let response = if self.address.tls {
            let connector = self.tls.get_or_try_init(async || connector()).await.map_err(failed)?;
            let name = ServerName::try_from(self.address.host.clone())
                .map_err(|error| failed(format!("`{}`: {error}", self.address.host)))?;
            let secured = tokio::time::timeout(CONNECT, connector.connect(name, stream)).await;
            let stream = secured
                .map_err(|_| FetchError::TooSlow { file: file(), after: CONNECT })?
                .map_err(|error| failed(format!("TLS with `{}`: {error}", self.address.host)))?;
            self.ask(TokioIo::new(stream), path).await.map_err(failed)?
        } else {
            self.ask(TokioIo::new(stream), path).await.map_err(failed)?
        };
        match response.status() {
            StatusCode::OK => {}
            // Stores of objects say 403 for what is not there to those who may not list.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::GONE => {
                return Err(FetchError::NotFound(file()));
            }
            status if status.is_redirection() => {
                return Err(FetchError::Refused {
                    file: file(),
                    why: format!("the repository redirects ({status}), and may not choose another address"),
                });
            }
            status => return Err(failed(format!("the repository answers {status}"))),
        }
        if response.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(FetchError::Refused { file: file(), why: "it is encoded, which was not asked for".to_owned() });
        }
        collect(response.into_body(), path, most).await
    }

    async fn resolve(&self, path: &RepoPath) -> Result<Vec<SocketAddr>, FetchError> {
        let (host, port) = (&self.address.host, self.address.port);
        let found = tokio::time::timeout(CONNECT, tokio::net::lookup_host((host.as_str(), port))).await;
        let found = found
            .map_err(|_| FetchError::TooSlow { file: path.to_string(), after: CONNECT })?
            .map_err(|error| FetchError::Failed { file: path.to_string(), why: format!("`{host}`: {error}") })?;
        let mut addresses: Vec<SocketAddr> = found.collect();
        if !self.internal {
            // One address inside is reason enough: whoever answers so means no good.
            if let Some(inside) = addresses.iter().find(|address| !is_public(address.ip())) {
                return Err(FetchError::Refused {
                    file: path.to_string(),
                    why: format!(
                        "`{host}` is {}, which is not on the public internet: where that is meant, write `internal = true` under `[trust]`",
                        inside.ip()
                    ),
                });
            }
        }
        addresses.dedup();
        Ok(addresses)
    }

    async fn ask<S>(&self, stream: TokioIo<S>, path: &RepoPath) -> Result<hyper::Response<Incoming>, String>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let HttpAddress { host, port, path: base, .. } = &self.address;
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        let request = Request::get(format!("{base}{path}"))
            .header(header::HOST, format!("{open}{host}{close}:{port}"))
            .header(header::USER_AGENT, concat!("mountgate/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(64 << 10)
            .handshake(stream)
            .await
            .map_err(|error| error.to_string())?;
        // Ends with the answer: dropping that closes the connection.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|error| error.to_string())
    }
}

async fn collect(mut body: Incoming, path: &RepoPath, most: u64) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| FetchError::Failed { file: path.to_string(), why: error.to_string() })?;
        let Ok(data) = frame.into_data() else { continue };
        let length = u64::try_from(bytes.len().saturating_add(data.len())).unwrap_or(u64::MAX);
        if length > most {
            return Err(FetchError::TooLarge { file: path.to_string(), most });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn connector() -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("this machine trusts no certificate authority: install its `ca-certificates`".to_owned());
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
