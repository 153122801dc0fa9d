//! Cookies of the sign-in pages. On https their names have the prefix that keeps other hosts of the
//! domain from setting them (RFC 6265bis section 4.1.3.2).

use airlock_core::{Error, Result};
use axum::http::{HeaderMap, HeaderValue, header};

use crate::App;

/// A `Set-Cookie` header. `site` is its `SameSite`.
///
/// # Errors
///
/// [`Error::Internal`] when that is no header's value, which it has no reason not to be.
pub(super) fn set(app: &App, name: &str, path: &str, value: &str, site: &str, seconds: i64) -> Result<HeaderValue> {
    let place = if is_secure(app) { "Path=/; Secure".into() } else { format!("Path={path}") };
    let name = full_name(app, name);
    let cookie = format!("{name}={value}; {place}; Max-Age={seconds}; HttpOnly; SameSite={site}");
    HeaderValue::try_from(cookie).map_err(Error::internal)
}

/// What the browser has kept.
pub(super) fn get<'a>(app: &App, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let name = full_name(app, name);
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|all| all.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn full_name(app: &App, name: &str) -> String {
    if is_secure(app) { format!("__Host-{name}") } else { name.to_owned() }
}

fn is_secure(app: &App) -> bool {
    app.settings.public_url.starts_with("https://")
}
