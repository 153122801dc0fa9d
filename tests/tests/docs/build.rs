//! `airlock docs build`: the same pages, for a server that knows only files.

use std::{fs, path::Path};

use airlock_tests::binary::{Ran, command};

use crate::{html::assert_sound, library::Library, links::assert_all_lead_somewhere};

fn build(folder: &Path, more: &[&str]) -> Ran {
    let mut command = command(&["docs", "build"]);
    command.arg(folder).args(more);
    Ran::new(command)
}

#[test]
fn the_static_site_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = folder.path().join("new/site");
    let said = build(&site, &[]).out();
    assert!(said.contains("index.html"), "{said}");

    let mut library = Library::built(&site);
    for file in
        ["index.html", "404.html", "llms.txt", "llms-full.txt", "docs/index.html", "docs/api.html", "docs/api.md"]
    {
        assert!(site.join(file).is_file(), "{file}");
    }
    assert_eq!(library.0.len(), airlock_docs::pages().len() + 1);
    // These two are no pages of the site: one sends on, the other stands at any depth.
    library.0.retain(|url, _| !["/index.html", "/404.html"].contains(&url.path()));
    assert_all_lead_somewhere(&library);
    assert_sound(&library);
}

#[test]
fn a_folder_that_has_something_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let mine = folder.path().join("mine.txt");
    fs::write(&mine, "mine").expect("written");
    let fault = build(folder.path(), &[]).fault();
    assert!(fault.contains("is not empty") && fault.contains("--force"), "{fault}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);

    build(folder.path(), &["--force"]).out();
    assert!(folder.path().join("docs/index.html").is_file());
    assert_eq!(fs::read_to_string(mine).expect("still there"), "mine");
}

#[test]
fn what_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let fault = build(&file, &[]).fault();
    assert!(fault.contains("cannot be read"), "{fault}");
}
