//! The documentation. It needs no token, and no database: all of it is in the binary.

mod negotiate;

use airlock_docs::Page;
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use bytes::Bytes;

/// What pages may do in a browser: load our own style sheet, scripts and images, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Headers of every answer.
const ALWAYS: [(HeaderName, &str); 2] =
    [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::REFERRER_POLICY, "same-origin")];

/// The routes.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(start))
        .route("/docs", get(start))
        .route("/docs/", get(page))
        .route("/docs/{*path}", get(page))
        .route("/llms.txt", get(page))
        .route("/llms-full.txt", get(page))
}

async fn start() -> Redirect {
    Redirect::temporary("/docs/")
}

async fn page(request: Request) -> Response {
    let (path, headers) = (request.uri().path(), request.headers());
    if let Some(page) = airlock_docs::find(path).filter(|page| page.path != airlock_docs::MISSING) {
        let markdown = page.markdown().filter(|_| negotiate::wants_markdown(headers));
        return answer(markdown.unwrap_or(page), page.markdown().is_some(), headers);
    }
    let without = path.strip_suffix('/').and_then(airlock_docs::find);
    match without {
        Some(page) => Redirect::permanent(page.path).into_response(),
        None => missing(path, headers),
    }
}

/// Answers with a page. `several` says whether another might have been answered, had the client
/// asked otherwise.
fn answer(page: &'static Page, several: bool, headers: &HeaderMap) -> Response {
    let unchanged = headers.get_all(header::IF_NONE_MATCH).iter().any(|known| names(known, page.etag));
    let mut response = if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { content(page, headers) };
    let out = response.headers_mut();
    let keep = if page.immutable { "public, max-age=31536000, immutable" } else { "public, no-cache" };
    out.insert(header::ETAG, HeaderValue::from_static(page.etag));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    out.insert(
        header::VARY,
        HeaderValue::from_static(if several { "accept, accept-encoding" } else { "accept-encoding" }),
    );
    out.extend(ALWAYS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

/// Whether one of the tags in `If-None-Match` is this one. Ours are weak: compressed or not, the
/// content is the same.
fn names(known: &HeaderValue, etag: &str) -> bool {
    let known = known.to_str().unwrap_or_default();
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.trim() == "*" || known.split(',').any(|tag| opaque(tag) == opaque(etag))
}

fn content(page: &'static Page, headers: &HeaderMap) -> Response {
    let gzip = negotiate::takes_gzip(headers);
    let body = if gzip { page.gzip() } else { page.plain() };
    let mut response = Response::new(Body::from(Bytes::from_static(body)));
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(page.media_type));
    if gzip {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if page.is_html() {
        out.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    }
    if let Some(link) = page.markdown().and_then(|markdown| alternate(markdown.path)) {
        out.insert(header::LINK, link);
    }
    response
}

/// Says where the Markdown is. The link is relative, so that it is right behind a proxy as well.
fn alternate(path: &str) -> Option<HeaderValue> {
    let name = path.rsplit('/').next()?;
    HeaderValue::try_from(format!("<{name}>; rel=\"alternate\"; type=\"text/markdown\"")).ok()
}

/// Says that there is no such page, in the form that was asked for.
fn missing(path: &str, headers: &HeaderMap) -> Response {
    let is_text = path.ends_with(".md") || path.ends_with(".txt") || negotiate::wants_markdown(headers);
    let page = airlock_docs::find(airlock_docs::MISSING).filter(|_| !is_text);
    let mut response = page.map_or_else(text_of_missing, |page| content(page, headers));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let out = response.headers_mut();
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    out.extend(ALWAYS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

fn text_of_missing() -> Response {
    const TEXT: &str = "There is no such page. The index of all pages is at /llms.txt.\n";
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], TEXT).into_response()
}
