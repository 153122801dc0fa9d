//! What becomes of an archive that is a bundle.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use airlock_bundle::{Limits, Summary, check, unpack};
use proptest::prelude::*;
use support::{LIMITS, Tar, gz, judge, pax};

/// What is in a folder: path to what it is.
fn listing(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(here) = left.pop() {
        for entry in fs::read_dir(here).expect("a folder") {
            let path = entry.expect("an entry").path();
            let meta = path.symlink_metadata().expect("what it is");
            let name = path.strip_prefix(folder).expect("below").to_str().expect("UTF-8").to_owned();
            let mode = meta.permissions().mode() & 0o7777;
            let what = if meta.is_symlink() {
                format!("-> {}", fs::read_link(&path).expect("a link").display())
            } else if meta.is_dir() {
                left.push(path);
                format!("{mode:o} folder")
            } else {
                format!("{mode:o} {}", fs::read_to_string(&path).expect("a file"))
            };
            found.insert(name, what);
        }
    }
    found
}

#[track_caller]
fn unpacked(archive: &[u8], expected: &[(&str, &str)]) {
    let (summary, folder) = judge(archive, &LIMITS).expect("a bundle");
    let expected: BTreeMap<_, _> = expected.iter().map(|(path, what)| ((*path).into(), (*what).into())).collect();
    assert_eq!(listing(&folder.path().join("dags")), expected);
    assert_eq!(summary.files, expected.len() as u64);
}

#[test]
fn files_folders_and_links() {
    let tar = Tar::default()
        .folder("./")
        .folder("./d")
        .file("./d/a.py", "a")
        .folder("d")
        .file("e/f/b.py", "b")
        .link("c.py", "d/../e/f/b.py")
        .link("e/here", ".")
        .link(".#c.py", "somebody@somewhere.1234")
        .hard_link("e/again.py", "./d/a.py");
    // Modes say 4755 in the archive.
    unpacked(
        &tar.gz(),
        &[
            ("d", "755 folder"),
            ("d/a.py", "755 a"),
            ("e", "755 folder"),
            ("e/f", "755 folder"),
            ("e/f/b.py", "755 b"),
            ("c.py", "-> d/../e/f/b.py"),
            ("e/here", "-> ."),
            (".#c.py", "-> somebody@somewhere.1234"),
            ("e/again.py", "755 a"),
        ],
    );
    let (_, folder) = judge(&Tar::default().file("a", "x").hard_link("b", "a").gz(), &LIMITS).expect("a bundle");
    assert_eq!(fs::metadata(folder.path().join("dags/b")).expect("b").nlink(), 2);
}

#[test]
fn nothing_at_all() {
    unpacked(&Tar::default().gz(), &[]);
    unpacked(&gz(&[0; 512]), &[]);
    unpacked(&Tar::default().folder(".").gz(), &[]);
    assert_eq!(check(&Tar::default().gz()[..], &Limits { files: 0, bytes: 0 }).expect("none"), Summary::default());
}

#[test]
fn names_that_come_before_their_entries() {
    let long = format!("{}/{}.py", "d".repeat(120), "é".repeat(100));
    let folder = "d".repeat(120);
    let there = [(folder.as_str(), "755 folder"), (long.as_str(), "755 x")];
    unpacked(&Tar::default().pax(&[("mtime", "1.5"), ("path", &long), ("size", "1")]).file("a", "x").gz(), &there);
    unpacked(
        &Tar::default().entry(b'L', b"././@LongLink", b"", format!("{long}\0").as_bytes()).file("a", "x").gz(),
        &there,
    );
    unpacked(&Tar::default().pax(&[("linkpath", "b")]).link("a", "/etc").gz(), &[("a", "-> b")]);
    unpacked(&Tar::default().entry(b'K', b"././@LongLink", b"", b"b\0").link("a", "/etc").gz(), &[("a", "-> b")]);
    // A global header as `git archive` writes it, and an attribute as macOS does.
    let tar = Tar::default().entry(b'g', b"pax_global_header", b"", &pax(&[("comment", "0123456789abcdef")]));
    unpacked(&tar.pax(&[("SCHILY.xattr.com.apple.x", "a\n\0b=")]).file("a", "x").gz(), &[("a", "755 x")]);
    // An old archive: type 0, folders by their slash, no size for what has none.
    let mut old = Tar::default().entry(0, b"d/", b"", b"").entry(0, b"d/a", b"", b"x");
    old.0[124..136].fill(0);
    let sum = old.0[..148].iter().chain(&old.0[156..512]).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    old.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    unpacked(&old.gz(), &[("d", "755 folder"), ("d/a", "755 x")]);
}

