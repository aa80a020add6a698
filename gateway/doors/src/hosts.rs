//! Which `Host` and `Origin` a port answers to.
//!
//! A page that a victim's browser shows can have its name resolve to 127.0.0.1 (DNS rebinding) and then speak to a
//! local port as its own site; the `Host` header still names the page's site. And a browser adds `Origin` to what a
//! page sends: none is expected where no page is served.

use std::net::SocketAddr;

use hyper::{
    HeaderMap, Uri,
    header::{HOST, ORIGIN},
};
use mountgate_core::{Code, Refusal};

/// Hosts and origins that are answered beyond the port's own address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Hosts, as `name` (any port) or `name:port`: the names that a proxy in front passes on.
    pub hosts: Vec<String>,
    /// Origins of pages that may speak to the port: `https://console.example.com`. None by default.
    pub origins: Vec<String>,
}

impl Hosts {
    /// With the port's own address; for one on this machine or on all addresses, with the names of this machine.
    pub(crate) fn with_address(mut self, address: SocketAddr) -> Self {
        self.hosts.push(address.to_string());
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            for name in ["localhost", "127.0.0.1", "[::1]"] {
                self.hosts.push(format!("{name}:{}", address.port()));
            }
        }
        self
    }

    /// Lets a request through, or not.
    ///
    /// # Errors
    /// A host or origin that is not listed.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        // In HTTP/2 the host is the request's `:authority`.
        let host = hosts.next().and_then(|host| host.to_str().ok()).or_else(|| uri.authority().map(|a| a.as_str()));
        let known = |host: &str| {
            let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
            self.hosts.iter().any(|known| {
                known.eq_ignore_ascii_case(host) || name.is_some_and(|(name, _)| known.eq_ignore_ascii_case(name))
            })
        };
        if hosts.next().is_some() || !host.is_some_and(known) {
            return Err(Refusal::new(Code::NotPermitted, "the `Host` header names no host of this port")
                .hint("use the address that the gateway is bound to, or have the name added to its allowed hosts"));
        }
        for origin in headers.get_all(ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            if !self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin)) {
                return Err(Refusal::new(Code::NotPermitted, "pages of this origin may not use this port")
                    .hint("have the origin added to its allowed origins"));
            }
        }
        Ok(())
    }
}
