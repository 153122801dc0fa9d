//! What the values of settings may be, and how they are read.

use std::{net::SocketAddr, sync::Arc};

use airlock_core::{address::Ranges, catalogue::Catalogue, login::redirect};
use secrecy::SecretString;

/// Where the admin address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdminListen {
    /// Nowhere.
    Off,
    /// At an address.
    At(SocketAddr),
}

/// Where a browser may be sent.
#[derive(Clone, Debug)]
pub(super) struct RedirectUris(pub(super) Vec<String>);

pub(super) fn whole_number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("expected a whole number from 0 to {}", u32::MAX))
}

pub(super) fn lease(text: &str) -> Result<u64, String> {
    let milliseconds = text.parse().ok().filter(|milliseconds| (100..=60_000).contains(milliseconds));
    milliseconds.ok_or_else(|| "expected a whole number of milliseconds from 100 to 60000".into())
}

pub(super) fn seconds(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
    number.ok_or_else(|| "expected a number of seconds from 1 to 86400".into())
}

/// The issuer of an identity provider. Without https anybody on the way could be the provider.
pub(super) fn issuer(text: &str) -> Result<String, String> {
    let is_https = text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
    if (is_https || redirect::is_loopback(text)) && redirect::is_sane(text) {
        return Ok(text.to_owned());
    }
    Err("expected the https:// URL of an identity provider".into())
}

pub(super) fn days(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|days| (1..=3650).contains(days));
    number.ok_or_else(|| "expected a number of days from 1 to 3650".into())
}

pub(super) fn redirect_uris(text: &str) -> Result<RedirectUris, String> {
    let uris = text.split(',').map(str::trim).filter(|uri| !uri.is_empty());
    let check = |uri: &str| match redirect::is_sane(uri) {
        true => Ok(uri.to_owned()),
        false => Err(format!("{uri:?} is no address such as https://example.org/callback, without a fragment")),
    };
    uris.map(check).collect::<Result<_, _>>().map(RedirectUris)
}

pub(super) fn admin_listen(text: &str) -> Result<AdminListen, String> {
    if text == "off" {
        return Ok(AdminListen::Off);
    }
    text.parse().map(AdminListen::At).map_err(|_| "expected an address such as 127.0.0.1:9888, or off".into())
}

/// Reads the catalogue at once, so that a fault in it is told like any other of the settings.
pub(super) fn catalogue(file: &str) -> Result<Arc<Catalogue>, String> {
    let text = std::fs::read_to_string(file).map_err(|cause| format!("it cannot be read: {cause}"))?;
    Catalogue::parse(&text).map(Arc::new)
}

pub(super) fn ranges(text: &str) -> Result<Ranges, String> {
    let parsed = Ranges::parse(text.split(',').filter(|text| !text.trim().is_empty()));
    parsed.map_err(|range| format!("{range:?} is neither an address nor a range such as 10.0.0.0/8"))
}

pub(crate) fn http_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) => Ok(text.to_owned()),
        _ => Err("expected a URL that begins with http:// or https://".into()),
    }
}

pub(super) fn postgres_url(text: &str) -> Result<SecretString, String> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") || text.contains("host=") {
        Ok(text.into())
    } else {
        Err("expected a URL that begins with postgres://".into())
    }
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let filter = text.parse::<tracing_subscriber::EnvFilter>();
    filter.map(|_| text.to_owned()).map_err(|cause| format!("expected a filter such as info or airlock=debug: {cause}"))
}
