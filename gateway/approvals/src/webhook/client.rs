//! One message to one address: no redirects, and nothing is read of the answer but its status.

use http_body_util::Full;
use hyper::{
    Request,
    body::Bytes,
    header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::WebhookAddress;

/// Posts a body. Anything but a 2xx is an error.
pub(super) async fn post(address: &WebhookAddress, id: &str, signed: &str, body: String) -> Result<(), String> {
    let told = |error: hyper::Error| error.to_string();
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(|error| error.to_string())?;
    let request = Request::post(&address.path)
        .header(HOST, address.authority())
        .header(USER_AGENT, concat!("mountgate/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close")
        .header("mountgate-delivery", id)
        .header("mountgate-signature", signed)
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let handshake = hyper::client::conn::http1::Builder::new().max_buf_size(64 << 10).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(told)?;
    // Ends with the answer: dropping that closes the connection.
    let connection = tokio::spawn(connection);
    let answered = sender.send_request(request).await.map_err(told);
    drop(sender);
    connection.abort();
    let status = answered?.status();
    if status.is_success() {
        Ok(())
    } else if status.is_redirection() {
        Err(format!("it redirects ({status}), which is not followed"))
    } else {
        Err(format!("it answers {status}"))
    }
}
