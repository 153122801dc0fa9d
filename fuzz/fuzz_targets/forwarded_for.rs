//! Who is calling, by `X-Forwarded-For`. Lines: the peer, the trusted ranges, header values.

#![no_main]

use std::net::{IpAddr, SocketAddr};

use airlock_core::address::{Ranges, client_address};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let Some(peer) = lines.next().and_then(|line| line.parse::<IpAddr>().ok()) else { return };
    let Ok(trusted) = Ranges::parse(lines.next().unwrap_or_default().split(' ').filter(|range| !range.is_empty()))
    else {
        return;
    };
    let values: Vec<&str> = lines.collect();
    let client = client_address(peer, values.iter().copied(), &trusted);
    assert_eq!(client, client.to_canonical(), "IPv4 is never told as IPv6");
    if !trusted.contains(peer) {
        assert_eq!(client, peer.to_canonical(), "nobody but a trusted proxy is believed");
    }

    // The same by another way: cut the list where it stops being believed.
    let joined = values.join(",");
    let mut believed = vec![peer.to_canonical()];
    for hop in joined.split(',').rev() {
        let last = believed[believed.len() - 1];
        match read(hop) {
            Some(before) if trusted.contains(last) => believed.push(before),
            _ => break,
        }
    }
    assert_eq!(client, believed[believed.len() - 1]);

    // What a client puts in front of the list changes nothing, unless everybody in it is trusted.
    if !trusted.contains(client) && !values.is_empty() {
        let more = ["192.0.2.66, 10.0.0.1"].into_iter().chain(values.iter().copied());
        assert_eq!(client, client_address(peer, more.collect::<Vec<_>>().into_iter(), &trusted));
    }
});

/// An address alone, or in brackets, or with a port.
fn read(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let in_brackets = hop.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let alone = in_brackets.unwrap_or(hop).parse().ok();
    alone.or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip())).map(|address| address.to_canonical())
}
