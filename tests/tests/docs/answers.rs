//! How the pages are answered: their headers, and what is asked for by them.

use std::io::Read;

use airlock_tests::{Answer, Database, World};
use axum::{body::Body, http::Request};

const PAGE: &str = "/docs/agents";

async fn world() -> World {
    World::new(Database::sqlite()).await
}

async fn ask(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(Body::empty()).expect("a request")).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test]
async fn a_page_has_the_headers_it_needs() {
    let world = world().await;
    let answer = ask(&world, "GET", PAGE, &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&answer, "content-encoding"), "");
    assert_eq!(header(&answer, "cache-control"), "public, no-cache");
    assert_eq!(header(&answer, "vary"), "accept, accept-encoding");
    assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
    assert_eq!(header(&answer, "referrer-policy"), "same-origin");
    assert_eq!(header(&answer, "link"), "<agents.md>; rel=\"alternate\"; type=\"text/markdown\"");
    let policy = header(&answer, "content-security-policy");
    for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.split("; ").any(|one| one == rule), "{rule} is not in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header(&ask(&world, "GET", "/docs/", &[]).await, "link").split('>').next(), Some("<index.md"));
}

#[tokio::test]
async fn each_kind_of_file_has_its_content_type() {
    let world = world().await;
    for (path, media_type) in [
        ("/docs/", "text/html; charset=utf-8"),
        ("/docs/index.md", "text/markdown; charset=utf-8"),
        ("/docs/api/agent-token/create-agent-token", "text/html; charset=utf-8"),
        ("/docs/api/agent-token/create-agent-token.md", "text/markdown; charset=utf-8"),
        ("/llms.txt", "text/plain; charset=utf-8"),
        ("/llms-full.txt", "text/plain; charset=utf-8"),
        ("/docs/llms.txt", "text/plain; charset=utf-8"),
        ("/docs/api/agent-token/llms.txt", "text/plain; charset=utf-8"),
        ("/docs/openapi.json", "application/json"),
    ] {
        let answer = ask(&world, "GET", path, &[]).await;
        assert_eq!((answer.status, header(&answer, "content-type")), (200, media_type), "{path}");
        assert_eq!(header(&answer, "vary").contains("accept,"), media_type.starts_with("text/html"), "{path}");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{path}");
    }
}

/// Assets have a hash in their name, so that they never change.
#[tokio::test]
async fn assets_are_kept_for_ever_and_pages_are_asked_for_again() {
    let world = world().await;
    let assets: Vec<_> = airlock_docs::pages().iter().filter(|page| page.path.starts_with("/docs/assets/")).collect();
    assert!(assets.len() >= 3);
    for page in airlock_docs::pages().iter().filter(|page| page.path != airlock_docs::MISSING) {
        let answer = ask(&world, "GET", page.path, &[]).await;
        let is_asset = page.path.starts_with("/docs/assets/");
        let keep = if is_asset { "public, max-age=31536000, immutable" } else { "public, no-cache" };
        assert_eq!(header(&answer, "cache-control"), keep, "{}", page.path);
    }
}

#[tokio::test]
async fn gzip_is_for_who_takes_it() {
    let world = world().await;
    for path in [PAGE, "/docs/agents.md", "/llms-full.txt"] {
        let plain = ask(&world, "GET", path, &[("accept-encoding", "gzip;q=0, identity")]).await;
        let packed = ask(&world, "GET", path, &[("accept-encoding", "br, gzip")]).await;
        assert_eq!(header(&plain, "content-encoding"), "");
        assert_eq!(header(&packed, "content-encoding"), "gzip");
        assert!(packed.bytes.len() * 2 < plain.bytes.len(), "{path}");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed.bytes[..]).read_to_end(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, plain.bytes, "{path}");
        assert_eq!(header(&packed, "etag"), header(&plain, "etag"));
    }
}

