//! Which hosts and addresses a launch may make this process call.
//!
//! A name is looked up once for each connection and the connection goes to the address that was looked at: a name
//! that answers differently the second time (DNS rebinding) gains nothing.

use crate::options::AudienceOptions;
use crate::unavailable::RemoteProblem;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Looks names up and drops the addresses of inner networks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    pub(super) allow_private: bool,
}

/// All addresses of a name are in inner networks.
#[derive(Debug, thiserror::Error)]
#[error("the address {0} is one of an inner network")]
pub(super) struct Inner(pub(super) IpAddr);

impl Guard {
    fn filter(self, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Inner> {
        let inner = found.iter().map(SocketAddr::ip).find(|address| is_inner(*address));
        let outer: Vec<SocketAddr> =
            found.into_iter().filter(|address| self.allow_private || !is_inner(address.ip())).collect();
        match inner {
            Some(address) if outer.is_empty() => Err(Inner(address)),
            _ => Ok(outer),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let addresses: Addrs = Box::new(guard.filter(found)?.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether a host that stands as an address may be called: no name, so nothing is looked up for it.
pub(super) fn check_literal(host: &str, options: &AudienceOptions) -> Result<(), RemoteProblem> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) if !options.allow_private_networks && is_inner(address) => {
            Err(RemoteProblem::PrivateAddress { address })
        }
        _ => Ok(()),
    }
}

/// Whether the configuration names a host. `port`: where it is not the scheme's own.
pub(super) fn is_allowed(host: &str, port: Option<u16>, options: &AudienceOptions) -> bool {
    options.allow_hosts.iter().any(|entry| {
        let entry = entry.to_ascii_lowercase();
        let (name, entry_port) = match entry.rsplit_once(':') {
            // Not the end of an IPv6 address.
            Some((name, port)) if !port.ends_with(']') => (name.to_owned(), port.parse().ok()),
            _ => (entry, None),
        };
        if name == "*" {
            return entry_port.is_none() || entry_port == port;
        }
        let host_fits = match name.strip_prefix("*.") {
            Some(domain) => {
                host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            None => host == name,
        };
        host_fits && entry_port == port
    })
}

/// Addresses that are not of the public internet, by the registries of RFC 6890 and its successors.
fn is_inner(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_inner_v4(v4),
        IpAddr::V6(v6) => is_inner_v6(v6),
    }
}

fn is_inner_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
}

fn is_inner_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_inner_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // IPv4 in other clothes: mapped, compatible (with :: and ::1), NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, ..] => true,
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, benchmarking, documentation, discard-only.
        [0x2001, 0 | 2 | 0xdb8, ..] | [0x3fff, ..] | [0x100, 0, 0, 0, ..] => true,
        // Unique local, link-local, site-local, multicast.
        [first, ..] => (first & 0xfe00) == 0xfc00 || (first & 0xff80) == 0xfe80 || first >= 0xff00,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_inner_networks_are_known_in_every_clothing() {
        for inner in [
            "127.0.0.1",
            "127.255.1.2",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(is_inner(inner.parse().unwrap()), "{inner}");
        }
        for outer in [
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ] {
            assert!(!is_inner(outer.parse().unwrap()), "{outer}");
        }
    }

    #[test]
    fn a_name_with_inner_addresses_only_is_refused_and_a_mixed_one_keeps_its_outer_ones() {
        let addresses = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
        };
        let guard = Guard { allow_private: false };
        assert!(guard.filter(addresses(&["10.0.0.1", "::1"])).is_err());
        assert_eq!(guard.filter(addresses(&["10.0.0.1", "1.1.1.1"])).unwrap(), addresses(&["1.1.1.1"]));
        let open = Guard { allow_private: true };
        assert_eq!(open.filter(addresses(&["10.0.0.1"])).unwrap().len(), 1);
    }

    #[test]
    fn hosts_are_allowed_by_name_port_and_domain() {
        let allow = |entry: &str| AudienceOptions { allow_hosts: vec![entry.into()], ..Default::default() };
        for (entry, host, port, expected) in [
            ("example.com", "example.com", None, true),
            ("Example.com", "example.com", None, true),
            ("example.com", "example.com", Some(8443), false),
            ("example.com:8443", "example.com", Some(8443), true),
            ("example.com", "example.com.evil.example", None, false),
            ("*.example.com", "a.example.com", None, true),
            ("*.example.com", "example.com", None, false),
            ("*.example.com", "evilexample.com", None, false),
            ("*", "anything.example", Some(99), true),
            ("[::1]:80", "[::1]", Some(80), true),
            ("[::1]", "[::1]", None, true),
        ] {
            assert_eq!(is_allowed(host, port, &allow(entry)), expected, "{entry} {host} {port:?}");
        }
        assert!(!is_allowed("example.com", None, &AudienceOptions::default()));
    }
}
