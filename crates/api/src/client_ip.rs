//! Which address the limits per address count: pure functions on what a request says.
//!
//! With a secret key the caller is a server, and its word for the end user's address is taken; its own never counts.
//! Without one it is the peer's address, or behind trusted proxies the right-most hop that is not one of them: what
//! stands left of it in `X-Forwarded-For` anybody can write.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// The address of an anonymous end user. `forwarded` are all values of `X-Forwarded-For`, in their order.
pub(crate) fn of_connection<'a>(
    peer: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'a str>,
    trusted: &[IpNet],
) -> IpAddr {
    let mut client = peer.to_canonical();
    for hop in forwarded.rev().flat_map(|value| value.rsplit(',')) {
        if !trusted.iter().any(|network| network.contains(&client)) {
            break;
        }
        // A trusted proxy that writes no address hides who is behind it: the proxy itself is all that is known.
        let Some(address) = hop_address(hop.trim()) else { break };
        client = address;
    }
    client
}

/// An address as a caller with a secret key writes it.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// What is counted: an IPv4 address, or the /64 of an IPv6 address, of which one person has all.
pub(crate) fn counted(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            format!("{}/64", Ipv6Addr::from_bits(network))
        }
    }
}

/// A hop may have a port: `203.0.113.7:4711`, `[2001:db8::1]:4711`, `[2001:db8::1]`.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let address =
        parse(hop).or_else(|| hop.parse().ok().map(|address: SocketAddr| address.ip())).or_else(bracketed)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        of_connection(peer.parse().unwrap(), forwarded.iter().copied(), &trusted).to_string()
    }

    #[test]
    fn without_a_trusted_proxy_only_the_peer_counts() {
        assert_eq!(client("198.51.100.9", &["1.1.1.1"], &[]), "198.51.100.9");
        assert_eq!(client("198.51.100.9", &["1.1.1.1"], &["10.0.0.0/8"]), "198.51.100.9");
        assert_eq!(client("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
    }

    #[test]
    fn the_right_most_hop_that_is_not_trusted_counts() {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"];
        let cases: [(&str, &[&str], &str); 8] = [
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            // The client wrote the left part itself.
            ("10.0.0.1", &["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            // Several headers are one list.
            ("10.0.0.1", &["1.1.1.1", "203.0.113.7", "10.0.0.2,10.0.0.3"], "203.0.113.7"),
            ("10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("2001:db8:1::5", &["[2001:db8:2::9]:443"], "2001:db8:2::9"),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7"),
            // All hops are ours: the request began inside.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ];
        for (peer, forwarded, expected) in cases {
            assert_eq!(client(peer, forwarded, &trusted), expected, "{forwarded:?}");
        }
    }

    #[test]
    fn what_is_not_an_address_ends_the_walk_at_the_last_proxy_that_is_known() {
        let trusted = ["10.0.0.0/8"];
        for garbage in ["unknown", "", "203.0.113.7, ", "203.0.113.7, <script>", "203.0.113.256"] {
            assert_eq!(client("10.0.0.1", &[garbage], &trusted), "10.0.0.1", "{garbage:?}");
        }
        assert_eq!(client("10.0.0.1", &["203.0.113.7, junk, 10.0.0.2"], &trusted), "10.0.0.2");
    }

    #[test]
    fn an_ipv6_address_counts_by_its_network_and_a_mapped_one_as_ipv4() {
        let counted = |text: &str| counted(text.parse().unwrap());

        assert_eq!(counted("203.0.113.7"), "203.0.113.7");
        assert_eq!(counted("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(counted("2001:db8:1:2::1"), counted("2001:db8:1:2:ffff::"));
        assert_ne!(counted("2001:db8:1:2::1"), counted("2001:db8:1:3::1"));
    }

    #[test]
    fn only_an_address_is_an_address() {
        assert!(parse("203.0.113.7").is_some() && parse("2001:db8::1").is_some());
        for text in
            ["", "203.0.113.7:80", "203.0.113", "example.com", " 203.0.113.7", "fe80::1%eth0", "010.1.1.1"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