#[tokio::test]
async fn who_has_the_page_already_is_not_sent_it_again() {
    let world = world().await;
    let etag = header(&ask(&world, "GET", PAGE, &[]).await, "etag").to_owned();
    assert!(etag.starts_with("W/\""), "{etag}");
    let strong = etag.trim_start_matches("W/");
    let listed = format!("\"other\", {etag}");
    for known in [etag.as_str(), strong, "*", &listed] {
        let answer = ask(&world, "GET", PAGE, &[("if-none-match", known)]).await;
        assert_eq!(answer.status, 304, "{known}");
        assert!(answer.bytes.is_empty());
        assert_eq!(header(&answer, "etag"), etag);
        assert_eq!(header(&answer, "vary"), "accept, accept-encoding");
        assert_eq!(header(&answer, "cache-control"), "public, no-cache");
    }
    let answer = ask(&world, "GET", PAGE, &[("if-none-match", "\"other\"")]).await;
    assert_eq!(answer.status, 200);
    let markdown = ask(&world, "GET", PAGE, &[("if-none-match", &etag), ("accept", "text/markdown")]).await;
    assert_eq!(markdown.status, 200, "the page's tag is not its Markdown's");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let world = world().await;
    for path in [PAGE, "/llms.txt", "/docs/no-such-page"] {
        let whole = ask(&world, "GET", path, &[]).await;
        let head = ask(&world, "HEAD", path, &[]).await;
        assert_eq!(head.status, whole.status, "{path}");
        assert!(head.bytes.is_empty());
        assert_eq!(header(&head, "content-length"), whole.bytes.len().to_string(), "{path}");
        for name in ["content-type", "etag", "vary", "cache-control"] {
            assert_eq!(header(&head, name), header(&whole, name), "{path} {name}");
        }
    }
}

#[tokio::test]
async fn an_assistant_that_asks_for_markdown_gets_it() {
    let world = world().await;
    let markdown = ask(&world, "GET", "/docs/agents.md", &[]).await;
    for accept in ["text/markdown", "text/markdown, text/html, */*", "text/html;q=0.8, text/markdown"] {
        let answer = ask(&world, "GET", PAGE, &[("accept", accept)]).await;
        assert_eq!(header(&answer, "content-type"), "text/markdown; charset=utf-8", "{accept}");
        assert_eq!(header(&answer, "vary"), "accept, accept-encoding");
        assert_eq!(answer.bytes, markdown.bytes);
    }
    for accept in ["text/html", "*/*", "text/html, text/markdown;q=0.5"] {
        let answer = ask(&world, "GET", PAGE, &[("accept", accept)]).await;
        assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8", "{accept}");
    }
}

#[tokio::test]
async fn a_page_that_is_not_there_is_404_in_the_form_that_was_asked_for() {
    let world = world().await;
    for path in ["/docs/no-such-page", "/docs/api/no/such/page", "/docs/404", "/docs/%00", "/docs/../v1"] {
        let answer = ask(&world, "GET", path, &[]).await;
        assert_eq!((answer.status, header(&answer, "content-type")), (404, "text/html; charset=utf-8"), "{path}");
        assert_eq!(header(&answer, "cache-control"), "no-store");
        assert_ne!(header(&answer, "content-security-policy"), "");
        assert!(String::from_utf8_lossy(&answer.bytes).contains("href=\"/docs/\""), "{path}");
    }
    for (path, accept) in
        [("/docs/no-such-page.md", "*/*"), ("/docs/none/llms.txt", "*/*"), ("/docs/none", "text/markdown")]
    {
        let answer = ask(&world, "GET", path, &[("accept", accept)]).await;
        assert_eq!((answer.status, header(&answer, "content-type")), (404, "text/plain; charset=utf-8"), "{path}");
        assert!(String::from_utf8_lossy(&answer.bytes).contains("/llms.txt"));
    }
    // What is not below /docs/ is the API's.
    ask(&world, "GET", "/no-such-page", &[]).await.expect(404);
    ask(&world, "POST", PAGE, &[]).await.expect(405);
}

#[tokio::test]
async fn addresses_that_are_nearly_right_lead_on() {
    let world = world().await;
    for (from, status, to) in [
        ("/", 307, "/docs/"),
        ("/docs", 307, "/docs/"),
        ("/docs/agents/", 308, PAGE),
        ("/docs//", 308, "/docs/"),
        ("/docs/api/", 308, "/docs/api"),
        ("/docs/agents.md/", 308, "/docs/agents.md"),
    ] {
        let answer = ask(&world, "GET", from, &[]).await;
        assert_eq!((answer.status, header(&answer, "location")), (status, to), "{from}");
    }
}

/// The metrics know one route, however many pages are asked for.
#[tokio::test]
async fn pages_are_one_route_to_the_metrics() {
    let world = world().await;
    for path in [PAGE, "/docs/operate", "/docs/no-such-page"] {
        ask(&world, "GET", path, &[]).await;
    }
    let metrics = world.metrics().await;
    assert!(metrics.contains("route=\"/docs/{*path}\""), "{metrics}");
    assert!(!metrics.contains("no-such-page") && !metrics.contains("/docs/operate"), "{metrics}");
}
