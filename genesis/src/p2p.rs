//! Network addresses in genesis: only their form is checked, nothing is looked up.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::fmt;

use crate::error::Fault;

/// Where a node can be reached: `/ip4/…/tcp/…`, `/ip6/…/tcp/…` or `/dns/…/tcp/…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct P2pAddress {
    host: Host,
    port: u16,
}

/// The machine part of a [`P2pAddress`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// An IPv4 address.
    Ip4(Ipv4Addr),
    /// An IPv6 address.
    Ip6(Ipv6Addr),
    /// A name of the domain name system, in lower case.
    Dns(String),
}

/// Bytes of a name of the domain name system, and of one part of it (RFC 1035, section 2.3.4).
const DNS_NAME_MAX: usize = 253;
const DNS_LABEL_MAX: usize = 63;

impl P2pAddress {
    /// An address of these parts; port 0 is none.
    pub fn new(host: Host, port: u16) -> Option<Self> {
        (port != 0).then_some(Self { host, port })
    }

    /// Reads the text form. There is one for each address.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut parts = text.split('/');
        let fields = (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(""), Some(kind), Some(host), Some("tcp"), Some(port), None) = fields else {
            return Err(malformed("it has another form than these; what follows the port follows from the node key"));
        };
        let host = match kind {
            "ip4" => parse_ip4(host)?,
            "ip6" => parse_ip6(host)?,
            "dns" => parse_dns(host)?,
            _ => return Err(malformed("it begins with /ip4/, /ip6/ or /dns/")),
        };
        let number = port.parse::<u16>().ok().filter(|number| *number != 0 && number.to_string() == port);
        Ok(Self { host, port: number.ok_or_else(|| malformed("the port is 1 to 65535"))? })
    }

    /// The machine.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The TCP port.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Host {
    /// Whether only the machine itself reaches this.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Ip4(address) => address.is_loopback(),
            Self::Ip6(address) => address.is_loopback(),
            Self::Dns(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for P2pAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip4(address) => write!(f, "/ip4/{address}/tcp/{}", self.port),
            Host::Ip6(address) => write!(f, "/ip6/{address}/tcp/{}", self.port),
            Host::Dns(name) => write!(f, "/dns/{name}/tcp/{}", self.port),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip4(address) => address.fmt(f),
            Self::Ip6(address) => address.fmt(f),
            Self::Dns(name) => f.write_str(name),
        }
    }
}

fn malformed(reason: &'static str) -> Fault {
    Fault::P2p { reason }
}

fn parse_ip4(text: &str) -> Result<Host, Fault> {
    let address: Ipv4Addr = text.parse().map_err(|_| malformed("this is no IPv4 address"))?;
    if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
        return Err(malformed("nobody can connect to this IPv4 address"));
    }
    Ok(Host::Ip4(address))
}

fn parse_ip6(text: &str) -> Result<Host, Fault> {
    let address: Ipv6Addr = text.parse().map_err(|_| malformed("this is no IPv6 address"))?;
    if address.is_unspecified() || address.is_multicast() {
        return Err(malformed("nobody can connect to this IPv6 address"));
    }
    if address.to_string() != text {
        return Err(malformed("the IPv6 address is not in its canonical form"));
    }
    Ok(Host::Ip6(address))
}

fn parse_dns(text: &str) -> Result<Host, Fault> {
    let is_label = |label: &str| {
        let letters = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        letters && (1..=DNS_LABEL_MAX).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.len() > DNS_NAME_MAX || !text.split('.').all(is_label) {
        return Err(malformed("a host name is made of lower-case letters, digits, hyphens and points"));
    }
    if text.split('.').next_back().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(malformed("an IPv4 address stands after /ip4/, not after /dns/"));
    }
    Ok(Host::Dns(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses_keep_their_text() {
        for text in [
            "/ip4/127.0.0.1/tcp/26700",
            "/ip4/10.0.0.1/tcp/1",
            "/ip6/::1/tcp/65535",
            "/ip6/2001:db8::7/tcp/26700",
            "/dns/v1.acme.example/tcp/26700",
            "/dns/localhost/tcp/26700",
        ] {
            let address = P2pAddress::parse(text).expect("good");
            assert_eq!(address.to_string(), text);
            assert_eq!(P2pAddress::new(address.host().clone(), address.port()), Some(address));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "/",
            "127.0.0.1:26700",
            "/ip4/127.0.0.1",
            "/ip4/127.0.0.1/tcp/0",
            "/ip4/127.0.0.1/tcp/026700",
            "/ip4/127.0.0.1/tcp/65536",
            "/ip4/127.0.0.1/udp/26700",
            "/ip4/127.0.0.1/tcp/26700/",
            "/ip4/127.0.0.1/tcp/26700/p2p/x",
            "/ip4/127.0.0.01/tcp/26700",
            "/ip4/0.0.0.0/tcp/26700",
            "/ip4/256.0.0.1/tcp/26700",
            "/ip6/::/tcp/26700",
            "/ip6/0:0:0:0:0:0:0:1/tcp/26700",
            "/ip6/FE80::1/tcp/26700",
            "/dns//tcp/26700",
            "/dns/-a.example/tcp/26700",
            "/dns/A.example/tcp/26700",
            "/dns/a..example/tcp/26700",
            "/dns/127.0.0.1/tcp/26700",
            "/dns4/a.example/tcp/26700",
            " /dns/a.example/tcp/26700",
        ] {
            assert!(P2pAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_recognised() {
        for (text, is_loopback) in [
            ("/ip4/127.3.0.1/tcp/1", true),
            ("/ip6/::1/tcp/1", true),
            ("/dns/localhost/tcp/1", true),
            ("/dns/localhost.example/tcp/1", false),
            ("/ip4/10.0.0.1/tcp/1", false),
        ] {
            assert_eq!(P2pAddress::parse(text).expect("good").host().is_loopback(), is_loopback, "{text}");
        }
    }
}