/// What the usual tools make is taken.
#[test]
fn archives_of_tar() {
    let folder = tempfile::tempdir().expect("a folder");
    let dags = folder.path().join("from");
    fs::create_dir_all(dags.join("lib")).expect("made");
    let long = format!("lib/{}.py", "long".repeat(40));
    for (name, content) in [("a.py", "a"), ("lib/b.py", ""), (long.as_str(), "c")] {
        fs::write(dags.join(name), content).expect("written");
    }
    fs::hard_link(dags.join("a.py"), dags.join("lib/hard.py")).expect("linked");
    std::os::unix::fs::symlink("../a.py", dags.join("lib/soft.py")).expect("linked");
    let whole = listing(&dags);
    for format in ["gnu", "pax", "ustar"] {
        let archive = Command::new("tar")
            .args(["-czf", "-", "--format", format])
            .arg(if format == "ustar" { "--exclude=long*" } else { "--sparse" })
            .arg("-C")
            .arg(&dags)
            .arg(".")
            .output()
            .expect("tar runs");
        assert!(archive.status.success(), "{}", String::from_utf8_lossy(&archive.stderr));
        let into = folder.path().join(format);
        unpack(&archive.stdout[..], &LIMITS, &into).expect("a bundle");
        let mut expected = whole.clone();
        if format == "ustar" {
            expected.remove(&long);
        }
        assert_eq!(listing(&into), expected, "{format}");
    }
}

/// Entries from few names, so that they often meet.
fn entries() -> impl Strategy<Value = Vec<(u8, String, String, String)>> {
    let path = |step: &[&'static str]| {
        let steps = prop::collection::vec(prop::sample::select(step.to_vec()), 1..5);
        steps.prop_map(|steps| steps.join("/"))
    };
    let (name, target) = (path(&["a", "b", "c", "d", "."]), path(&["a", "b", "c", "..", "..", "."]));
    let kind = prop::sample::select(b"00005222222221xg".to_vec());
    prop::collection::vec((kind, name, target, "[a-z]{0,3}"), 0..7)
}

fn archive(entries: &[(u8, String, String, String)]) -> Tar {
    entries.iter().fold(Tar::default(), |tar, (kind, name, target, content)| match kind {
        b'0' => tar.file(name, content),
        b'x' => tar.pax(&[("path", target)]),
        b'g' => tar.entry(b'g', b"g", b"", &pax(&[("comment", target)])),
        kind => tar.entry(*kind, name.as_bytes(), target.as_bytes(), b""),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever is taken stays in its folder, by every way that the system itself finds.
    #[test]
    fn nothing_is_or_leads_outside(entries in entries()) {
        let Ok((summary, folder)) = judge(&archive(&entries).gz(), &LIMITS) else { return Ok(()) };
        let root = folder.path().join("dags").canonicalize().expect("a folder");
        let all = listing(&root);
        prop_assert_eq!(all.len() as u64, summary.files);
        for path in all.keys() {
            if let Ok(real) = root.join(path).canonicalize() {
                prop_assert!(real.starts_with(&root), "{} is {}", path, real.display());
            }
        }
        prop_assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    /// Archives with bytes that are not theirs, before and after they are zipped.
    #[test]
    fn damage_is_no_panic(entries in entries(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = archive(&entries).ended();
        for (at, byte) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let _ = judge(&gz(&bytes), &LIMITS);
        let mut bytes = archive(&entries).gz();
        for (at, byte) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let _ = judge(&bytes, &LIMITS);
    }

    /// Any bytes, zipped and not.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = judge(&bytes, &LIMITS);
        let _ = judge(&gz(&bytes), &LIMITS);
    }
}
