//! Proof that a form was filled in on a page that we have shown to the same browser: otherwise any
//! site could sign its visitors in as somebody else (RFC 9700 section 4.7).
//!
//! The page sets a cookie and has a signature of it in the form, which holds for a while and for one
//! authorization request. Another site can send the form, but knows no signature for that cookie.

use airlock_contract::Time;
use airlock_core::Result;
use axum::http::{HeaderMap, HeaderValue};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::cookie;
use crate::App;

const NAME: &str = "airlock-sign-in";

/// For how many seconds a page can be filled in.
const GOOD_FOR: i64 = 15 * 60;

/// The cookie of a browser, and what a form of it must have.
pub(super) struct FormToken {
    pub(super) cookie: HeaderValue,
    pub(super) token: String,
}

impl FormToken {
    /// For a page about an authorization request. A browser that has the cookie keeps it, so that two
    /// pages can be open.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the cookie is no header's value, which it has no reason not to be.
    pub(super) fn new(app: &App, headers: &HeaderMap, query: &str) -> Result<Self> {
        let browser =
            browser(app, headers).map_or_else(|| URL_SAFE_NO_PAD.encode(app.env.random::<32>()), str::to_owned);
        let end = app.env.now().plus_seconds(GOOD_FOR);
        let token = format!("{}.{}", end.as_micros(), app.keys.sign_form(&signed(&browser, query, end)));
        Ok(Self { cookie: cookie::set(app, NAME, "/oauth2/authorize", &browser, "Strict", GOOD_FOR)?, token })
    }
}

/// Whether a form comes from a page that this browser was shown.
pub(super) fn is_ours(app: &App, headers: &HeaderMap, query: &str, token: &str) -> bool {
    // Browsers say where a request comes from on https and on loopback addresses (Fetch Metadata).
    let from = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if from.is_some_and(|from| from != b"same-origin") {
        return false;
    }
    let Some((end, signature)) = token.split_once('.') else { return false };
    let Some(end) = end.parse().ok().map(Time::from_micros) else { return false };
    let is_signed = |browser| app.keys.signed_form(&signed(browser, query, end), signature);
    app.env.now() < end && browser(app, headers).is_some_and(is_signed)
}

fn signed(browser: &str, query: &str, end: Time) -> String {
    format!("sign-in {browser} {} {query}", end.as_micros())
}

/// What the browser's cookie holds, if it can be ours.
fn browser<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    let value = cookie::get(app, headers, NAME)?;
    (value.len() == 43 && URL_SAFE_NO_PAD.decode(value).is_ok()).then_some(value)
}
