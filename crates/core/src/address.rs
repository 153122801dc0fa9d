//! From which address a request comes, when proxies stand between.
//!
//! Each proxy appends the address that it was called from to `X-Forwarded-For`. What a client sent
//! stands on the left and is worth nothing; so the list is read from the right, for as long as the
//! one who wrote is a proxy that we were told to trust.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

/// Address ranges in CIDR form (RFC 4632, RFC 4291 section 2.3). IPv4 addresses that are written
/// as IPv6 (`::ffff:10.0.0.1`, RFC 4291 section 2.5.5.2) count as IPv4, here and in what is asked.
///
/// A thousand are asked as fast as one: they are kept merged and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<IpNet>);

impl Ranges {
    /// Reads ranges such as `203.0.113.0/24`; an address alone is a range of one.
    ///
    /// # Errors
    ///
    /// The first text that is no range.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let ranges = texts.into_iter().map(|text| range(text.trim()).ok_or(text)).collect::<Result<_, _>>()?;
        Ok(Self(IpNet::aggregate(&ranges)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether these ranges let an address in that may be unknown; all are let in when there are
    /// no ranges.
    pub fn admit(&self, address: Option<IpAddr>) -> bool {
        self.is_empty() || address.is_some_and(|address| self.contains(address))
    }

    /// Whether the address is in one of the ranges.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        // They do not overlap, so it can only be in the last one that does not begin behind it.
        let behind = self.0.partition_point(|range| range.network() <= address);
        self.0[..behind].last().is_some_and(|range| range.contains(&address))
    }
}

/// What all spellings of a range share, and what sorts as addresses do: first IPv4, then IPv6.
/// `None` when the text is no range.
pub fn sort_key(text: &str) -> Option<String> {
    let range = range(text)?;
    Some(match range.network() {
        IpAddr::V4(four) => format!("4 {:08x}/{:03}", u32::from(four), range.prefix_len()),
        IpAddr::V6(six) => format!("6 {:032x}/{:03}", u128::from(six), range.prefix_len()),
    })
}

fn range(text: &str) -> Option<IpNet> {
    let range = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()?;
    Some(match range {
        IpNet::V6(six) if six.prefix_len() >= 96 => match six.addr().to_ipv4_mapped() {
            Some(four) => IpNet::V4(Ipv4Net::new(four, six.prefix_len() - 96).ok()?),
            None => range,
        },
        _ => range,
    })
}

/// The address that a request comes from.
///
/// `peer` is who holds the connection, `forwarded_for` the values of all `X-Forwarded-For` headers
/// in their order, `trusted` the proxies whose word counts. What cannot be read ends the walk: the
/// last one who could be believed is then taken for the client.
pub fn client_address<'a>(
    peer: IpAddr,
    forwarded_for: impl DoubleEndedIterator<Item = &'a str>,
    trusted: &Ranges,
) -> IpAddr {
    let mut client = peer.to_canonical();
    let mut hops = forwarded_for.rev().flat_map(|value| value.rsplit(','));
    while trusted.contains(client) {
        match hops.next().and_then(hop) {
            Some(before) => client = before,
            None => break,
        }
    }
    client
}

