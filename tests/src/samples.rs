//! The samples, as they stand on the pages of the documentation.

/// The operations that have a page, with the page's Markdown.
pub fn pages() -> impl Iterator<Item = (&'static str, &'static str)> {
    let pages = airlock_docs::pages().iter().filter(|page| page.path.starts_with("/docs/api/"));
    pages.filter_map(|page| {
        let text = std::str::from_utf8(page.plain()).ok().filter(|_| page.path.ends_with(".md"))?;
        let (_, rest) = text.split_once("\"operationId\": \"")?;
        Some((rest.split('"').next()?, text))
    })
}

/// The code of the sample in a language, by the language's heading.
pub fn sample<'a>(page: &'a str, language: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("\n### {language}\n"))?;
    let (_, rest) = rest.split_once("```")?;
    let (_, rest) = rest.split_once('\n')?;
    rest.split_once("```").map(|(code, _)| code)
}
