//! What a client would rather have, of what it lists with weights (RFC 9110 section 12.5).

use axum::http::{HeaderMap, HeaderName, header};

/// Whether the client takes an answer that is compressed by gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let weight = |name| weight(headers, &header::ACCEPT_ENCODING, name);
    weight("gzip").or_else(|| weight("x-gzip")).or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

/// Whether the client asks for Markdown, and does not like HTML better. No browser names Markdown, so
/// one that does means it.
pub(super) fn wants_markdown(headers: &HeaderMap) -> bool {
    let weight = |name| weight(headers, &header::ACCEPT, name);
    let html = weight("text/html").or_else(|| weight("text/*")).or_else(|| weight("*/*")).unwrap_or_default();
    weight("text/markdown").is_some_and(|markdown| markdown > 0.0 && markdown >= html)
}

/// The weight that a header gives to a name; `None` when it does not have it. A weight that is none
/// counts as 0: what was meant cannot be known, and there is always something else to answer with.
fn weight(headers: &HeaderMap, header: &HeaderName, name: &str) -> Option<f32> {
    let lists = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).find_map(|member| {
        let mut parts = member.split(';').map(str::trim);
        parts.next().filter(|listed| listed.eq_ignore_ascii_case(name))?;
        let said = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some(said.map_or(1.0, |weight| weight.parse().unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), axum::http::HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn gzip_is_taken_where_it_is_listed_and_not_refused() {
        for (values, taken) in [
            (&[][..], false),
            (&[""], false),
            (&["identity"], false),
            (&["gzip"], true),
            (&["GZIP"], true),
            (&["x-gzip"], true),
            (&["deflate, gzip;q=0.5, br"], true),
            (&["deflate", "gzip"], true),
            (&["gzip;q=0"], false),
            (&["gzip; q=0.000, *"], false),
            (&["*"], true),
            (&["*;q=0"], false),
            (&["gzip;q=much"], false),
            (&["gzipped"], false),
        ] {
            assert_eq!(takes_gzip(&headers(header::ACCEPT_ENCODING, values)), taken, "{values:?}");
        }
    }

    #[test]
    fn markdown_is_for_who_names_it() {
        for (values, wanted) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], false),
            (&["text/*"], false),
            (&["text/markdown"], true),
            (&["text/markdown, text/html, */*"], true),
            (&["text/markdown;q=0.9, text/html;q=0.8"], true),
            (&["text/markdown;q=0.8, text/html"], false),
            (&["text/markdown;q=0.8, */*;q=0.1"], true),
            (&["text/markdown;q=0"], false),
        ] {
            assert_eq!(wants_markdown(&headers(header::ACCEPT, values)), wanted, "{values:?}");
        }
    }
}
