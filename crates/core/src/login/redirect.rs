//! Where a browser may be sent with an authorization code.
//!
//! A program on the user's own machine listens on a loopback address, at whatever port is free
//! (RFC 8252 section 7.3). The name `localhost` counts as one, for the `astro` CLI has no other. Only
//! the port is free: the path is a known one, so that a code does not go to whatever else listens there
//! (RFC 9700 section 2.1). Everything else must be configured, and is compared letter by letter.

/// The longest address.
const LONGEST: usize = 512;

const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// The paths at which programs on the user's own machine wait.
const PATHS: [&str; 3] = ["", "/", "/callback"];

/// Whether a code may be sent to an address.
pub fn is_allowed(uri: &str, configured: &[String]) -> bool {
    let is_known_path = split(uri).is_some_and(|(_, _, rest)| PATHS.contains(&rest));
    is_sane(uri) && (is_loopback(uri) && is_known_path || configured.iter().any(|known| known == uri))
}

/// Whether a text can be configured: an address without a fragment, that no browser reads in two ways.
pub fn is_sane(uri: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"\"#<>\\^`{|}'".contains(&b);
    let has_host = split(uri).is_some_and(|(_, authority, _)| !authority.is_empty() && !authority.contains('@'));
    uri.len() <= LONGEST && uri.bytes().all(is_plain) && has_host
}

/// Whether a program on the user's own machine is meant.
pub fn is_loopback(uri: &str) -> bool {
    let Some(("http", authority, _)) = split(uri) else { return false };
    LOOPBACK.iter().filter_map(|host| authority.strip_prefix(host)).any(|port| {
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
    })
}

/// Scheme, host and port of an address, as a Content Security Policy names them. A policy has no way
/// to name an IPv6 address (CSP 3 section 2.3.1), so there it is the scheme.
pub fn source(uri: &str) -> Option<String> {
    let (scheme, authority, _) = split(uri)?;
    Some(if authority.starts_with('[') { format!("{scheme}:") } else { format!("{scheme}://{authority}") })
}

/// Scheme, authority and the rest.
fn split(uri: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = uri.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_lowercase());
    let is_authority = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]@".contains(&b));
    let (authority, rest) = rest.split_at(end);
    (is_scheme && is_authority(authority)).then_some((scheme, authority, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_what_is_configured() {
        let configured = ["https://app.example.org/callback".to_owned(), "http://localhost:8000/login?a".to_owned()];
        for good in [
            "http://localhost:12345/callback",
            "http://127.0.0.1:1/",
            "http://127.0.0.1",
            "http://[::1]:8080/callback",
            "http://localhost:8000/login?a",
            "https://app.example.org/callback",
        ] {
            assert!(is_allowed(good, &configured), "{good}");
        }
        for bad in [
            "",
            "localhost:12345/callback",
            "https://localhost:12345/callback",
            "http://localhost.example.org/callback",
            "http://localhost:12345@example.org/callback",
            "http://localhost:12345/callback/",
            "http://localhost:12345/callback?a",
            "http://localhost:12345/open?to=evil",
            "http://localhost:12345?a",
            "http://localhost:8001/login?a",
            "http://localhost@example.org",
            "http://example.org\\@localhost/",
            "http://localhost\\.example.org/",
            "http://127.0.0.1.example.org/",
            "http://127.0.0.2/",
            "http://localhost:/",
            "http://localhost:0/",
            "http://localhost:65536/",
            "http://localhost:+80/",
            "http://localhost:80:80/",
            "http://localhost/#fragment",
            "http://localhost/ x",
            "http://localhost/\n",
            "http://localhost/é",
            "HTTP://localhost/",
            "javascript://localhost/%0aalert(1)",
            "//localhost/",
            "http:localhost",
            "http:///localhost",
            "https://app.example.org/callback/",
            "https://app.example.org/callback?x",
            "https://app.example.org/CALLBACK",
            "https://app.example.org.example.com/callback",
        ] {
            assert!(!is_allowed(bad, &configured), "{bad}");
        }
        assert!(!is_allowed(&format!("http://localhost/{}", "x".repeat(LONGEST)), &configured));
    }

    #[test]
    fn a_source_cannot_end_a_directive() {
        assert_eq!(source("http://localhost:12345/callback?a;b").as_deref(), Some("http://localhost:12345"));
        assert_eq!(source("http://[::1]:1/").as_deref(), Some("http:"));
        assert_eq!(source("http://a;b/"), None);
    }
}
