//! What a bundle may not be: each attack with the sentence that it meets.

mod support;

use std::io::{self, Read};

use airlock_bundle::{Fault, Limits, check, unpack};
use support::{LIMITS, Tar, gz, judge, pax};

/// Judges archives that are refused.
#[track_caller]
fn all_refused<const N: usize>(rows: [(Vec<u8>, &str); N]) {
    for (archive, sentence) in rows {
        match judge(&archive, &LIMITS) {
            Err(fault) => assert_eq!(fault.to_string(), sentence),
            Ok((summary, _)) => panic!("accepted with {summary:?}, instead of: {sentence}"),
        }
    }
}

fn tar() -> Tar {
    Tar::default()
}

#[test]
fn paths_that_lead_out() {
    let long = "n".repeat(256);
    let deep = format!("{}f", "d/".repeat(600));
    all_refused([
        (tar().file("/etc/passwd", "x").gz(), r#""/etc/passwd" is an absolute path"#),
        (tar().file("//a", "x").gz(), r#""//a" is an absolute path"#),
        (tar().pax(&[("path", "/a")]).file("a", "x").gz(), r#""/a" is an absolute path"#),
        (tar().file("../a", "x").gz(), r#""../a" has `..` in its path"#),
        (tar().file("a/../b", "x").gz(), r#""a/../b" has `..` in its path"#),
        (tar().folder("..").gz(), r#"".." has `..` in its path"#),
        (tar().folder("a/..").gz(), r#""a/.." has `..` in its path"#),
        (tar().entry(b'L', b"long", b"", b"../a\0").file("a", "x").gz(), r#""../a" has `..` in its path"#),
        (
            tar().entry(b'0', b"\xff\xfe.py", b"", b"").gz(),
            "\"\u{fffd}\u{fffd}.py\" has a name that is not UTF-8, or has a zero byte",
        ),
        (
            tar().entry(b'L', b"l", b"", b"a\0b\0").file("a", "x").gz(),
            r#""a\0b" has a name that is not UTF-8, or has a zero byte"#,
        ),
        (
            tar().pax(&[("path", "a\0b")]).file("a", "x").gz(),
            r#""a\0b" has a name that is not UTF-8, or has a zero byte"#,
        ),
        (
            tar().pax(&[("path", &long)]).file("a", "x").gz(),
            &format!(r#""{}" has a path of more than 1024 bytes, or in it a name of more than 255"#, &long[..200]),
        ),
        (
            tar().pax(&[("path", &deep)]).file("a", "x").gz(),
            &format!(r#""{}" has a path of more than 1024 bytes, or in it a name of more than 255"#, &deep[..200]),
        ),
        (tar().file("", "x").gz(), r#""." is no folder, but has the name of the whole bundle's folder"#),
        (tar().file(".", "x").gz(), r#""." is no folder, but has the name of the whole bundle's folder"#),
        (tar().link("./", "a").gz(), r#""." is no folder, but has the name of the whole bundle's folder"#),
        // A name cannot forge lines of a log.
        (tar().file("/a\nb\x1b[2J", "x").gz(), r#""/a\nb\u{1b}[2J" is an absolute path"#),
    ]);
}

#[test]
fn links_that_lead_out() {
    all_refused([
        (tar().link("a", "/etc").gz(), r#""a" is a link that leads outside the bundle, to "/etc""#),
        (tar().link("a", "..").gz(), r#""a" is a link that leads outside the bundle, to "..""#),
        (tar().link("d/a", "../../x").gz(), r#""d/a" is a link that leads outside the bundle, to "../../x""#),
        (tar().link("d/a", "./.././/../x").gz(), r#""d/a" is a link that leads outside the bundle, to "./.././/../x""#),
        // Step by step each of these stays inside; what `..` is depends on where the other leads.
        (
            tar().link("d/e/up", "../..").link("out", "d/e/up/../x").gz(),
            r#""out" is a link that leads outside the bundle, to "d/e/up/../x""#,
        ),
        (
            tar().link("out", "d/e/up/../x").link("d/e/up", "../..").gz(),
            r#""out" is a link that leads outside the bundle, to "d/e/up/../x""#,
        ),
        (tar().link("a", "b").link("b", "a").gz(), r#""a" is a link that leads in a circle, by "b""#),
        (tar().link("a", "a").gz(), r#""a" is a link that leads in a circle, by "a""#),
        (tar().link("a", "a/x").gz(), r#""a" is a link that leads in a circle, by "a/x""#),
        (tar().link("a", "").gz(), r#""a" has a name that is not UTF-8, or has a zero byte"#),
        (tar().entry(b'2', b"a", b"\xff", b"").gz(), r#""a" has a name that is not UTF-8, or has a zero byte"#),
        (
            tar().hard_link("a", "/etc/passwd").gz(),
            r#""a" is a hard link to "/etc/passwd", which is no file that comes before it"#,
        ),
        (tar().hard_link("a", "../x").gz(), r#""a" is a hard link to "../x", which is no file that comes before it"#),
        (tar().hard_link("a", "a").gz(), r#""a" is a hard link to "a", which is no file that comes before it"#),
        (
            tar().hard_link("a", "b").file("b", "x").gz(),
            r#""a" is a hard link to "b", which is no file that comes before it"#,
        ),
        (
            tar().folder("d").hard_link("a", "d").gz(),
            r#""a" is a hard link to "d", which is no file that comes before it"#,
        ),
        (
            tar().link("l", "f").hard_link("a", "l").gz(),
            r#""a" is a hard link to "l", which is no file that comes before it"#,
        ),
    ]);
}

#[test]
fn entries_that_do_not_go_together() {
    all_refused([
        (tar().file("a", "1").file("a", "2").gz(), r#""a" is in the archive twice"#),
        (tar().file("a", "1").file("./a", "2").gz(), r#""a" is in the archive twice"#),
        (tar().file("a", "1").folder("a").gz(), r#""a" is in the archive twice"#),
        (tar().folder("a").file("a", "1").gz(), r#""a" is in the archive twice"#),
        (tar().file("a/b", "1").file("a", "1").gz(), r#""a" is in the archive twice"#),
        (tar().file("a", "1").hard_link("a", "a").gz(), r#""a" is in the archive twice"#),
        (tar().file("a", "1").file("a/b", "2").gz(), r#""a/b" lies below "a", which is no folder"#),
        (tar().file("a", "1").folder("a/b/c").gz(), r#""a/b/c" lies below "a", which is no folder"#),
        (tar().folder("d").link("l", "d").file("l/x", "1").gz(), r#""l/x" lies below "l", which is no folder"#),
        (tar().link("l", "d").folder("l/x").gz(), r#""l/x" lies below "l", which is no folder"#),
        (tar().link("l", "d").folder("l").gz(), r#""l" is in the archive twice"#),
        (tar().folder("l").link("l", "d").gz(), r#""l" is in the archive twice"#),
    ]);
}

#[test]
fn kinds_that_no_bundle_has() {
    let sparse = [("GNU.sparse.major", "1"), ("GNU.sparse.name", "b")];
    all_refused([
        (tar().entry(b'3', b"a", b"", b"").gz(), r#""a" is a device"#),
        (tar().entry(b'4', b"a", b"", b"").gz(), r#""a" is a device"#),
        (tar().entry(b'6', b"a", b"", b"").gz(), r#""a" is a named pipe"#),
        (tar().entry(b'S', b"a", b"", b"").gz(), r#""a" is neither file, folder nor link, but of type 'S'"#),
        (tar().entry(b'\n', b"a", b"", b"").gz(), r#""a" is neither file, folder nor link, but of type '\n'"#),
        (tar().entry(b'5', b"a", b"", b"x").gz(), r#""a" has content, but is no file"#),
        (tar().entry(b'0', b"a/", b"", b"x").gz(), r#""a/" has content, but is no file"#),
        (tar().entry(b'2', b"a", b"b", b"x").gz(), r#""a" has content, but is no file"#),
        (tar().file("b", "").entry(b'1', b"a", b"b", b"x").gz(), r#""a" has content, but is no file"#),
        (
            tar().pax(&sparse).file("a", "x").gz(),
            "the archive is no tar archive: after its beginning comes a sparse file",
        ),
    ]);
}

#[test]
fn what_two_readers_would_take_differently() {
    let tar_says = |what: &str| format!("the archive is no tar archive: after its beginning comes {what}");
    let (two, all, between, none, sense, large) = (
        tar_says("an entry with two names or sizes"),
        tar_says("a header that names or sizes all entries"),
        tar_says("a header for all entries where an entry must come"),
        tar_says("a header for an entry, and no entry"),
        tar_says("a pax header with no sense"),
        tar_says("a header of more than 64 KiB"),
    );
    let path = [("path", "b")];
    all_refused([
        (tar().pax(&[]).pax(&path).file("a", "x").gz(), &tar_says("an entry with two pax headers")),
        (tar().pax(&[("path", "b"), ("path", "c")]).file("a", "x").gz(), &two),
        (tar().pax(&path).entry(b'L', b"l", b"", b"c\0").file("a", "x").gz(), &two),
        (tar().pax(&[("size", "2")]).file("a", "x").gz(), &tar_says("an entry with two sizes")),
        (tar().entry(b'g', b"g", b"", &pax(&path)).file("a", "x").gz(), &all),
        (tar().entry(b'L', b"l", b"", b"b\0").entry(b'g', b"g", b"", b"").file("a", "x").gz(), &between),
        (tar().pax(&path).entry(b'g', b"g", b"", &pax(&[("comment", "c")])).file("a", "x").gz(), &between),
        (tar().pax(&path).gz(), &none),
        (tar().pax(&[]).gz(), &none),
        (tar().entry(b'K', b"l", b"", b"").gz(), &none),
        (tar().entry(b'x', b"x", b"", b"7 path=b\n").file("a", "x").gz(), &sense),
        (tar().entry(b'x', b"x", b"", b"not records").file("a", "x").gz(), &sense),
        (tar().entry(b'L', b"l", b"", &[b'a'; 65_537]).file("a", "x").gz(), &large),
        (tar().header(b'x', b"x", b"", u64::MAX).gz(), &large),
    ]);
}

#[test]
fn what_is_no_archive() {
    let whole = tar().file("a", "x").file("b", "y");
    let damaged = |at: usize| {
        let mut tar = tar().file("a", "x").ended();
        tar[at] ^= 1;
        gz(&tar)
    };
    let mut no_number = tar().file("a", "x");
    no_number.0[124..135].copy_from_slice(b"lots of it!");
    let sum: u32 = no_number.0[..512].iter().map(|byte| u32::from(*byte)).sum::<u32>()
        - no_number.0[148..156].iter().map(|byte| u32::from(*byte)).sum::<u32>()
        + 8 * 32;
    no_number.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    all_refused([
        (b"PK\x03\x04, a zip".to_vec(), "the archive is no gzip file, or is damaged: invalid gzip header"),
        (whole.clone().ended(), "the archive is no gzip file, or is damaged: invalid gzip header"),
        (Vec::new(), "the archive is cut off after its beginning"),
        (gz(b""), "the archive is cut off after its beginning"),
        (gz(&[0; 511]), "the archive is cut off after its beginning"),
        (gz(&[b'x'; 512]), "the archive is no tar archive: after its beginning comes no header, or a damaged one"),
        (damaged(0), "the archive is no tar archive: after its beginning comes no header, or a damaged one"),
        (damaged(300), "the archive is no tar archive: after its beginning comes no header, or a damaged one"),
        (no_number.gz(), "the archive is no tar archive: after its beginning comes a header whose size is no number"),
        (gz(&whole.0), r#"the archive is cut off after "b""#),
        (gz(&whole.0[..1025]), r#"the archive is cut off after "a""#),
        (gz(&tar().header(b'0', b"a", b"", 9).0), r#"the archive is cut off after "a""#),
        (gz(&[whole.clone().ended(), vec![0, 0, 1]].concat()), "something follows the end of the archive"),
        (gz(&[vec![0; 512], whole.clone().ended()].concat()), "something follows the end of the archive"),
        ([whole.clone().gz(), b"x".to_vec()].concat(), "something follows the end of the archive"),
        ([whole.clone().gz(), whole.gz()].concat(), "something follows the end of the archive"),
    ]);
}

/// Wherever it is cut off, and whichever byte of gzip's checksum is another, it is refused.
#[test]
fn every_cut_and_every_damage_at_the_end() {
    let archive = tar().folder("d").file("d/a", &"x".repeat(700)).link("l", "d/a").gz();
    assert!(check(&archive[..], &LIMITS).is_ok());
    for length in 0..archive.len() {
        let fault = judge(&archive[..length], &LIMITS).expect_err("cut off");
        assert!(fault.to_string().contains("cut off"), "{length}: {fault}");
    }
    for at in archive.len() - 8..archive.len() {
        let mut archive = archive.clone();
        archive[at] ^= 1;
        let fault = judge(&archive, &LIMITS).expect_err("damaged");
        assert!(matches!(fault, Fault::Gzip(_)), "{fault}");
    }
}

#[test]
fn as_much_as_there_may_be_and_no_more() {
    let files = |count: usize| (0..count).fold(tar(), |tar, n| tar.file(&format!("d/{n}"), "x")).gz();
    assert_eq!(judge(&files(19), &LIMITS).expect("the limit").0.files, 20);
    let sized = |size: usize| tar().file("a", &"x".repeat(5_000)).file("b", &"x".repeat(size)).gz();
    assert_eq!(judge(&sized(5_000), &LIMITS).expect("the limit").0.bytes, 10_000);
    all_refused([
        (files(20), r#"the archive has more than 20 files, folders and links: "d/19" is one too many"#),
        (
            tar().pax(&[("path", &"d/".repeat(100))]).folder("a").gz(),
            &format!(
                r#"the archive has more than 20 files, folders and links: "{}d" is one too many"#,
                "d/".repeat(20)
            ),
        ),
        (sized(5_001), r#"the archive unpacks to more than 10000 bytes, at "b""#),
        (tar().header(b'0', b"a", b"", u64::MAX).gz(), r#"the archive unpacks to more than 10000 bytes, at "a""#),
        (
            tar().file("b", "x").header(b'0', b"a", b"", u64::MAX).gz(),
            r#"the archive unpacks to more than 10000 bytes, at "a""#,
        ),
    ]);
}

/// A few kilobytes that unzip to gigabytes are read no further than the limit: of files, of what
/// says it is a header, and of the zeros at the end.
#[test]
fn bombs() {
    let many = |tar: Tar, count: usize| gz(&[tar.0.repeat(count), vec![0; 1024]].concat());
    for bomb in [
        gz(&vec![0; 2 << 20]),
        many(tar().folder("d"), 4_000),
        many(tar().entry(b'g', b"g", b"", &pax(&[("comment", &"x".repeat(60_000))])), 30),
        many(tar().entry(b'g', b"g", b"", b""), 4_000),
    ] {
        assert!(bomb.len() < 64 * 1024, "{}", bomb.len());
        let fault = judge(&bomb, &LIMITS).expect_err("a bomb");
        assert!(matches!(fault, Fault::TooManyBytes { limit: 10_000, .. }), "{fault}");
    }
}

/// Links whose targets go to and fro are not followed until the end of time.
#[test]
fn tangles() {
    let target = |next: usize| format!("{}l{next}", "./d/../".repeat(12));
    let tangle = (0..2_500).fold(tar().folder("d"), |tar, n| {
        let next = if n % 38 == 37 { n } else { n + 1 };
        let says = if next == n { "d".to_owned() } else { target(next) };
        tar.link(&format!("l{n}"), &says)
    });
    let fault = judge(&tangle.gz(), &Limits { files: 10_000, bytes: 0 }).expect_err("a tangle");
    assert!(matches!(fault, Fault::Entangled), "{fault}");
}

/// What the machine is to blame for is told apart, whatever its kind.
#[test]
fn faults_of_the_machine() {
    struct Broken<'a>(&'a [u8], io::ErrorKind);
    impl Read for Broken<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() { Err(self.1.into()) } else { self.0.read(buffer) }
        }
    }
    let archive = tar().file("a", "x").gz();
    for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidInput, io::ErrorKind::ConnectionReset] {
        for length in 0..archive.len() {
            let fault = check(Broken(&archive[..length], kind), &LIMITS).expect_err("broken");
            assert!(matches!(fault, Fault::Read(_)) && !fault.is_of_archive(), "{length}: {fault}");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    for into in [folder.path().to_owned(), folder.path().join("no/such")] {
        let fault = unpack(&archive[..], &LIMITS, &into).expect_err("no place");
        assert!(matches!(fault, Fault::Write { .. }) && !fault.is_of_archive(), "{fault}");
    }
    assert!(folder.path().exists(), "a folder that was there stays");
}
