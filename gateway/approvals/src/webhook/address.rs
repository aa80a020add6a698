//! Where a webhook is, as the configuration says it.

use std::{fmt, net::IpAddr, str::FromStr};

/// An address: `http://127.0.0.1:9000/hooks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAddress {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
}

impl fmt::Display for WebhookAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

impl WebhookAddress {
    /// Host and port, as a `Host` header has them.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for WebhookAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no address of a webhook: write one like `http://127.0.0.1:9000/hooks`");
        let Some(rest) = text.strip_prefix("http://") else {
            return Err(if text.starts_with("https://") {
                "this version speaks to webhooks without TLS, and so on this machine only: let a relay here pass them on"
                    .to_owned()
            } else {
                bad()
            });
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, port) = v6.split_once(']').ok_or_else(bad)?;
                (host, port.strip_prefix(':'))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = port.map_or(Ok(80), |port| port.parse().map_err(|_| bad()))?;
        // Goes into a request's head as it is.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/?=&%:+,@".contains(c);
        if host.is_empty() || port == 0 || !path.chars().all(plain) {
            return Err(bad());
        }
        let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !here {
            return Err(format!(
                "`{host}` is beyond this machine, and this version speaks to webhooks without TLS: let a relay here pass them on"
            ));
        }
        Ok(Self { host: host.to_owned(), port, path: path.to_owned() })
    }
}