/// Reads one element of the list; some proxies add the port, or put IPv6 in brackets.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn ranges(text: &str) -> Ranges {
        Ranges::parse(text.split(',').filter(|text| !text.is_empty())).expect("ranges")
    }

    #[test]
    fn ranges_hold_what_is_in_them() {
        let found = ranges("10.0.0.0/8, 203.0.113.7,2001:db8::/32,::ffff:192.0.2.0/120");
        for inside in ["10.255.0.1", "::ffff:10.1.2.3", "203.0.113.7", "2001:db8::1", "192.0.2.200"] {
            assert!(found.contains(ip(inside)), "{inside}");
        }
        for outside in ["11.0.0.1", "203.0.113.8", "2001:db9::1", "::1", "192.0.3.1", "::ffff:11.0.0.1"] {
            assert!(!found.contains(ip(outside)), "{outside}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "proxy.example", "10.0.0.0/-1", "::/129"] {
            assert_eq!(Ranges::parse(["::1", bad]), Err(bad));
        }
        assert!(Ranges::default().is_empty() && !Ranges::default().contains(ip("::1")));
        for everywhere in ["0.0.0.0/0,::/0", "::/0,0.0.0.0/1,128.0.0.0/1,10.0.0.0/8"] {
            for any in ["0.0.0.0", "255.255.255.255", "::", "ffff::ffff"] {
                assert!(ranges(everywhere).contains(ip(any)), "{any} in {everywhere}");
            }
        }
    }

    #[test]
    fn the_key_of_a_range_is_that_of_its_addresses() {
        for same in
            [["10.1.2.3/8", "10.0.0.0/8"], ["::ffff:10.0.0.0/104", "10.0.0.0/8"], ["2001:DB8:0::/32", "2001:db8::/32"]]
        {
            assert_eq!(sort_key(same[0]), sort_key(same[1]), "{same:?}");
        }
        let ascending =
            ["9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "203.0.113.7/32", "::/0", "2001:db8::/32"];
        assert!(ascending.map(sort_key).is_sorted_by(|a, b| a < b && a.is_some()));
        assert_eq!(sort_key("elsewhere"), None);
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        for (peer, forwarded, trusted, client) in [
            ("198.51.100.1", &["203.0.113.9"][..], "", "198.51.100.1"),
            ("198.51.100.1", &["203.0.113.9"], "10.0.0.0/8", "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.9"], "10.0.0.0/8", "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.0/8", "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, 203.0.113.9"], "10.0.0.0/8", "203.0.113.9"),
            ("10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.0.0.2"], "10.0.0.0/8", "203.0.113.9"),
            ("10.0.0.1", &["6.6.6.6", "203.0.113.9", "10.0.0.2"], "10.0.0.0/8", "203.0.113.9"),
            ("10.0.0.1", &["6.6.6.6,203.0.113.9", "10.0.0.2,10.0.0.3"], "10.0.0.0/8", "203.0.113.9"),
            ("10.0.0.1", &["10.0.0.9, 10.0.0.2"], "10.0.0.0/8", "10.0.0.9"),
            ("10.0.0.1", &["203.0.113.9, nonsense, 10.0.0.2"], "10.0.0.0/8", "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.9", ""], "10.0.0.0/8", "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9,"], "10.0.0.0/8", "10.0.0.1"),
            ("10.0.0.1", &["unknown"], "10.0.0.0/8", "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9:4711"], "10.0.0.0/8", "203.0.113.9"),
            ("10.0.0.1", &["[2001:db8::9]:4711"], "10.0.0.0/8", "2001:db8::9"),
            ("10.0.0.1", &["[2001:db8::9]"], "10.0.0.0/8", "2001:db8::9"),
            ("10.0.0.1", &["2001:db8::9"], "10.0.0.0/8", "2001:db8::9"),
            ("10.0.0.1", &["[2001:db8::9"], "10.0.0.0/8", "10.0.0.1"),
            ("10.0.0.1", &["fe80::1%eth0"], "10.0.0.0/8", "10.0.0.1"),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.9"], "10.0.0.0/8", "203.0.113.9"),
            ("::ffff:198.51.100.1", &[], "", "198.51.100.1"),
            ("2001:db8::1", &["203.0.113.9"], "2001:db8::/32", "203.0.113.9"),
        ] {
            let found = client_address(ip(peer), forwarded.iter().copied(), &ranges(trusted));
            assert_eq!(found, ip(client), "{peer} {forwarded:?} {trusted}");
        }
    }

    proptest! {
        #[test]
        fn merged_ranges_hold_what_one_of_them_holds(
            nets in prop::collection::vec((any::<[u8; 4]>(), 0_u8..=32), 0..12),
            address in any::<[u8; 4]>(),
        ) {
            let one = |(four, length): &([u8; 4], u8)| Ipv4Net::new((*four).into(), *length).expect("a length");
            let texts: Vec<String> = nets.iter().map(|net| one(net).to_string()).collect();
            let merged = Ranges::parse(texts.iter().map(String::as_str)).expect("ranges");
            let expected = nets.iter().any(|net| one(net).contains(&std::net::Ipv4Addr::from(address)));
            prop_assert_eq!(merged.contains(IpAddr::from(address)), expected);
        }

        #[test]
        fn what_a_client_adds_on_the_left_changes_nothing(left in "\\PC{0,60}", client in any::<[u8; 4]>()) {
            let trusted = ranges("10.0.0.0/8");
            let client = IpAddr::from(client);
            prop_assume!(!trusted.contains(client));
            let list = format!("{left},{client}, 10.1.1.1");
            prop_assert_eq!(client_address(ip("10.0.0.1"), [list.as_str()].into_iter(), &trusted), client);
        }
    }
}
