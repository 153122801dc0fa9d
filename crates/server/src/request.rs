//! What is known about a request besides its input.

use std::net::{IpAddr, SocketAddr};

use airlock_core::{Env, address::client_address};
use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, Request, request::Parts},
};

use crate::App;

/// The longest text of a header that goes into the audit log.
const HEADER_LENGTH: usize = 256;

/// Names a request in answers, in the log and in the audit log.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

impl RequestId {
    /// The id that the client or a proxy gave, if it is fit to be written anywhere; else a new
    /// one, in the form of a UUID of version 4 (RFC 9562).
    pub(crate) fn of<B>(request: &Request<B>, env: &Env) -> Self {
        let given = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
        let fits = |id: &&str| {
            (8..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        Self(given.filter(fits).map_or_else(|| new_uuid(env), str::to_owned))
    }
}

fn new_uuid(env: &Env) -> String {
    let mut bytes: [u8; 16] = env.random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A path as it may be written down: whatever cannot be an id or a word of the API is left out, for
/// people paste secrets into the wrong place.
pub(crate) fn shown_path(path: &str) -> String {
    let is_fit =
        |part: &str| part.len() <= 40 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let parts = path.split('/').take(16).map(|part| if is_fit(part) { part } else { "..." });
    parts.collect::<Vec<_>>().join("/")
}

/// Where a request came from, for the audit log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) source_ip: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) client_version: Option<String>,
}

impl Origin {
    pub(crate) fn of(app: &App, parts: &Parts) -> Self {
        Self {
            source_ip: source_ip(app, parts),
            user_agent: header(&parts.headers, "user-agent"),
            client: header(&parts.headers, "x-astro-client-identifier"),
            client_version: header(&parts.headers, "x-astro-client-version"),
        }
    }
}

/// The address that a request comes from, behind the proxies that the operator trusts. `None` when
/// the server was not told who holds the connection.
pub(crate) fn source_ip(app: &App, parts: &Parts) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>()?.ip();
    let forwarded = parts.headers.get_all("x-forwarded-for").iter();
    // A value that is no text ends the walk, as one that is no address does.
    let forwarded = forwarded.map(|value| value.to_str().unwrap_or_default());
    Some(client_address(peer, forwarded, &app.settings.trusted_proxies))
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(text.chars().filter(|c| !c.is_control()).take(HEADER_LENGTH).collect())
}
