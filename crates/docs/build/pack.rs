//! Compresses everything into one file, and writes the table that finds its parts.

use std::{collections::hash_map::DefaultHasher, fmt::Write as _, fs, hash::Hasher, io::Write as _, path::Path};

use anyhow::{Result, ensure};
use flate2::{Compression, write::GzEncoder};

/// A file of the documentation.
pub(crate) struct File {
    /// Where it is served.
    pub(crate) path: String,
    /// What it is.
    pub(crate) media_type: &'static str,
    /// Its content.
    pub(crate) body: Vec<u8>,
    /// Whether it never changes: its name has a hash.
    pub(crate) immutable: bool,
}

impl File {
    /// A page.
    pub(crate) fn html(path: &str, html: String) -> Self {
        Self::new(path.into(), "text/html; charset=utf-8", html)
    }

    /// A page's Markdown.
    pub(crate) fn markdown(path: String, text: String) -> Self {
        Self::new(path, "text/markdown; charset=utf-8", text)
    }

    /// A text.
    pub(crate) fn text(path: String, text: String) -> Self {
        Self::new(path, "text/plain; charset=utf-8", text)
    }

    /// A file whose name stays when its content changes.
    pub(crate) fn new(path: String, media_type: &'static str, text: String) -> Self {
        Self { path, media_type, body: text.into_bytes(), immutable: false }
    }
}

/// Writes `pages.gz` and `pages.rs`.
pub(crate) fn write(folder: &Path, mut files: Vec<File>) -> Result<()> {
    files.sort_by(|left, right| left.path.cmp(&right.path));
    let (mut pack, mut table) = (Vec::new(), format!("static PAGES: [Page; {}] = [\n", files.len()));
    for (number, file) in files.iter().enumerate() {
        ensure!(number == 0 || files[number - 1].path != file.path, "two files are at {}", file.path);
        let start = pack.len();
        let mut encoder = GzEncoder::new(&mut pack, Compression::best());
        encoder.write_all(&file.body)?;
        encoder.finish()?;
        let File { path, media_type, body, immutable } = file;
        writeln!(
            table,
            "    Page::new({path:?}, {media_type:?}, \"W/\\\"{}\\\"\", {immutable}, {}, {start}, {}),",
            hash(body),
            body.len(),
            pack.len()
        )?;
    }
    table += "];\n";
    fs::write(folder.join("pages.gz"), pack)?;
    fs::write(folder.join("pages.rs"), table)?;
    Ok(())
}

/// Tells one content from another.
pub(crate) fn hash(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    format!("{:016x}", hasher.finish())
}
