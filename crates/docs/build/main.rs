//! Renders the documentation, and packs it into one file for `src/lib.rs`.
//!
//! Reads what CI holds equal to the code: `openapi.json`, the Markdown in `docs/`, and the example
//! answers there. In this
//! order:
//!
//! 1. [`reference`]: the operations, as the OpenAPI document has them.
//! 2. [`guide`]: the pages that people wrote, and [`menu`]: in which order they stand.
//! 3. [`site`]: all pages, with their addresses, and what comes before and after each.
//! 4. [`views`]: the pages as HTML; [`markdown`]: their texts.
//! 5. [`llms`] and [`search`]: the indexes for assistants and for the search box.
//! 6. [`pack`]: all of it, compressed.

mod address;
mod assets;
mod guide;
mod highlight;
mod llms;
mod markdown;
mod menu;
mod names;
mod pack;
mod reference;
mod samples;
mod search;
mod site;
mod views;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let here = folder("CARGO_MANIFEST_DIR")?;
    let sources = Sources { root: here.join("../.."), assets: here.join("assets") };
    let pages = render(&sources)?;
    pack::write(&folder("OUT_DIR")?, pages)
}

/// A folder that cargo names. It is asked for when the script runs: a target folder that two
/// checkouts share has one script for both.
fn folder(variable: &str) -> Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script its folders like this")]
    let folder = std::env::var(variable).with_context(|| format!("cargo sets {variable}"))?;
    Ok(PathBuf::from(folder))
}

/// Where the whole OpenAPI document is.
const OPENAPI: &str = "/docs/openapi.json";

/// Has this run again when the file changes, or anything in the folder.
#[expect(clippy::print_stdout, reason = "cargo listens there")]
fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

/// Where everything comes from.
struct Sources {
    root: PathBuf,
    assets: PathBuf,
}

impl Sources {
    /// Reads a file of the repository.
    fn read(&self, file: &str) -> Result<String> {
        let path = self.root.join(file);
        watch(&path);
        std::fs::read_to_string(&path).with_context(|| format!("{file} cannot be read"))
    }
}

fn render(sources: &Sources) -> Result<Vec<pack::File>> {
    let mut assets = assets::read(&sources.assets)?;
    let openapi = sources.read("openapi.json")?;
    let reference = reference::read(&openapi, &sources.read("docs/answers.json")?)?;
    let site = site::Site::new(reference, menu::read(sources)?)?;
    assets.add("search-index.js", search::index(&site).into_bytes());

    let mut files = Vec::new();
    files.extend(views::html(&site, &assets)?);
    files.extend(site.pages.iter().map(|page| pack::File::markdown(page.address.markdown(), page.whole_markdown())));
    files.extend(llms::indexes(&site));
    files.push(pack::File::new(OPENAPI.into(), "application/json", openapi));
    files.extend(assets.files());
    Ok(files)
}
