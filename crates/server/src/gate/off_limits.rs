//! Addresses at which no Airflow is.
//!
//! Whoever may set a Deployment's variables decides to where the server sends requests, and reads
//! the answers through the gate. The machines of most clouds give their own credentials to whoever
//! asks at a link-local address (RFC 3927, RFC 4291 section 2.5.6), or at one of a few others. What
//! else the server's network reaches is for the operator to decide.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::Service;

/// Where else clouds answer for the machine: Alibaba's metadata, Azure's host, Amazon's metadata by
/// IPv6.
const OF_CLOUDS: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Whether there can be no Airflow at an address.
pub(crate) fn has(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    };
    is_link_local || OF_CLOUDS.contains(&address)
}

/// Whether the host of a URL is such an address itself; names are for [`Resolver`].
pub(crate) fn has_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().is_ok_and(has)
}

/// The system's resolver, without such addresses.
#[derive(Clone)]
pub(crate) struct Resolver(GaiResolver);

impl Resolver {
    pub(crate) fn new() -> Self {
        Self(GaiResolver::new())
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = self.0.call(name);
        Box::pin(async move {
            let fit: Vec<SocketAddr> = found.await?.filter(|address| !has(address.ip())).collect();
            if fit.is_empty() {
                return Err(io::Error::other("its name stands for no address at which an Airflow can be"));
            }
            Ok(fit.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_are_off_limits_in_every_spelling() {
        for host in [
            "169.254.169.254",
            "169.254.0.1",
            "[fe80::1]",
            "[febf::1]",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "168.63.129.16",
        ] {
            assert!(has_host(host), "{host}");
        }
        for host in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "[::1]", "[fd00::1]", "169.253.0.1", "airflow.example"] {
            assert!(!has_host(host), "{host}");
        }
    }

    #[tokio::test]
    async fn a_name_that_stands_for_one_is_not_resolved() {
        // Resolvers of libc read numbers in many ways.
        for name in ["0xa9fea9fe", "2852039166", "169.16689662"] {
            let name: Name = name.parse().expect("a name");
            assert!(Resolver::new().call(name.clone()).await.is_err(), "{name}");
        }
        let name: Name = "localhost".parse().expect("a name");
        assert!(Resolver::new().call(name).await.expect("addresses").next().is_some());
    }
}
