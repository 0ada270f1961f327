//! Under which names a browser reaches the node.
//!
//! A page of an attacker can make a browser talk to any address of the reader's network by letting its own name resolve
//! to it. The browser then sends that name as `Host`. So the node answers to `localhost`, to addresses (which no
//! attacker's name can pretend to be) and to names that its operator allowed. WebSockets are not subject to the
//! same-origin rule of browsers, so their `Origin` is compared here.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::{HeaderMap, Uri, header};

/// The names that are allowed.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    names: Vec<String>,
}

/// Why a request is turned away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Turned {
    /// It says not whom it wants.
    #[error("the request has no Host header")]
    NoHost,
    /// It wants somebody else.
    #[error("this node does not answer to the name {name:?}; its operator can allow it with rpc.allowed_hosts")]
    Host {
        /// The name.
        name: String,
    },
    /// It comes from a page of somebody else.
    #[error("pages of {origin:?} may not open a WebSocket here; the operator can allow them with rpc.allowed_hosts")]
    Origin {
        /// The page's origin.
        origin: String,
    },
}

/// Characters of a foreign name that are repeated to the caller.
const SHOWN_MAX: usize = 100;

impl Gate {
    /// Allows these names beside loopback and addresses.
    pub(super) fn new(names: &[String]) -> Self {
        Self { names: names.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Checks whom a request wants.
    pub(super) fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Turned> {
        let host = requested_host(uri, headers).ok_or(Turned::NoHost)?;
        let allowed = host == "localhost" || is_address(&host) || self.names.contains(&host);
        if allowed { Ok(()) } else { Err(Turned::Host { name: shown(&host) }) }
    }

    /// Checks which page opens a WebSocket. Programs that are no browsers send no origin.
    pub(super) fn check_origin(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Turned> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = String::from_utf8_lossy(origin.as_bytes()).to_ascii_lowercase();
        let page = origin.split_once("://").map(|(_, authority)| without_port(authority).to_owned());
        let allowed =
            page.is_some_and(|page| Some(&page) == requested_host(uri, headers).as_ref() || self.names.contains(&page));
        if allowed { Ok(()) } else { Err(Turned::Origin { origin: shown(&origin) }) }
    }
}

/// The host that a request names, in lower case and without its port.
fn requested_host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let named = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(header::HOST)?.to_str().ok()?,
    };
    Some(without_port(named).to_ascii_lowercase())
}

fn without_port(authority: &str) -> &str {
    let end_of_address = authority.rfind(']').unwrap_or(0);
    match authority.rfind(':') {
        Some(colon) if colon >= end_of_address => authority.get(..colon).unwrap_or(authority),
        _ => authority,
    }
}

fn is_address(host: &str) -> bool {
    let in_brackets = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    in_brackets.map_or_else(|| host.parse::<IpAddr>().is_ok(), |inner| inner.parse::<Ipv6Addr>().is_ok())
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).expect("a header");
        pairs.iter().map(|(name, text)| (name.clone(), value(text))).collect()
    }

    #[test]
    fn addresses_loopback_and_allowed_names_are_answered() {
        let gate = Gate::new(&["Node.Example".to_owned()]);
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:26600", "[::1]:26600", "10.0.0.7", "node.example:80"] {
            assert_eq!(gate.check_host(&Uri::from_static("/rpc"), &headers(&[(header::HOST, host)])), Ok(()), "{host}");
        }
    }

    #[test]
    fn foreign_names_are_turned_away() {
        let gate = Gate::new(&["node.example".to_owned()]);
        let foreign = ["evil.example", "localhost.evil.example", "node.example.evil", "127.0.0.1.evil.example", "[x]"];
        for host in foreign {
            let turned = gate.check_host(&Uri::from_static("/rpc"), &headers(&[(header::HOST, host)]));
            assert!(matches!(turned, Err(Turned::Host { .. })), "{host}");
        }
        assert_eq!(gate.check_host(&Uri::from_static("/rpc"), &HeaderMap::new()), Err(Turned::NoHost));
        let absolute = Uri::from_static("http://evil.example/rpc");
        assert!(gate.check_host(&absolute, &headers(&[(header::HOST, "localhost")])).is_err());
    }

    #[test]
    fn a_websocket_is_opened_by_pages_of_the_same_host_only() {
        let gate = Gate::new(&["node.example".to_owned()]);
        let uri = Uri::from_static("/rpc");
        let check = |origin: &str| {
            gate.check_origin(&uri, &headers(&[(header::HOST, "localhost:26600"), (header::ORIGIN, origin)])).is_ok()
        };
        assert!(check("http://localhost:3000") && check("https://node.example"));
        assert!(!check("http://evil.example") && !check("null") && !check("http://localhost.evil.example"));
        assert_eq!(gate.check_origin(&uri, &headers(&[(header::HOST, "localhost")])), Ok(()));
    }
}
