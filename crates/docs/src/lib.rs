//! The documentation: every page, its Markdown and the indexes, compressed in the binary.
//!
//! `build/main.rs` renders them when this crate is built. Here they are only looked up.

mod static_site;

use std::{io::Read, sync::OnceLock};

pub use static_site::static_site;

/// Where the page is that stands in for those that are missing.
pub const MISSING: &str = "/docs/404";

/// Everything, each part compressed for itself.
static PACK: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pages.gz"));

// `PAGES`: what is in it, by path.
include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// A page, or a file that pages load.
#[derive(Debug)]
pub struct Page {
    /// Where it is served, as in `/docs/get-started`.
    pub path: &'static str,
    /// Its content type.
    pub media_type: &'static str,
    /// Its ETag: a weak one, for it tells the content, compressed or not.
    pub etag: &'static str,
    /// Whether it never changes: its path has a hash of its content.
    pub immutable: bool,
    /// How many bytes it has when it is not compressed.
    pub length: usize,
    start: usize,
    end: usize,
    plain: OnceLock<Vec<u8>>,
}

/// The page with this path.
pub fn find(path: &str) -> Option<&'static Page> {
    PAGES.binary_search_by(|page| page.path.cmp(path)).ok().map(|at| &PAGES[at])
}

/// All of them, by path.
pub fn pages() -> &'static [Page] {
    &PAGES
}

impl Page {
    const fn new(
        path: &'static str,
        media_type: &'static str,
        etag: &'static str,
        immutable: bool,
        length: usize,
        start: usize,
        end: usize,
    ) -> Self {
        Self { path, media_type, etag, immutable, length, start, end, plain: OnceLock::new() }
    }

    /// Whether it is a page for people.
    pub fn is_html(&self) -> bool {
        self.media_type.starts_with("text/html")
    }

    /// The Markdown of a page.
    pub fn markdown(&self) -> Option<&'static Page> {
        let name = if self.path.ends_with('/') { "index.md" } else { ".md" };
        find(&format!("{}{name}", self.path)).filter(|_| self.is_html())
    }

    /// Its content, compressed by gzip.
    pub fn gzip(&'static self) -> &'static [u8] {
        &PACK[self.start..self.end]
    }

    /// Its content. It is kept from the first time on: all of them together are a few megabytes.
    pub fn plain(&'static self) -> &'static [u8] {
        self.plain.get_or_init(|| {
            let mut plain = Vec::with_capacity(self.length);
            // The pack is our own, and in memory: nothing can fail.
            _ = flate2::read::GzDecoder::new(self.gzip()).read_to_end(&mut plain);
            plain
        })
    }
}
